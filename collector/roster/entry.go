package roster

import (
	"medfleet"
	"medfleet/record"
)

// entry gives the device that a record is about, new when it was not known. It
// notes that the device was heard.
func (r *Roster) entry(q medfleet.Equipment, e *record.Envelope, w *way) *entry {
	id := r.named(q.Device)
	en := r.devices[id]
	if en == nil {
		if en = r.admit(id, q, e, w); en == nil {
			return nil
		}
	}
	if e.Flags&(record.Retained|record.Historical) == 0 {
		en.device.LastSeen = max(en.device.LastSeen, r.heard(e))
		en.heard = max(en.heard, r.now(e))
	}
	return en
}

// named gives the device that an id stands for.
func (r *Roster) named(id medfleet.DeviceID) medfleet.DeviceID {
	if device, ok := r.aliases[id]; ok {
		return device
	}
	return id
}

// heard gives when a record was received, by a clock that a gateway far in the
// future cannot pull away.
func (r *Roster) heard(e *record.Envelope) medfleet.Millis { return r.plausible(e.Received) }

// now is the collector's clock; before it has begun, a record's own.
func (r *Roster) now(e *record.Envelope) medfleet.Millis {
	if r.clock == 0 {
		return r.heard(e)
	}
	return r.clock
}

// latest is the last time that can be written in RFC 3339.
const latest medfleet.Millis = 253_402_300_799_999

// plausible gives a time that can be judged by. One beyond the collector's clock
// would outlast every true one that follows.
func (r *Roster) plausible(at medfleet.Millis) medfleet.Millis {
	if r.clock != 0 && at.Sub(r.clock) > medfleet.MaxFuture {
		return r.clock
	}
	return min(max(at, 0), latest)
}

// admit adds a device. When it was last heard is the caller's to say: a retained
// message may be of one that is long gone.
func (r *Roster) admit(id medfleet.DeviceID, q medfleet.Equipment, e *record.Envelope, w *way) *entry {
	profile, ok := r.o.Profiles.Class(q.Class)
	if !ok {
		r.counts.Unreadable++
		return nil
	}
	if len(r.devices) >= MaxDevices {
		r.counts.Overflow++
		return nil
	}
	en := &entry{profile: profile, known: known{state: medfleet.Idle}}
	en.device = medfleet.Device{
		ID: id, Class: q.Class, Model: q.Model, Site: q.Site, Unit: q.Unit, InService: true,
		FirstSeen: r.heard(e),
		Readings:  map[string]float64{}, Active: []string{},
	}
	r.devices[id] = en
	r.meet(&en.device, en.device.FirstSeen)
	r.pending.devices[id] = struct{}{}
	r.through(en, w)
	r.enter(en, en.known, en.device.FirstSeen)
	return en
}

// place notes where a live record came from.
func (r *Roster) place(en *entry, q medfleet.Equipment, w *way) {
	r.through(en, w)
	d := &en.device
	if q.Class != d.Class {
		r.reclass(en, q.Class)
	}
	if q.Model == "" {
		q.Model = d.Model
	}
	if q.Unit == "" {
		q.Unit = d.Unit
	}
	if d.Model == q.Model && d.Site == q.Site && d.Unit == q.Unit {
		return
	}
	d.Model, d.Site, d.Unit = q.Model, q.Site, q.Unit
	r.meet(d, d.LastSeen)
	r.pending.devices[d.ID] = struct{}{}
}

// reclass is told that what has this id is a device of another class: what was
// known of the old one says nothing of it.
func (r *Roster) reclass(en *entry, class medfleet.Class) {
	profile, ok := r.o.Profiles.Class(class)
	if !ok {
		return
	}
	en.profile, en.known = profile, known{state: medfleet.Idle}
	en.device.Class, en.device.Model = class, ""
	en.unmade()
	clear(en.device.Readings)
	r.pending.devices[en.device.ID] = struct{}{}
}

// wake brings back a device that was not heard, when a record came after that.
func (r *Roster) wake(en *entry, e *record.Envelope) {
	d := &en.device
	missed := d.State == medfleet.Unheard || d.State == medfleet.Blind
	if missed && e.Flags&(record.Retained|record.Historical) == 0 && r.heard(e) > d.Since {
		r.enter(en, en.known, r.heard(e))
	}
}

// enter brings a device into a state from a time on. Staying is no transition.
func (r *Roster) enter(en *entry, to known, at medfleet.Millis) {
	d := &en.device
	if d.State == to.state && d.Native == to.native && d.Occupied == to.occupied {
		return
	}
	at = max(at, d.Since)
	en.way.expected += expects(to.state) - expects(d.State)
	d.State, d.Native, d.Occupied, d.Since = to.state, to.native, to.occupied, at
	r.pending.stretches = append(r.pending.stretches, begun{
		d.ID, d.Site, medfleet.Stretch{State: d.State, Native: d.Native, Occupied: d.Occupied, From: at},
	})
	r.pending.touch(d.ID)
}
