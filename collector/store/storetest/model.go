package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/collector/store"
)

// agrees does random things to one store and to a plain map, and compares what
// they say. Each of rapid's runs has devices of its own in the same store.
func agrees(t *testing.T, open Opener) {
	s := begin(t, open)
	s.write(pump("first", s.ago(7*time.Hour), 1), pump("first", s.now, 1))
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &model{story: s, run: run, samples: make(map[key]float64)}
		r.Repeat(map[string]func(*rapid.T){
			"write": m.write,
			"":      m.compare,
			"upset": m.upset,
		})
	})
}

// key is one sample's place.
type key struct {
	device int
	metric string
	time   medfleet.Millis
}

// model is what the store should hold of one run.
type model struct {
	story   *story
	run     int
	samples map[key]float64
}

const modelDevices = 3

func (m *model) device(i int) medfleet.DeviceID {
	return medfleet.DeviceID(fmt.Sprintf("run%d.%d", m.run, i))
}

// point draws a point. No two devices share a millisecond, and a sample's value
// follows from its place, so that every question has one answer.
func (m *model) point(r *rapid.T) (store.Point, []key) {
	device := rapid.IntRange(0, modelDevices-1).Draw(r, "device")
	minutes := rapid.SampledFrom([]int{0, 0, 0, 100, 7 * 60, 3 * 24 * 60, 29 * 24 * 60}).Draw(r, "era") + rapid.IntRange(0, 20).Draw(r, "minutes ago")
	at := m.story.ago(time.Duration(minutes)*time.Minute)/modelDevices*modelDevices + medfleet.Millis(device)
	p := pump(m.device(device), at, 0)
	p.Unit = rapid.SampledFrom([]medfleet.CareUnit{"ICU", "4W"}).Draw(r, "unit")
	p.Fields = nil
	var keys []key
	for _, metric := range []string{"battery_charge", "state"} {
		if metric == "state" || rapid.Bool().Draw(r, metric) {
			value := float64(minutes*10 + device + len(metric)*1_000_000)
			p.Fields = append(p.Fields, medfleet.Reading{Metric: metric, Value: value})
			keys = append(keys, key{device, metric, at})
		}
	}
	return p, keys
}

// write writes a few points, some of them spoiled.
func (m *model) write(r *rapid.T) {
	var points []store.Point
	var spoiled []int
	written := make(map[key]float64)
	for i := range rapid.IntRange(1, 20).Draw(r, "points") {
		p, keys := m.point(r)
		if rapid.IntRange(0, 9).Draw(r, "bad") == 0 {
			p.Time = m.story.now
			rapid.SampledFrom(badPoints()).Draw(r, "how").spoil(&p)
			spoiled = append(spoiled, i)
		} else {
			for j, k := range keys {
				written[k] = p.Fields[j].Value
			}
		}
		points = append(points, p)
	}
	err := m.story.store.Write(m.story.Context(), points)
	var got []int
	if err != nil {
		var refused *store.Refused
		require.ErrorAs(r, err, &refused)
		for _, p := range refused.Points {
			got = append(got, p.Index)
		}
	}
	require.Equal(r, spoiled, got)
	maps.Copy(m.samples, written)
}

// compare asks both a random question.
func (m *model) compare(r *rapid.T) {
	devices := rapid.SliceOfNDistinct(rapid.IntRange(0, modelDevices-1), 1, modelDevices, rapid.ID[int]).Draw(r, "devices")
	q := m.story.charge()
	q.Metric = rapid.SampledFrom([]string{"battery_charge", "state"}).Draw(r, "metric")
	q.Fold = rapid.SampledFrom([]store.Fold{store.Last, store.Min, store.Max, store.Mean}).Draw(r, "fold")
	q.Step = rapid.SampledFrom([]time.Duration{0, 0, time.Minute, 7 * time.Hour, 24 * time.Hour}).Draw(r, "step")
	q.From = m.story.ago(time.Duration(rapid.IntRange(0, 29*24*60).Draw(r, "from")) * time.Minute)
	for _, d := range devices {
		q.Devices = append(q.Devices, m.device(d))
	}
	m.equal(r, m.story.store, q, devices)
}

func (m *model) equal(r *rapid.T, from store.Store, q store.Query, devices []int) {
	got, err := from.History(m.story.Context(), q)
	require.NoError(r, err)
	want := m.answer(q, devices)
	require.Equal(r, times(want), times(got))
	for i := range want {
		require.InDelta(r, want[i].Value, got[i].Value, 1e-6)
	}
}

// answer is the plain way to answer a query: collect, sort, group.
func (m *model) answer(q store.Query, devices []int) []store.Sample {
	var raw []store.Sample
	for k, v := range m.samples {
		if slices.Contains(devices, k.device) && k.metric == q.Metric && k.time >= q.From && k.time < q.To {
			raw = append(raw, store.Sample{Time: k.time, Value: v})
		}
	}
	slices.SortFunc(raw, func(a, b store.Sample) int { return cmp.Compare(a.Time, b.Time) })
	if q.Step == 0 {
		return raw
	}
	var folded []store.Sample
	step := medfleet.Millis(q.Step.Milliseconds())
	for len(raw) > 0 {
		begins := raw[0].Time - raw[0].Time%step
		var values []float64
		for len(raw) > 0 && raw[0].Time < begins+step {
			values, raw = append(values, raw[0].Value), raw[1:]
		}
		folded = append(folded, store.Sample{Time: begins, Value: plainFold(q.Fold, values)})
	}
	return folded
}

func plainFold(f store.Fold, values []float64) float64 {
	switch f {
	case store.Min:
		return slices.Min(values)
	case store.Max:
		return slices.Max(values)
	case store.Mean:
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum / float64(len(values))
	}
	return values[len(values)-1]
}

// upset does what happens seldom.
func (m *model) upset(r *rapid.T) {
	switch rapid.IntRange(0, 59).Draw(r, "what happens") { // small numbers are drawn more often
	case 41:
		m.restart(r)
	case 42:
		m.crash(r)
	default:
		require.NoError(r, m.story.store.Sync(m.story.Context()))
	}
}

// restart closes the store and opens it again.
func (m *model) restart(r *rapid.T) {
	require.NoError(r, m.story.store.Close())
	opened, err := m.story.open(m.story.folder)
	require.NoError(r, err)
	m.story.store = opened
}

// crash compares everything with what a crash now would leave.
func (m *model) crash(r *rapid.T) {
	require.NoError(r, m.story.store.Sync(m.story.Context()))
	ruins := filepath.Join(filepath.Dir(m.story.folder), "ruins")
	defer func() { require.NoError(r, os.RemoveAll(ruins)) }()
	require.NoError(r, Image(m.story.folder, ruins))
	after, err := m.story.open(ruins)
	require.NoError(r, err)
	defer func() { require.NoError(r, after.Close()) }()
	for device := range modelDevices {
		q := m.story.charge(m.device(device))
		q.Metric = "state"
		m.equal(r, after, q, []int{device})
	}
}
