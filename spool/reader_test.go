package spool_test

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

func TestReaderNames(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{})
	for _, bad := range []string{"", "../x", "A", "a b", "a.b", string(make([]byte, 65))} {
		_, err := l.Reader(bad)
		require.Error(t, err, bad)
	}
	r := reader(t, l, "uplink-2")
	_, err := l.Reader("uplink-2")
	require.ErrorContains(t, err, "open already")
	require.NoError(t, r.Close())
	reader(t, l, "uplink-2")
}

func TestNewReaderBeginsAtTheOldest(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 300})
	a := reader(t, l, "a")
	write(t, l, 1, 41)
	k, err := drain(t.Context(), l, a, 0)
	require.NoError(t, err)
	require.NoError(t, a.Commit(20))
	oldest := l.Stats().Oldest
	require.Greater(t, oldest, uint64(1))
	k, err = drain(t.Context(), l, reader(t, l, "b"), oldest-1)
	require.NoError(t, err)
	require.Empty(t, k.gaps)
	require.Equal(t, span(int(oldest), 41), k.ids)
}

// TestPositionIsWrittenAtMostOnceASecond counts fsyncs of the position, and
// sees what a crash costs: a second's worth is read again.
func TestPositionIsWrittenAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfile.New()
		l := open(t, disk, spool.Options{})
		r := reader(t, l, "all")
		write(t, l, 1, 101)
		syncs := 0
		disk.SetFault(func(c memfile.Call) error {
			if c.Op == memfile.OpSync {
				syncs++
			}
			return nil
		})
		_, err := drain(t.Context(), l, r, 0)
		require.NoError(t, err)
		for n := uint64(1); n <= 50; n++ {
			require.NoError(t, r.Commit(n))
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, 5, syncs, 1)
		require.NoError(t, r.Commit(55))
		after := disk.PowerCut(nil)
		_ = l.Close() // the power is off
		l = open(t, after, spool.Options{})
		got := committed(l, "all")
		require.LessOrEqual(t, got, uint64(55))
		require.GreaterOrEqual(t, got, uint64(40))
		require.NoError(t, l.Close())
	})
}

func TestCommitRefusesWhatWasNotRead(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{})
	r := reader(t, l, "all")
	write(t, l, 1, 11)
	require.ErrorContains(t, r.Commit(1), "next to read is 1")
	records, _, err := r.Read(t.Context(), 3, 0)
	require.NoError(t, err)
	require.Len(t, records, 3)
	require.Error(t, r.Commit(4))
	require.NoError(t, r.Commit(3))
	require.NoError(t, r.Commit(1), "an older number changes nothing")
	require.EqualValues(t, 3, l.Stats().Readers[0].Committed)
	require.EqualValues(t, 7, l.Stats().Readers[0].Pending)
}

func TestSeek(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 300})
	r := reader(t, l, "watch")
	write(t, l, 1, 31)
	for _, c := range []struct {
		to    uint64
		first int
	}{{0, 1}, {17, 17}, {1, 1}, {30, 30}, {2, 2}} {
		require.NoError(t, r.Seek(c.to))
		k, err := drain(t.Context(), l, r, uint64(c.first-1))
		require.NoError(t, err)
		require.Equal(t, span(c.first, 31), k.ids)
	}
	require.NoError(t, r.Seek(31))
	require.ErrorContains(t, r.Seek(32), "the newest is 30")
	require.NoError(t, r.Commit(30))
	require.NoError(t, r.Seek(2))
	_, gap, err := r.Read(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NotNil(t, gap, "records that are gone are not skipped in silence")
	require.EqualValues(t, 2, gap.First)
	require.Equal(t, l.Stats().Oldest-1, gap.Last)
}

func TestForget(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, spool.Options{SegmentBytes: 300})
	a, b := reader(t, l, "a"), reader(t, l, "b")
	write(t, l, 1, 41)
	_, err := drain(t.Context(), l, a, 0)
	require.NoError(t, err)
	require.NoError(t, a.Commit(40))
	require.EqualValues(t, 1, l.Stats().Oldest, "b holds everything")
	require.Error(t, l.Forget("b"), "it is open")
	require.Error(t, l.Forget("c"))
	require.NoError(t, b.Close())
	require.EqualValues(t, 1, l.Stats().Oldest, "closed, it holds as well")
	require.NoError(t, l.Forget("b"))
	require.Greater(t, l.Stats().Oldest, uint64(1))
	require.Nil(t, disk.Read(folder+"/b.pos"))
}

func TestReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memfile.New(), spool.Options{})
		r := reader(t, l, "all")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := r.Read(ctx, 0, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		go func() {
			time.Sleep(time.Hour)
			_, _ = l.Append(t.Context(), payload(7))
		}()
		begin := time.Now()
		records, gap, err := r.Read(t.Context(), 0, 0)
		require.NoError(t, err)
		require.Nil(t, gap)
		require.Equal(t, payload(7), records[0].Payload)
		require.Equal(t, time.Hour, time.Since(begin))
		require.NoError(t, l.Close())
	})
}

// TestLargeAndSmallRecords has records larger than what is read at once.
func TestLargeAndSmallRecords(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{MaxRecord: 1 << 20})
	var want [][]byte
	for i, size := range []int{0, 1, 1 << 20, 7, 300 << 10, 300 << 10, 0, 1 << 20} {
		p := make([]byte, size)
		for j := range p {
			p[j] = byte(i + j>>8)
		}
		want = append(want, p)
	}
	_, err := l.Append(t.Context(), want...)
	require.NoError(t, err)
	for _, limit := range []int{1, 100, 400 << 10, 10 << 20} {
		r := reader(t, l, "all")
		require.NoError(t, r.Seek(0))
		n := 0
		for n < len(want) {
			records, gap, err := r.Read(t.Context(), 100, limit)
			require.NoError(t, err)
			require.Nil(t, gap)
			size := 0
			for _, rec := range records {
				require.True(t, string(want[n]) == string(rec.Payload), "record %d", n)
				size += len(rec.Payload)
				n++
			}
			require.True(t, size <= limit || len(records) == 1)
		}
		require.NoError(t, r.Close())
	}
}

// TestBadSector has a part of a file that cannot be read: an error while it
// may pass, a declared gap when it does not.
func TestBadSector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &badSector{Disk: memfile.New(), from: 20 << 10, to: 24 << 10}
		l := open(t, bad, spool.Options{})
		r := reader(t, l, "all")
		for n := range 100 {
			_, err := l.Append(t.Context(), longPayload(n))
			require.NoError(t, err)
		}
		var k taken
		failed := 0
		for last := uint64(0); last < 100; {
			records, gap, err := r.Read(t.Context(), 0, 0)
			if err != nil {
				require.ErrorIs(t, err, syscall.EIO)
				failed++
				time.Sleep(5 * time.Second)
				continue
			}
			for _, rec := range records {
				require.Equal(t, longPayload(int(rec.Sequence-1)), rec.Payload)
			}
			last = k.add(records, gap)
		}
		require.Equal(t, 7, failed, "30 s are given to the disk")
		require.Len(t, k.gaps, 1)
		require.Equal(t, spool.ReasonCorrupt, k.gaps[0].Reason)
		require.InDelta(t, 6, k.gaps[0].Count, 1, "only what the sector holds is lost")
		require.Len(t, k.records, 100-int(k.gaps[0].Count))
		require.NoError(t, l.Close())

		_, err := spool.Open(folder, spool.Options{Files: bad})
		require.ErrorIs(t, err, syscall.EIO, "what cannot be read is not cut")
		require.ErrorContains(t, err, ".corrupt")
	})
}

// badSector fails reads that touch a range of a segment.
type badSector struct {
	*memfile.Disk
	from, to int64
}

func (b *badSector) Open(name string) (spool.File, error) {
	f, err := b.Disk.Open(name)
	return badFile{f, b}, err
}

func (b *badSector) Edit(name string) (spool.File, error) {
	f, err := b.Disk.Edit(name)
	return badFile{f, b}, err
}

type badFile struct {
	spool.File
	bad *badSector
}

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.bad.to || off+int64(len(p)) <= f.bad.from {
		return f.File.ReadAt(p, off)
	}
	if off >= f.bad.from {
		return 0, syscall.EIO
	}
	n, _ := f.File.ReadAt(p[:f.bad.from-off], off)
	return n, syscall.EIO
}

// TestManySegments opens and reads a log of three thousand files.
func TestManySegments(t *testing.T) {
	disk := memfile.New()
	o := spool.Options{SegmentBytes: headBytes + 24 + 80, MaxRecord: 80}
	l := open(t, disk, o)
	var batch [][]byte
	for id := 1; id <= 3000; id++ {
		batch = append(batch, append(payload(id), make([]byte, 80-len(payload(id)))...))
	}
	_, err := l.Append(t.Context(), batch...)
	require.NoError(t, err)
	require.Equal(t, 3000, l.Stats().Segments)
	require.NoError(t, l.Close())
	l = open(t, disk, o)
	k, err := drain(t.Context(), l, reader(t, l, "all"), 0)
	require.NoError(t, err)
	require.Len(t, k.records, 3000)
	require.Empty(t, k.gaps)
}
