package sparkplug

import (
	"strings"

	"medfleet/gateway/mapping"
	"medfleet/gateway/sparkplug/payload"
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
