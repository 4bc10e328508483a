package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// wide is a log of 64 KiB in four segments; its record n is long enough that
// the log has few of them.
type wide struct {
	disk    *memfile.Disk
	o       spool.Options
	names   []string
	content [][]byte
	records int
	payload [][]byte // by number
	// borders[s] are the offsets at which frames of segment s end, and before
	// them the header's.
	borders [][]int
	first   []int // first record of each segment
}

// longPayload is n, repeated: any other bytes are a wrong record.
func longPayload(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n >> 8), 0xA5}, 300) }

func newWide(t *testing.T) *wide {
	w := &wide{disk: memfile.New(), o: spool.Options{SegmentBytes: 17 << 10}}
	l := open(t, w.disk, w.o)
	for w.records < 72 {
		w.records++
		w.payload = append(w.payload, longPayload(w.records))
		_, err := l.Append(t.Context(), longPayload(w.records))
		require.NoError(t, err)
	}
	require.Greater(t, l.Stats().Bytes, int64(64<<10))
	require.NoError(t, l.Close())
	w.names = filesOf(t, w.disk, ".seg")
	require.Len(t, w.names, 4)
	n := 1
	for _, name := range w.names {
		b := w.disk.Read(name)
		w.content = append(w.content, b)
		w.first = append(w.first, n)
		borders := []int{headBytes}
		for at := headBytes; at < len(b); n++ {
			at += 24 + len(longPayload(n))
			borders = append(borders, at)
		}
		w.borders = append(w.borders, borders)
	}
	require.Equal(t, w.records+1, n)
	return w
}

// frameOf is the record whose frame has offset at in segment s, 0 for the header.
func (w *wide) frameOf(s, at int) int {
	for i, end := range w.borders[s] {
		if at < end {
			if i == 0 {
				return 0
			}
			return w.first[s] + i - 1
		}
	}
	return w.records + 1
}

// with gives a disk on which segment s has another content, all else being shared.
func (w *wide) with(s int, content []byte) *memfile.Disk {
	d := memfile.New()
	_ = d.MakeDir(folder)
	for i, name := range w.names {
		if i != s {
			d.Write(name, w.content[i])
		}
	}
	d.Write(w.names[s], content)
	return d
}

// got is what one reading of a damaged log gave.
type got struct {
	records  []bool // by number
	declared []bool
}

// read opens the log and reads it to its end. Every record must be right, in
// order, and given or declared at most once.
func (w *wide) read(d *memfile.Disk) (got, error) {
	g := got{make([]bool, w.records+2), make([]bool, w.records+2)}
	o := w.o
	o.Files = d
	l, err := spool.Open(folder, o)
	if err != nil {
		return g, err
	}
	defer l.Close()
	r, err := l.Reader("all")
	if err != nil {
		return g, err
	}
	defer r.Close()
	for last := uint64(0); last < l.Stats().Newest; {
		records, gap, err := r.Read(context.Background(), 0, 0)
		if err != nil {
			return g, err
		}
		if gap != nil {
			if gap.First != last+1 || gap.Last > uint64(w.records) {
				return g, fmt.Errorf("gap %+v after %d", gap, last)
			}
			for n := gap.First; n <= gap.Last; n++ {
				g.declared[n] = true
			}
			last = gap.Last
			continue
		}
		for _, rec := range records {
			if rec.Sequence != last+1 || rec.Sequence > uint64(w.records) || !bytes.Equal(rec.Payload, w.payload[rec.Sequence-1]) {
				return g, fmt.Errorf("wrong record %d after %d", rec.Sequence, last)
			}
			last = rec.Sequence
			g.records[last] = true
		}
	}
	return g, nil
}

// every runs check for all numbers below n on all processors.
func every(t *testing.T, n int, check func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 1)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)-1) * stride
				if i >= n || len(errs) > 0 {
					return
				}
				if err := check(i); err != nil {
					select {
					case errs <- fmt.Errorf("at %d: %w", i, err):
					default:
					}
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
}

// TestEveryByteFlipped turns over one bit of every byte: the record that has
// it is declared lost, or cut if it is the very last, and no other suffers.
func TestEveryByteFlipped(t *testing.T) {
	w := newWide(t)
	for s := range w.names {
		every(t, len(w.content[s]), func(at int) error {
			b := bytes.Clone(w.content[s])
			b[at] ^= 1 << (at % 8)
			g, err := w.read(w.with(s, b))
			if err != nil {
				return err
			}
			return w.compare(g, w.frameOf(s, at), w.frameOf(s, at))
		})
	}
}

// TestEveryTruncation cuts each segment at every length: what is before the
// cut is there, and what was behind it is declared, or cut in the newest.
func TestEveryTruncation(t *testing.T) {
	w := newWide(t)
	for s := range w.names {
		every(t, len(w.content[s]), func(at int) error {
			g, err := w.read(w.with(s, w.content[s][:at]))
			if err != nil {
				return err
			}
			last := w.records
			if s+1 < len(w.first) {
				last = w.first[s+1] - 1
			}
			return w.compare(g, max(w.frameOf(s, at), w.first[s]), last)
		})
	}
}

// compare says whether exactly the records from first to last are gone and
// declared, but for the newest ones. first = 0 stands for none.
func (w *wide) compare(g got, first, last int) error {
	for n := 1; n <= w.records; n++ {
		gone := first > 0 && n >= first && n <= last
		if g.records[n] == gone {
			return fmt.Errorf("record %d: there is %v, gone should be %v", n, g.records[n], gone)
		}
		if cut := last == w.records; gone && !g.declared[n] && !cut {
			return fmt.Errorf("record %d is gone and nobody was told", n)
		}
	}
	return nil
}
