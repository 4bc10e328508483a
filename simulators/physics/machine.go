// Package physics lets a simulated device live: it is used and put away, carried
// off the mains and docked, its battery charges, empties and wears, its hours
// rise, its parts age, and now and then it has something to say. It knows
// nothing of protocols and sends nothing.
//
// What is technically wrong comes only from faults put in on purpose, and from
// wear when years pass at speed; so whoever injects faults knows all there is to
// be found. Clinical conditions (an occlusion, a lead off) happen in ordinary
// life too.
package physics

import (
	"fmt"
	"math/rand/v2"
	"time"

	"medfleet"
)

// Event is something that a machine says happened: a condition of the profiles
// began or ended.
type Event struct {
	At        time.Time
	Condition string
	Phase     medfleet.Phase
}

// Machine is one device. It is not safe for concurrent use.
type Machine struct {
	class medfleet.Class
	kind  *kind
	rng   *rand.Rand
	speed float64

	now    time.Time
	at     int       // index of the present stay
	until  time.Time // when it ends
	mains  bool
	walk   time.Time // when it is next carried off, or back
	plugAt float64   // charge in percent at which somebody plugs it in

	battery Battery
	parts   parts
	passed  bool // the last self-test
	worn    bool // the pack has worn below its limit by itself
	faults  []Fault
	upset   string   // clinical condition of the present stay
	upsetAs string   // the one that the next upset stay must have
	open    []string // conditions of the battery and the mains that have begun
	events  []Event
	changes uint64
}

// WornBelow is the health under which a battery pack counts as worn out.
const WornBelow = 0.8

// chunk is the longest stretch of battery time taken in one step, maxChunks how
// many a single step takes before they become longer.
const (
	chunk     = time.Minute
	maxChunks = 500
)

// New makes a machine of a class in the middle of its life. Speed says how much
// faster than the clock batteries drain and things wear. The same random source
// and the same times give the same life.
func New(class medfleet.Class, at time.Time, speed float64, rng *rand.Rand) (*Machine, error) {
	k, ok := kindOf(class)
	if !ok {
		return nil, fmt.Errorf("make machine: there is no simulation of class %q: want one of %v", class, Classes())
	}
	m := &Machine{class: class, kind: k, rng: rng, speed: max(speed, 0), now: at, mains: true, passed: true}
	health := 0.88 + 0.14*rng.Float64()
	m.battery = Battery{Rated: k.rated, Nominal: k.nominal, Health: health, Warmth: room, Loss: 1}
	m.battery.Stored = m.battery.Full() * (0.75 + 0.25*rng.Float64())
	m.battery.Cycles = (1.03 - health) / wearPerCycle
	m.parts = newParts(rng)
	m.at = m.firstStay()
	m.until = at.Add(time.Duration(float64(m.dwell(m.stay().mean)) * rng.Float64()))
	m.plugAt = m.patience()
	m.walk = m.nextWalk(at)
	m.beginUpset(at)
	return m, nil
}

// Step lets the machine live up to a time. What happened meanwhile is in Events.
func (m *Machine) Step(to time.Time) {
	for m.now.Before(to) {
		next := to
		for _, turn := range [...]time.Time{m.until, m.walk} {
			if !turn.IsZero() && turn.After(m.now) && turn.Before(next) {
				next = turn
			}
		}
		m.live(next)
		m.turn(next)
	}
}

// Next is when the machine will change of its own accord.
func (m *Machine) Next() time.Time {
	if !m.walk.IsZero() && m.walk.Before(m.until) {
		return m.walk
	}
	return m.until
}

// Events takes what has happened since it was last called. The slice holds until
// the next Step, Begin or End.
func (m *Machine) Events() []Event {
	e := m.events
	m.events = m.events[:0]
	return e
}

// State is the machine's state by its profile's name.
func (m *Machine) State() string { return m.stay().state }

// Mains reports whether the machine is on mains power.
func (m *Machine) Mains() bool { return m.mains }

// Changes counts the changes of state and of power source, so that a sender can
// tell that there is news.
func (m *Machine) Changes() uint64 { return m.changes }

// Worn reports whether the battery has worn below WornBelow without a fault.
func (m *Machine) Worn() bool { return m.worn }

// live lets the physics pass up to a time in which nothing turns.
func (m *Machine) live(to time.Time) {
	real := to.Sub(m.now)
	aged := time.Duration(float64(real) * m.speed)
	n := min(maxChunks, 1+int(aged/chunk))
	for i := range n {
		at := m.now.Add(real * time.Duration(i+1) / time.Duration(n))
		m.battery.Step(aged/time.Duration(n), m.stay().load, m.mains)
		m.watchBattery(at)
	}
	m.parts.age(m.stay().state, real, aged, m.rng)
	m.worn = m.worn || !m.Has(BatteryFade) && m.battery.Health < WornBelow
	m.now = to
}

// turn makes the changes that are due.
func (m *Machine) turn(at time.Time) {
	if !m.walk.IsZero() && !at.Before(m.walk) {
		m.plug(at, !m.mains)
	}
	if at.Before(m.until) {
		return
	}
	switch {
	case m.Has(SelfTestFailed): // it stays where it failed
		m.until = at.Add(time.Minute)
	case m.Has(OcclusionBurst) && m.State() != alarmed:
		m.upsetAs = "occlusion"
		m.enter(at, alarmed)
	case m.Has(OcclusionBurst):
		m.enter(at, infusing)
	default:
		m.enter(at, m.choose(at))
	}
}

// enter goes into a state and says what that begins and ends.
func (m *Machine) enter(at time.Time, state string) {
	from := m.State()
	if m.upset != "" {
		m.say(at, m.upset, medfleet.End)
		m.upset = ""
	}
	for i := range m.kind.stays {
		if m.kind.stays[i].state == state {
			m.at = i
		}
	}
	m.changes++
	m.until = at.Add(m.dwell(m.stay().mean))
	if m.Has(OcclusionBurst) {
		m.until = at.Add(700*time.Millisecond + time.Duration(m.rng.Int64N(int64(1500*time.Millisecond))))
	}
	m.tellUse(at, from)
	m.beginUpset(at)
	if m.stay().docked && !m.mains && !m.Has(BatteryFade) && m.rng.Float64() < 0.9 {
		m.plug(at, true)
	}
}

// tellUse says that a delivery began or stopped, and counts what handling costs.
func (m *Machine) tellUse(at time.Time, from string) {
	now := m.State()
	if from == now || m.Has(OcclusionBurst) {
		return
	}
	m.parts.handled(m.class, now, m.rng)
	if m.class != InfusionPump && m.class != SyringePump {
		return
	}
	switch {
	case from == off:
		m.say(at, "self_test_running", medfleet.Instant)
	case now == infusing && from == standby:
		m.say(at, "infusion_started", medfleet.Instant)
	case now == standby:
		m.say(at, "infusion_stopped", medfleet.Instant)
	}
}

func (m *Machine) beginUpset(at time.Time) {
	state, total := m.State(), 0.0
	for _, u := range m.kind.upsets {
		if u.state == state {
			total += u.weight
		}
	}
	pick := m.rng.Float64() * total
	for _, u := range m.kind.upsets {
		if u.state != state || m.upset != "" {
			continue
		}
		if pick -= u.weight; pick < 0 {
			m.upset = u.condition
		}
	}
	if m.upset != "" && m.upsetAs != "" {
		m.upset = m.upsetAs
	}
	m.upsetAs = ""
	if m.upset != "" {
		m.say(at, m.upset, medfleet.Start)
	}
}

func (m *Machine) say(at time.Time, condition string, phase medfleet.Phase) {
	m.events = append(m.events, Event{at, condition, phase})
}

func (m *Machine) stay() *stay { return &m.kind.stays[m.at] }

// firstStay draws the state a machine starts in by the shares of the fleet.
func (m *Machine) firstStay() int {
	pick := m.rng.Float64()
	for i, s := range m.kind.stays {
		if pick -= s.share; pick < 0 {
			return i
		}
	}
	return 0
}

// choose draws where a stay leads.
func (m *Machine) choose(at time.Time) string {
	weight := func(w way) float64 {
		if w.busy {
			return w.weight * Busy(at)
		}
		return w.weight
	}
	ways, total := m.stay().ways, 0.0
	for _, w := range ways {
		total += weight(w)
	}
	pick := m.rng.Float64() * total
	for _, w := range ways {
		if pick -= weight(w); pick < 0 {
			return w.to
		}
	}
	return ways[0].to
}

// dwell draws how long a stay lasts: never very short, now and then long.
func (m *Machine) dwell(mean time.Duration) time.Duration {
	return time.Duration(float64(mean) * (0.3 + 0.7*m.rng.ExpFloat64()))
}
