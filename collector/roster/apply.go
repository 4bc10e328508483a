package roster

import (
	"medfleet"
	"medfleet/profiles"
	"medfleet/record"
)

// ClockStream is the stream of the collector's own clock records; StartStream
// is that of the first one after a start.
const (
	ClockStream = "clock"
	StartStream = "start"
)

// Hold locks the roster for a run of Apply calls and gives the release.
func (r *Roster) Hold() (release func()) {
	r.mu.Lock()
	return r.mu.Unlock
}

// Apply takes one record of the journal, under Hold. It calls see with the sighting
// for the alarm engine, unless the record is about no device or says nothing new,
// and then with those of the events that the roster adds of its own: a code that a
// model never reported, an id that two devices claim. A sighting is valid during
// the call.
func (r *Roster) Apply(sequence uint64, e *record.Envelope, l *record.Line, see func(*medfleet.Sighting)) {
	if s := r.apply(sequence, e, l); s != nil {
		see(s)
	}
	if len(r.added) > 0 {
		r.tellAdded(sequence, see)
	}
}

func (r *Roster) apply(sequence uint64, e *record.Envelope, l *record.Line) *medfleet.Sighting {
	g := r.hear(e)
	if e.Flags&record.DuplicateSuspect != 0 {
		r.counts.Suspects++
	}
	switch e.Kind {
	case record.Observation:
		return r.observe(sequence, e, l)
	case record.Event:
		return r.happen(sequence, e, l)
	case record.Heartbeat:
		r.beat(g, l)
	case record.Attachment:
		r.attach(sequence, e, l)
	case record.Gap:
		r.counts.Gaps++
		r.pending.gaps = append(r.pending.gaps, l.Gap())
	}
	return nil
}

// Lost notes a loss that the journal itself declares.
func (r *Roster) Lost(g medfleet.Gap) {
	r.counts.Gaps++
	r.pending.gaps = append(r.pending.gaps, g)
}

// Unreadable counts a record that could not be taken apart.
func (r *Roster) Unreadable() { r.counts.Unreadable++ }

const notJudged = record.Retained | record.Historical | record.NotInService | record.DuplicateSuspect

func (r *Roster) observe(sequence uint64, e *record.Envelope, l *record.Line) *medfleet.Sighting {
	s := &r.sighting
	q, at := l.Equipment(), r.plausible(l.Time)
	q.Class = medfleet.Class(l.Measurement)
	w := r.cameBy(e, l)
	en := r.entry(q, e, w)
	if en == nil {
		return nil
	}
	d := &en.device
	rival := r.rival(en, q, e)
	late := at < en.observed
	if !rival {
		late = en.isLate(at, e)
	}
	live := !late && !rival && e.Flags&notJudged == 0
	if late {
		r.counts.Late++
	}
	if live {
		en.observed = at
		r.place(en, q, w)
	}
	s.Readings = s.Readings[:0]
	for i := range l.Fields {
		f := &l.Fields[i]
		if f.IsText || f.Key == record.DeviceTimeField {
			continue
		}
		s.Readings = append(s.Readings, medfleet.Reading{Metric: f.Key, Value: f.Number})
		if live {
			d.Readings[f.Key] = f.Number
		}
	}
	if inService := e.Flags&record.NotInService == 0; inService != d.InService && !rival && e.Flags&(record.Retained|record.Historical) == 0 {
		d.InService = inService
		r.pending.touch(d.ID)
	}
	switch {
	case live && r.overtaken(en, e):
		en.reports(l)
	case live:
		en.reports(l)
		r.enter(en, en.known, at)
	default:
		r.wake(en, e)
	}
	r.pending.touch(d.ID)
	s.Sequence, s.At, s.Device, s.Event, s.Live = sequence, at, d, nil, live
	return s
}

// reports notes the state that an observation reports; without one it is that which
// the device had before it fell silent.
func (en *entry) reports(l *record.Line) {
	for i := range l.Fields {
		if l.Fields[i].Key != profiles.StateMetric || l.Fields[i].IsText {
			continue
		}
		if st, ok := en.profile.StateAt(l.Fields[i].Number); ok {
			en.known = known{st.Means, st.Name, st.Occupied}
		}
	}
}

func (r *Roster) happen(sequence uint64, e *record.Envelope, l *record.Line) *medfleet.Sighting {
	event := l.Event()
	w := r.cameBy(e, l)
	en := r.entry(event.Equipment, e, w)
	if en == nil {
		return nil
	}
	if en.repeated(event.ID) {
		r.counts.Repeated++
		return nil
	}
	event.Device, event.Time = en.device.ID, r.plausible(event.Time)
	r.pending.events = append(r.pending.events, received{event, e.Received, e.Flags})
	r.pending.touch(en.device.ID)
	live := e.Flags&notJudged == 0 && !en.foreign(spotOf(event.Class, event.Model, event.Site, event.Unit))
	if live {
		live = en.turn(&event)
		r.switchOff(en, &event)
		r.tellsMaking(en, &event)
		if up, _ := en.way.path(); !up {
			r.through(en, w) // it is heard by another way now
		}
	}
	r.learn(en, e, &event)
	if !live || !r.disconnect(en, &event) {
		r.wake(en, e)
	}
	s := &r.sighting
	s.Sequence, s.At, s.Device, s.Event, s.Live = sequence, event.Time, &en.device, &event, live
	s.Readings = s.Readings[:0]
	return s
}

// switchOff notes a reported power-off: a device that said so is off, not silent.
// What it observed before may come after, since events have a stream of their own.
func (r *Roster) switchOff(en *entry, e *medfleet.Event) {
	if e.Condition == "powered_off" && e.Phase != medfleet.End && e.Time >= en.observed {
		en.observed = e.Time
		en.known = known{medfleet.Off, "off", false}
		r.enter(en, en.known, e.Time)
	}
}

// repeated reports whether an event's id was met before, and remembers it.
func (en *entry) repeated(id string) bool {
	for _, known := range en.recent {
		if known == id && id != "" {
			return true
		}
	}
	en.recent[en.next] = id
	en.next = (en.next + 1) % len(en.recent)
	return false
}
