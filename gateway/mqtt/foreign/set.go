package foreign

import (
	"errors"
	"fmt"
	"hash/maphash"

	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

// Options are what a set of mappings needs.
type Options struct {
	Mappings []Mapping
	Profiles *profiles.Set
	Gateway  string
	Section  string // where the mappings stand, for errors: gateway.mqtt.mappings
}

// Set is all mappings, ready for use by any number of readers.
type Set struct {
	plans   []*plan
	gateway string
	seed    maphash.Seed
	lasting lasting
}

// New checks all mappings against what the profiles declare and tells all mistakes
// at once, each with its place.
func New(o Options) (*Set, error) {
	s := &Set{gateway: o.Gateway, seed: maphash.MakeSeed()}
	var errs []error
	names := map[string]bool{}
	for i, m := range o.Mappings {
		section := fmt.Sprintf("%s[%d]", o.Section, i)
		p, err := m.compile(o.Profiles, section)
		errs = append(errs, err)
		filter := p.topic.filter()
		for j, earlier := range s.plans {
			if covers(earlier.topic.filter(), filter) {
				errs = append(errs, fmt.Errorf("%s.topic: no message ever comes to it: %s[%d] stands before it and takes the same topics", section, o.Section, j))
				break
			}
		}
		if covers(mqtt.Root+"/#", filter) {
			errs = append(errs, fmt.Errorf("%s.topic: the topics below %s are medfleet's own contract and are read by that", section, mqtt.Root))
		}
		if m.Name != "" && names[m.Name] {
			errs = append(errs, fmt.Errorf("%s.name: there is another mapping %q", section, m.Name))
		}
		names[m.Name] = true
		s.plans = append(s.plans, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Filters gives the topic filters that the mappings are for.
func (s *Set) Filters() (list []string) {
	for _, p := range s.plans {
		list = append(list, p.topic.filter())
	}
	return list
}

// Meets reports whether a subscription can give a message to some mapping.
func (s *Set) Meets(filter string) bool {
	for _, p := range s.plans {
		if Meet(filter, p.topic.filter()) {
			return true
		}
	}
	return false
}

// Takes reports whether some mapping is for a topic.
func (s *Set) Takes(topic string) bool {
	var levels [maxLevels]string
	for _, p := range s.plans {
		if p.topic.match(topic, levels[:]) {
			return true
		}
	}
	return false
}

// Forget is told that what a message became was not kept: what the memory of
// lasting conditions holds may be known nowhere else, so all of it is told again.
func (s *Set) Forget() { s.lasting.forget() }
