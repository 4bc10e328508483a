package api

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
)

func TestHistoryInTheProfilesUnit(t *testing.T) {
	w := fleet(1)
	w.samples = []Sample{{1772349300000, 61}, {1772349310000, math.NaN()}, {1772349320000, 18}}
	s := serve(t, testOptions(t, w))
	h := read[Series](t, s.get("/api/v1/devices/pump-000/history?metric=battery_charge&from=2026-03-01T07:15:00Z&to=2026-03-01T09:15:00%2B01:00&step=10s"))
	require.Equal(t, "%", h.Unit)
	require.NotEmpty(t, h.Title)
	require.Equal(t, []Sample{{1772349300000, 61}, {1772349320000, 18}}, h.Items, "what is no number is left out")
	require.Equal(t, 10.0, h.Step)
	require.Equal(t, medfleet.Millis(1772349300000), w.asked.from)
	require.Equal(t, medfleet.Millis(1772352900000), w.asked.to)
	require.Equal(t, 10*time.Second, w.asked.step)
}

func TestHistoryDefaultsToTheLastHour(t *testing.T) {
	w := fleet(1)
	s := serve(t, testOptions(t, w))
	before := medfleet.AsMillis(time.Now())
	h := read[Series](t, s.get("/api/v1/devices/pump-000/history?metric=battery_charge"))
	require.GreaterOrEqual(t, w.asked.to, before)
	require.Equal(t, time.Hour, w.asked.to.Sub(w.asked.from))
	require.Equal(t, 10*time.Second, w.asked.step)
	require.NotNil(t, h.Items)

	read[Series](t, s.get("/api/v1/devices/pump-000/history?metric=battery_charge&to=2026-03-01T08:15:00Z"))
	require.Equal(t, time.Hour, w.asked.to.Sub(w.asked.from), "an hour before the end that was given")
}

func TestHistoryIsBounded(t *testing.T) {
	s := serve(t, testOptions(t, fleet(1)))
	const path = "/api/v1/devices/pump-000/history?metric=battery_charge&from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z&step="
	require.Contains(t, problemOf(t, s.get(path+"1s"), kindInvalid).Detail, "30m0s", "a step that would do")
	require.Contains(t, problemOf(t, s.get(path+"0s"), kindInvalid).Detail, "a day")
	read[Series](t, s.get(path+"1m"))
	p := problemOf(t, s.get("/api/v1/devices/pump-000/history?metric=colour"), kindUnknownMetric)
	require.Contains(t, p.Detail, "colour")
	require.Contains(t, p.Detail, "battery_charge", "what there is")
}

func TestStepsFallOnTheClock(t *testing.T) {
	const day = 24 * time.Hour
	for window, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, time.Hour: 10 * time.Second, 6 * time.Hour: time.Minute, day: 5 * time.Minute,
		7 * day: 30 * time.Minute, 365 * day: 2 * day, longest: 6 * day,
	} {
		step, err := stride{}.over(window)
		require.NoError(t, err)
		require.Equal(t, want, step, window)
	}
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.Int64Range(1, int64(longest)).Draw(t, "window"))
		step, err := stride{}.over(window)
		require.NoError(t, err)
		require.LessOrEqual(t, int64(window/step), int64(aimSamples))
	})
}

func TestEventsNewestFirst(t *testing.T) {
	w := fleet(1)
	for _, id := range []string{"e3", "e2", "e1"} {
		w.events = append(w.events, medfleet.Event{ID: id, Condition: "battery_low", Phase: medfleet.Start})
	}
	s := serve(t, testOptions(t, w))
	first := read[list[medfleet.Event]](t, s.get("/api/v1/devices/pump-000/events?limit=2"))
	require.Equal(t, "e3", first.Items[0].ID)
	second := read[list[medfleet.Event]](t, s.get("/api/v1/devices/pump-000/events?limit=2&cursor="+first.Next))
	require.Equal(t, "e1", second.Items[0].ID)
	require.Empty(t, second.Next)
}

func TestAnEventsCodeIsExplainedWhereItsMakerDoes(t *testing.T) {
	w := fleet(1)
	w.events = []medfleet.Event{
		{ID: "e2", Equipment: medfleet.Equipment{Model: "Perfusor compact S"}, Code: "22", Condition: "device_failure", Phase: medfleet.Start},
		{ID: "e1", Equipment: medfleet.Equipment{Model: "Perfusor compact S"}, Code: "nobody knows", Condition: "device_failure", Phase: medfleet.Start},
	}
	s := serve(t, testOptions(t, w))
	l := read[list[Event]](t, s.get("/api/v1/devices/pump-000/events"))
	require.Equal(t, "unexpected reset", l.Items[0].Meaning)
	require.Contains(t, l.Items[0].Check, "power supply")
	require.Empty(t, l.Items[1].Meaning+l.Items[1].Check)
}

func TestWhereAPartHasBeen(t *testing.T) {
	w := fleet(1)
	w.stays = []medfleet.Stay{
		{ID: "s3", Part: "pump-000", Parent: "rack-2", Slot: "1", From: 3000, Seen: 4000},
		{ID: "s2", Part: "NIBP-7", Parent: "MON-4", Slot: "2", From: 2000, To: 2500, Seen: 2400},
		{ID: "s1", Part: "pump-000", Parent: "rack-1", Slot: "3", From: 1000, To: 3000, Seen: 2900},
	}
	s := serve(t, testOptions(t, w))
	first := read[list[medfleet.Stay]](t, s.get("/api/v1/devices/pump-000/attachments?limit=1"))
	require.Equal(t, w.stays[:1], first.Items)
	second := read[list[medfleet.Stay]](t, s.get("/api/v1/devices/pump-000/attachments?limit=1&cursor="+first.Next))
	require.Equal(t, w.stays[2:], second.Items)
	require.Empty(t, second.Next)
	module := read[list[medfleet.Stay]](t, s.get("/api/v1/devices/NIBP-7/attachments"))
	require.Equal(t, w.stays[1:2], module.Items, "a module that is no device")
	require.Equal(t, w.stays[:1], read[list[medfleet.Stay]](t, s.get("/api/v1/devices/rack-2/attachments")).Items, "a rack that is none")
	problemOf(t, s.get("/api/v1/devices/nobody/attachments"), kindUnknownDevice)
}

func TestMinutesSumToTheWindow(t *testing.T) {
	w := fleet(1)
	first := medfleet.Millis(1772349300000)
	d := w.devices["pump-000"]
	d.FirstSeen = first
	w.put(d)
	w.stretches = []medfleet.Stretch{
		{State: medfleet.Idle, From: first, To: first + 60_000},
		{State: medfleet.InUse, Native: "infusing", Occupied: true, From: first + 60_000, To: first + 240_000},
		{State: medfleet.Unheard, From: first + 240_000},
	}
	s := serve(t, testOptions(t, w))
	r := read[Stretches](t, s.get("/api/v1/devices/pump-000/stretches?from=2026-03-01T00:00:00Z&to=2026-03-01T07:25:00Z"))
	require.Equal(t, first, r.From, "not before it was first heard")
	require.Equal(t, int64(600_000), int64(r.To-r.From))
	require.Equal(t, map[medfleet.State]int64{
		medfleet.InUse: 180_000, medfleet.Idle: 60_000, medfleet.Off: 0, medfleet.OutOfService: 0, medfleet.Unheard: 360_000, medfleet.Blind: 0,
	}, r.Milliseconds)
	require.Equal(t, 3.0, r.Minutes[medfleet.InUse])
	require.InDelta(t, 0.4, r.Coverage, 1e-9)
	require.Len(t, r.Items, 3)
	require.Equal(t, r.To, r.Items[2].To)

	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	future := read[Stretches](t, s.get("/api/v1/devices/pump-000/stretches?from="+yesterday+"&to="+tomorrow))
	require.WithinDuration(t, time.Now(), future.To.Time(), time.Minute, "not after now")
	before := read[Stretches](t, s.get("/api/v1/devices/pump-000/stretches?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"))
	require.Equal(t, before.From, before.To, "before it was known there is nothing to account for")
	require.Empty(t, before.Items)
}

// Whatever the intervals are (with holes, overlaps, doubles, out of order,
// backwards, never ending), the parts follow one another over the whole window.
func TestAnyIntervalsCoverTheWindowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moments := rapid.Int64Range(1, 200)
		from := medfleet.Millis(moments.Draw(t, "from"))
		to := from + medfleet.Millis(moments.Draw(t, "length"))
		recorded := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) medfleet.Stretch {
			r := medfleet.Stretch{State: rapid.SampledFrom(medfleet.States()).Draw(t, "state"), From: medfleet.Millis(moments.Draw(t, "begin"))}
			if rapid.Bool().Draw(t, "ended") {
				r.To = medfleet.Millis(moments.Draw(t, "end"))
			}
			return r
		}), 0, 8).Draw(t, "recorded")

		s := summed("d", from, to, account(recorded, from, to))
		at, sum := from, int64(0)
		for _, p := range s.Items {
			require.Equal(t, at, p.From)
			require.Less(t, p.From, p.To)
			at = p.To
		}
		require.Equal(t, to, at)
		for _, ms := range s.Milliseconds {
			sum += ms
		}
		require.Equal(t, int64(to-from), sum)
		for ms := from; ms < to; ms++ {
			require.Equal(t, stateAt(recorded, ms), partAt(s.Items, ms), "at %d", ms)
		}
	})
}

// stateAt is what account has to find, said naively: the state of the newest
// interval that had begun, or blind if that had ended.
func stateAt(recorded []medfleet.Stretch, at medfleet.Millis) medfleet.State {
	state, begin := medfleet.Blind, medfleet.Millis(-1)
	for _, r := range recorded {
		if r.From > at || r.From < begin {
			continue
		}
		begin, state = r.From, r.State
		if r.To != 0 && r.To <= at {
			state = medfleet.Blind
		}
	}
	return state
}

func partAt(parts []Stretch, at medfleet.Millis) medfleet.State {
	for _, p := range parts {
		if p.From <= at && at < p.To {
			return p.State
		}
	}
	return ""
}
