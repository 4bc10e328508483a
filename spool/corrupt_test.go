package spool_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// The log the table damages: five segments of four records, each record a
// frame of frameBytes. Record n is the n-th; its offset is offsetOf(n).
const (
	headBytes  = 48
	frameBytes = 24 + 5
	perSegment = 4
	inLog      = 20
)

var small = spool.Options{SegmentBytes: headBytes + perSegment*frameBytes}

// idOf has a payload of five bytes.
func idOf(n int) int { return 61 * (100 + n) }

func offsetOf(n int) int { return headBytes + (n-1)%perSegment*frameBytes }

// damage is that log as files.
type damage struct {
	*memfile.Disk
	segments []string
}

func newDamage(t *testing.T) damage {
	disk := memfile.New()
	l := open(t, disk, small)
	for n := 1; n <= inLog; n++ {
		_, err := l.Append(t.Context(), payload(idOf(n)))
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	d := damage{disk.Clone(), filesOf(t, disk, ".seg")}
	require.Len(t, d.segments, inLog/perSegment)
	return d
}

func filesOf(t *testing.T, disk *memfile.Disk, suffix string) []string {
	names, err := disk.List(folder)
	require.NoError(t, err)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, suffix) })
	slices.Sort(names)
	for i, n := range names {
		names[i] = filepath.Join(folder, n)
	}
	return names
}

// edit changes the bytes of the segment that has record n.
func (d damage) edit(n int, change func(b []byte) []byte) {
	name := d.segments[(n-1)/perSegment]
	d.Write(name, change(d.Read(name)))
}

// flip turns over one bit of record n's frame, at an offset within it.
func (d damage) flip(n, at int) {
	d.edit(n, func(b []byte) []byte { b[offsetOf(n)+at] ^= 0x10; return b })
}

func numbers(ranges ...int) []int {
	var ids []int
	for i := 0; i < len(ranges); i += 2 {
		for n := ranges[i]; n <= ranges[i+1]; n++ {
			ids = append(ids, idOf(n))
		}
	}
	return ids
}

type lostRange struct {
	first, last uint64
	reason      string
}

func TestCorruption(t *testing.T) {
	corrupt, missing := spool.ReasonCorrupt, spool.ReasonMissingSegment
	for _, c := range []struct {
		name    string
		corrupt func(d damage)
		survive []int
		gaps    []lostRange
		kept    int // files set aside once all is read
	}{
		{"nothing", func(damage) {}, numbers(1, 20), nil, 0},
		{"torn tail: last frame cut in its payload", func(d damage) {
			d.edit(20, func(b []byte) []byte { return b[:len(b)-1] })
		}, numbers(1, 19), nil, 0},
		{"torn tail: last frame cut in its head", func(d damage) {
			d.edit(20, func(b []byte) []byte { return b[:offsetOf(20)+7] })
		}, numbers(1, 19), nil, 0},
		{"zero-filled tail of the newest", func(d damage) {
			d.edit(20, func(b []byte) []byte { return append(b, make([]byte, 5000)...) })
		}, numbers(1, 20), nil, 0},
		{"garbage tail of the newest", func(d damage) {
			d.edit(20, func(b []byte) []byte { return append(b, strings.Repeat("junk", 300)...) })
		}, numbers(1, 20), nil, 0},
		{"zeros where the newest's last frames were", func(d damage) {
			d.edit(20, func(b []byte) []byte { clear(b[offsetOf(19):]); return b })
		}, numbers(1, 18), nil, 0},
		{"newest empty", func(d damage) {
			d.edit(20, func([]byte) []byte { return nil })
		}, numbers(1, 16), nil, 0},
		{"newest all zeros", func(d damage) {
			d.edit(20, func(b []byte) []byte { clear(b); return b })
		}, numbers(1, 16), nil, 1},
		{"newest with a header only", func(d damage) {
			d.edit(20, func(b []byte) []byte { return b[:headBytes] })
		}, numbers(1, 16), nil, 0},
		{"flip in a checksum", func(d damage) { d.flip(6, 0) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip in a length", func(d damage) { d.flip(6, 4) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip that makes a length huge", func(d damage) { d.flip(6, 7) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip in a sequence", func(d damage) { d.flip(6, 8) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip in a time", func(d damage) { d.flip(6, 17) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip in a body", func(d damage) { d.flip(6, 26) }, numbers(1, 5, 7, 20), []lostRange{{6, 6, corrupt}}, 1},
		{"flip in the first record of a segment", func(d damage) { d.flip(5, 26) }, numbers(1, 4, 6, 20), []lostRange{{5, 5, corrupt}}, 1},
		{"flip in the last record of a segment", func(d damage) { d.flip(8, 26) }, numbers(1, 7, 9, 20), []lostRange{{8, 8, corrupt}}, 1},
		{"flip in the middle of the newest", func(d damage) { d.flip(18, 26) }, numbers(1, 17, 19, 20), []lostRange{{18, 18, corrupt}}, 1},
		{"flips in two places of a segment", func(d damage) { d.flip(5, 26); d.flip(7, 26) },
			numbers(1, 4, 6, 6, 8, 20), []lostRange{{5, 5, corrupt}, {7, 7, corrupt}}, 1},
		{"flip in a header", func(d damage) {
			d.edit(6, func(b []byte) []byte { b[20] ^= 1; return b })
		}, numbers(1, 20), nil, 0},
		{"flip in the newest's header", func(d damage) {
			d.edit(20, func(b []byte) []byte { b[20] ^= 1; return b })
		}, numbers(1, 20), nil, 0},
		{"middle segment cut between frames", func(d damage) {
			d.edit(6, func(b []byte) []byte { return b[:offsetOf(7)] })
		}, numbers(1, 6, 9, 20), []lostRange{{7, 8, missing}}, 0},
		{"middle segment cut in a frame", func(d damage) {
			d.edit(6, func(b []byte) []byte { return b[:offsetOf(7)+9] })
		}, numbers(1, 6, 9, 20), []lostRange{{7, 8, corrupt}}, 1},
		{"middle segment empty", func(d damage) {
			d.edit(6, func([]byte) []byte { return nil })
		}, numbers(1, 4, 9, 20), []lostRange{{5, 8, missing}}, 0},
		{"middle segment all zeros", func(d damage) {
			d.edit(6, func(b []byte) []byte { clear(b); return b })
		}, numbers(1, 4, 9, 20), []lostRange{{5, 8, corrupt}}, 1},
		{"a sector of zeros across two frames", func(d damage) {
			d.edit(6, func(b []byte) []byte { clear(b[offsetOf(6)+20 : offsetOf(7)+10]); return b })
		}, numbers(1, 5, 8, 20), []lostRange{{6, 7, corrupt}}, 1},
		{"bytes put in between", func(d damage) {
			d.edit(6, func(b []byte) []byte { return slices.Insert(b, offsetOf(6), []byte("0123456789")...) })
		}, numbers(1, 20), nil, 1},
		{"frame twice", func(d damage) {
			d.edit(6, func(b []byte) []byte { return slices.Insert(b, offsetOf(7), b[offsetOf(6):offsetOf(7)]...) })
		}, numbers(1, 20), nil, 0},
		{"oldest segment missing", func(d damage) { d.Delete(d.segments[0]) }, numbers(5, 20), nil, 0},
		{"middle segment missing", func(d damage) { d.Delete(d.segments[2]) },
			numbers(1, 8, 13, 20), []lostRange{{9, 12, missing}}, 0},
		{"newest segment missing", func(d damage) { d.Delete(d.segments[4]) }, numbers(1, 16), nil, 0},
		{"segment copied under another base", func(d damage) {
			d.Write(strings.Replace(d.segments[1], "00005-", "00007-", 1), d.Read(d.segments[1]))
		}, numbers(1, 20), nil, 1},
		{"segment copied under a later base", func(d damage) {
			d.Write(strings.Replace(d.segments[1], "00005-", "99995-", 1), d.Read(d.segments[1]))
		}, numbers(1, 20), nil, 1},
		{"segment renamed to another base", func(d damage) {
			d.Write(strings.Replace(d.segments[1], "00005-", "00003-", 1), d.Read(d.segments[1]))
			d.Delete(d.segments[1])
		}, numbers(1, 20), nil, 0},
		{"segment renamed to a foreign name", func(d damage) {
			d.Write(d.segments[1]+".bak", d.Read(d.segments[1]))
			d.Delete(d.segments[1])
		}, numbers(1, 4, 9, 20), []lostRange{{5, 8, missing}}, 0},
		{"segment in another's place", func(d damage) { d.Write(d.segments[2], d.Read(d.segments[1])) },
			numbers(1, 8, 13, 20), []lostRange{{9, 12, missing}}, 1},
		{"stray files", func(d damage) {
			d.Write(folder+"/notes.txt", []byte("x"))
			d.Write(folder+"/5.seg", []byte("x"))
			d.Write(folder+"/UPPER.pos", []byte("x"))
			d.Write(folder+"/lost", []byte("x"))
			d.Write(folder+"/x.pos.tmp", []byte("x"))
		}, numbers(1, 20), nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDamage(t)
			c.corrupt(d)
			o := small
			o.Files = d
			l, err := spool.Open(folder, o)
			require.NoError(t, err)
			defer l.Close()
			r := reader(t, l, "all")
			k, err := drain(t.Context(), l, r, 0)
			require.NoError(t, err)
			require.Empty(t, k.wrong)
			require.Equal(t, c.survive, k.ids)
			require.Equal(t, c.gaps, rangesOf(k.gaps))

			// It takes new records, and once all is committed nothing damaged is thrown away.
			writeMore(t, l, r)
			require.Len(t, filesOf(t, d.Disk, ".corrupt"), c.kept)
		})
	}
}

func rangesOf(gaps []spool.Gap) []lostRange {
	var all []lostRange
	for _, g := range gaps {
		all = append(all, lostRange{g.First, g.Last, g.Reason})
	}
	return all
}

// writeMore fills a segment and more, reads it and commits all.
func writeMore(t *testing.T, l *spool.Log, r *spool.Reader) {
	before := l.Stats().Newest
	for n := 1; n <= perSegment+1; n++ {
		_, err := l.Append(t.Context(), payload(idOf(500+n)))
		require.NoError(t, err)
	}
	k, err := drain(t.Context(), l, r, before)
	require.NoError(t, err)
	require.Empty(t, k.gaps)
	require.Equal(t, numbers(501, 505), k.ids)
	require.NoError(t, r.Commit(l.Stats().Newest))
	require.Equal(t, 1, l.Stats().Segments)
}

// TestCorruptionIsTyped looks at what a Gap and the events say.
func TestCorruptionIsTyped(t *testing.T) {
	d := newDamage(t)
	d.flip(6, 26)
	var events []spool.Event
	o := small
	o.OnEvent = func(e spool.Event) { events = append(events, e) }
	l := open(t, d, o)
	r := reader(t, l, "all")
	k, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.Len(t, k.gaps, 1)
	var damaged *spool.CorruptError
	require.ErrorAs(t, k.gaps[0].Err, &damaged)
	require.Equal(t, filepath.Base(d.segments[1]), damaged.File)
	require.EqualValues(t, offsetOf(6), damaged.Offset)
	require.EqualValues(t, 1, k.gaps[0].Count)
	require.False(t, k.gaps[0].From.IsZero())
	require.NotZero(t, k.gaps[0].Epoch)
	require.Equal(t, spool.EventCorrupt, events[0].Kind)

	// Another reader gets the same gap; the damage is counted once.
	other, err := drain(t.Context(), l, reader(t, l, "other"), 0)
	require.NoError(t, err)
	require.Equal(t, k.ids, other.ids)
	require.Len(t, other.gaps, 1)
	require.EqualValues(t, 1, l.Stats().Corrupt)
	require.EqualValues(t, 2, l.Stats().Gaps)
	require.Len(t, events, 1)
}

// TestTornTailIsCut looks at the file: what no record ends with goes, once.
func TestTornTailIsCut(t *testing.T) {
	d := newDamage(t)
	whole := d.Read(d.segments[4])
	d.edit(20, func(b []byte) []byte { return append(b, b[headBytes:headBytes+40]...) })
	var events []spool.Event
	o := small
	o.OnEvent = func(e spool.Event) { events = append(events, e) }
	l := open(t, d, o)
	require.Equal(t, whole, d.Read(d.segments[4]))
	require.EqualValues(t, 40, l.Stats().Torn)
	require.Len(t, events, 1)
	require.Equal(t, spool.EventTornTail, events[0].Kind)
	require.EqualValues(t, len(whole), events[0].Offset)
	require.NoError(t, l.Close())
	require.Zero(t, open(t, d, o).Stats().Torn)
}

// TestGapIsToldUntilItIsCommitted restarts between reading and committing a gap.
func TestGapIsToldUntilItIsCommitted(t *testing.T) {
	d := newDamage(t)
	d.flip(2, 26)
	for range 3 {
		l := open(t, d, small)
		r := reader(t, l, "all")
		k, err := drain(t.Context(), l, r, committed(l, "all"))
		require.NoError(t, err)
		require.Equal(t, []lostRange{{2, 2, spool.ReasonCorrupt}}, rangesOf(k.gaps))
		require.NoError(t, r.Commit(1))
		require.NoError(t, l.Close())
	}
	l := open(t, d, small)
	r := reader(t, l, "all")
	_, gap, err := r.Read(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NotNil(t, gap)
	require.NoError(t, r.Commit(gap.Last))
	require.NoError(t, l.Close())
	l = open(t, d, small)
	k, err := drain(t.Context(), l, reader(t, l, "all"), committed(l, "all"))
	require.NoError(t, err)
	require.Empty(t, k.gaps)
	require.Equal(t, numbers(3, 20), k.ids)
}

func TestPositionFile(t *testing.T) {
	const at = 10 // what the reader has committed; records 1 to 8 are gone with their segments
	name := folder + "/all.pos"
	for _, c := range []struct {
		name    string
		corrupt func(d damage)
		first   int // the record the reader goes on with
		gaps    []lostRange
	}{
		{"nothing", func(damage) {}, 11, nil},
		{"both copies flipped", func(d damage) {
			b := d.Read(name)
			b[17] ^= 1
			b[4096+17] ^= 1
			d.Write(name, b)
		}, 9, nil},
		{"newer copy flipped", func(d damage) {
			b := d.Read(name)
			newer := 0
			if binary.LittleEndian.Uint64(b[4096+8:]) > binary.LittleEndian.Uint64(b[8:]) {
				newer = 4096
			}
			b[newer+20] ^= 1
			d.Write(name, b)
		}, 9, nil},
		{"empty", func(d damage) { d.Write(name, nil) }, 9, nil},
		{"zeros", func(d damage) { d.Write(name, make([]byte, 8192)) }, 9, nil},
		{"of another reader", func(d damage) { d.Write(name, d.Read(folder+"/other.pos")) }, 9, nil},
		{"removed", func(d damage) { d.Delete(name) }, 9, nil},
		{"ahead: the newest segment is missing", func(d damage) { d.Delete(d.segments[len(d.segments)-1]) }, 11, nil},
		{"behind: segments are missing", func(d damage) { d.Delete(d.segments[0]) }, 13, []lostRange{{11, 12, spool.ReasonMissingSegment}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDamage(t)
			l := open(t, d, small)
			r, other := reader(t, l, "all"), reader(t, l, "other")
			for _, x := range []*spool.Reader{r, other} {
				_, err := drain(t.Context(), l, x, 0)
				require.NoError(t, err)
				require.NoError(t, x.Commit(8))
			}
			require.NoError(t, r.Commit(at))
			require.NoError(t, l.Close())
			d.segments = filesOf(t, d.Disk, ".seg")
			c.corrupt(d)

			l = open(t, d, small)
			k, err := drain(t.Context(), l, reader(t, l, "all"), uint64(c.first-1))
			require.NoError(t, err)
			require.Equal(t, c.gaps, rangesOf(k.gaps))
			require.NotEmpty(t, k.ids)
			require.Equal(t, idOf(c.first), k.ids[0])
			write(t, l, 1, 2)
			last := l.Stats().Newest
			require.Greater(t, last, uint64(at), "a number the reader is past must not be given again")
		})
	}
}

// TestPositionAheadOfTheLog loses the newest records with their segment: what
// is written next must reach a reader that was past them.
func TestPositionAheadOfTheLog(t *testing.T) {
	d := newDamage(t)
	l := open(t, d, small)
	r := reader(t, l, "all")
	reader(t, l, "slow")
	_, err := drain(t.Context(), l, r, 0)
	require.NoError(t, err)
	require.NoError(t, r.Commit(inLog))
	require.NoError(t, l.Close())
	d.Delete(d.segments[4])
	d.Delete(d.segments[3])

	l = open(t, d, small)
	last, err := l.Append(t.Context(), payload(1))
	require.NoError(t, err)
	require.EqualValues(t, inLog+1, last)
	k, err := drain(t.Context(), l, reader(t, l, "all"), inLog)
	require.NoError(t, err)
	require.Equal(t, []int{1}, k.ids)
	require.Empty(t, k.gaps)
	k, err = drain(t.Context(), l, reader(t, l, "slow"), 0)
	require.NoError(t, err)
	require.Equal(t, append(numbers(1, 12), 1), k.ids)
	require.Equal(t, []lostRange{{13, 20, spool.ReasonMissingSegment}}, rangesOf(k.gaps))
}

// TestNewerFormatIsRefused makes a whole header of a later version.
func TestNewerFormatIsRefused(t *testing.T) {
	d := newDamage(t)
	d.edit(6, func(b []byte) []byte { return withVersion(b, 2) })
	o := small
	o.Files = d
	_, err := spool.Open(folder, o)
	require.ErrorIs(t, err, spool.ErrVersion)
	require.ErrorContains(t, err, filepath.Base(d.segments[1]))
	require.ErrorContains(t, err, "segment format 2")
	require.False(t, errors.Is(err, spool.ErrLocked))
}

// TestFrameInsideAPayload hides a whole frame, right in all but the epoch it
// cannot know, in a payload whose own frame is then damaged: the search for the
// next good frame must not take it for one.
func TestFrameInsideAPayload(t *testing.T) {
	disk := memfile.New()
	o := spool.Options{SegmentBytes: 1000}
	forge := open(t, disk, o)
	for range 3 {
		_, err := forge.Append(t.Context(), []byte("forged"))
		require.NoError(t, err)
	}
	require.NoError(t, forge.Close())
	b := disk.Read(filesOf(t, disk, ".seg")[0])
	size := (len(b) - headBytes) / 3
	forged := b[headBytes+size : headBytes+2*size] // says it is record 2

	disk = memfile.New()
	l := open(t, disk, o)
	for _, p := range [][]byte{payload(1), append([]byte("12345"), forged...), payload(3)} {
		_, err := l.Append(t.Context(), p)
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	name := filesOf(t, disk, ".seg")[0]
	b = disk.Read(name)
	b[headBytes+24+len(payload(1))+24] ^= 1
	disk.Write(name, b)
	k, err := readAll(disk, o)
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, k.ids)
	require.Equal(t, []lostRange{{2, 2, spool.ReasonCorrupt}}, rangesOf(k.gaps))
}
