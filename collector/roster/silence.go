package roster

import (
	"cmp"
	"slices"
	"time"

	"medfleet"
	"medfleet/record"
)

// hear notes that a record came through its gateway. What counts is when the
// collector got it, not when the gateway did: a backlog is a sign of life too.
func (r *Roster) hear(e *record.Envelope) {
	if len(e.Gateway) == 0 {
		return
	}
	g := r.gateways[string(e.Gateway)]
	if g == nil {
		if len(r.gateways) >= maxGateways {
			return
		}
		g = &gateway{Gateway: medfleet.Gateway{Name: string(e.Gateway)}}
		r.gateways[g.Name] = g
	}
	at := r.clock
	if at == 0 {
		at = e.Received
	}
	if !g.Up {
		g.Up, g.since = true, at
		r.pending.gateway(g.Name)
	}
	g.LastSeen = max(g.LastSeen, at)
}

// beat notes what a gateway says of itself, and up to when we have all it heard.
func (r *Roster) beat(e *record.Envelope, l *record.Line) {
	g := r.gateways[string(e.Gateway)]
	if g == nil {
		return
	}
	h := l.Heartbeat()
	waits := time.Duration(min(h.OldestSeconds, maxWaits.Seconds()) * float64(time.Second))
	g.horizon = max(g.horizon, r.plausible(h.Time).Add(-waits))
	g.Site = h.Site
	g.EventsDepth, g.TelemetryDepth, g.OldestSeconds = h.EventsDepth, h.TelemetryDepth, h.OldestSeconds
	g.ClockOffset, g.FeedsUp, g.Feeds = h.ClockOffset, h.FeedsUp, h.FeedsConfigured
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
			g.Up = false
			r.pending.gateway(g.Name)
		}
	}
	for _, en := range r.fallen(now) {
		s := &r.sighting
		s.Sequence, s.At, s.Device, s.Event, s.Live = sequence, now, &en.device, nil, true
		s.Readings = s.Readings[:0]
		quiet(s)
	}
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
		g.LastSeen, g.since, g.horizon = min(g.LastSeen, now), min(g.since, now), min(g.horizon, now)
	}
	for _, en := range r.devices {
		en.device.LastSeen, en.observed = min(en.device.LastSeen, now), min(en.observed, now)
		for i := range en.active {
			en.active[i].at = min(en.active[i].at, now)
		}
	}
}

// silent moves a device that is not heard to unheard, or to blind when our own
// way to it is down, and reports whether it moved.
func (r *Roster) silent(en *entry, now medfleet.Millis) bool {
	d := &en.device
	if d.State == medfleet.Off || d.State == medfleet.OutOfService || d.State == medfleet.Unheard {
		return false
	}
	before := d.State
	g := r.gateways[d.Gateway]
	up, since := r.path(g)
	watched := max(r.started, since) // from when on we would have heard it
	switch {
	case !up:
		r.enter(en, known{state: medfleet.Blind}, since)
	case now.Sub(watched) > r.silence(en) && quietFor(g, d, now) > r.silence(en):
		at := d.LastSeen
		if before == medfleet.Blind {
			at = max(at, watched) // what was before is not known
		}
		r.enter(en, known{state: medfleet.Unheard}, at)
	}
	return d.State != before
}

// quietFor gives how long a device has not been heard. Behind a gateway that is
// for the gateway to say, by its own clock: what it has heard and not delivered
// yet is no silence, and neither is a clock that differs from ours.
func quietFor(g *gateway, d *medfleet.Device, now medfleet.Millis) time.Duration {
	if g != nil && g.horizon != 0 {
		return g.horizon.Sub(d.LastSeen)
	}
	return now.Sub(d.LastSeen)
}

// path tells whether the way to a device is up, and since when it has been. A
// device without a gateway writes to the collector itself.
func (r *Roster) path(g *gateway) (up bool, since medfleet.Millis) {
	switch {
	case g == nil:
		return true, 0
	case !g.Up:
		return false, g.LastSeen
	}
	return true, g.since
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
