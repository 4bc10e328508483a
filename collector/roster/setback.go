package roster

import (
	"medfleet"
	"medfleet/record"
)

// setBack tells a device's clock that was set back from data that is late. Both are
// older than what is known. But of a clock that was set back one observation after
// the other is, each as much later than the one before as it was received later; a
// backlog comes faster than it was made.
type setBack struct {
	at, received medfleet.Millis // of the newest observation that was older than known
	steps        int             // how many have followed each other at the clock's pace
}

// enoughSteps is how many observations must follow each other before an older time
// is taken for the device's present one.
const enoughSteps = 2

// pace is how far the clock's pace may be missed: stamps of whole seconds, and
// messages that wait a little on their way.
const pace medfleet.Millis = 2500

// older takes an observation that is older than what is known and reports whether
// the device's clock was set back, so that it is about now all the same.
func (s *setBack) older(at, received medfleet.Millis) bool {
	passed, made := received-s.received, at-s.at
	if s.at != 0 && passed >= pace && made > 0 && max(made-passed, passed-made) <= max(pace, passed/10) {
		s.steps++
	} else {
		s.steps = 0
	}
	s.at, s.received = at, received
	if s.steps < enoughSteps {
		return false
	}
	*s = setBack{}
	return true
}

// isLate tells whether an observation is older than what is known of the device. A
// clock that was set back is believed anew, and what was noted by the old one with it.
func (en *entry) isLate(at medfleet.Millis, e *record.Envelope) bool {
	if at >= en.observed {
		en.back = setBack{}
		return false
	}
	if e.Flags&notJudged != 0 || !en.back.older(at, e.Received) {
		return true
	}
	en.observed = at
	for i := range en.active {
		en.active[i].at = min(en.active[i].at, at)
	}
	return false
}
