package tsdb

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
)

// fleet is one round of reports of n pumps, eight metrics each.
func fleet(n int, at medfleet.Millis) []store.Point {
	points := make([]store.Point, n)
	for i := range points {
		p := pump(fmt.Sprintf("pump-%06d", i), at, 0)
		p.Model, p.Unit, p.Fields = "Alba 3", "ICU", make([]medfleet.Reading, 8)
		for j := range p.Fields {
			p.Fields[j] = medfleet.Reading{Metric: fmt.Sprintf("metric_%d", j), Value: float64(i % 100)}
		}
		points[i] = p
	}
	return points
}

// next moves a round on in time and lets its values wander.
func next(points []store.Point, by time.Duration, round int) {
	for i := range points {
		points[i].Time = points[i].Time.Add(by)
		points[i].Fields[round%8].Value += 0.5
	}
}

func report(b *testing.B, points []store.Point) {
	b.ReportMetric(float64(len(points)*8*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// Rounds of 1 000 and 10 000 pumps, in order, a second apart.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := opened(b, b.TempDir(), Options{})
			points := fleet(n, now().Add(-29*day))
			require.NoError(b, s.Write(b.Context(), points))
			b.ReportAllocs()
			for round := 0; b.Loop(); round++ {
				next(points, time.Second, round)
				require.NoError(b, s.Write(b.Context(), points))
			}
			report(b, points)
		})
	}
}

// The same, of a day ago while newer samples are there.
func BenchmarkWriteLate(b *testing.B) {
	s := opened(b, b.TempDir(), Options{})
	require.NoError(b, s.Write(b.Context(), fleet(1_000, now())))
	points := fleet(1_000, now().Add(-day))
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		next(points, time.Second, round)
		require.NoError(b, s.Write(b.Context(), points))
	}
	report(b, points)
}

// A sync after each round of 1 000 pumps.
func BenchmarkSync(b *testing.B) {
	s := opened(b, b.TempDir(), Options{})
	points := fleet(1_000, now().Add(-29*day))
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		next(points, time.Second, round)
		require.NoError(b, s.Write(b.Context(), points))
		b.StartTimer()
		require.NoError(b, s.Sync(b.Context()))
	}
}

// A day of one metric of one of 1 000 pumps, a report a minute, partly in blocks.
func BenchmarkHistory(b *testing.B) {
	s := opened(b, b.TempDir(), Options{})
	points := fleet(1_000, now().Add(-day))
	for round := range 24 * 60 {
		require.NoError(b, s.Write(b.Context(), points))
		next(points, time.Minute, round)
	}
	q := store.Query{Measurement: "infusion_pump", Metric: "metric_3", Devices: []medfleet.DeviceID{"pump-000500"}, From: 1, To: now().Add(time.Hour)}
	for _, step := range []time.Duration{0, 5 * time.Minute} {
		q.Step, q.Fold = step, store.Mean
		b.Run(fmt.Sprintf("step=%v", step), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				samples, err := s.History(b.Context(), q)
				require.NoError(b, err)
				require.NotEmpty(b, samples)
			}
		})
	}
}
