package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet/collector/ingest"
	"medfleet/record"
)

// edge is a gateway as the door meets it: it sends what was not acknowledged, in
// order, and again whatever it is not sure of.
type edge struct {
	epoch   uint64
	records []uint64 // epoch of each record; sequences rise from 1
	acked   int
}

func (g *edge) batch(from, n int) batch {
	b := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: g.records[from], first: uint64(from + 1)}
	for i := from; i < min(from+n, len(g.records)) && g.records[i] == b.epoch; i++ {
		b = b.add(record.Observation, uint64(i+1), observation(float64(i%100)))
	}
	return b
}

func (b batch) size(t testing.TB) (n int) {
	for rest := b.body; len(rest) > 0; n++ {
		var err error
		_, rest, err = record.NextFrame(rest)
		require.NoError(t, err)
	}
	return n
}

// TestNothingIsLostOrTakenTwiceWhateverStops lets the gateway, the answers, the
// journal and the collector fail at any point.
func TestNothingIsLostOrTakenTwiceWhateverStops(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder, err := os.MkdirTemp(t.TempDir(), "door")
		require.NoError(rt, err)
		j := &journal{}
		d := openDoor(t, j, folder)
		g := &edge{epoch: 1}
		restart := func(*rapid.T) {
			d = openDoor(t, j, folder)
			held, err := d.Load()
			require.NoError(rt, err)
			require.LessOrEqual(rt, held, j.newest())
			for _, r := range j.records[held:] {
				d.Replay(r)
			}
		}
		deliver := func(from, n int, heard bool) {
			b := g.batch(from, n)
			if got := b.send(t, d); got.Status == 204 && heard {
				g.acked = max(g.acked, from+b.size(t))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"make": func(rt *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(rt, "records") {
					g.records = append(g.records, g.epoch)
				}
			},
			"send": func(rt *rapid.T) {
				if g.acked == len(g.records) {
					rt.Skip()
				}
				deliver(g.acked, rapid.IntRange(1, 30).Draw(rt, "size"), rapid.Bool().Draw(rt, "the answer arrives"))
			},
			"send again": func(rt *rapid.T) {
				if g.acked == 0 {
					rt.Skip()
				}
				from := rapid.IntRange(max(0, g.acked-50), g.acked-1).Draw(rt, "from")
				deliver(from, rapid.IntRange(1, 60).Draw(rt, "size"), true)
			},
			"gateway restarts": func(*rapid.T) { g.epoch++ },
			"journal fails": func(rt *rapid.T) {
				j.err = errors.New("disk full")
				if g.acked < len(g.records) {
					deliver(g.acked, 10, true)
				}
				j.err = nil
			},
			"save": func(rt *rapid.T) {
				held, err := d.Save(j.newest)
				require.NoError(rt, err)
				require.Equal(rt, j.newest(), held)
			},
			"collector is killed":           restart,
			"memory is torn while it saves": func(rt *rapid.T) { tearNew(rt, folder); restart(rt) },
			"":                              func(*rapid.T) {},
		})
		for g.acked < len(g.records) {
			deliver(g.acked, 100, true)
		}
		want := []string{}
		for i, epoch := range g.records {
			want = append(want, fmt.Sprintf("edge-1/telemetry/%x/%d", epoch, i+1))
		}
		require.Equal(rt, want, j.keys(t))
	})
}

// tearNew leaves what a crash leaves in the middle of saving.
func tearNew(rt *rapid.T, folder string) {
	require.NoError(rt, os.WriteFile(filepath.Join(folder, "ingest.json.new"), []byte(`{"version":2,"seq`), 0o600))
}

func TestAMemoryThatCannotBeReadIsRebuilt(t *testing.T) {
	for name, content := range map[string]string{
		"cut off": `{"version":2,"sequence":5,"epo`, "empty": ``, "of another version": `{"version":9,"sequence":5}`, "nonsense": `hello`,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "ingest.json"), []byte(content), 0o600))
			held, err := openDoor(t, &journal{}, folder).Load()
			require.NoError(t, err)
			require.Zero(t, held, "everything is replayed")
		})
	}
}

func TestTheMemoryKnowsAfterARestartWhatItKnewBefore(t *testing.T) {
	folder, j := t.TempDir(), &journal{}
	d := openDoor(t, j, folder)
	require.Equal(t, 204, newBatch(1, 1, 10).send(t, d).Status)
	_, err := d.Save(j.newest)
	require.NoError(t, err)
	d = openDoor(t, j, folder)
	held, err := d.Load()
	require.NoError(t, err)
	require.Equal(t, uint64(10), held)
	require.Equal(t, 204, newBatch(1, 1, 12).send(t, d).Status)
	require.Len(t, j.records, 12)
	clone := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: 1, first: 5}.add(record.Observation, 5, observation(99))
	require.Equal(t, 204, clone.send(t, d).Status)
	require.Equal(t, uint64(1), d.Counts().Suspects.Load(), "content is known across a restart too")
}

func TestTheMemoryIsBoundedHoweverLongAGatewayRuns(t *testing.T) {
	folder, j := t.TempDir(), &journal{}
	d := openDoor(t, j, folder)
	next := uint64(1)
	for epoch := range uint64(200) {
		require.Equal(t, 204, newBatch(epoch+1, next, 500).send(t, d).Status)
		next += 500
	}
	for range 20 {
		require.Equal(t, 204, newBatch(200, next, 2000).send(t, d).Status)
		next += 2000
	}
	_, err := d.Save(j.newest)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(folder, "ingest.json"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(32<<10))
	d = openDoor(t, j, folder)
	_, err = d.Load()
	require.NoError(t, err)
	before := len(j.records)
	require.Equal(t, 204, newBatch(200, next-2000, 2000).send(t, d).Status)
	require.Len(t, j.records, before, "what can be in flight is known")
}

func TestSavingIsRefusedWhereItCannotBeDurable(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, filepath.Join(t.TempDir(), "not", "there"))
	_, err := d.Save(j.newest)
	require.ErrorContains(t, err, "write ingest memory")
}

func BenchmarkBatch(b *testing.B) {
	j := &journal{}
	d := openDoor(b, discard{j}, b.TempDir())
	const n = 1000
	next := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		one := newBatch(1, next, n)
		next += n
		b.StartTimer()
		if got := one.send(b, d); got.Status != 204 {
			b.Fatal(got.Message)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
}

type discard struct{ ingest.Journal }

func (discard) Append(_ context.Context, records ...[]byte) (uint64, error) {
	return uint64(len(records)), nil
}
