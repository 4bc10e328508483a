package physics

import (
	"slices"
	"time"

	"medfleet"
)

// Fault is a way to go wrong that is put into a device on purpose.
type Fault string

// The faults. Silence changes nothing in the device: it is for whoever sends its
// messages to keep quiet.
const (
	BatteryFade    Fault = "battery_fade"
	OcclusionBurst Fault = "occlusion_burst"
	SelfTestFailed Fault = "self_test_failed"
	Silence        Fault = "silence"
)

// Faults lists all faults.
func Faults() []Fault { return []Fault{BatteryFade, OcclusionBurst, SelfTestFailed, Silence} }

// Strikes reports whether a class can have the fault.
func (f Fault) Strikes(c medfleet.Class) bool {
	if f == OcclusionBurst {
		return c == InfusionPump || c == SyringePump
	}
	return slices.Contains(Faults(), f)
}

// Expect names what should be noticed: a condition or a metric of the profiles,
// or the state "unheard".
func (f Fault) Expect() string {
	switch f {
	case BatteryFade:
		return "battery_health"
	case OcclusionBurst:
		return "occlusion"
	case SelfTestFailed:
		return "self_test_failed"
	}
	return string(medfleet.Unheard)
}

// Begin puts a fault into the machine at a time not before the last Step.
func (m *Machine) Begin(f Fault, at time.Time) {
	m.Step(at)
	if m.Has(f) {
		return
	}
	m.faults = append(m.faults, f)
	switch f {
	case BatteryFade:
		m.battery.Health = 0.52 + 0.16*m.rng.Float64()
		m.battery.Stored = min(m.battery.Stored, m.battery.Full())
		m.battery.Loss = fadedLoss
		m.plug(at, false)
	case SelfTestFailed:
		m.passed = false
		m.enter(at, m.testState())
		m.say(at, "self_test_failed", medfleet.Start)
	case OcclusionBurst:
		m.upsetAs = "occlusion"
		m.enter(at, alarmed)
	}
}

// End takes a fault away: the battery pack was replaced, the device passes its
// test again, the line is free.
func (m *Machine) End(f Fault, at time.Time) {
	m.Step(at)
	i := slices.Index(m.faults, f)
	if i < 0 {
		return
	}
	m.faults = slices.Delete(m.faults, i, i+1)
	switch f {
	case BatteryFade:
		m.newPack(0.98 + 0.05*m.rng.Float64())
		m.plug(at, true)
		m.watchBattery(at)
	case SelfTestFailed:
		m.passed = true
		m.say(at, "self_test_failed", medfleet.End)
		m.until = at.Add(m.dwell(m.stay().mean))
	case OcclusionBurst:
		m.enter(at, infusing)
	}
}

// Has reports whether a fault is in the machine.
func (m *Machine) Has(f Fault) bool { return slices.Contains(m.faults, f) }

// fadedLoss makes a faded pack fall by some 3 % a minute under a pump's load:
// "shows full, cannot carry the load".
const fadedLoss = 10

// testState is where a device with a failed self-test remains.
func (m *Machine) testState() string {
	if m.class == Ventilator {
		return selfTest
	}
	if m.class == PatientMonitor {
		return leadsOff
	}
	return standby
}

func (m *Machine) newPack(health float64) {
	m.battery.Health, m.battery.Loss, m.battery.Cycles = health, 1, 0
	m.battery.Stored = 0.9 * m.battery.Full()
	m.worn = false
}
