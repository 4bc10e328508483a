package sparkplug

import (
	"slices"
	"time"

	"medfleet"
	"medfleet/gateway/sparkplug/payload"
)

// Said is what messages say to us, in the order in which it is to be kept. It is
// filled by Take and Tick; Reset empties it, and its memory is used again.
type Said struct {
	Observations []Observation
	Events       []Event
	Ask          []Node // edge nodes to be asked for a rebirth
	From         []Node // edge nodes that something above is from; one may be there twice

	Messages int // that were understood
	Dropped  int // metrics that nobody has mapped, or that we cannot read
	Codes    int // codes of what is wrong that no table has
	Refused  int // values that cannot be right
}

// Observation is a medfleet.Observation with its marks.
type Observation struct {
	medfleet.Observation
	Marks
	Skew      time.Duration // by how much the sender's clock is ahead of the receiver's, by the time of the message
	SkewKnown bool          // not of history, nor of what the receiver says itself
}

// Event is a medfleet.Event with its marks.
type Event struct {
	medfleet.Event
	Marks
}

// Marks are what is to be known of a record beside its values.
type Marks struct {
	Historical bool // the sender says that it is not about now
	Clamped    bool // its time was not plausible: the receiver's is used
}

// Reset empties it.
func (s *Said) Reset() {
	s.Observations, s.Events = s.Observations[:0], s.Events[:0]
	s.Ask, s.From = s.Ask[:0], s.From[:0]
	s.Messages, s.Dropped, s.Codes, s.Refused = 0, 0, 0, 0
}

// Nothing reports whether there is nothing to be kept.
func (s *Said) Nothing() bool { return len(s.Observations) == 0 && len(s.Events) == 0 }

// drop counts the metrics of a message that nobody wants.
func (s *Said) drop(p *payload.Payload) {
	for _, m := range p.GetMetrics() {
		if !housekeeping(m.GetName()) {
			s.Dropped++
		}
	}
}

// observation appends one, with the memory of the one that was there before.
func (s *Said) observation() *Observation {
	if n := len(s.Observations); n < cap(s.Observations) {
		s.Observations = s.Observations[:n+1]
	} else {
		s.Observations = append(s.Observations, Observation{})
	}
	o := &s.Observations[len(s.Observations)-1]
	*o = Observation{Observation: medfleet.Observation{Readings: o.Readings[:0]}}
	return o
}

// inOrder sorts what one message said by its times: the newest value of a thing must
// be the last that is heard of it.
func (s *Said) inOrder(from int) {
	slices.SortStableFunc(s.Observations[from:], func(a, b Observation) int { return int(min(max(a.Time-b.Time, -1), 1)) })
}
