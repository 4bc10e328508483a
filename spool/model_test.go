package spool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// TestModel runs random operations on a log and on a plain slice.
func TestModel(t *testing.T) {
	for name, o := range map[string]spool.Options{
		"without cap":        {SegmentBytes: 300},
		"blocks when full":   {SegmentBytes: 300, MaxBytes: 1500, Full: spool.Block},
		"drops oldest":       {SegmentBytes: 300, MaxBytes: 1500, Full: spool.DropOldest},
		"one record a file":  {SegmentBytes: headBytes + 24 + 80, MaxRecord: 80},
		"drops, small queue": {SegmentBytes: 300, MaxBytes: 1500, Full: spool.DropOldest, QueueBytes: 200},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &model{o: o, disk: memfile.New()}
				m.open(t)
				defer func() { m.l.Close() }()
				t.Repeat(rapid.StateMachineActions(m))
			})
		})
	}
}

// model is the slice: ids[n-1] is the record of sequence n.
type model struct {
	o         spool.Options
	disk      *memfile.Disk
	l         *spool.Log
	r         *spool.Reader
	ids       []int
	next      int // what Read has to give next
	committed int // what was committed
	nextID    int
}

func (m *model) open(t *rapid.T) {
	o := m.o
	o.Files, o.Linger = m.disk, 20*time.Microsecond
	l, err := spool.Open(folder, o)
	require.NoError(t, err)
	r, err := l.Reader("model")
	require.NoError(t, err)
	m.l, m.r = l, r
	m.next = m.committed + 1
}

func (m *model) Append(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "records")
	var ids []int
	var batch [][]byte
	for range n {
		m.nextID++
		ids = append(ids, m.nextID)
		batch = append(batch, payload(m.nextID))
	}
	last, err := m.append(batch, rapid.Bool().Draw(t, "patient"))
	if errors.Is(err, spool.ErrTooLarge) {
		return // more than the queue of this variant takes at once
	}
	if errors.Is(err, spool.ErrFull) {
		m.checkFull(t)
		return
	}
	require.NoError(t, err)
	m.ids = append(m.ids, ids...)
	require.EqualValues(t, len(m.ids), last)
}

// append is Append, with records that may wait too.
func (m *model) append(batch [][]byte, patient bool) (last uint64, err error) {
	if !patient {
		return m.l.Append(context.Background(), batch...)
	}
	if last, err = m.l.EnqueuePatient(batch...); err != nil {
		return 0, err
	}
	return last, m.l.WaitDurable(context.Background(), last)
}

// checkFull holds a refusal against what is really there.
func (m *model) checkFull(t *rapid.T) {
	require.Equal(t, spool.Block, m.o.Full, "a log that drops is never full")
	s := m.l.Stats()
	require.Greater(t, s.Bytes, s.MaxBytes-m.o.SegmentBytes-4*(24+80+headBytes), "refused with room to spare")
	require.Positive(t, s.Readers[0].Pending)
}

func (m *model) Read(t *rapid.T) {
	if m.next > len(m.ids) {
		t.Skip("nothing to read")
	}
	limit, limitBytes := rapid.IntRange(1, 6).Draw(t, "max"), rapid.IntRange(1, 200).Draw(t, "maxBytes")
	records, gap, err := m.r.Read(context.Background(), limit, limitBytes)
	require.NoError(t, err)
	if gap != nil {
		m.checkGap(t, gap)
		return
	}
	require.NotEmpty(t, records)
	require.LessOrEqual(t, len(records), limit)
	size := 0
	for _, r := range records {
		require.EqualValues(t, m.next, r.Sequence)
		require.Equal(t, payload(m.ids[m.next-1]), r.Payload)
		require.Equal(t, records[0].Epoch, r.Epoch)
		size += len(r.Payload)
		m.next++
	}
	require.True(t, size <= limitBytes || len(records) == 1)
}

func (m *model) checkGap(t *rapid.T, gap *spool.Gap) {
	require.Equal(t, spool.DropOldest, m.o.Full, "only a log that drops has gaps: %+v", gap)
	require.Equal(t, spool.ReasonDroppedOldest, gap.Reason)
	require.EqualValues(t, m.next, gap.First)
	require.LessOrEqual(t, gap.Last, uint64(len(m.ids)))
	require.Equal(t, gap.Last-gap.First+1, gap.Count)
	m.next = int(gap.Last) + 1
}

func (m *model) Commit(t *rapid.T) {
	if m.next == 1 {
		t.Skip("nothing read")
	}
	n := rapid.IntRange(0, m.next-1).Draw(t, "sequence")
	require.NoError(t, m.r.Commit(uint64(n)))
	m.committed = max(m.committed, n)
	require.Error(t, m.r.Commit(uint64(m.next)), "what was not read cannot be committed")
}

func (m *model) Seek(t *rapid.T) {
	if m.o.Full == spool.DropOldest {
		t.Skip()
	}
	n := rapid.IntRange(m.committed+1, len(m.ids)+1).Draw(t, "sequence")
	require.NoError(t, m.r.Seek(uint64(n)))
	m.next = n
	require.Error(t, m.r.Seek(uint64(len(m.ids)+2)))
}

func (m *model) Reopen(t *rapid.T) {
	require.NoError(t, m.l.Close())
	m.open(t)
}

func (m *model) Crash(t *rapid.T) {
	m.disk = m.disk.PowerCut(nil)
	m.l.Close() // ends the goroutine; the disk does not answer any more
	before := m.committed
	m.open(t)
	m.committed = int(committed(m.l, "model"))
	require.LessOrEqual(t, m.committed, before, "what was not committed is not skipped")
	m.next = m.committed + 1
}

// Check holds after every step.
func (m *model) Check(t *rapid.T) {
	s := m.l.Stats()
	require.EqualValues(t, len(m.ids), s.Newest)
	require.LessOrEqual(t, s.Bytes, s.MaxBytes)
	require.Len(t, s.Readers, 1)
	require.EqualValues(t, m.committed, s.Readers[0].Committed)
}
