package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
)

func reading() []telling {
	return []telling{
		{"a device under several ids is one history", aliases},
		{"a device that moves to another unit is one history", moves},
		{"from is asked for and to is not", halfOpen},
		{"samples fold into steps right at the edges", steps},
		{"an answer over the limit is refused, not cut", limits},
		{"a query without sense is refused", senseless},
		{"a cancelled query ends", cancelledQuery},
	}
}

func aliases(s *story) {
	s.write(pump("mac-0011", s.ago(3*time.Hour), 1), pump("sn-77", s.ago(2*time.Hour), 2), pump("mac-0011", s.ago(time.Hour), 3),
		pump("sn-777", s.ago(time.Hour), 99), pump("sn-77", s.now, 4), pump("mac-0011", s.now, 5))
	samples := s.read(s.charge("sn-77", "mac-0011", "never-heard"))
	require.Equal(s, []medfleet.Millis{s.ago(3 * time.Hour), s.ago(2 * time.Hour), s.ago(time.Hour), s.now}, times(samples))
	require.Equal(s, []float64{1, 2, 3}, []float64{samples[0].Value, samples[1].Value, samples[2].Value})
	require.Contains(s, []float64{4, 5}, samples[3].Value, "one of two at the same time")
}

func moves(s *story) {
	var want []store.Sample
	for i, unit := range []medfleet.CareUnit{"ICU", "4W", "ICU", "", "OR 2"} {
		p := pump("p1", s.ago(time.Duration(10-i)*time.Hour), float64(i))
		p.Unit = unit
		s.write(p)
		want = append(want, store.Sample{Time: p.Time, Value: float64(i)})
	}
	require.Equal(s, want, s.read(s.charge("p1")))
	q := s.charge("p1")
	q.Unit = "ICU"
	require.Equal(s, []store.Sample{want[0], want[2]}, s.read(q), "only its time in one unit")
}

func halfOpen(s *story) {
	at := s.ago(time.Hour)
	s.write(pump("p1", at-1, 1), pump("p1", at, 2), pump("p1", at+1, 3), pump("p1", at+2, 4))
	q := s.charge("p1")
	q.From, q.To = at, at+2
	require.Equal(s, []store.Sample{{Time: at, Value: 2}, {Time: at + 1, Value: 3}}, s.read(q))
	q.From, q.To = at+3, at+1000
	require.Empty(s, s.read(q))
}

func steps(s *story) {
	const minute = medfleet.Millis(60_000)
	m := s.ago(24*time.Hour) / minute * minute
	for _, p := range []struct {
		at medfleet.Millis
		v  float64
	}{
		{m, 8}, {m + minute - 1, 2}, // the first and the last millisecond of a step
		{m + minute, 5},
		{m + 3*minute + 1, -1}, {m + 3*minute + 2, -7}, {m + 3*minute + 3, -4}, // after a step with nothing
		{m + 4*minute, 100}, // asked for no more
	} {
		s.write(pump("p1", p.at, p.v))
	}
	q := s.charge("p1")
	q.From, q.To, q.Step = m, m+4*minute, time.Minute
	for fold, want := range map[store.Fold][]float64{
		"": {2, 5, -4}, store.Last: {2, 5, -4}, store.Min: {2, 5, -7}, store.Max: {8, 5, -1}, store.Mean: {5, 5, -4},
	} {
		q.Fold = fold
		require.Equal(s, []store.Sample{{Time: m, Value: want[0]}, {Time: m + minute, Value: want[1]}, {Time: m + 3*minute, Value: want[2]}}, s.read(q), fold)
	}
	q.From, q.Fold = m+1, store.Max
	require.Equal(s, store.Sample{Time: m, Value: 2}, s.read(q)[0], "a step begins before from, its samples do not")
	q.Step, q.Fold = 30*24*time.Hour, store.Mean
	require.Len(s, s.read(q), 1, "a step longer than the question")
}

func limits(s *story) {
	var points []store.Point
	for i := range 50 {
		points = append(points, pump("p1", s.ago(time.Duration(i)*time.Minute), float64(i)))
	}
	s.write(points...)
	q := s.charge("p1")
	q.Limit = 50
	require.Len(s, s.read(q), 50)
	q.Limit = 49
	_, err := s.store.History(s.Context(), q)
	require.ErrorIs(s, err, store.ErrTooMuch)
	q.Step = time.Hour
	require.LessOrEqual(s, len(s.read(q)), 2, "a longer step fits")
}

func senseless(s *story) {
	for name, spoil := range map[string]func(*store.Query){
		"measurement":           func(q *store.Query) { q.Measurement = `x"; DROP` },
		"metric":                func(q *store.Query) { q.Metric = "" },
		"device":                func(q *store.Query) { q.Devices = []medfleet.DeviceID{"p1", ".*|' OR ''='"} },
		"empty device":          func(q *store.Query) { q.Devices = []medfleet.DeviceID{""} },
		"devices: name":         func(q *store.Query) { q.Devices = nil },
		"devices: 65":           func(q *store.Query) { q.Devices = make([]medfleet.DeviceID, store.MaxDevices+1) },
		"unit":                  func(q *store.Query) { q.Unit = "\xff" },
		"from must be":          func(q *store.Query) { q.To = q.From },
		"from must be before":   func(q *store.Query) { q.From, q.To = q.To, q.From },
		"step":                  func(q *store.Query) { q.Step = -time.Second },
		"step 1µs":              func(q *store.Query) { q.Step = time.Microsecond },
		"fold":                  func(q *store.Query) { q.Fold = "median" },
		"limit":                 func(q *store.Query) { q.Limit = -1 },
		"limit 100001: want 1 ": func(q *store.Query) { q.Limit = store.MaxSamples + 1 },
	} {
		q := s.charge("p1")
		spoil(&q)
		_, err := s.store.History(s.Context(), q)
		require.ErrorIs(s, err, store.ErrQuery, name)
	}
}

func cancelledQuery(s *story) {
	s.write(pump("p1", s.now, 1))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.store.History(ctx, s.charge("p1"))
	require.ErrorIs(s, err, context.Canceled)
}
