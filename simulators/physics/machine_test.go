package physics_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/profiles"
	"medfleet/simulators/physics"
)

var monday = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

func machine(t require.TestingT, class medfleet.Class, speed float64, seed uint64) *physics.Machine {
	m, err := physics.New(class, monday, speed, rand.New(rand.NewPCG(seed, 7)))
	require.NoError(t, err)
	return m
}

func value(t require.TestingT, m *physics.Machine, metric string) float64 {
	o := medfleet.Observation{Readings: m.AppendReadings(nil)}
	v, ok := o.Reading(metric)
	require.True(t, ok, metric)
	return v
}

func loadProfiles(t *testing.T) *profiles.Set {
	set, err := profiles.Load("")
	require.NoError(t, err)
	return set
}

// A fortnight of ordinary life: everything said is in the profile and
// plausible, what begins ends, counters do not fall, and nothing is
// technically wrong.
func TestOrdinaryLife(t *testing.T) {
	set := loadProfiles(t)
	for _, class := range physics.Classes() {
		t.Run(string(class), func(t *testing.T) {
			profile, ok := set.Class(class)
			require.True(t, ok)
			m, life := machine(t, class, 1, 3), newLife(set)
			in := map[string]int{}
			last := map[string]float64{}
			for at := monday; at.Before(monday.Add(14 * 24 * time.Hour)); at = at.Add(5 * time.Minute) {
				m.Step(at)
				life.hear(t, m.Events())
				in[m.State()]++
				_, ok := profile.StateValue(m.State())
				require.True(t, ok, m.State())
				require.False(t, m.Next().Before(at))
				for _, r := range m.AppendReadings(nil) {
					metric, ok := profile.Metric(r.Metric)
					require.True(t, ok, r.Metric)
					require.True(t, metric.Plausible(r.Value), "%s = %v", r.Metric, r.Value)
					if metric.Kind == profiles.Counter {
						require.GreaterOrEqual(t, r.Value, last[r.Metric], r.Metric)
					}
					last[r.Metric] = r.Value
				}
			}
			require.Zero(t, life.technical)
			require.Positive(t, life.heard, "there is something to say in a fortnight")
			require.GreaterOrEqual(t, len(in), 2, "it is used and put away: %v", in)
			require.False(t, m.Worn())
		})
	}
}

// life follows what a machine says.
type life struct {
	set       *profiles.Set
	open      map[string]bool
	last      time.Time
	heard     int
	technical int
}

func newLife(set *profiles.Set) *life { return &life{set: set, open: map[string]bool{}} }

func (l *life) hear(t require.TestingT, events []physics.Event) {
	for _, e := range events {
		c, ok := l.set.Condition(e.Condition)
		require.True(t, ok, e.Condition)
		require.False(t, e.At.Before(l.last), "events come in their order")
		l.last = e.At
		l.heard++
		if c.Kind == medfleet.Technical {
			l.technical++
		}
		switch e.Phase {
		case medfleet.Start:
			require.False(t, l.open[e.Condition], "%s begins twice", e.Condition)
			l.open[e.Condition] = true
		case medfleet.End:
			require.True(t, l.open[e.Condition], "%s ends without a beginning", e.Condition)
			delete(l.open, e.Condition)
		default:
			require.Equal(t, medfleet.Instant, e.Phase)
		}
	}
}

func TestPumpsAreUsedMoreByDay(t *testing.T) {
	day, night := 0, 0
	for seed := range uint64(20) {
		m := machine(t, physics.InfusionPump, 1, seed)
		for at := monday; at.Before(monday.Add(5 * 24 * time.Hour)); at = at.Add(5 * time.Minute) {
			m.Step(at)
			if m.State() != "infusing" {
				continue
			}
			switch h := at.Hour(); {
			case h >= 9 && h < 15:
				day++
			case h < 6:
				night++
			}
		}
	}
	require.Greater(t, day, night*11/10)
}

func TestSameSeedSameLife(t *testing.T) {
	tell := func(seed uint64) (all []physics.Event) {
		m := machine(t, physics.SyringePump, 1, seed)
		m.Begin(physics.OcclusionBurst, monday.Add(time.Hour))
		m.Step(monday.Add(2 * time.Hour))
		m.End(physics.OcclusionBurst, monday.Add(2*time.Hour))
		m.Step(monday.Add(50 * time.Hour))
		return append(all, m.Events()...)
	}
	require.Equal(t, tell(1), tell(1))
	require.NotEqual(t, tell(1), tell(2))
}

func TestYearsAtSpeedWearTheBattery(t *testing.T) {
	m := machine(t, physics.InfusionPump, 5000, 1)
	for at := monday; at.Before(monday.Add(24 * time.Hour)); at = at.Add(10 * time.Second) {
		m.Step(at)
		m.Events()
	}
	require.True(t, m.Worn())
	require.Less(t, value(t, m, "battery_health"), 80.0)
	require.Less(t, value(t, m, "operating_hours"), 24_500.0, "hours follow the clock")
}

func TestUnknownClass(t *testing.T) {
	_, err := physics.New("toaster", monday, 1, rand.New(rand.NewPCG(1, 1)))
	require.ErrorContains(t, err, "toaster")
}

func TestBatteryFade(t *testing.T) {
	for _, class := range physics.Classes() {
		m := machine(t, class, 1, 5)
		m.Begin(physics.BatteryFade, monday)
		require.Less(t, value(t, m, "battery_health"), 80.0)
		require.Zero(t, value(t, m, "on_mains"))
		before := value(t, m, "battery_charge")
		m.Step(monday.Add(10 * time.Minute))
		require.Greater(t, before-value(t, m, "battery_charge"), 1.0, "%s: the charge falls", class)
		require.False(t, m.Worn(), "a fault is not wear")
		m.End(physics.BatteryFade, monday.Add(11*time.Minute))
		require.Greater(t, value(t, m, "battery_health"), 95.0)
		require.Equal(t, 1.0, value(t, m, "on_mains"))
	}
}

// With a pump's load "100 %" must fall more than 15 % in less than 10 minutes.
func TestFadedPumpShowsFullAndCannotCarryTheLoad(t *testing.T) {
	m := machine(t, physics.InfusionPump, 1, 5)
	at := monday
	for m.State() != "infusing" || m.Next().Before(at.Add(12*time.Minute)) {
		at = at.Add(time.Minute)
		m.Step(at)
	}
	m.Begin(physics.BatteryFade, at)
	before := value(t, m, "battery_charge")
	m.Step(at.Add(10 * time.Minute))
	require.Greater(t, before-value(t, m, "battery_charge"), 15.0)
}

func TestOcclusionBurst(t *testing.T) {
	for _, class := range []medfleet.Class{physics.InfusionPump, physics.SyringePump} {
		m := machine(t, class, 1, 9)
		m.Events()
		m.Begin(physics.OcclusionBurst, monday)
		m.Step(monday.Add(30 * time.Second))
		m.End(physics.OcclusionBurst, monday.Add(30*time.Second))
		count := map[medfleet.Phase]int{}
		for _, e := range m.Events() {
			if e.Condition == "occlusion" {
				count[e.Phase]++
			}
		}
		require.GreaterOrEqual(t, count[medfleet.Start], 8)
		require.Equal(t, count[medfleet.Start], count[medfleet.End])
		require.Equal(t, "infusing", m.State())
	}
}

func TestSelfTestFailed(t *testing.T) {
	m := machine(t, physics.Ventilator, 1, 9)
	m.Begin(physics.SelfTestFailed, monday)
	m.Step(monday.Add(3 * time.Hour))
	require.Equal(t, "self_test", m.State(), "it stays where it failed")
	require.Zero(t, value(t, m, "self_test_passed"))
	m.End(physics.SelfTestFailed, monday.Add(3*time.Hour))
	require.Equal(t, 1.0, value(t, m, "self_test_passed"))
	m.Step(monday.Add(4 * time.Hour))
	require.NotEqual(t, "self_test", m.State())
}

// Whatever faults come and go, what is said stays well formed, and when they are
// gone nothing technical remains.
func TestFaultsInAnyOrder(t *testing.T) {
	set := loadProfiles(t)
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom(physics.Classes()).Draw(t, "class")
		m := machine(t, class, rapid.SampledFrom([]float64{1, 60, 600}).Draw(t, "speed"), rapid.Uint64().Draw(t, "seed"))
		l, at := newLife(set), monday
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(t, "wait")))
			f := rapid.SampledFrom(physics.Faults()).Draw(t, "fault")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				if f.Strikes(class) {
					m.Begin(f, at)
					require.True(t, m.Has(f))
				}
			case 1:
				m.End(f, at)
				require.False(t, m.Has(f))
			default:
				m.Step(at)
			}
			l.hear(t, m.Events())
			charge := value(t, m, "battery_charge")
			require.True(t, charge >= 0 && charge <= 100)
		}
		for _, f := range physics.Faults() {
			m.End(f, at)
		}
		m.Step(at.Add(12 * time.Hour))
		l.hear(t, m.Events())
		for condition := range l.open {
			c, _ := set.Condition(condition)
			require.NotEqual(t, medfleet.Technical, c.Kind, "%s remains", condition)
		}
	})
}
