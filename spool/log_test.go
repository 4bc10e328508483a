package spool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// TestOnRealFiles is the whole way, on the file system, through three openings.
func TestOnRealFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "events")
	id := 0
	epochs := map[uint64]bool{}
	for range 3 {
		l, err := spool.Open(dir, spool.Options{SegmentBytes: 2000})
		require.NoError(t, err)
		require.NotZero(t, l.Epoch())
		epochs[l.Epoch()] = true
		r := reader(t, l, "uplink")
		from := id + 1
		for range 100 {
			id++
			last, err := l.Append(t.Context(), payload(id))
			require.NoError(t, err)
			require.EqualValues(t, id, last)
		}
		k, err := drain(t.Context(), l, r, uint64(from-1))
		require.NoError(t, err)
		require.Equal(t, span(from, id+1), k.ids)
		require.Equal(t, l.Epoch(), k.records[0].Epoch)
		require.NoError(t, r.Commit(uint64(id)))
		require.Equal(t, 1, l.Stats().Segments, "what is committed goes")
		require.NoError(t, r.Close())
		require.NoError(t, l.Close())
	}
	require.Len(t, epochs, 3)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	l, err := spool.Open(dir, spool.Options{})
	require.NoError(t, err)
	_, err = spool.Open(dir, spool.Options{})
	require.ErrorIs(t, err, spool.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "another folder")
	require.NoError(t, l.Close())
	l, err = spool.Open(dir, spool.Options{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestOpenRefusesOptionsThatCannotWork(t *testing.T) {
	for name, o := range map[string]spool.Options{
		"segment smaller than its header": {SegmentBytes: 50},
		"record larger than a segment":    {SegmentBytes: 1000, MaxRecord: 1000},
		"cap smaller than a segment":      {MaxBytes: 200},
		"negative record":                 {MaxRecord: -1},
	} {
		t.Run(name, func(t *testing.T) {
			o.Files = memfile.New()
			_, err := spool.Open(folder, o)
			require.ErrorContains(t, err, folder)
		})
	}
}

// TestManyWriters has 32 writers of several records a call and a reader beside
// them: every record once, calls whole and in the order of each writer.
func TestManyWriters(t *testing.T) {
	const writers, calls, perCall = 32, 60, 3
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 8 << 10})
	r := reader(t, l, "all")
	var wg sync.WaitGroup
	failed := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			for c := range calls {
				last, err := l.Append(t.Context(), numbered(w, c, 0), numbered(w, c, 1), numbered(w, c, 2))
				if err != nil || last < perCall {
					failed <- errors.Join(err, errors.New("append"))
					return
				}
			}
		})
	}
	next := [writers]int{}
	for got, last := 0, uint64(0); got < writers*calls*perCall; {
		records, gap, err := r.Read(t.Context(), 100, 0)
		require.NoError(t, err)
		require.Nil(t, gap)
		for _, rec := range records {
			require.Equal(t, last+1, rec.Sequence)
			last = rec.Sequence
			w := int(binary.LittleEndian.Uint16(rec.Payload))
			require.Equal(t, numbered(w, next[w]/perCall, next[w]%perCall), rec.Payload)
			if next[w]%perCall > 0 {
				require.Zero(t, (rec.Sequence-1)%perCall-uint64(next[w]%perCall), "records of a call are neighbours")
			}
			next[w]++
			got++
		}
		require.NoError(t, r.Commit(last))
	}
	wg.Wait()
	require.Empty(t, failed)
	s := l.Stats()
	require.EqualValues(t, writers*calls*perCall, s.Appended)
	require.Less(t, s.Fsyncs, uint64(writers*calls), "writers share syncs")
}

func numbered(writer, call, i int) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(writer))
	b = binary.LittleEndian.AppendUint16(b, uint16(call))
	return append(b, byte(i))
}

// TestSyncIsShared holds one fsync back: all who come meanwhile share the next.
func TestSyncIsShared(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	write(t, l, 1, 2)
	held, let := make(chan struct{}), make(chan struct{})
	first := true
	gate := gated{disk, func() {
		if first {
			first = false
			close(held)
			<-let
		}
	}}
	require.NoError(t, l.Close())
	l = open(t, gate, spool.Options{})
	before := l.Stats().Fsyncs
	slow, err := l.Enqueue(payload(2))
	require.NoError(t, err)
	<-held
	var last uint64
	for id := 3; id < 50; id++ {
		last, err = l.Enqueue(payload(id))
		require.NoError(t, err)
	}
	r := reader(t, l, "all")
	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Equal(t, []int{1}, k.ids, "what is not durable is not read")
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, l.WaitDurable(expired, slow), context.Canceled)
	close(let)
	require.NoError(t, l.WaitDurable(t.Context(), last))
	require.NoError(t, l.WaitDurable(t.Context(), slow))
	require.EqualValues(t, 2, l.Stats().Fsyncs-before)
}

// gated calls before each fsync of a file it created.
type gated struct {
	spool.Files
	before func()
}

func (g gated) Create(name string) (spool.File, error) {
	f, err := g.Files.Create(name)
	if filepath.Ext(name) != ".seg" {
		return f, err
	}
	return gatedFile{f, g.before}, err
}

type gatedFile struct {
	spool.File
	before func()
}

func (g gatedFile) Sync() error { g.before(); return g.File.Sync() }

func TestEnqueueRefuses(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{MaxRecord: 100, QueueBytes: 500})
	_, err := l.Enqueue()
	require.Error(t, err)
	_, err = l.Enqueue(make([]byte, 101))
	require.ErrorIs(t, err, spool.ErrTooLarge)
	require.ErrorContains(t, err, "101")
	_, err = l.Enqueue(make([]byte, 100), make([]byte, 100), make([]byte, 100), make([]byte, 100), make([]byte, 100))
	require.ErrorIs(t, err, spool.ErrTooLarge)
	last, err := l.Append(t.Context(), make([]byte, 100), nil, make([]byte, 100))
	require.NoError(t, err)
	require.EqualValues(t, 3, last, "an empty record is a record; a refused one takes no number")
	require.NoError(t, l.Close())
	_, err = l.Enqueue([]byte("x"))
	require.ErrorIs(t, err, spool.ErrClosed)
	require.NoError(t, l.WaitDurable(t.Context(), 3))
}

// TestQueueFull holds the disk back until the queue is full: Enqueue refuses,
// Append waits.
func TestQueueFull(t *testing.T) {
	held, let := make(chan struct{}), make(chan struct{})
	first := true
	gate := gated{memfile.New(), func() {
		if first {
			first = false
			close(held)
			<-let
		}
	}}
	l := open(t, gate, spool.Options{MaxRecord: 100, QueueBytes: 300})
	_, err := l.Enqueue(make([]byte, 100))
	require.NoError(t, err)
	<-held
	taken := 0
	for err == nil {
		if _, err = l.Enqueue(make([]byte, 100)); err == nil {
			taken++
		}
	}
	require.ErrorIs(t, err, spool.ErrFull)
	require.Equal(t, 2, taken)
	var full *spool.FullError
	require.ErrorAs(t, err, &full)
	require.Empty(t, full.Holder)
	require.ErrorContains(t, err, "wait for the disk")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Append(canceled, make([]byte, 100))
	require.ErrorIs(t, err, context.Canceled)
	done := make(chan error)
	go func() { _, err := l.Append(t.Context(), make([]byte, 100)); done <- err }()
	close(let)
	require.NoError(t, <-done)
}

// TestCloseWritesWhatWaits and wakes those who wait.
func TestCloseWritesWhatWaits(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{})
	r := reader(t, l, "idle")
	done := make(chan error)
	go func() {
		for {
			if _, _, err := r.Read(context.Background(), 0, 0); err != nil {
				done <- err
				return
			}
		}
	}()
	last, err := l.Enqueue(payload(1), payload(2))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-done, spool.ErrClosed)
	require.NoError(t, l.WaitDurable(t.Context(), last))
	require.NoError(t, l.Close())
	require.ErrorIs(t, r.Commit(1), spool.ErrClosed)
	require.ErrorIs(t, r.Seek(1), spool.ErrClosed)
	require.NoError(t, r.Close())
	_, err = l.Reader("late")
	require.ErrorIs(t, err, spool.ErrClosed)
	k, err := readAll(disk.PowerCut(nil), spool.Options{})
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, k.ids)
}

// TestNoAllocationPerRecord counts what a call of a thousand records costs.
func TestNoAllocationPerRecord(t *testing.T) {
	l := open(t, discard{}, spool.Options{SegmentBytes: 256 << 20})
	batch := make([][]byte, 1000)
	for i := range batch {
		batch[i] = make([]byte, 100)
	}
	one := func() {
		if _, err := l.Append(t.Context(), batch...); err != nil {
			t.Error(err)
		}
	}
	one()
	one()
	require.Less(t, testing.AllocsPerRun(50, one), 20.0)
}

// discard is a disk that keeps nothing and costs nothing.
type discard struct{ spool.Files }

func (discard) MakeDir(string) error              { return nil }
func (discard) List(string) ([]string, error)     { return nil, nil }
func (discard) Create(string) (spool.File, error) { return discardFile{}, nil }
func (discard) SyncDir(string) error              { return nil }
func (discard) Lock(string) (io.Closer, error)    { return discardFile{}, nil }

type discardFile struct{ spool.File }

func (discardFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (discardFile) Sync() error                            { return nil }
func (discardFile) Close() error                           { return nil }
