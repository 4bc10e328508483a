package roster

import (
	"maps"
	"slices"
	"time"

	"medfleet"
	"medfleet/record"
)

// way is the way by which a device is heard: a feed of a gateway, as the gateway's
// heartbeats tell of it. All its times are the collector's own, so that no other
// clock can make a device silent. A record that names no feed came by its
// gateway's way without a name, of which nothing is told; what writes to the
// collector itself has a way without a gateway, which is always up.
type way struct {
	gateway  *gateway
	name     string
	told     bool            // the newest heartbeat speaks of it
	toldAt   medfleet.Millis // when, by the gateway's clock
	up       bool
	caller   bool            // it connects by itself: one that never did is not missed
	since    medfleet.Millis // when it was found up after it was not
	lastUp   medfleet.Millis // when it was found up last
	heard    medfleet.Millis // when it last heard anything, 0 is never
	mute     muted
	quiet    bool // it is up, and none of several devices that should be heard is
	messages uint64
	devices  int  // that were last heard by it
	expected int  // of those, that should be heard now
	fresh    bool // the rules have not judged it as it is
}

// muted is the newest time for which a way that is up heard nothing at all, longer
// than any device may be silent.
type muted struct{ from, to medfleet.Millis }

// maxFeeds bounds the feeds of one gateway; what is beyond is judged by its
// gateway alone.
const maxFeeds = 512

// way gives a feed of this gateway, new when it was not known.
func (g *gateway) way(name string) *way {
	w := g.ways[name]
	switch {
	case w != nil:
		return w
	case len(g.ways) >= maxFeeds && name != "":
		return g.way("")
	}
	w = &way{gateway: g, name: name}
	g.ways[name] = w
	return w
}

// cameBy gives the way by which a device's record came, and notes that something
// did.
func (r *Roster) cameBy(e *record.Envelope, l *record.Line) *way {
	g := r.gateways[string(e.Gateway)]
	if g == nil {
		return &r.direct
	}
	w := g.way(l.Text("feed"))
	r.sign(w, e)
	return w
}

// wayOf gives the way that a device is said to be heard by.
func (r *Roster) wayOf(gateway, feed string) *way {
	if gateway == "" {
		return &r.direct
	}
	g := r.gateway(gateway)
	if g == nil {
		return &r.direct
	}
	return g.way(feed)
}

// path tells whether the way to a device is up, since when it has been, or when it
// last was.
func (w *way) path() (up bool, since medfleet.Millis) {
	g := w.gateway
	switch {
	case g == nil:
		return true, 0
	case !g.Up:
		return false, g.LastSeen
	case w.told && !w.up:
		return false, w.lastUp
	}
	return true, max(g.since, w.since)
}

// muteFor tells whether a way hears nothing for longer than a device may be silent,
// though it is up and several devices should be heard by it: then it is the way
// that is silent, not each of them. What was said while the collector was away, or
// has only just come back, is no silence of the way's.
func (r *Roster) muteFor(w *way, silence time.Duration, now medfleet.Millis) bool {
	return w.told && w.heard != 0 && w.expected > 1 && now.Sub(max(w.heard, r.started)) > silence
}

// spokeAgain gives when a way was heard again after it was mute for longer than a
// device may be silent, 0 if it was not: the device has its silence anew.
func (w *way) spokeAgain(silence time.Duration) medfleet.Millis {
	if w.mute.to.Sub(w.mute.from) > silence {
		return w.mute.to
	}
	return 0
}

// hearBy notes that something came by a way at a time of the collector's.
func (r *Roster) hearBy(w *way, at medfleet.Millis) {
	if w.heard != 0 && at.Sub(w.heard) > r.shortest {
		w.mute = muted{w.heard, at}
	}
	w.heard = max(w.heard, at)
}

// sign notes that a record of a device came by a way. That is newer than what the
// gateway's last heartbeat said of the way when the record was received after it.
func (r *Roster) sign(w *way, e *record.Envelope) {
	if w.gateway == nil || e.Flags&(record.Retained|record.Historical) != 0 {
		return
	}
	r.hearBy(w, r.clock)
	if w.told && e.Received > w.toldAt {
		r.turn(w, true)
	}
}

// turn notes that a way is up or not.
func (r *Roster) turn(w *way, up bool) {
	if up && !w.up {
		w.since = r.clock
	}
	if up {
		w.lastUp = max(w.lastUp, r.clock)
	}
	if up != w.up {
		w.up, w.fresh = up, true
		r.notable(w.gateway)
	}
}

// report takes what a gateway says of one of its feeds.
func (r *Roster) report(g *gateway, l *record.Line) {
	f := l.Feed()
	w := g.way(f.Feed)
	if w.name != f.Feed {
		return // one too many
	}
	if !w.told {
		w.told, w.fresh = true, true
		r.notable(g)
	}
	if w.caller != f.Caller {
		w.caller, w.fresh = f.Caller, true
	}
	w.toldAt, w.messages = f.Time, f.Messages
	if f.Silent >= 0 {
		r.hearBy(w, r.clock.Add(-f.Silent))
	}
	r.turn(w, f.Up)
}

// close ends a heartbeat: what it did not speak of is configured no more.
func (r *Roster) close(g *gateway, at medfleet.Millis) {
	for name, w := range g.ways {
		if w.told && w.toldAt != at {
			w.told, w.up, w.quiet, w.fresh = false, false, false, true
			r.notable(g)
		}
		if !w.told && w.devices == 0 && !w.fresh {
			delete(g.ways, name)
		}
	}
}

// through moves a device to the way by which it is heard now.
func (r *Roster) through(en *entry, w *way) {
	if en.way == w {
		return
	}
	if before := en.way; before != nil {
		before.devices--
		before.expected -= expects(en.device.State)
	}
	en.way = w
	w.devices++
	w.expected += expects(en.device.State)
	d := &en.device
	d.Gateway, d.Feed = "", w.name
	if w.gateway != nil {
		d.Gateway = w.gateway.Name
	}
	r.pending.devices[d.ID] = struct{}{}
}

// expects gives 1 for a state in which a device should be heard by a way that is
// up, and 0 for one in which its silence says nothing of the way.
func expects(s medfleet.State) int {
	switch s {
	case medfleet.InUse, medfleet.Idle, medfleet.Blind:
		return 1
	}
	return 0
}

// missed says that a way which is not up is missing to somebody: a sender that is
// configured and never came has nothing behind it.
func (w *way) missed() bool { return !w.caller || w.heard != 0 || w.devices > 0 }

// sorted gives the ways by name: what is made of them must be the same when the
// journal is read again.
func (g *gateway) sorted() []*way {
	list := make([]*way, 0, len(g.ways))
	for _, name := range slices.Sorted(maps.Keys(g.ways)) {
		list = append(list, g.ways[name])
	}
	return list
}

// feeds gives what people see of the ways that a gateway tells of, by name.
func (g *gateway) feeds() []medfleet.Feed {
	list := []medfleet.Feed{}
	for _, w := range g.sorted() {
		if w.told {
			list = append(list, medfleet.Feed{Name: w.name, Up: w.up, Quiet: w.quiet, LastHeard: w.heard, Messages: w.messages, Devices: w.devices})
		}
	}
	return list
}
