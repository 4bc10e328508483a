package roster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"medfleet"
	"medfleet/record"
)

// Bounds of what is known of parts: input decides how many there are.
const (
	maxParts   = 500_000
	maxPartsOf = 64 // in one parent at one time
)

// A part that its parent has not named for a day, though the parent was heard, is
// out of it; so is one that nobody has named for as long as a device's time is
// believed at all.
const (
	unnamed   = 25 * time.Hour
	forgotten = medfleet.MaxPast + 24*time.Hour

	sweepEvery = medfleet.Millis(time.Hour / time.Millisecond)
)

// parts is which part is where. It is empty for a fleet without modules.
type parts struct {
	newest map[medfleet.DeviceID]*stay   // each part's newest, over or not
	places map[slot]*stay                // each slot's newest, over or not
	in     map[medfleet.DeviceID][]*stay // by parent, those that last
}

// slot is a place in a parent.
type slot struct {
	parent medfleet.DeviceID
	name   string
}

// stay is a part's time in a place. known is up to when we know where the part and
// the slot stand: what comes from before says nothing new.
type stay struct {
	medfleet.Stay
	known medfleet.Millis
}

func newParts() parts {
	return parts{newest: map[medfleet.DeviceID]*stay{}, places: map[slot]*stay{}, in: map[medfleet.DeviceID][]*stay{}}
}

func (s *stay) lasts() bool { return s.To == 0 }
func (s *stay) place() slot { return slot{s.Parent, s.Slot} }

// edge is the time before which nothing that follows this stay can begin.
func (s *stay) edge() medfleet.Millis { return max(s.From, s.To) }

// late reports whether a time is before what is known of the stay's part and slot.
func (s *stay) late(at medfleet.Millis) bool {
	return s != nil && (at < s.known || at == s.known && s.lasts())
}

// attach notes where a part was seen. What is seen elsewhere leaves the place that
// it had, and so does what had the slot: each part is in one place at a time and
// each slot has one part.
func (r *Roster) attach(sequence uint64, e *record.Envelope, l *record.Line) {
	if e.Flags&notJudged != 0 {
		return
	}
	a := l.Attachment()
	a.Part, a.Parent, a.Time = r.named(a.Part), r.named(a.Parent), max(r.plausible(a.Time), 1)
	if a.Part == a.Parent {
		return
	}
	old := r.parts.newest[a.Part]
	if old != nil && old.lasts() && old.Parent == a.Parent && (a.Slot == old.Slot || a.Slot == "") {
		r.confirm(old, &a)
		return
	}
	r.move(old, &a, sequence)
}

// confirm notes that a part is still where it was.
func (r *Roster) confirm(s *stay, a *medfleet.Attachment) {
	if a.Time < s.From {
		return
	}
	before := s.Stay
	s.Seen, s.known = max(s.Seen, a.Time), max(s.known, a.Time)
	s.Type, s.Model = orElse(a.Type, s.Type), orElse(a.Model, s.Model)
	if s.Stay != before {
		r.pending.stays = append(r.pending.stays, s.Stay)
	}
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// move puts a part into a place. old is the newest that is known of the part.
func (r *Roster) move(old *stay, a *medfleet.Attachment, sequence uint64) {
	var there *stay
	if a.Slot != "" {
		there = r.parts.places[slot{a.Parent, a.Slot}]
	}
	if old.late(a.Time) || there.late(a.Time) {
		r.counts.Late++
		return
	}
	if old == nil && len(r.parts.newest) >= maxParts || there == nil && len(r.parts.places) >= 2*maxParts {
		r.counts.Overflow++
		return
	}
	at := a.Time
	for _, s := range []*stay{old, there} {
		if s != nil {
			at = max(at, s.edge())
		}
	}
	r.leave(old, at)
	r.leave(there, at)
	r.makeRoomIn(a.Parent, at)
	s := &stay{known: a.Time, Stay: medfleet.Stay{
		Part: a.Part, Type: a.Type, Model: a.Model, Parent: a.Parent, Slot: a.Slot, Site: a.Site, From: at, Seen: at,
	}}
	s.ID = stayID(&s.Stay, sequence)
	r.parts.add(s)
	r.noteStay(s)
}

// stayID is the same whenever the same journal is read.
func stayID(s *medfleet.Stay, sequence uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "stay\x00%s\x00%s\x00%s\x00%d\x00%d", s.Part, s.Parent, s.Slot, s.From, sequence))
	return hex.EncodeToString(sum[:16])
}

func (p *parts) add(s *stay) {
	p.newest[s.Part] = s
	if s.Slot != "" {
		p.places[s.place()] = s
	}
	if s.lasts() {
		p.in[s.Parent] = append(p.in[s.Parent], s)
	}
}

// leave ends a stay, if it lasts.
func (r *Roster) leave(s *stay, at medfleet.Millis) {
	if s == nil || !s.lasts() {
		return
	}
	s.To, s.known = at, max(s.known, at)
	r.parts.takeOut(s)
	r.noteStay(s)
}

func (p *parts) takeOut(s *stay) {
	list := slices.DeleteFunc(p.in[s.Parent], func(other *stay) bool { return other == s })
	if len(list) == 0 {
		delete(p.in, s.Parent)
		return
	}
	p.in[s.Parent] = list
}

// makeRoomIn ends what was longest not named of a parent that is full.
func (r *Roster) makeRoomIn(parent medfleet.DeviceID, at medfleet.Millis) {
	list := r.parts.in[parent]
	if len(list) < maxPartsOf {
		return
	}
	oldest := slices.MinFunc(list, func(a, b *stay) int {
		return cmp.Or(cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.Part, b.Part))
	})
	r.leave(oldest, max(at, oldest.From))
}

// noteStay makes a stay wait to be written and its devices to be told of.
func (r *Roster) noteStay(s *stay) {
	r.pending.stays = append(r.pending.stays, s.Stay)
	for _, id := range []medfleet.DeviceID{s.Part, s.Parent} {
		if r.devices[id] != nil {
			r.pending.touch(id)
		}
	}
}

// sweepParts ends the stays that nobody has confirmed, and forgets those that are
// so long over that nothing late can touch them. It is called once an hour.
func (r *Roster) sweepParts(now medfleet.Millis) {
	var gone []*stay
	for _, s := range r.parts.newest {
		if s.lasts() && r.outgrown(s, now) {
			gone = append(gone, s)
		}
	}
	slices.SortFunc(gone, func(a, b *stay) int { return cmp.Compare(a.Part, b.Part) })
	for _, s := range gone {
		r.leave(s, s.Seen)
	}
	for id, s := range r.parts.newest {
		if !s.lasts() && now.Sub(s.known) > forgotten {
			delete(r.parts.newest, id)
		}
	}
	for at, s := range r.parts.places {
		if !s.lasts() && now.Sub(s.known) > forgotten {
			delete(r.parts.places, at)
		}
	}
}

func (r *Roster) outgrown(s *stay, now medfleet.Millis) bool {
	if parent := r.devices[s.Parent]; parent != nil && parent.device.LastSeen.Sub(s.Seen) > unnamed {
		return true
	}
	return now.Sub(s.Seen) > forgotten
}

// setBackParts is told that the clock was in the future and is right again.
func (r *Roster) setBackParts(now medfleet.Millis) {
	for _, s := range r.parts.newest {
		s.known = min(s.known, now)
	}
	for _, s := range r.parts.places {
		s.known = min(s.known, now)
	}
}

// parted fills in where a device is and what is in it.
func (r *Roster) parted(d *medfleet.Device) {
	if len(r.parts.newest) == 0 {
		return
	}
	if s := r.parts.newest[d.ID]; s != nil && s.lasts() {
		d.Parent, d.Slot, d.Attached = s.Parent, s.Slot, s.From
	}
	for _, s := range r.parts.in[d.ID] {
		d.Parts = append(d.Parts, s.Stay)
	}
	slices.SortFunc(d.Parts, func(a, b medfleet.Stay) int {
		return cmp.Or(bySlot(a.Slot, b.Slot), cmp.Compare(a.Part, b.Part))
	})
}

// bySlot orders 2 before 10.
func bySlot(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// Part gives where a part is now that need not be a device of its own.
func (r *Roster) Part(id medfleet.DeviceID) (medfleet.Stay, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.parts.newest[r.named(id)]
	if s == nil || !s.lasts() {
		return medfleet.Stay{}, false
	}
	return s.Stay, true
}
