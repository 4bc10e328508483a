package simulators

import (
	"container/heap"
	"context"
	"time"

	"medfleet"
	"medfleet/simulators/physics"
)

// keeper lets some of the devices live: it wakes each when something is due,
// has it say what there is to say, and puts that into its outbox.
type keeper struct {
	devices  wakes
	interval time.Duration
	rate     float64 // messages per second in steady mode; 0: reports at the interval
	events   float64 // share of events in steady mode
	orders   chan order
	ledger   *ledger
	truth    *truthFile
	scratch  []parcel

	started time.Time // of the steady count
	sent    float64   // steady messages so far, those skipped included
	turn    int       // whose turn it is in steady mode
	owed    float64   // events owed
}

// newKeeper makes a keeper that sends one of parts of the fleet's steady rate.
func newKeeper(f *Fleet, parts float64) *keeper {
	return &keeper{
		interval: f.config.Interval, rate: f.config.Steady.Rate / parts, events: f.config.Steady.Events,
		orders: make(chan order), ledger: &f.ledger, truth: &f.truth,
	}
}

// steadyTick is how often a steady keeper sends what is due; what it could not
// send within a second it skips rather than make a burst of it.
const steadyTick = 5 * time.Millisecond

func (k *keeper) run(ctx context.Context) {
	if len(k.devices) == 0 {
		<-ctx.Done()
		return
	}
	order := append([]*device(nil), k.devices...) // the heap below reorders
	heap.Init(&k.devices)
	k.started = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-k.orders:
			k.obey(o, time.Now())
		case <-timer.C:
		}
		now := time.Now()
		k.due(now)
		wait := k.devices[0].wake.Sub(now)
		if k.rate > 0 {
			k.steady(order, now)
			wait = min(wait, steadyTick)
		}
		timer.Reset(wait)
	}
}

// due lets all devices live whose time has come.
func (k *keeper) due(now time.Time) {
	for !k.devices[0].wake.After(now) {
		k.live(k.devices[0], now)
		heap.Fix(&k.devices, 0)
	}
}

// live lets one device live up to now and say what there is to say.
func (k *keeper) live(d *device, now time.Time) {
	d.machine.Step(now)
	k.tell(d)
	due := !now.Before(d.report)
	for !d.report.After(now) {
		d.report = d.report.Add(k.interval)
	}
	if d.machine.Changes() != d.reported || due && k.rate == 0 {
		k.report(d, now)
	}
	d.wake = d.report
	if turn := d.machine.Next(); turn.Before(d.wake) {
		d.wake = turn
	}
}

// tell sends what the machine says happened.
func (k *keeper) tell(d *device) {
	if d.machine.Worn() && !d.worn {
		d.worn = true
		k.truth.write(Truth{d.stamped, d.ID, d.Class, Wear, Begin, physics.BatteryFade.Expect()})
	}
	for _, e := range d.machine.Events() {
		d.tellBattery(k.truth, e)
		if !d.silent {
			k.send(d, d.speech.event(k.scratch[:0], d, e))
		}
	}
}

// report sends a status.
func (k *keeper) report(d *device, now time.Time) {
	d.reported = d.machine.Changes()
	if !d.silent {
		k.send(d, d.speech.status(k.scratch[:0], d, now))
	}
}

func (k *keeper) send(d *device, parcels []parcel) {
	k.scratch = parcels
	for i := range parcels {
		k.ledger.made.Add(1)
		if d.box.push(parcels[i]) {
			k.ledger.dropped.Add(1)
		}
		parcels[i] = parcel{}
	}
}

// obey begins or ends a fault, writes the truth of it, and has the device
// report at once, as devices do when something happens to them.
func (k *keeper) obey(o order, now time.Time) {
	d := o.device
	phase := End
	if o.begin {
		phase = Begin
	}
	d.tell(k.truth, o.fault, phase, now)
	if o.begin {
		d.machine.Begin(o.fault, now)
	} else {
		d.machine.End(o.fault, now)
	}
	if o.fault == physics.Silence {
		d.silent = o.begin
		d.box.mute(o.begin)
	}
	k.tell(d)
	k.report(d, now)
	d.wake = now
	heap.Init(&k.devices)
}

// steady sends as many messages as the rate asks for by now, by all devices in turn.
func (k *keeper) steady(order []*device, now time.Time) {
	target := now.Sub(k.started).Seconds() * k.rate
	k.sent = max(k.sent, target-k.rate)
	for tried := 0; k.sent+1 <= target && tried < len(order); {
		d := order[k.turn%len(order)]
		k.turn++
		if d.silent {
			tried++
			continue
		}
		tried = 0
		d.machine.Step(now)
		k.tell(d)
		k.sent += k.next(d, now)
	}
}

// next sends one steady message of a device, and gives how many that were.
func (k *keeper) next(d *device, now time.Time) float64 {
	k.owed += k.events
	if k.owed >= 1 {
		k.owed--
		phase := medfleet.Start
		if d.steady%2 == 1 {
			phase = medfleet.End
		}
		d.steady++
		k.send(d, d.speech.event(k.scratch[:0], d, physics.Event{At: now, Condition: steadyCondition(d.Class), Phase: phase}))
		return 1
	}
	parcels := d.speech.status(k.scratch[:0], d, now)
	n := len(parcels)
	k.send(d, parcels)
	return float64(n)
}

// steadyCondition is what the events of steady mode are about: something that no
// rule raises an alarm on.
func steadyCondition(c medfleet.Class) string {
	switch c {
	case physics.InfusionPump, physics.SyringePump:
		return "occlusion"
	case physics.PatientMonitor:
		return "sensor"
	}
	return "on_battery"
}

// wakes is a heap of devices by the time they wake.
type wakes []*device

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].wake.Before(w[j].wake) }
func (w wakes) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *wakes) Push(d any)        { *w = append(*w, d.(*device)) }
func (w *wakes) Pop() any {
	last := len(*w) - 1
	d := (*w)[last]
	*w = (*w)[:last]
	return d
}
