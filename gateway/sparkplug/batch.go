package sparkplug

import (
	"time"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/sparkplug/payload"
)

// batch is one message of a speaker on its way to records.
type batch struct {
	said     *Said
	payload  *payload.Payload
	at       time.Time // when it came
	received medfleet.Millis
	birth    bool
	first    int // of said.Observations
	place    int // of the metric in the message
	strange  bool
}

// read makes records of a message's metrics. It reports whether one of them is of no
// birth that we know.
func (s *speaker) read(b *batch) (strange bool) {
	b.first = len(b.said.Observations)
	for i, m := range b.payload.GetMetrics() {
		b.place = i
		s.hear(b, m)
	}
	if b.first == len(b.said.Observations) && b.birth {
		s.alone(b.said, b.at) // a birth says at least that it is there
	}
	b.said.inOrder(b.first)
	return b.strange
}

func (s *speaker) hear(b *batch, m *payload.Metric) {
	known := s.metric(m)
	switch {
	case known == nil:
		b.strange = true
		b.said.Dropped++
		return
	case known.use == nil && housekeeping(m.GetName()):
		return
	case known.use == nil:
		b.said.Dropped++
		return
	case m.Datatype != nil && m.GetDatatype() != known.datatype:
		b.said.Refused++
		return
	case unknown(m):
		return // it has no value now: what was known of it is left to age
	}
	v, ok := value(m, known.datatype)
	if !ok {
		b.said.Refused++
		return
	}
	t := b.when(m)
	s.observe(b, known, v, t)
	s.judge(b, known, v, t)
}

// stamp is a time with what is to be known of it.
type stamp struct {
	at     medfleet.Millis
	device medfleet.Millis // the sender's own, where at is not it
	marks  Marks
}

// when gives the time of a metric. In a birth all values are those of the birth's
// time: theirs may be of long ago, and yet they hold.
func (b *batch) when(m *payload.Metric) stamp {
	at := medfleet.Millis(b.payload.GetTimestamp())
	if m.Timestamp != nil && (!b.birth || m.GetIsHistorical()) {
		at = medfleet.Millis(m.GetTimestamp())
	}
	believed, clamped := medfleet.Believe(at, b.received)
	t := stamp{at: believed, marks: Marks{Historical: m.GetIsHistorical(), Clamped: clamped}}
	if clamped {
		t.device = at
	}
	return t
}

// lookBack bounds the search for an observation that a reading belongs to.
const lookBack = 8

// observe adds a reading to the observation of its time.
func (s *speaker) observe(b *batch, known *metric, v mapping.Value, t stamp) {
	if known.use.reading == nil {
		return
	}
	reading, ok := known.use.reading.Reading(v)
	if !ok {
		b.said.Refused++
		return
	}
	list := b.said.Observations
	for i := len(list) - 1; i >= max(b.first, len(list)-lookBack); i-- {
		o := &list[i]
		if _, twice := o.Reading(reading.Metric); o.Time == t.at && o.DeviceTime == t.device && o.Marks == t.marks && !twice {
			o.Readings = append(o.Readings, reading)
			return
		}
	}
	o := b.said.observation()
	o.Equipment, o.Time, o.Gateway, o.Marks = s.equipment, t.at, s.node.host.options.Gateway, t.marks
	o.DeviceTime = t.device
	if b.payload.Timestamp != nil && !t.marks.Historical {
		o.Skew, o.SkewKnown = medfleet.Millis(b.payload.GetTimestamp()).Sub(b.received), true
	}
	o.Readings = append(o.Readings, reading)
	s.heard(b.said, b.at)
}

// alone is a sign of life.
func (s *speaker) alone(said *Said, now time.Time) {
	o := said.observation()
	o.Equipment, o.Time, o.Gateway = s.equipment, medfleet.AsMillis(now), s.node.host.options.Gateway
	s.heard(said, now)
}

func (s *speaker) heard(said *Said, now time.Time) {
	s.said = now
	said.From = append(said.From, s.node.id)
}
