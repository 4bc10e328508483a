package rules

import (
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"

	"cel.dev/cel-go/cel"

	"medfleet"
)

// maxTick is the most that one clock record moves the timers, in ms: when the
// collector was down, or its clock was set, nobody watched the time between.
const maxTick = 60_000

// Change is one step in an alarm's life. Alarm is the alarm as it is after it,
// without what people did to it.
type Change struct {
	What  What
	Alarm medfleet.Alarm
	Page  bool // the rule wants somebody told
}

// Evaluator runs a set of rules over sightings. It belongs to one goroutine,
// but for the counters.
type Evaluator struct {
	set      *Set
	quicken  int64
	devices  map[medfleet.DeviceID]*device
	restless []*device // those with a timer that waits
	now      medfleet.Millis
	awake    int64 // ms that clock records have moved the timers in all
	between  int64 // ms from the last clock record but one to the last
	changes  []Change
	scope    scope

	evaluations, failures atomic.Uint64
}

// NewEvaluator makes an evaluator that knows no device yet. Quicken divides
// every `for` and `hold`, so that a demonstration's minutes are seconds; below 1
// it is 1.
func NewEvaluator(set *Set, quicken int) *Evaluator {
	return &Evaluator{set: set, quicken: int64(max(1, quicken)), devices: map[medfleet.DeviceID]*device{}}
}

// Counters gives how many conditions were evaluated and how many failed, such
// as by a division by zero. It may be called from anywhere.
func (v *Evaluator) Counters() (evaluations, failures uint64) {
	return v.evaluations.Load(), v.failures.Load()
}

// Changes gives what was collected since the last Drop, in order. It is valid
// until the next call of See or Tick.
func (v *Evaluator) Changes() []Change { return v.changes }

// Drop forgets what was collected.
func (v *Evaluator) Drop() {
	clear(v.changes)
	v.changes = v.changes[:0]
}

// See takes a sighting: what it counts goes into the windows, and when it is
// live the rules judge by it. It does not allocate when nothing that a rule
// reads has changed.
func (v *Evaluator) See(s *medfleet.Sighting) {
	m := moment{s.At, s.Sequence}
	if s.Gone {
		v.lose(s.Device.ID, m)
		return
	}
	c := v.set.classes[s.Device.Class]
	if c == nil || len(c.rules) == 0 {
		return
	}
	d := v.device(s.Device, c, m)
	if s.Event != nil && (s.Event.Phase == medfleet.Start || s.Event.Phase == medfleet.Instant) {
		d.count(s.Event)
	}
	if !s.Live {
		d.suspended = d.suspended || d.place >= 0 && !s.Device.InService
		return
	}
	v.pass(d, s.At)
	d.slide(s.At)
	dirty := d.load(s.Device)
	v.judge(d, dirty, m)
}

// Tick lets time pass for what waits. Now is the collector's clock, as the
// journal has it at the sequence.
func (v *Evaluator) Tick(now medfleet.Millis, sequence uint64) {
	switch step := min(max(int64(now-v.now), 0), maxTick); {
	case v.now == 0:
		v.between = maxTick
	case step > 0:
		v.between = step
		v.awake += step
	}
	v.now = now
	first := len(v.changes)
	for i := len(v.restless) - 1; i >= 0; i-- {
		d := v.restless[i]
		if d.suspended {
			continue
		}
		d.run(d.clock.tick(v.awake))
		v.steps(d, moment{now, sequence})
		v.settle(d, now)
	}
	slices.SortStableFunc(v.changes[first:], func(a, b Change) int {
		if c := strings.Compare(string(a.Alarm.Device), string(b.Alarm.Device)); c != 0 {
			return c
		}
		return strings.Compare(a.Alarm.Rule, b.Alarm.Rule)
	})
}

// running gives the running time at a device time: between two clock records it
// is as much further as the device's time is ahead of the last, but never more
// than the records lie apart, since the device's clock may be wrong.
func (v *Evaluator) running(at medfleet.Millis) int64 {
	return v.awake + min(max(int64(at-v.now), 0), v.between)
}

// moment is when something happens: the time to write down and the journal's
// sequence, which makes ids unlike.
type moment struct {
	at       medfleet.Millis
	sequence uint64
}

func (v *Evaluator) device(now *medfleet.Device, c *class, m moment) *device {
	d := v.devices[now.ID]
	if d == nil {
		d = newDevice(now.ID, c)
		v.devices[now.ID] = d
	} else if d.class != c {
		v.reclass(d, c, m)
	}
	d.Model, d.Site, d.Unit = now.Model, now.Site, now.Unit
	return d
}

// reclass starts a device anew under another class. The rules of the old one no
// longer hold for it.
func (v *Evaluator) reclass(d *device, c *class, m moment) {
	v.withdraw(d, m)
	*d = *newDevice(d.Device, c)
}

// lose forgets a device that is no more.
func (v *Evaluator) lose(id medfleet.DeviceID, m moment) {
	if d := v.devices[id]; d != nil {
		v.withdraw(d, m)
		delete(v.devices, id)
	}
}

func (v *Evaluator) withdraw(d *device, m moment) {
	for i := range d.cells {
		if d.cells[i].phase == open {
			v.collect(d, &d.cells[i], Withdrawn, m)
		}
	}
	v.unrest(d)
}

// pass lets event time pass for the device's timers.
func (v *Evaluator) pass(d *device, at medfleet.Millis) {
	if d.place < 0 {
		d.suspended = false
		return
	}
	if d.suspended {
		d.clock.resume(at, v.running(at))
		d.suspended = false
		return
	}
	d.run(d.clock.see(at, v.running(at), d.class.silence))
}

// judge evaluates the rules named by the bits and lets every cell act.
func (v *Evaluator) judge(d *device, dirty uint64, m moment) {
	for ; dirty != 0; dirty &= dirty - 1 {
		v.evaluate(d, bits.TrailingZeros64(dirty), m)
	}
	if len(d.cells) > 0 {
		v.steps(d, m)
		v.settle(d, m.at)
	}
}

func (v *Evaluator) evaluate(d *device, rule int, m moment) {
	r := d.class.rules[rule]
	expr := v.ask(r.expr, d)
	i := slices.IndexFunc(d.cells, func(c cell) bool { return c.rule == rule })
	if i < 0 {
		if expr != isTrue {
			return
		}
		d.cells = append(d.cells, cell{rule: rule})
		i = len(d.cells) - 1
	}
	c := &d.cells[i]
	c.expr, c.clear = expr, dontKnow
	if r.clear != nil {
		c.clear = v.ask(r.clear, d)
	}
	if c.phase == quiet {
		c.begin(m.at)
	}
}

// ask evaluates a condition over the device's inputs.
func (v *Evaluator) ask(p cel.Program, d *device) verdict {
	v.evaluations.Add(1)
	v.scope.class, v.scope.inputs = d.class, d.inputs
	out, _, err := p.Eval(&v.scope)
	if err != nil {
		v.failures.Add(1)
		return dontKnow
	}
	switch b, ok := out.Value().(bool); {
	case !ok:
		return dontKnow
	case b:
		return isTrue
	}
	return isFalse
}

// steps lets every cell act until nothing is new, and takes out the quiet ones.
func (v *Evaluator) steps(d *device, m moment) {
	for i := range d.cells {
		c := &d.cells[i]
		r := d.class.rules[c.rule]
		for more := true; more && c.phase != quiet; {
			var what What
			what, more = c.step(r, v.quicken)
			if what != 0 {
				v.collect(d, c, what, m)
			}
		}
	}
	d.cells = slices.DeleteFunc(d.cells, func(c cell) bool { return c.phase == quiet })
}

// settle keeps the list of devices that wait for time in step with the cells. A
// device's clock runs only while it is on the list.
func (v *Evaluator) settle(d *device, at medfleet.Millis) {
	timed := slices.ContainsFunc(d.cells, func(c cell) bool { return c.timed() })
	switch {
	case timed && d.place < 0:
		d.clock.start(at, v.running(at))
		d.place = len(v.restless)
		v.restless = append(v.restless, d)
	case !timed:
		v.unrest(d)
	}
}

func (v *Evaluator) unrest(d *device) {
	if d.place < 0 {
		return
	}
	last := len(v.restless) - 1
	v.restless[d.place] = v.restless[last]
	v.restless[d.place].place = d.place
	v.restless[last] = nil
	v.restless = v.restless[:last]
	d.place, d.suspended, d.clock = -1, false, clock{}
}
