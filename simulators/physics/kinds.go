package physics

import (
	"time"

	"medfleet"
)

// The classes that can be simulated, by their profiles' names.
const (
	InfusionPump   medfleet.Class = "infusion_pump"
	SyringePump    medfleet.Class = "syringe_pump"
	Ventilator     medfleet.Class = "ventilator"
	PatientMonitor medfleet.Class = "patient_monitor"
)

// Classes lists the classes that can be simulated.
func Classes() []medfleet.Class {
	return []medfleet.Class{InfusionPump, SyringePump, Ventilator, PatientMonitor}
}

// The states that the machine itself knows; the others are only in the tables.
const (
	off        = "off"
	standby    = "standby"
	infusing   = "infusing"
	alarmed    = "alarm"
	selfTest   = "self_test"
	ventilated = "ventilating"
	monitoring = "monitoring"
	leadsOff   = "leads_off"
)

// kind is what one class of device is like.
type kind struct {
	rated   float64       // battery, mA.h
	nominal float64       // battery, V
	walks   time.Duration // mean time between being carried off the mains; 0: never
	stays   []stay
	upsets  []upset
}

// stay is one state: how long a device remains in it and where it goes then.
type stay struct {
	state  string
	share  float64 // of the fleet that starts in it
	mean   time.Duration
	load   float64 // on battery, mA
	docked bool    // parked at its charger rather than at a bed
	ways   []way
}

// way is where a stay may lead. Busy ways are taken more often by day.
type way struct {
	to     string
	weight float64
	busy   bool
}

// upset is a clinical condition that a device meets in ordinary life: it begins
// with the state it names and ends with it.
type upset struct {
	condition string
	state     string
	weight    float64
}

// kindOf gives a class's table; ok is false for a class that is not simulated.
func kindOf(c medfleet.Class) (k *kind, ok bool) {
	switch c {
	case InfusionPump:
		return &kind{rated: 2200, nominal: 11.1, walks: 50 * time.Minute, stays: pumpStays(1),
			upsets: []upset{{"occlusion", alarmed, 6}, {"air_in_line", alarmed, 3}, {"door_open", alarmed, 1}}}, true
	case SyringePump:
		return &kind{rated: 1800, nominal: 7.4, walks: 70 * time.Minute, stays: pumpStays(0.6),
			upsets: []upset{{"occlusion", alarmed, 5}, {"syringe", alarmed, 5}}}, true
	case Ventilator:
		return &kind{rated: 7200, nominal: 14.4, walks: 6 * time.Hour, stays: ventilatorStays(),
			upsets: []upset{{"self_test_running", selfTest, 1}}}, true
	case PatientMonitor:
		return &kind{rated: 4500, nominal: 11.1, stays: monitorStays(),
			upsets: []upset{{"sensor", leadsOff, 1}}}, true
	}
	return nil, false
}

func pumpStays(load float64) []stay {
	return []stay{
		{state: off, share: 0.08, mean: 40 * time.Minute, load: 5 * load, docked: true, ways: []way{{to: standby, weight: 1}}},
		{state: standby, share: 0.25, mean: 12 * time.Minute, load: 90 * load, docked: true,
			ways: []way{{to: infusing, weight: 8, busy: true}, {to: off, weight: 1}}},
		{state: infusing, share: 0.55, mean: 22 * time.Minute, load: 260 * load,
			ways: []way{{to: "paused", weight: 4}, {to: "kvo", weight: 2}, {to: standby, weight: 3}, {to: alarmed, weight: 2}}},
		{state: "kvo", share: 0.05, mean: 5 * time.Minute, load: 200 * load, ways: []way{{to: infusing, weight: 1}, {to: standby, weight: 1}}},
		{state: "paused", share: 0.07, mean: 2 * time.Minute, load: 110 * load, ways: []way{{to: infusing, weight: 4}, {to: standby, weight: 1}}},
		{state: alarmed, mean: 40 * time.Second, load: 180 * load, ways: []way{{to: infusing, weight: 9}, {to: "paused", weight: 1}}},
	}
}

func ventilatorStays() []stay {
	return []stay{
		{state: off, share: 0.1, mean: time.Hour, load: 20, docked: true, ways: []way{{to: selfTest, weight: 1}}},
		{state: selfTest, share: 0.1, mean: 25 * time.Second, load: 1500, docked: true, ways: []way{{to: standby, weight: 1}}},
		{state: standby, share: 0.2, mean: 20 * time.Minute, load: 600, docked: true, ways: []way{{to: ventilated, weight: 4, busy: true}, {to: off, weight: 1}}},
		{state: ventilated, share: 0.6, mean: 6 * time.Hour, load: 2600, ways: []way{{to: standby, weight: 1}}},
	}
}

func monitorStays() []stay {
	return []stay{
		{state: monitoring, share: 0.8, mean: 50 * time.Minute, load: 1500, ways: []way{{to: leadsOff, weight: 1}}},
		{state: leadsOff, share: 0.2, mean: 6 * time.Minute, load: 1300, ways: []way{{to: monitoring, weight: 1, busy: true}}},
	}
}

// Busy is how much a ward does at an hour of the day, 1 at its busiest: the
// rounds of the late morning, a second rise in the afternoon, a quiet night.
func Busy(at time.Time) float64 {
	byHour := [24]float64{.35, .3, .3, .3, .35, .45, .6, .8, .9, 1, 1, .95, .85, .85, .9, .9, .85, .8, .75, .7, .6, .55, .45, .4}
	h, next := at.Hour(), (at.Hour()+1)%24
	part := float64(at.Minute()) / 60
	return byHour[h]*(1-part) + byHour[next]*part
}
