package collector_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector"
	"medfleet/collector/store"
	"medfleet/collector/store/tsdb"
)

// withHistory gives a collector the store that ships with it.
func withHistory(t *testing.T, folder string) (func(*collector.Options), func()) {
	t.Helper()
	s, err := tsdb.Open(filepath.Join(folder, "history"), tsdb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return func(o *collector.Options) { o.Store = s }, func() { require.NoError(t, s.Close()) }
}

func hours(t *testing.T, s store.Store) (n int) {
	t.Helper()
	samples, err := s.History(t.Context(), store.Query{
		Metric: "operating_hours", Measurement: "infusion_pump", Devices: []medfleet.DeviceID{"p0", "p1", "p2", "p3", "p4"},
		From: medfleet.AsMillis(began.Add(-time.Minute)), To: medfleet.AsMillis(time.Now().Add(time.Minute)),
	})
	require.NoError(t, err)
	return len(samples)
}

func TestHistoryHasEachReadingOnceWhateverStops(t *testing.T) {
	folder := t.TempDir()
	for i := range 4 {
		store, closed := withHistory(t, folder)
		s := start(t, folder, store)
		s.send(i*25, i*25+25)
		if i%2 == 0 {
			s.settled(i*25 + 25)
		}
		s.stop()
		closed()
	}
	store, _ := withHistory(t, folder)
	s := start(t, folder, store)
	require.Eventually(t, func() bool { return hours(t, s.store) >= 100 }, soon, 10*time.Millisecond)
	require.Equal(t, 100, hours(t, s.store))
}

func TestWhatWasNotSyncedIsWrittenAgain(t *testing.T) {
	folder := t.TempDir()
	h := &history{points: map[string]float64{}, saved: errors.New("EIO")}
	s := open(t, folder, func(o *collector.Options) { o.Store = h })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.c.Run(ctx) }()
	s.send(0, 10)
	require.Eventually(t, func() bool { return h.size() == 20 }, soon, 5*time.Millisecond)
	cancel()
	require.ErrorContains(t, <-ended, "EIO", "its end is not clean: the last sync failed")
	s.stop()
	fresh := &history{points: map[string]float64{}}
	start(t, folder, func(o *collector.Options) { o.Store = fresh })
	require.Eventually(t, func() bool { return fresh.size() == 20 }, soon, 5*time.Millisecond, "the journal let go of what no disk had")
}

func TestPointsThatAreRefusedForGoodCostNoOther(t *testing.T) {
	r := &refusing{history{points: map[string]float64{}}}
	s := start(t, t.TempDir(), func(o *collector.Options) { o.Store = r })
	s.send(0, 10)
	s.exactly(10)
	require.Eventually(t, func() bool {
		c := s.c.StoreCounts()
		return c.Points.Load()+c.Refused.Load() >= 10
	}, soon, 5*time.Millisecond)
	require.NotZero(t, s.c.StoreCounts().Refused.Load())
	require.Zero(t, s.c.StoreCounts().Errors.Load())
	require.Equal(t, uint64(10), s.c.StoreCounts().Points.Load()+s.c.StoreCounts().Refused.Load())
}

// refusing refuses the first point of each write.
type refusing struct{ history }

func (r *refusing) Write(ctx context.Context, points []store.Point) error {
	if err := r.history.Write(ctx, points[1:]); err != nil {
		return err
	}
	return &store.Refused{Points: []store.RefusedPoint{{Index: 0}}}
}
