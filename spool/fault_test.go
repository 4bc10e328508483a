package spool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// TestFaultAtEveryCall lets each call of the file layer fail in turn, alone or
// with those after it, and then cuts the power. Nothing acknowledged may be
// missing, nothing may be declared lost, and the log must work again.
func TestFaultAtEveryCall(t *testing.T) {
	for _, long := range []int{1, 2, 7} {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%d times %s", long, errno), func(t *testing.T) {
				n := 1
				for faultAt(t, n, long, errno) {
					n++
				}
				require.Greater(t, n, 100, "the script makes too few calls to mean anything")
			})
		}
	}
}

// script is one run of a log against a disk with a fault.
type script struct {
	t     *testing.T
	disk  *memfile.Disk
	fired int
	owed  map[int]bool
	seen  map[int]bool
	id    int
}

// faultAt says whether the fault fired: when not, all calls had their turn.
func faultAt(t *testing.T, n, long int, errno syscall.Errno) bool {
	s := &script{t: t, disk: memfile.New(), owed: map[int]bool{}, seen: map[int]bool{}}
	s.disk.SetFault(func(c memfile.Call) error {
		if c.N < n || c.N >= n+long {
			return nil
		}
		s.fired++
		return errno
	})
	s.session()
	s.session()
	s.disk = s.disk.PowerCut(nil)
	s.check()
	return s.fired > 0
}

func (s *script) options() spool.Options { return spool.Options{SegmentBytes: 300, Files: s.disk} }

// open tries until the fault is over.
func (s *script) open() (*spool.Log, *spool.Reader) {
	for range 10 {
		l, err := spool.Open(folder, s.options())
		if err != nil {
			continue
		}
		for range 10 {
			if r, err := l.Reader("consumer"); err == nil {
				return l, r
			}
		}
	}
	require.Fail(s.t, "the log does not open after the fault")
	return nil, nil
}

func (s *script) session() {
	l, r := s.open()
	for range 5 {
		s.append(l, 1)
	}
	s.consume(l, r)
	s.append(l, 12)
	s.append(l, 1)
	s.consume(l, r)
	s.append(l, 2)
	_ = r.Close() // the fault may be here
	_ = l.Close()
}

// append tries until the records are acknowledged.
func (s *script) append(l *spool.Log, n int) {
	for range 10 {
		var batch [][]byte
		first := s.id + 1
		for range n {
			s.id++
			batch = append(batch, payload(s.id))
		}
		_, err := l.Append(context.Background(), batch...)
		if err == nil {
			for id := first; id <= s.id; id++ {
				s.owed[id] = true
			}
			return
		}
		require.Positive(s.t, s.fired, "append failed before the fault")
	}
	require.Fail(s.t, "the log does not append after the fault")
}

func (s *script) consume(l *spool.Log, r *spool.Reader) {
	for last := uint64(0); last < l.Stats().Newest; {
		records, gap, err := r.Read(context.Background(), 4, 0)
		if err != nil {
			require.Positive(s.t, s.fired, "read failed before the fault: %v", err)
			continue
		}
		require.Nil(s.t, gap)
		last = s.note(records)
		if err := r.Commit(last); err != nil {
			require.Positive(s.t, s.fired, "commit failed before the fault: %v", err)
		}
	}
}

func (s *script) note(records []spool.Record) uint64 {
	var k taken
	last := k.add(records, nil)
	require.Empty(s.t, k.wrong)
	for _, id := range k.ids {
		s.seen[id] = true
	}
	return last
}

func (s *script) check() {
	l, err := spool.Open(folder, s.options())
	require.NoError(s.t, err)
	defer l.Close()
	r := reader(s.t, l, "consumer")
	k, err := drain(context.Background(), l, r, committed(l, "consumer"))
	require.NoError(s.t, err)
	require.Empty(s.t, k.gaps)
	require.Empty(s.t, k.wrong)
	for _, id := range k.ids {
		s.seen[id] = true
	}
	for id := range s.owed {
		require.True(s.t, s.seen[id], "record %d was acknowledged and is gone", id)
	}
}

// TestFailedSyncIsNeverRetried looks at the files: after a failed fsync no
// byte goes to the same file again.
func TestFailedSyncIsNeverRetried(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	write(t, l, 1, 3)
	var failed string
	again := 0
	disk.SetFault(func(c memfile.Call) error {
		if failed == "" && c.Op == memfile.OpSync {
			failed = c.Name
			return syscall.EIO
		}
		if c.Name == failed && (c.Op == memfile.OpWrite || c.Op == memfile.OpSync) {
			again++
		}
		return nil
	})
	_, err := l.Append(t.Context(), payload(3))
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorContains(t, err, "sync segment")
	write(t, l, 4, 6)
	require.NotEmpty(t, failed)
	require.Zero(t, again)
	k, err := drain(t.Context(), l, reader(t, l, "all"), 0)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 4, 5}, k.ids)
	require.Empty(t, k.gaps)
	require.EqualValues(t, 1, l.Stats().Failed)

	// Nor does the failed record come up between the others later, though its
	// bytes are in the file, and its number is no gap.
	disk.SetFault(nil)
	require.NoError(t, l.Close())
	for _, d := range []*memfile.Disk{disk.Clone(), disk.PowerCut(nil)} {
		k, err := readAll(d, spool.Options{})
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 4, 5}, k.ids)
		require.Empty(t, k.gaps)
	}
}

// TestKillBeforeSync leaves written records without their fsync, as kill -9
// does. What a reader is given after the restart must survive a power cut too.
func TestKillBeforeSync(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	write(t, l, 1, 2)
	require.NoError(t, l.Close())
	l = open(t, noFileSync{disk}, spool.Options{})
	write(t, l, 2, 6)
	require.NoError(t, l.Close())
	l = open(t, disk, spool.Options{})
	k, err := drain(t.Context(), l, reader(t, l, "a"), 0)
	require.NoError(t, err)
	require.Equal(t, span(1, 6), k.ids)
	after, err := readAll(disk.PowerCut(nil), spool.Options{})
	require.NoError(t, err)
	require.Equal(t, k.ids, after.ids)
}

// TestPositionThatCannotBeWritten keeps one reader's position from the disk:
// its segments stay, whatever else is committed.
func TestPositionThatCannotBeWritten(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{SegmentBytes: 300})
	a, b := reader(t, l, "a"), reader(t, l, "b")
	write(t, l, 1, 41)
	for _, r := range []*spool.Reader{a, b} {
		_, err := drain(t.Context(), l, r, 0)
		require.NoError(t, err)
	}
	disk.SetFault(func(c memfile.Call) error {
		if strings.HasPrefix(c.Name, folder+"/b.pos") && c.Op == memfile.OpSync {
			return syscall.EIO
		}
		return nil
	})
	require.ErrorIs(t, b.Commit(40), syscall.EIO)
	require.NoError(t, a.Commit(40))
	require.EqualValues(t, 1, l.Stats().Oldest)
	after := open(t, disk.PowerCut(nil), spool.Options{SegmentBytes: 300})
	k, err := drain(t.Context(), after, reader(t, after, "b"), 0)
	require.NoError(t, err)
	require.Equal(t, span(1, 41), k.ids)
	require.Empty(t, k.gaps)
}

// TestPositionThatCannotBeRead opens a log whose segments are all done with and
// gone, so that only its positions know which numbers were given, while the
// disk does not give those. New records must not get numbers that the reader,
// once its position can be read again, has behind it.
func TestPositionThatCannotBeRead(t *testing.T) {
	for _, op := range []memfile.Op{memfile.OpOpen, memfile.OpRead} {
		for _, name := range []string{"all.pos", "lost"} {
			t.Run(fmt.Sprint(op, " ", name), func(t *testing.T) {
				disk := memfile.New()
				emptied(t, disk)
				disk.SetFault(func(c memfile.Call) error {
					if c.Op == op && c.Name == folder+"/"+name {
						return syscall.EIO
					}
					return nil
				})
				_, err := spool.Open(folder, spool.Options{Files: disk})
				require.ErrorIs(t, err, syscall.EIO)
				require.ErrorContains(t, err, name)
				require.ErrorContains(t, err, "check the disk")

				disk.SetFault(nil)
				l := open(t, disk, spool.Options{})
				write(t, l, 100, 110)
				k, err := drain(t.Context(), l, reader(t, l, "all"), committed(l, "all"))
				require.NoError(t, err)
				require.Equal(t, span(100, 110), k.ids)
			})
		}
	}
}

// emptied leaves a log whose records are lost at a cap or taken, and no segment.
func emptied(t *testing.T, disk *memfile.Disk) {
	l := open(t, disk, spool.Options{SegmentBytes: 300, MaxBytes: 900, Full: spool.DropOldest})
	r := reader(t, l, "all")
	write(t, l, 1, 60)
	_, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.NoError(t, r.Commit(59))
	disk.SetFault(func(c memfile.Call) error { // seals the segment that is being written
		if c.Op == memfile.OpWrite && strings.HasSuffix(c.Name, ".seg") {
			return syscall.EIO
		}
		return nil
	})
	_, err = l.Append(t.Context(), payload(60))
	require.ErrorIs(t, err, syscall.EIO)
	disk.SetFault(nil)
	require.NoError(t, l.Close())
	require.NoError(t, open(t, disk, spool.Options{}).Close())
	names, err := disk.List(folder)
	require.NoError(t, err)
	require.Contains(t, names, "lost")
	require.Empty(t, filesOf(t, disk, ".seg"))
}

// TestFailureIsRememberedForLateWaiters asks for a failed record after later
// ones succeeded.
func TestFailureIsRememberedForLateWaiters(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	write(t, l, 1, 2)
	disk.SetFault(func(c memfile.Call) error {
		if c.Op == memfile.OpSync {
			return syscall.EIO
		}
		return nil
	})
	failed, err := l.Enqueue(payload(2), payload(3))
	require.NoError(t, err)
	require.ErrorIs(t, l.WaitDurable(t.Context(), failed), syscall.EIO)
	disk.SetFault(nil)
	write(t, l, 4, 5)
	require.ErrorIs(t, l.WaitDurable(t.Context(), failed), syscall.EIO)
	require.ErrorIs(t, l.WaitDurable(t.Context(), failed-1), syscall.EIO)
	require.NoError(t, l.WaitDurable(t.Context(), failed-2))
	require.NoError(t, l.WaitDurable(t.Context(), failed+1))
	require.ErrorContains(t, l.WaitDurable(t.Context(), failed+2), "the newest is 4")
}

// TestManyFailuresAreForgottenSafely has more episodes of failure than are
// remembered: the oldest then count as failed, never as durable.
func TestManyFailuresAreForgottenSafely(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	bad := false
	disk.SetFault(func(c memfile.Call) error {
		if bad && c.Op == memfile.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	for id := 1; id <= 400; id++ {
		bad = id%2 == 1
		_, err := l.Append(t.Context(), payload(id))
		require.Equal(t, bad, err != nil)
	}
	bad = false
	require.ErrorIs(t, l.WaitDurable(t.Context(), 1), spool.ErrUnknownOutcome)
	require.ErrorIs(t, l.WaitDurable(t.Context(), 399), syscall.ENOSPC)
	require.NoError(t, l.WaitDurable(t.Context(), 400))
}

// TestDiskFull fills a disk to the last byte: nothing is acknowledged, reading
// frees room, and appends work again.
func TestDiskFull(t *testing.T) {
	disk := memfile.New()
	disk.SetLimit(20 << 10)
	l := open(t, disk, spool.Options{SegmentBytes: 2 << 10})
	r := reader(t, l, "consumer")
	id := 0
	var err error
	for err == nil {
		id++
		_, err = l.Append(t.Context(), payload(id))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.False(t, errors.Is(err, spool.ErrFull), "the cap is not what refused it")
	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Equal(t, span(1, id), k.ids)
	require.NoError(t, r.Commit(k.records[len(k.records)-1].Sequence), "a full disk must not keep positions from moving")
	write(t, l, 1000, 1010)
}

// TestReadOnlyDisk lets a disk refuse every write, as after an error of its
// file system: reading goes on.
func TestReadOnlyDisk(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{SegmentBytes: 300})
	write(t, l, 1, 20)
	r := reader(t, l, "consumer")
	disk.SetFault(func(c memfile.Call) error {
		switch c.Op {
		case memfile.OpRead, memfile.OpOpen, memfile.OpClose, memfile.OpSize:
			return nil
		}
		return syscall.EROFS
	})
	_, err := l.Append(t.Context(), payload(20))
	require.ErrorIs(t, err, syscall.EROFS)
	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Equal(t, span(1, 20), k.ids)
	require.ErrorIs(t, r.Commit(19), syscall.EROFS)
	disk.SetFault(nil)
	write(t, l, 21, 23)
}
