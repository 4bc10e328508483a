package physics

import (
	"math"

	"medfleet"
)

// AppendReadings appends the machine's metrics by their profile's names and in
// their units, all but the state.
func (m *Machine) AppendReadings(dst []medfleet.Reading) []medfleet.Reading {
	add := func(metric string, v float64, digits float64) {
		dst = append(dst, medfleet.Reading{Metric: metric, Value: math.Round(v*digits) / digits})
	}
	b := &m.battery
	add("on_mains", flag(m.mains), 1)
	add("battery_charge", b.Charge(), 1)
	add("battery_health", 100*b.Health, 10)
	add("battery_runtime", math.Min(99999, b.Runtime(m.stay().load)), 1)
	add("battery_capacity", b.Full(), 1)
	add("battery_capacity_rated", b.Rated, 1)
	add("battery_cycles", math.Floor(b.Cycles), 1)
	add("battery_voltage", b.Voltage(), 100)
	add("battery_current", b.Current, 1)
	add("battery_temperature", b.Warmth, 10)
	add("operating_hours", m.parts.hours, 100)
	add("self_test_passed", flag(m.passed), 1)
	switch m.class {
	case InfusionPump:
		add("wifi_signal", m.parts.signal, 1)
		add("motor_current", m.motorCurrent(), 1)
		add("door_openings", m.parts.openings, 1)
	case SyringePump:
		add("wifi_signal", m.parts.signal, 1)
		add("motor_current", m.motorCurrent(), 1)
		add("reseat_retries", m.parts.retries, 1)
	case Ventilator:
		add("blower_hours", m.parts.blower, 100)
		add("blower_temperature", m.parts.heat, 10)
		add("blower_current", m.blowerCurrent(), 1)
		add("o2_cell_voltage", m.parts.cell, 100)
	case PatientMonitor:
		add("monitoring", flag(m.State() == monitoring), 1)
		add("nibp_inflation_time", m.parts.cuff+0.2*m.rng.NormFloat64(), 10)
		add("reboots", m.parts.reboots, 1)
	}
	return dst
}

// Rate is what a pump delivers now in mL/h: a matter of the patient's, which
// pumps send and a gateway has to drop.
func (m *Machine) Rate() float64 {
	if m.State() == infusing {
		return m.parts.rate
	}
	return 0
}

// motorCurrent in mA rises with the rate and, over the years, with friction.
func (m *Machine) motorCurrent() float64 {
	if m.State() != infusing && m.State() != "kvo" {
		return 0
	}
	return (90+0.8*m.parts.rate)*m.parts.friction + 3*m.rng.NormFloat64()
}

func (m *Machine) blowerCurrent() float64 {
	if m.State() != ventilated {
		return 0
	}
	return 1650*m.parts.friction + 25*m.rng.NormFloat64()
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
