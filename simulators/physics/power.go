package physics

import (
	"slices"
	"time"

	"medfleet"
)

// The charges in percent at which a machine reports its battery, and from which
// on it takes that back.
const (
	lowBelow   = 20.0
	lowOver    = 25.0
	emptyBelow = 3.0
	fadedPlug  = 8.0 // somebody plugs a faded one in only after it has complained
)

// plug puts the machine on mains or takes it off, and says so.
func (m *Machine) plug(at time.Time, mains bool) {
	if m.mains == mains {
		return
	}
	m.mains = mains
	m.changes++
	m.report(at, "on_battery", !mains)
	m.plugAt = m.patience()
	m.walk = m.nextWalk(at)
}

// patience is how empty a battery may get before somebody plugs the machine in.
// It is never as low as to be a condition of its own.
func (m *Machine) patience() float64 { return 30 + 30*m.rng.Float64() }

// nextWalk draws when a machine on mains is carried off, or one carried around
// comes back. The zero time: never.
func (m *Machine) nextWalk(at time.Time) time.Time {
	switch {
	case m.kind.walks == 0 || m.Has(BatteryFade):
		return time.Time{}
	case m.mains:
		return at.Add(time.Duration(float64(m.kind.walks) * (0.1 + m.rng.ExpFloat64()) / Busy(at)))
	}
	return at.Add(4*time.Minute + time.Duration(m.rng.Int64N(int64(20*time.Minute))))
}

// watchBattery plugs the machine in or, when faded, carries it off again, and
// reports what the battery's gauge shows.
func (m *Machine) watchBattery(at time.Time) {
	charge, faded := m.battery.Charge(), m.Has(BatteryFade)
	switch {
	case !m.mains && faded && charge < fadedPlug, !m.mains && !faded && charge < m.plugAt:
		m.plug(at, true)
	case m.mains && faded && charge > 60:
		m.plug(at, false)
	}
	m.reportBetween(at, "battery_low", charge, lowBelow)
	m.reportBetween(at, "battery_empty", charge, emptyBelow)
}

// reportBetween begins a condition under a charge, on battery only, and ends it
// on mains once there is some reserve.
func (m *Machine) reportBetween(at time.Time, condition string, charge, below float64) {
	switch {
	case !m.mains && charge < below:
		m.report(at, condition, true)
	case m.mains && charge > below+lowOver-lowBelow:
		m.report(at, condition, false)
	}
}

// report says that a condition began or ended if that is news.
func (m *Machine) report(at time.Time, condition string, holds bool) {
	i := slices.Index(m.open, condition)
	switch {
	case holds && i < 0:
		m.open = append(m.open, condition)
		m.say(at, condition, medfleet.Start)
	case !holds && i >= 0:
		m.open = slices.Delete(m.open, i, i+1)
		m.say(at, condition, medfleet.End)
	}
}
