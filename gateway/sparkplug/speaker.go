package sparkplug

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/sparkplug/payload"
)

// speaker is a device behind an edge node, or the node itself, that somebody wants
// to hear.
type speaker struct {
	node      *node
	device    string // "" for the node itself
	plan      *plan
	class     *classPlan // nil until a birth has told the class
	equipment medfleet.Equipment
	aliases   map[uint64]*metric // of this birth
	names     map[string]*metric // the mapped ones; what they remember outlives a birth
	born      bool               // aliases and datatypes are those of the session that is on
	alive     life
	said      time.Time // when it last said something that became a record
	claimed   *node     // where a birth under the same id was refused
}

// life is whether a device is connected, as far as we know.
type life uint8

const (
	lifeUnknown life = iota
	connected
	lost
)

// metric is one metric of a birth.
type metric struct {
	use      *use // nil: nobody has mapped it
	datatype uint32
	lasts    tristate
	wrong    *mapping.Code // what the code metric said last; nil: nothing wrong, or unknown
}

type tristate uint8

const (
	notTold tristate = iota
	no
	yes
)

// unmapped stands for all metrics that nobody has mapped.
var unmapped = new(metric)

// housekeeping are metrics of the protocol itself.
func housekeeping(name string) bool {
	return name == "bdSeq" || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/")
}

var (
	errClass   = errors.New("class is not known: the birth has no metric of the name in class_from, or its value is not among the words")
	errID      = errors.New("device has no usable id: let `device` of its mapping make one with a digit, or say in `device_pattern` what an id looks like")
	errTwice   = errors.New("two devices have one id: let `device` of their mapping tell them apart, with {group}, {node} and {device}")
	errAliases = errors.New("too many metrics with an alias: the bound for all edge nodes together is reached")
)

// unfiltered takes every text for the name that the mapping says it is. Nothing in the
// program sets it: it is the control of the test that looks for patient data.
var unfiltered bool

// identify learns from a birth who the speaker is.
func (s *speaker) identify(h *Host, p *payload.Payload) error {
	class, model := s.plan.Class, s.plan.Model
	for _, m := range p.GetMetrics() {
		if s.plan.ClassFrom != nil && m.GetName() == s.plan.ClassFrom.Metric {
			class = s.plan.ClassFrom.Words[m.GetStringValue()]
		}
		if s.plan.ModelFrom != "" && m.GetName() == s.plan.ModelFrom && (unfiltered || mapping.Model(m.GetStringValue())) {
			model = m.GetStringValue()
		}
	}
	if s.class = s.plan.classes[class]; s.class == nil {
		return errClass
	}
	id, err := s.plan.name.Device(s.level)
	if err != nil || !unfiltered && !s.plan.pattern.MatchString(string(id)) {
		return errID
	}
	if other := h.ids[id]; other != nil && other != s && other.born {
		other.claimed = s.node
		return errTwice
	}
	h.ids[id] = s // where it was before, it is not any more
	s.equipment = medfleet.Equipment{Device: id, Class: s.class.profile.Class, Model: model, Site: h.options.Site}
	if unit := s.plan.unit.Text(s.level); unfiltered || mapping.Place(unit) {
		s.equipment.Unit = medfleet.CareUnit(unit)
	}
	return nil
}

func (s *speaker) level(name string) string {
	switch name {
	case "group":
		return s.node.id.Group
	case "node":
		return s.node.id.Edge
	}
	return s.device
}

// learn takes the names, aliases and datatypes of a birth (6.4.7).
func (s *speaker) learn(h *Host, p *payload.Payload) error {
	h.aliases -= len(s.aliases)
	s.aliases = map[uint64]*metric{}
	for _, m := range p.GetMetrics() {
		known := unmapped
		if u := s.class.uses[m.GetName()]; u != nil {
			known = s.names[m.GetName()]
			if known == nil {
				known = new(metric)
				s.names[m.GetName()] = known
			}
			known.use, known.datatype = u, datatype(m)
		}
		if m.Alias != nil {
			s.aliases[m.GetAlias()] = known
		}
	}
	if h.aliases+len(s.aliases) > h.options.Limits.Aliases {
		s.aliases = nil
		return errAliases
	}
	h.aliases += len(s.aliases)
	return nil
}

// metric finds what a metric of a data message is: by its alias, which may come
// alone, or by its name. It is nil when the birth had none of them.
func (s *speaker) metric(m *payload.Metric) *metric {
	if m.GetName() == "" {
		return s.aliases[m.GetAlias()]
	}
	if known := s.names[m.GetName()]; known != nil {
		return known
	}
	if u := s.class.uses[m.GetName()]; u != nil && m.Datatype != nil {
		known := &metric{use: u, datatype: m.GetDatatype()} // a birth that was not complete
		s.names[m.GetName()] = known
		return known
	} else if u != nil {
		return nil
	}
	return unmapped
}

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

// judge makes events of what a metric says about conditions.
func (s *speaker) judge(b *batch, known *metric, v mapping.Value, t stamp) {
	if w := known.use.condition; w != nil {
		if on, ok := w.Lasts(v); !ok {
			b.said.Refused++
		} else if turned(known, on, t.marks.Historical) {
			s.tell(b, w.Event(on), t)
		}
	}
	if known.use.codes == nil {
		return
	}
	code, ok := known.use.codes.Find(s.equipment.Model, v)
	if !ok {
		b.said.Codes++ // nobody knows it: it is no alarm, and what was wrong before is over
	}
	s.change(b, known, code, t)
}

// turned remembers what a value says of a condition, and reports whether that is
// new. What is history changes nothing.
func turned(known *metric, on, historical bool) bool {
	now := no
	if on {
		now = yes
	}
	if historical {
		return true
	}
	before := known.lasts
	known.lasts = now
	return before != now
}

// change ends the condition of the code before and begins that of the new one.
func (s *speaker) change(b *batch, known *metric, code mapping.Code, t stamp) {
	if t.marks.Historical {
		if code.Condition != nil {
			s.coded(b, code, true, t)
		}
		return
	}
	before := known.wrong
	if before != nil && *before == code {
		return
	}
	if before != nil {
		s.coded(b, *before, false, t)
	}
	known.wrong = nil
	if code.Condition != nil {
		known.wrong = &code
		s.coded(b, code, true, t)
	}
}

func (s *speaker) coded(b *batch, code mapping.Code, on bool, t stamp) {
	e := mapping.Event(code.Condition, on)
	if on { // it is over under whatever code it began
		e.Code = code.Text
	}
	s.tell(b, e, t)
}

// tell adds an event. Its id is that of the session, the message and the place in it.
func (s *speaker) tell(b *batch, e medfleet.Event, t stamp) {
	e.Equipment, e.Time, e.Gateway, e.DeviceTime = s.equipment, t.at, s.node.host.options.Gateway, t.device
	e.ID = s.eventID(&e, b.payload.GetTimestamp(), b.payload.GetSeq(), b.place)
	b.said.Events = append(b.said.Events, Event{e, t.marks})
	s.heard(b.said, b.at)
}

func (s *speaker) eventID(e *medfleet.Event, message, seq uint64, place int) string {
	h := sha256.New()
	fmt.Fprintf(h, "sparkplug\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d\x00%d\x00%d\x00%d\x00%d",
		s.node.id.Group, s.node.id.Edge, s.device, e.Condition, e.Phase, e.Code, e.Time, s.node.session, message, seq, place)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// turn tells that the connection to a speaker is gone, or there again, by the
// gateway's clock: that is who says so. A device that was born elsewhere since is not
// gone because it is not here any more.
func (s *speaker) turn(said *Said, to life, now time.Time) {
	if s.alive == to || s.class == nil {
		return
	}
	s.alive = to
	if s.node.host.ids[s.equipment.Device] != s {
		return
	}
	e := mapping.Event(s.node.host.offline, to == lost)
	e.Equipment, e.Time, e.Gateway = s.equipment, medfleet.AsMillis(now), s.node.host.options.Gateway
	e.ID = s.eventID(&e, 0, 0, 0)
	said.Events = append(said.Events, Event{Event: e})
	s.heard(said, now)
}

// gone is told of a death. Who was refused for bearing the same id is asked again.
func (s *speaker) gone(said *Said, now time.Time) {
	s.born = false
	s.turn(said, lost, now)
	if n := s.claimed; n != nil {
		s.claimed = nil
		n.unborn()
		n.want(said, now)
	}
}

// forget is told that what was said last was not kept: the next birth tells all of
// it again.
func (s *speaker) forget() {
	s.alive = lifeUnknown
	for _, m := range s.names {
		m.lasts, m.wrong = notTold, nil
	}
}
