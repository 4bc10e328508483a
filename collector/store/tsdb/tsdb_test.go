package tsdb

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/collector/store"
	"medfleet/collector/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(folder string) (store.Store, error) { return Open(folder, Options{}) })
}

// opened opens a store that is closed when the test ends.
func opened(t testing.TB, folder string, o Options) *Store {
	t.Helper()
	s, err := Open(folder, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func now() medfleet.Millis { return medfleet.AsMillis(time.Now()) }

// pump is a pump that tells its charge.
func pump(id string, at medfleet.Millis, charge float64) store.Point {
	return store.Point{
		Measurement: "infusion_pump",
		Equipment:   medfleet.Equipment{Device: medfleet.DeviceID(id), Class: "infusion_pump", Site: "north"},
		Time:        at,
		Fields:      []medfleet.Reading{{Metric: "battery_charge", Value: charge}},
	}
}

// history reads the charge of a pump over all that is kept.
func history(t testing.TB, s *Store, id string) []store.Sample {
	t.Helper()
	samples, err := s.History(t.Context(), store.Query{
		Measurement: "infusion_pump", Metric: "battery_charge", Devices: []medfleet.DeviceID{medfleet.DeviceID(id)},
		From: 1, To: now().Add(time.Hour), Limit: store.MaxSamples,
	})
	require.NoError(t, err)
	return samples
}

func TestTheFirstValueOfTheNewestTimeStays(t *testing.T) {
	s, at := opened(t, t.TempDir(), Options{}), now()
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 1), pump("p1", at, 2)}))
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 3)}))
	require.Equal(t, []store.Sample{{Time: at, Value: 1}}, history(t, s, "p1"))
}

func TestASecondOpenIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "series")
	s := opened(t, folder, Options{})
	_, err := Open(folder, Options{})
	require.ErrorContains(t, err, folder)
	require.ErrorContains(t, err, "another process")
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", now(), 1)}), "the first goes on")
	require.NoError(t, s.Close())
	opened(t, folder, Options{})
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"retention":  {Retention: 30 * day},
		"max series": {MaxSeries: -1},
		"max bytes":  {MaxBytes: -1},
	} {
		_, err := Open(t.TempDir(), o)
		require.ErrorContains(t, err, name)
	}
}

func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	s, at := opened(t, t.TempDir(), Options{MaxSeries: 3}), now()
	for i := range 3 {
		require.NoError(t, s.Write(t.Context(), []store.Point{pump(fmt.Sprint("p", i), at, 1)}))
	}
	err := s.Write(t.Context(), []store.Point{pump("p0", at+1, 2), pump("p3", at+1, 2), pump("p2", at+1, 2)})
	var refused *store.Refused
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Points, 1)
	require.Equal(t, store.RefusedPoint{Index: 1, Reason: store.TooManySeries, Detail: refused.Points[0].Detail}, refused.Points[0])
	require.Len(t, history(t, s, "p0"), 2, "known series go on, remembered or not")
	require.Len(t, history(t, s, "p2"), 2)
	require.Empty(t, history(t, s, "p3"))
}

func TestTheCacheForgetsWhatIsNotUsed(t *testing.T) {
	c := newCache(100)
	busy := owner{gateway: "busy"}
	for i := range 1000 {
		who := owner{gateway: fmt.Sprint(i)}
		o := new(owned)
		c.put(&who, o)
		c.add(&who, o, "m")
		if c.find(&busy) == nil {
			require.Zero(t, i, "what is used is kept")
			c.put(&busy, new(owned))
		}
		require.LessOrEqual(t, len(c.young)+len(c.old), 102)
	}
	require.Nil(t, c.find(&owner{gateway: "0"}))
	require.NotNil(t, c.find(&owner{gateway: "999"}))
}

func TestAClockBeforeTheSamplesStopsWriting(t *testing.T) {
	s := opened(t, t.TempDir(), Options{})
	s.newest = now().Add(clockSlack + time.Minute)
	err := s.Write(t.Context(), []store.Point{pump("p1", now(), 1)})
	require.ErrorContains(t, err, "set the clock")
	var refused *store.Refused
	require.NotErrorAs(t, err, &refused, "the points are not to blame")
	s.newest = now().Add(clockSlack - time.Minute)
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", now(), 1)}))
}

func TestTheNewestTimeIsKnownAfterOpening(t *testing.T) {
	folder, at := t.TempDir(), now()
	s := opened(t, folder, Options{})
	require.Zero(t, s.newest)
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 1), pump("p1", at.Add(-time.Hour), 1)}))
	require.NoError(t, s.Close())
	require.Equal(t, at, opened(t, folder, Options{}).newest)
}

func TestTheEnginesMetricsCanBeRegistered(t *testing.T) {
	s := opened(t, t.TempDir(), Options{})
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", now(), 1)}))
	all := prometheus.NewRegistry()
	require.NoError(t, all.Register(s))
	families, err := all.Gather()
	require.NoError(t, err)
	found := make(map[string]bool)
	for _, f := range families {
		found[f.GetName()] = true
	}
	require.True(t, found["prometheus_tsdb_head_series"])
	require.NoError(t, s.Close())
	families, err = all.Gather()
	require.NoError(t, err)
	require.Empty(t, families)
}

func TestWhatIsOlderThanTheRetentionIsDeleted(t *testing.T) {
	s, at := opened(t, t.TempDir(), Options{Retention: 100 * day}), now()
	old := s.db.AppenderV2(t.Context()) // Write would not take it
	for _, age := range []time.Duration{120 * day, 90 * day} {
		_, err := old.Append(0, (&owner{measurement: "infusion_pump", Equipment: pump("p1", 0, 0).Equipment}).labels("battery_charge"),
			0, int64(at.Add(-age)), 1, nil, nil, storage.AOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, old.Commit())
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at.Add(-5*time.Hour), 1), pump("p1", at, 1)}))
	require.Eventually(t, func() bool { return len(history(t, s, "p1")) == 3 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, at.Add(-90*day), history(t, s, "p1")[0].Time)
}
