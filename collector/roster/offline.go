package roster

import (
	"medfleet"
	"medfleet/record"
)

// offline is the condition by which a gateway tells that the connection of a device
// is gone: a last will, a death certificate. It is no fault of the device; it is not
// heard, and nobody has to wait to know.
const offline = "offline"

// disconnect takes a device that is told to be offline for unheard from then on, and
// reports whether the event says so. One that has said to be off stays off.
func (r *Roster) disconnect(en *entry, e *medfleet.Event) bool {
	if e.Condition != offline || e.Phase == medfleet.End {
		return false
	}
	if s := en.device.State; s != medfleet.Off && s != medfleet.OutOfService {
		r.enter(en, known{state: medfleet.Unheard}, e.Time)
	}
	return true
}

// offlineSince gives since when a device has been told to be offline, false when it
// is not.
func (en *entry) offlineSince() (medfleet.Millis, bool) {
	for _, c := range en.active {
		if c.name == offline && c.on {
			return c.at, true
		}
	}
	return 0, false
}

// overtaken reports whether a record was received before its device went offline:
// events have a stream of their own and may overtake. It is no sign of life then.
func (r *Roster) overtaken(en *entry, e *record.Envelope) bool {
	at, gone := en.offlineSince()
	return gone && en.device.State == medfleet.Unheard && r.heard(e) <= at
}
