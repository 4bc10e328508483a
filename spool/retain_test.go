package spool_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// fill appends until the log is full and returns the next id.
func fill(t *testing.T, l *spool.Log, id int) (next int, full *spool.FullError) {
	for ; ; id++ {
		_, err := l.Append(t.Context(), payload(id))
		if err != nil {
			require.ErrorAs(t, err, &full)
			return id, full
		}
	}
}

func TestBlockRefusesAndRecovers(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 500, MaxBytes: 4000})
	_, full := fill(t, l, 1)
	require.Equal(t, "(none yet)", full.Holder, "what nobody has read is kept")
	r := reader(t, l, "uplink")
	reader(t, l, "lazy", spool.MayLose())
	require.NoError(t, r.Commit(0))
	id, full := fill(t, l, 1000)
	require.True(t, errors.Is(full, spool.ErrFull))
	require.Equal(t, "uplink", full.Holder)
	require.EqualValues(t, l.Stats().Newest, full.Pending)
	require.Positive(t, full.Bytes)
	require.EqualValues(t, 4000, full.Max)
	require.ErrorContains(t, full, `reader "uplink"`)

	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Empty(t, k.gaps)
	require.NoError(t, r.Commit(l.Stats().Newest))
	write(t, l, id, id+20)
	k, err = drain(t.Context(), l, r, uint64(len(k.ids)))
	require.NoError(t, err)
	require.Equal(t, span(id, id+20), k.ids)
}

// TestMayLose is the journal at its cap: the reader that may lose is dropped
// behind, the other one gets everything, and appends go on.
func TestMayLose(t *testing.T) {
	var events []spool.Event
	disk := memfile.New()
	o := spool.Options{SegmentBytes: 500, MaxBytes: 4000, OnEvent: func(e spool.Event) { events = append(events, e) }}
	l := open(t, disk, o)
	watch, store := reader(t, l, "watch"), reader(t, l, "store", spool.MayLose())
	var seen []int
	for id := 1; id <= 200; id++ {
		write(t, l, id, id+1)
		k, err := drain(t.Context(), l, watch, uint64(len(seen)))
		require.NoError(t, err)
		require.Empty(t, k.gaps)
		seen = append(seen, k.ids...)
		require.NoError(t, watch.Commit(uint64(id)))
	}
	require.Equal(t, span(1, 201), seen)
	require.Equal(t, spool.EventDropped, events[0].Kind)
	require.Positive(t, l.Stats().Dropped)
	k, err := drain(t.Context(), l, store, 0)
	require.NoError(t, err)
	require.Len(t, k.gaps, 1)
	require.Equal(t, spool.ReasonDroppedOldest, k.gaps[0].Reason)
	require.Equal(t, l.Epoch(), k.gaps[0].Epoch)
	require.EqualValues(t, 1, k.gaps[0].First)
	require.Equal(t, k.gaps[0].Last, k.gaps[0].Count)
	require.Equal(t, l.Stats().Dropped, k.gaps[0].Count)
	require.Equal(t, span(int(k.gaps[0].Last)+1, 201), k.ids)

	// Not committed, so it is told again, with the same reason, by the next opening.
	require.NoError(t, l.Close())
	again, err := spool.Open(folder, withFiles(o, disk.PowerCut(nil)))
	require.NoError(t, err)
	defer again.Close()
	store = reader(t, again, "store", spool.MayLose())
	after, err := drain(t.Context(), again, store, 0)
	require.NoError(t, err)
	require.Equal(t, k.gaps, after.gaps)
	require.Equal(t, k.ids, after.ids)
	require.NoError(t, store.Commit(200))
}

func withFiles(o spool.Options, f spool.Files) spool.Options { o.Files = f; return o }

// TestDropOldestTellsEachReader has one reader in the middle of what goes.
func TestDropOldestTellsEachReader(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 500, MaxBytes: 4000, Full: spool.DropOldest})
	fast, slow := reader(t, l, "fast"), reader(t, l, "slow")
	write(t, l, 1, 11)
	records, _, err := fast.Read(t.Context(), 7, 0)
	require.NoError(t, err)
	last := records[len(records)-1].Sequence
	require.NoError(t, fast.Commit(last))
	write(t, l, 11, 301)
	f, err := drain(t.Context(), l, fast, 0)
	require.NoError(t, err)
	s, err := drain(t.Context(), l, slow, 0)
	require.NoError(t, err)
	require.Equal(t, f.ids, s.ids)
	require.Len(t, f.gaps, 1)
	require.Len(t, s.gaps, 1)
	require.Equal(t, last+1, f.gaps[0].First)
	require.EqualValues(t, 1, s.gaps[0].First)
	require.Equal(t, 301, int(s.gaps[0].Last)+1+len(s.ids))
	require.LessOrEqual(t, l.Stats().Bytes, int64(4000))
}

// TestDropsAreDeclaredToTheFirstReader has a log that drops before anybody reads.
func TestDropsAreDeclaredToTheFirstReader(t *testing.T) {
	l := open(t, memfile.New(), spool.Options{SegmentBytes: 500, MaxBytes: 4000, Full: spool.DropOldest})
	write(t, l, 1, 301)
	k, err := drain(t.Context(), l, reader(t, l, "first"), 0)
	require.NoError(t, err)
	require.Len(t, k.gaps, 1)
	require.EqualValues(t, 1, k.gaps[0].First)
	require.Equal(t, 300, int(k.gaps[0].Count)+len(k.ids))
}

// TestDropsOverManyEpochs drops in more openings than the list of losses has
// room for: every record is still given or declared, once.
func TestDropsOverManyEpochs(t *testing.T) {
	disk := memfile.New()
	id := 1
	for range 150 {
		l := open(t, disk, spool.Options{SegmentBytes: 300, MaxBytes: 1500, Full: spool.DropOldest})
		if id == 1 {
			reader(t, l, "all")
		}
		write(t, l, id, id+6)
		id += 6
		require.NoError(t, l.Close())
	}
	l := open(t, disk, spool.Options{SegmentBytes: 300, MaxBytes: 1500, Full: spool.DropOldest})
	k, err := drain(t.Context(), l, reader(t, l, "all"), 0)
	require.NoError(t, err)
	next := uint64(1)
	for _, g := range k.gaps {
		require.Equal(t, next, g.First)
		require.Equal(t, spool.ReasonDroppedOldest, g.Reason)
		next = g.Last + 1
	}
	require.EqualValues(t, k.ids[0], next)
	require.Equal(t, span(k.ids[0], id), k.ids)
}

// TestAge lets records get older than MaxAge: a log that drops declares them
// expired, a log that blocks keeps them.
func TestAge(t *testing.T) {
	for policy, expired := range map[spool.Policy]bool{spool.Block: false, spool.DropOldest: true} {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, memfile.New(), spool.Options{SegmentBytes: 500, MaxAge: time.Hour, Full: policy})
			r := reader(t, l, "all")
			write(t, l, 1, 31)
			begin := time.Now()
			time.Sleep(59 * time.Minute)
			write(t, l, 31, 41)
			require.EqualValues(t, 1, l.Stats().Oldest)
			require.Equal(t, 59*time.Minute, l.Stats().Readers[0].Age)
			time.Sleep(2 * time.Minute)
			write(t, l, 41, 42)
			k, err := drain(t.Context(), l, r, 0)
			require.NoError(t, err)
			if !expired {
				require.Equal(t, span(1, 42), k.ids)
				require.Empty(t, k.gaps)
				return
			}
			require.Len(t, k.gaps, 1)
			require.Equal(t, spool.ReasonExpired, k.gaps[0].Reason)
			require.Equal(t, lostRange{1, 30, spool.ReasonExpired}, rangesOf(k.gaps)[0])
			require.True(t, begin.Equal(k.gaps[0].From))
			require.Equal(t, span(31, 42), k.ids)
			require.NoError(t, l.Close())
		})
	}
}

// TestSlowLogBeginsSegments has a record an hour: age must find something to remove.
func TestSlowLogBeginsSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memfile.New(), spool.Options{MaxAge: 24 * time.Hour, Full: spool.DropOldest})
		for id := range 24 * 7 {
			write(t, l, id, id+1)
			time.Sleep(time.Hour)
		}
		require.Less(t, l.Stats().Newest-l.Stats().Oldest, uint64(24+4))
		require.Less(t, l.Stats().Segments, 12)
		require.NoError(t, l.Close())
	})
}

// TestRemovedSegmentsComeBack cuts the power after a drop whose removal the
// folder forgot: what was declared lost is not given as well.
func TestRemovedSegmentsComeBack(t *testing.T) {
	disk := memfile.New()
	o := spool.Options{SegmentBytes: 500, MaxBytes: 4000, Full: spool.DropOldest}
	l := open(t, noRemoval{disk}, o)
	r := reader(t, l, "all")
	write(t, l, 1, 301)
	_, gap, err := r.Read(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	l = open(t, disk, o)
	require.Equal(t, gap.Last+1, l.Stats().Oldest)
	k, err := drain(t.Context(), l, reader(t, l, "all"), 0)
	require.NoError(t, err)
	require.Equal(t, []spool.Gap{*gap}, k.gaps)
	require.Equal(t, 300, int(gap.Count)+len(k.ids))
}

type noRemoval struct{ spool.Files }

func (noRemoval) Remove(string) error { return nil }

// TestKeptFilesAreBounded damages many segments: only the newest are set aside.
func TestKeptFilesAreBounded(t *testing.T) {
	disk := memfile.New()
	l := open(t, disk, small)
	for n := 1; n <= 60; n++ {
		_, err := l.Append(t.Context(), payload(idOf(n)))
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	for _, name := range filesOf(t, disk, ".seg") {
		b := disk.Read(name)
		b[offsetOf(2)+25] ^= 1
		disk.Write(name, b)
	}
	l = open(t, disk, small)
	r := reader(t, l, "all")
	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Len(t, k.gaps, 15)
	require.EqualValues(t, 15, l.Stats().Corrupt)
	writeMore(t, l, r)
	require.Len(t, filesOf(t, disk, ".corrupt"), 8)
}
