package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"medfleet"
	"medfleet/record"
)

// Conditions of the events that the roster itself adds to the record it applies.
const (
	newCode          = "new_code"
	identityConflict = "identity_conflict"
)

// added is an event of the roster's, to be told of after the record that caused it.
type added struct {
	*entry
	medfleet.Event
	received medfleet.Millis
}

// tell makes an event about a device whose id depends on nothing but the words that
// name what happened, so that reading the journal again writes nothing twice.
func (r *Roster) tell(en *entry, e *record.Envelope, ev medfleet.Event, words ...string) {
	sum := sha256.Sum256([]byte(ev.Condition + "\x00" + strings.Join(words, "\x00")))
	d := &en.device
	ev.ID, ev.Kind = hex.EncodeToString(sum[:16]), medfleet.Advisory
	ev.Equipment = medfleet.Equipment{Device: d.ID, Class: d.Class, Model: d.Model, Site: d.Site, Unit: d.Unit}
	r.added = append(r.added, added{en, ev, r.heard(e)})
}

// tellAdded hands on what the record just applied has caused.
func (r *Roster) tellAdded(sequence uint64, see func(*medfleet.Sighting)) {
	for i := range r.added {
		o := &r.added[i]
		live := o.turn(&o.Event)
		r.pending.events = append(r.pending.events, received{o.Event, o.received, 0})
		r.pending.touch(o.device.ID)
		s := &r.sighting
		s.Sequence, s.At, s.Device, s.Event, s.Live = sequence, o.Time, &o.device, &o.Event, live
		s.Readings = s.Readings[:0]
		see(s)
	}
	r.added = r.added[:0]
}

func stamped(at medfleet.Millis) string { return fmt.Sprint(int64(at)) }
