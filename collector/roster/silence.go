package roster

import (
	"cmp"
	"slices"
	"time"

	"medfleet"
	"medfleet/record"
)

// hear notes that a record came through its gateway, which it gives, nil for what
// writes to the collector itself. What counts is when the collector got it, not
// when the gateway did: a backlog is a sign of life too.
func (r *Roster) hear(e *record.Envelope) *gateway {
	if len(e.Gateway) == 0 {
		return nil
	}
	g := r.gateways[string(e.Gateway)]
	if g == nil {
		if g = r.gateway(string(e.Gateway)); g == nil {
			return nil
		}
	}
	at := r.clock
	if at == 0 {
		at = e.Received
	}
	if !g.Up {
		g.Up, g.since, g.fresh = true, at, true
		for _, w := range g.ways {
			w.fresh = true // what it says of them is known again
		}
		r.notable(g)
	}
	g.LastSeen = max(g.LastSeen, at)
	return g
}

// gateway gives a gateway by name, new and not up when it was not known, nil when
// there are too many.
func (r *Roster) gateway(name string) *gateway {
	g := r.gateways[name]
	if g == nil && len(r.gateways) < maxGateways {
		g = &gateway{Gateway: medfleet.Gateway{Name: name}, ways: map[string]*way{}}
		r.gateways[name] = g
	}
	return g
}

// beat notes what a gateway says of itself, and up to when we have all it heard.
func (r *Roster) beat(g *gateway, l *record.Line) {
	if g == nil {
		return
	}
	if l.Measurement == record.FeedMeasurement {
		r.report(g, l)
		return
	}
	h := l.Heartbeat()
	waits := time.Duration(min(h.OldestSeconds, maxWaits.Seconds()) * float64(time.Second))
	g.horizon = max(g.horizon, r.clock.Add(-waits))
	if g.Site != h.Site {
		g.Site = h.Site
		r.notable(g)
	}
	g.EventsDepth, g.TelemetryDepth, g.OldestSeconds = h.EventsDepth, h.TelemetryDepth, h.OldestSeconds
	g.ClockOffset, g.ClockKnown, g.fresh = h.ClockOffset, h.ClockKnown, true
	r.close(g, h.Time)
	if r.clock.Sub(g.written) >= rowEvery {
		r.notable(g)
	}
	r.pending.gateway(g.Name)
}

// rowEvery is how old the depths and ages in a gateway's row may be.
const rowEvery = time.Minute

// notable makes a gateway's row and those of its feeds wait to be written.
func (r *Roster) notable(g *gateway) {
	if g == nil {
		return
	}
	g.written = r.clock
	r.pending.rows[g.Name] = struct{}{}
	r.pending.gateway(g.Name)
}

// maxWaits bounds how long a gateway can say that its records have waited.
const maxWaits = 365 * 24 * time.Hour

// Tick is a clock record, under Hold: the collector's time is now. It decides
// which devices are silent and calls quiet for each whose state that changes.
// started is true for the first tick after a start of the collector. A clock that
// jumps, or a collector that stood still, is taken for a start too.
func (r *Roster) Tick(sequence uint64, now medfleet.Millis, started bool, quiet func(*medfleet.Sighting)) {
	now = min(max(now, 1), latest)
	back := now.Sub(r.clock) < -GatewaySilence
	if back {
		r.setBack(now)
	}
	if started || back || r.clock != 0 && now.Sub(r.clock) > GatewaySilence {
		r.start(now)
	}
	if r.clock/sweepEvery != now/sweepEvery {
		r.sweepParts(now)
	}
	r.clock = max(r.clock, now)
	for _, g := range r.gateways {
		if g.Up && now.Sub(g.LastSeen) > GatewaySilence && now.Sub(r.started) > GatewaySilence {
			g.Up, g.fresh = false, true
			r.notable(g)
		}
	}
	for _, en := range r.fallen(now) {
		s := &r.sighting
		s.Sequence, s.At, s.Device, s.Event, s.Live = sequence, now, &en.device, nil, true
		s.Readings = s.Readings[:0]
		quiet(s)
	}
	r.judgeWays(sequence, now, quiet)
}

// fallen gives the devices whose state their silence changes now, by id: what is
// made of them must be the same when the journal is read again.
func (r *Roster) fallen(now medfleet.Millis) []*entry {
	list := r.silenced[:0]
	for _, en := range r.devices {
		if r.silent(en, now) {
			list = append(list, en)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.device.ID, b.device.ID) })
	r.silenced = list
	return list
}

// start is told of a start of the collector. While it was away it saw nothing,
// which is nobody's silence.
func (r *Roster) start(now medfleet.Millis) {
	away := r.clock != 0 && now.Sub(r.clock) > GatewaySilence
	for _, en := range r.devices {
		if away && en.device.State != medfleet.Off && en.device.State != medfleet.OutOfService {
			r.enter(en, known{state: medfleet.Blind}, r.clock)
		}
	}
	r.started = now
}

// setBack is told that the clock was in the future and is right again: whatever
// was noted by it would hide every silence until that future has come.
func (r *Roster) setBack(now medfleet.Millis) {
	r.clock = now
	r.setBackParts(now)
	for _, g := range r.gateways {
		g.LastSeen, g.since, g.horizon, g.written = min(g.LastSeen, now), min(g.since, now), min(g.horizon, now), min(g.written, now)
		for _, w := range g.ways {
			w.since, w.lastUp, w.heard = min(w.since, now), min(w.lastUp, now), min(w.heard, now)
			w.mute.from, w.mute.to = min(w.mute.from, now), min(w.mute.to, now)
		}
	}
	for _, en := range r.devices {
		en.device.LastSeen, en.heard, en.observed = min(en.device.LastSeen, now), min(en.heard, now), min(en.observed, now)
		en.claim = nil
		for i := range en.active {
			en.active[i].at = min(en.active[i].at, now)
		}
	}
}

// silent moves a device that is not heard to unheard, or to blind when the way to
// it is down or as silent as it is, and reports whether it moved.
func (r *Roster) silent(en *entry, now medfleet.Millis) bool {
	d := &en.device
	before := d.State
	if before == medfleet.Off || before == medfleet.OutOfService {
		return false
	}
	silence := r.silence(en)
	up, since := en.way.path()
	_, told := en.offlineSince()
	switch {
	case !up:
		r.blind(en, since, now)
	case told && before == medfleet.Unheard:
	case r.muteFor(en.way, silence, now):
		r.blind(en, en.way.heard, now)
	case before != medfleet.Unheard:
		watched := max(r.started, since, en.way.spokeAgain(silence)) // from when on we would have heard it
		if now.Sub(watched) <= silence || en.quietFor(now) <= silence {
			break
		}
		at := d.LastSeen
		if before == medfleet.Blind {
			at = max(at, watched) // what was before is not known
		}
		r.enter(en, known{state: medfleet.Unheard}, at)
	}
	return d.State != before
}

// blind is told that a device cannot be heard and when it last could have been.
func (r *Roster) blind(en *entry, since, now medfleet.Millis) {
	r.enter(en, known{state: medfleet.Blind}, max(since, min(en.heard, now)))
}

// quietFor gives how long a device has not been heard. Behind a gateway that is
// for the gateway to say: what it has heard and not delivered yet is no silence.
// All by our own clock: nobody else's may step a device into silence.
func (en *entry) quietFor(now medfleet.Millis) time.Duration {
	if g := en.way.gateway; g != nil && g.horizon != 0 {
		return g.horizon.Sub(en.heard)
	}
	return now.Sub(en.heard)
}

func (r *Roster) silence(en *entry) time.Duration {
	if r.o.Silence > 0 {
		return r.o.Silence
	}
	return en.profile.Silence
}

// Clock gives the time of the newest clock record.
func (r *Roster) Clock() medfleet.Millis {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.clock
}
