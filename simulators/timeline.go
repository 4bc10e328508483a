package simulators

import (
	"cmp"
	"container/heap"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"medfleet/simulators/physics"
	"medfleet/simulators/scenario"
)

// timeline draws whom a scenario strikes and when. The same scenario, fleet and
// seed give the same timeline.
type timeline struct {
	faults  []scenario.Injection
	members []Member
	rng     *rand.Rand
	queue   moments
	struck  map[int]bool // devices with a fault now: nobody has two
	drawn   int          // breaks ties
}

// moment is when a fault begins or ends. Whom it strikes is drawn when it begins.
type moment struct {
	at     time.Duration // from the start of the run
	number int
	fault  int // index in the scenario
	device int // index in the fleet
	begin  bool
}

func newTimeline(s scenario.Scenario, members []Member, seed uint64) *timeline {
	t := &timeline{
		faults: s.Faults, members: members, struck: map[int]bool{},
		rng: rand.New(rand.NewPCG(seed, streamFaults)),
	}
	for i, f := range s.Faults {
		if !slices.ContainsFunc(members, func(m Member) bool { return fits(f, m) }) {
			continue
		}
		for range f.Count {
			t.add(moment{at: f.After, fault: i, begin: true})
		}
	}
	return t
}

// missing lists the faults of the scenario that fit no device of the fleet.
func (t *timeline) missing() []scenario.Injection {
	return slices.DeleteFunc(slices.Clone(t.faults), func(f scenario.Injection) bool {
		return slices.ContainsFunc(t.members, func(m Member) bool { return fits(f, m) })
	})
}

// fits reports whether a fault may strike a device.
func fits(f scenario.Injection, m Member) bool {
	named := f.Device == m.ID || f.Device == "" && f.Class == m.Class
	return named && f.Fault.Strikes(m.Class)
}

func (t *timeline) add(m moment) {
	t.drawn++
	m.number = t.drawn
	heap.Push(&t.queue, m)
}

// next gives what happens next; ok is false when nothing ever will.
func (t *timeline) next() (m moment, ok bool) {
	for t.queue.Len() > 0 {
		m = heap.Pop(&t.queue).(moment)
		if !m.begin {
			delete(t.struck, m.device)
			return m, true
		}
		f := t.faults[m.fault]
		if f.Every > 0 {
			t.add(moment{at: m.at + f.Every, fault: m.fault, begin: true})
		}
		if m.device, ok = t.victim(f); !ok {
			continue // all of them have a fault already
		}
		t.struck[m.device] = true
		t.add(moment{at: m.at + f.For, fault: m.fault, device: m.device})
		return m, true
	}
	return moment{}, false
}

// victim draws one of those that have no fault now.
func (t *timeline) victim(f scenario.Injection) (int, bool) {
	var free []int
	for i := range t.members {
		if fits(f, t.members[i]) && !t.struck[i] {
			free = append(free, i)
		}
	}
	if len(free) == 0 {
		return 0, false
	}
	return free[t.rng.IntN(len(free))], true
}

// moments is a heap by time; what ends comes before what begins.
type moments []moment

func (q moments) Len() int      { return len(q) }
func (q moments) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *moments) Push(m any)   { *q = append(*q, m.(moment)) }
func (q *moments) Pop() any {
	last := len(*q) - 1
	m := (*q)[last]
	*q = (*q)[:last]
	return m
}

func (q moments) Less(i, j int) bool {
	if q[i].at == q[j].at && q[i].begin != q[j].begin {
		return q[j].begin
	}
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].number, q[j].number)) < 0
}

// order tells a keeper to begin or end a fault in one of its devices.
type order struct {
	device *device
	fault  physics.Fault
	begin  bool
}

// direct gives the orders of a timeline at their times until ctx is done.
func direct(ctx context.Context, t *timeline, owner []*keeper, devices []*device) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m, ok := t.next()
		if !ok {
			return
		}
		timer.Reset(time.Until(start.Add(m.at)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case owner[m.device].orders <- order{devices[m.device], t.faults[m.fault].Fault, m.begin}:
		}
	}
}
