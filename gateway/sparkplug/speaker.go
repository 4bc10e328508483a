package sparkplug

import (
	"errors"
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
