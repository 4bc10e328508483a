package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
)

func writing() []telling {
	return []telling{
		{"what was written is read back", readBack},
		{"every field is a metric of its own", fields},
		{"a gateway and the fleet have series too", withoutDevice},
		{"writing again changes nothing", again},
		{"late data is taken and read in its place", late},
		{"late data is taken while newer data comes", lateAmongNew},
		{"a second value for a time is no error", conflict},
		{"nothing to write is no error", nothing},
		{"a cancelled write can be tried again", cancelled},
	}
}

func readBack(s *story) {
	s.write(pump("p1", s.ago(2*time.Minute), 81.25), pump("p2", s.ago(time.Minute), 40), pump("p1", s.ago(time.Minute), -0.5))
	require.Equal(s, []store.Sample{{Time: s.ago(2 * time.Minute), Value: 81.25}, {Time: s.ago(time.Minute), Value: -0.5}}, s.read(s.charge("p1")))
	require.Equal(s, []store.Sample{{Time: s.ago(time.Minute), Value: 40}}, s.read(s.charge("p2")))
	require.Empty(s, s.read(s.charge("p3")), "a device nobody has heard of")
}

func fields(s *story) {
	p := pump("p1", s.now, 70)
	p.Fields = append(p.Fields, medfleet.Reading{Metric: "state", Value: 2}, medfleet.Reading{Metric: "running_hours", Value: 1e15 + 1})
	s.write(p)
	for metric, want := range map[string]float64{"battery_charge": 70, "state": 2, "running_hours": 1e15 + 1} {
		q := s.charge("p1")
		q.Metric = metric
		require.Equal(s, []store.Sample{{Time: s.now, Value: want}}, s.read(q), metric)
	}
	q := s.charge("p1")
	q.Measurement = "syringe_pump"
	require.Empty(s, s.read(q), "the same metric of another class")
	q = s.charge("p1")
	q.Measurement, q.Metric = "infusion", "pump_battery_charge"
	require.Empty(s, s.read(q), "names that only look the same when put together")
}

func withoutDevice(s *story) {
	depth := []medfleet.Reading{{Metric: "events_depth", Value: 12}}
	beds := func(unit medfleet.CareUnit, v float64) store.Point {
		return store.Point{Measurement: "fleet", Equipment: medfleet.Equipment{Class: "ventilator", Site: "north", Unit: unit},
			Time: s.now, Fields: []medfleet.Reading{{Metric: "in_use", Value: v}}}
	}
	s.write(
		store.Point{Measurement: "gateway", Equipment: medfleet.Equipment{Site: "north"}, Gateway: "gw-1", Time: s.now, Fields: depth},
		store.Point{Measurement: "gateway", Equipment: medfleet.Equipment{Site: "north"}, Gateway: "gw-2", Time: s.ago(time.Second), Fields: depth},
		store.Point{Measurement: "feed", Equipment: medfleet.Equipment{Site: "north"}, Gateway: "gw-1", Feed: "hl7", Time: s.now, Fields: []medfleet.Reading{{Metric: "up", Value: 1}}},
		store.Point{Measurement: "feed", Equipment: medfleet.Equipment{Site: "north"}, Gateway: "gw-1", Feed: "mqtt", Time: s.now, Fields: []medfleet.Reading{{Metric: "up", Value: 0}}},
		beds("ICU", 7), beds("4W", 1))
	q := store.Query{Measurement: "gateway", Metric: "events_depth", Gateway: "gw-1", From: s.ago(time.Hour), To: s.now + 1}
	require.Equal(s, []store.Sample{{Time: s.now, Value: 12}}, s.read(q))
	q.Gateway, q.Site = "", "north"
	require.Len(s, s.read(q), 2, "all gateways of a site")
	q = store.Query{Measurement: "feed", Metric: "up", Feed: "hl7", From: s.ago(time.Hour), To: s.now + 1}
	require.Equal(s, []store.Sample{{Time: s.now, Value: 1}}, s.read(q), "of two feeds of one gateway")
	q = store.Query{Measurement: "fleet", Metric: "in_use", Class: "ventilator", Site: "north", Unit: "ICU", From: s.ago(time.Hour), To: s.now + 1}
	require.Equal(s, []store.Sample{{Time: s.now, Value: 7}}, s.read(q))
}

func again(s *story) {
	var points []store.Point
	for i := range 100 {
		points = append(points, pump("p1", s.ago(time.Duration(i)*time.Hour), float64(i)))
	}
	s.write(points...)
	first := s.read(s.charge("p1"))
	require.Len(s, first, 100)
	s.write(points...)
	s.write(append(points[50:], points[:50]...)...)
	require.Equal(s, first, s.read(s.charge("p1")))
}

func late(s *story) {
	s.write(pump("p1", s.now, 1))
	lateness := []time.Duration{time.Second, 3 * time.Hour, 29 * 24 * time.Hour, 72 * time.Hour, 45 * time.Minute}
	for _, d := range lateness {
		s.write(pump("p1", s.ago(d), d.Hours()))
	}
	samples := s.read(s.charge("p1"))
	require.Len(s, samples, 1+len(lateness))
	require.Equal(s, store.Sample{Time: s.ago(29 * 24 * time.Hour), Value: 29 * 24}, samples[0])
	require.Equal(s, store.Sample{Time: s.ago(72 * time.Hour), Value: 72}, samples[1])
	require.Equal(s, store.Sample{Time: s.now, Value: 1}, samples[5])
	require.IsIncreasing(s, times(samples))
}

func lateAmongNew(s *story) {
	var want []store.Sample
	for i := range 200 {
		fresh, old := s.ago(time.Duration(400-i)*time.Second), s.ago(20*24*time.Hour+time.Duration(i)*17*time.Minute)
		s.write(pump("p1", fresh, float64(i)), pump("p1", old, float64(-i)))
		want = append(want, store.Sample{Time: old, Value: float64(-i)}, store.Sample{Time: fresh, Value: float64(i)})
	}
	require.ElementsMatch(s, want, s.read(s.charge("p1")))
	require.IsIncreasing(s, times(s.read(s.charge("p1"))))
}

func conflict(s *story) {
	first, old := s.now, s.ago(48*time.Hour)
	s.write(pump("p1", old, 10), pump("p1", first, 20))
	s.write(pump("p1", first, 21), pump("p2", first, 30), pump("p1", old, 11))
	s.write(pump("p1", first.Add(time.Minute), 22), pump("p1", first, 23))
	samples := s.read(s.charge("p1"))
	require.Equal(s, []medfleet.Millis{old, first, first.Add(time.Minute)}, times(samples), "one sample at a time")
	require.Contains(s, []float64{10, 11}, samples[0].Value)
	require.Contains(s, []float64{20, 21, 23}, samples[1].Value)
	require.Len(s, s.read(s.charge("p2")), 1, "what came with it is stored")
	require.Equal(s, samples, s.read(s.charge("p1")), "asked twice, the answer is the same")
}

func nothing(s *story) {
	require.NoError(s, s.store.Write(s.Context(), nil))
	require.NoError(s, s.store.Sync(s.Context()))
	require.Empty(s, s.read(s.charge("p1")))
}

func cancelled(s *story) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	points := []store.Point{pump("p1", s.now, 5)}
	err := s.store.Write(ctx, points)
	require.ErrorIs(s, err, context.Canceled)
	var refused *store.Refused
	require.NotErrorAs(s, err, &refused)
	s.write(points...)
	require.Equal(s, []store.Sample{{Time: s.now, Value: 5}}, s.read(s.charge("p1")))
}

func times(samples []store.Sample) []medfleet.Millis {
	at := make([]medfleet.Millis, len(samples))
	for i := range samples {
		at[i] = samples[i].Time
	}
	return at
}
