package spool_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// FuzzOpen puts any bytes in place of a segment, of the newest, and of a
// position. Whatever they are: the log opens or says why not, gives only
// records that were written, in order, and gives the same when opened again.
func FuzzOpen(f *testing.F) {
	seed := memfile.New()
	l, err := spool.Open(folder, spool.Options{SegmentBytes: small.SegmentBytes, Files: seed})
	require.NoError(f, err)
	for n := 1; n <= inLog; n++ {
		_, err := l.Append(context.Background(), payload(idOf(n)))
		require.NoError(f, err)
	}
	r := reader(f, l, "all")
	require.NoError(f, r.Close())
	require.NoError(f, l.Close())
	var segments []string
	names, err := seed.List(folder)
	require.NoError(f, err)
	for _, n := range names {
		if len(n) > 20 {
			segments = append(segments, folder+"/"+n)
		}
	}
	slices.Sort(segments)
	middle, newest, position := segments[1], segments[len(segments)-1], folder+"/all.pos"

	m, n, p := seed.Read(middle), seed.Read(newest), seed.Read(position)[:64]
	f.Add(m, n, p)
	f.Add(m[:100], n[:50], p[:10])
	f.Add(append(m[:len(m):len(m)], m[headBytes:]...), m, []byte{})
	f.Add(seed.Read(segments[2]), seed.Read(segments[0]), p)
	f.Add([]byte{}, append(n[:len(n):len(n)], make([]byte, 300)...), p)
	f.Fuzz(func(t *testing.T, m, n, p []byte) {
		d := seed.Clone()
		d.Write(middle, m)
		d.Write(newest, n)
		d.Write(position, p)
		first, err := readAll(d, small)
		if err != nil {
			return
		}
		require.Empty(t, first.wrong)
		for i := 1; i < len(first.records); i++ {
			require.Greater(t, first.records[i].Sequence, first.records[i-1].Sequence)
		}
		second, err := readAll(d, small)
		require.NoError(t, err)
		require.Equal(t, first.records, second.records)
		require.Equal(t, first.ids, second.ids)
		require.Equal(t, rangesOf(first.gaps), rangesOf(second.gaps))
	})
}
