package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const folder = "/log"

// payload is a record that can be told from every other and from a damaged one.
func payload(id int) []byte {
	b := fmt.Appendf(nil, "%d|", id)
	for i := range id % 61 {
		b = append(b, byte(id*31+i*7))
	}
	return b
}

// identify is the reverse of payload; false means these bytes were never written.
func identify(b []byte) (int, bool) {
	head, _, _ := bytes.Cut(b, []byte("|"))
	id, err := strconv.Atoi(string(head))
	return id, err == nil && bytes.Equal(b, payload(id))
}

// taken is what a reader got.
type taken struct {
	records []spool.Position
	ids     []int
	gaps    []spool.Gap
	wrong   [][]byte
}

func (k *taken) add(records []spool.Record, gap *spool.Gap) (last uint64) {
	if gap != nil {
		k.gaps = append(k.gaps, *gap)
		return gap.Last
	}
	for _, r := range records {
		id, ok := identify(r.Payload)
		if !ok {
			k.wrong = append(k.wrong, bytes.Clone(r.Payload))
		}
		k.records = append(k.records, r.Position)
		k.ids = append(k.ids, id)
		last = r.Sequence
	}
	return last
}

// drain reads all there is for a reader, from where it is.
func drain(ctx context.Context, l *spool.Log, r *spool.Reader, from uint64) (taken, error) {
	var k taken
	last := from
	for last < l.Stats().Newest {
		records, gap, err := r.Read(ctx, 0, 0)
		if err != nil {
			return k, err
		}
		last = k.add(records, gap)
	}
	return k, nil
}

// readAll opens a log, reads all of it as a reader of its own and closes it.
func readAll(disk *memfile.Disk, o spool.Options) (taken, error) {
	o.Files = disk
	l, err := spool.Open(folder, o)
	if err != nil {
		return taken{}, err
	}
	defer l.Close()
	r, err := l.Reader("all")
	if err != nil {
		return taken{}, err
	}
	defer r.Close()
	return drain(context.Background(), l, r, committed(l, "all"))
}

func committed(l *spool.Log, name string) uint64 {
	for _, r := range l.Stats().Readers {
		if r.Name == name {
			return r.Committed
		}
	}
	return 0
}

func open(t testing.TB, files spool.Files, o spool.Options) *spool.Log {
	t.Helper()
	o.Files = files
	l, err := spool.Open(folder, o)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func reader(t testing.TB, l *spool.Log, name string, options ...spool.ReaderOption) *spool.Reader {
	t.Helper()
	r, err := l.Reader(name, options...)
	require.NoError(t, err)
	return r
}

// write appends the records of ids from up to but not including to, one by one.
func write(t testing.TB, l *spool.Log, from, to int) {
	t.Helper()
	for id := from; id < to; id++ {
		_, err := l.Append(t.Context(), payload(id))
		require.NoError(t, err)
	}
}

// span lists from up to but not including to.
func span(from, to int) []int {
	var ids []int
	for id := from; id < to; id++ {
		ids = append(ids, id)
	}
	return ids
}
