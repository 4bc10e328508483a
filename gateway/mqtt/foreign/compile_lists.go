package foreign

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/spelling"
)

func (c *compiler) values() {
	for _, path := range slices.Sorted(maps.Keys(c.Conditions)) {
		at, err := c.path(path)
		c.wrong("conditions", named(path, err))
		c.switches = append(c.switches, switchUse{at, c.compileSwitch("conditions", path, c.Conditions[path])})
	}
	for _, path := range slices.Sorted(maps.Keys(c.Codes)) {
		at, err := c.path(path)
		c.wrong("codes", named(path, err))
		c.plan.codes = append(c.plan.codes, newCodesUse(at, c.compileCodes("codes", path, c.Codes[path])))
	}
}

func (c *compiler) compileSwitch(key, name string, m mapping.Condition) *mapping.Switch {
	if _, ok := c.set.Condition(m.Condition); !ok {
		c.wrong(key, fmt.Errorf("%s: condition %q is none that the profiles declare%s", name, m.Condition, spelling.Hint(m.Condition, c.conditionNames())))
		return nil
	}
	s, err := m.Compile(c.set)
	c.wrong(key, named(name, err))
	return s
}

func (c *compiler) compileCodes(key, name string, m mapping.Codes) *mapping.CodeTable {
	for _, code := range slices.Sorted(maps.Keys(m)) {
		if _, ok := c.set.Condition(m[code]); !ok && m[code] != "" {
			c.wrong(key, fmt.Errorf("%s: %q: condition %q is none that the profiles declare%s", name, code, m[code], spelling.Hint(m[code], c.conditionNames())))
			return nil
		}
	}
	t, err := m.Compile(c.set)
	c.wrong(key, named(name, err))
	return t
}

func (c *compiler) conditionNames() (names []string) {
	for _, condition := range c.set.Conditions() {
		names = append(names, condition.Name)
	}
	return names
}

func (c *compiler) lists() {
	for i, m := range c.Readings {
		key := fmt.Sprintf("readings[%d]", i)
		u := readingsUse{level: -1, entry: c.scope(), switches: map[string]int{}, codes: map[string]int{}}
		u.at = c.part(key+".path", c.path, m.Path)
		if m.Topic != "" {
			u.level = c.level(key+".topic", m.Topic)
		}
		u.name = c.part(key+".name", u.entry.add, cmp.Or(m.Name, "name"))
		u.value = c.part(key+".value", u.entry.add, cmp.Or(m.Value, "value"))
		if m.Unit != "" {
			u.unit = c.part(key+".unit", u.entry.add, m.Unit)
		}
		for _, name := range slices.Sorted(maps.Keys(m.Conditions)) {
			u.switches[name] = len(c.switches)
			c.switches = append(c.switches, switchUse{ref{}, c.compileSwitch(key+".conditions", name, m.Conditions[name])})
		}
		for _, name := range slices.Sorted(maps.Keys(m.Codes)) {
			u.codes[name] = len(c.plan.codes)
			c.plan.codes = append(c.plan.codes, newCodesUse(ref{}, c.compileCodes(key+".codes", name, m.Codes[name])))
		}
		c.plan.readings = append(c.plan.readings, u)
	}
	for i := range c.Events {
		c.plan.events = append(c.plan.events, c.happenings(fmt.Sprintf("events[%d]", i), &c.Events[i]))
	}
}

func (c *compiler) part(key string, add func(string) (ref, error), path string) ref {
	at, err := add(path)
	c.wrong(key, err)
	return at
}

func (c *compiler) happenings(key string, m *Events) eventsUse {
	u := eventsUse{entry: c.scope(), phase: wordUse{level: -1, fixed: cmp.Or(m.Phase, string(medfleet.Instant))}, priority: wordUse{level: -1}}
	u.at = c.part(key+".path", c.path, m.Path)
	u.code = c.part(key+".code", u.entry.add, m.Code)
	u.table = c.compileCodes(key+".codes", "codes", m.Codes)
	phases := []string{string(medfleet.Start), string(medfleet.Continue), string(medfleet.End), string(medfleet.Instant)}
	if !slices.Contains(phases, u.phase.fixed) {
		c.wrong(key+".phase", fmt.Errorf("%q%s", m.Phase, spelling.Hint(m.Phase, phases)))
	}
	if m.PhaseFrom != nil {
		u.phase = c.listed(key+".phase_from", u.entry, m.PhaseFrom, phases)
	}
	if m.Priority != nil {
		u.priority = c.listed(key+".priority_from", u.entry, m.Priority, []string{"high", "medium", "low", "none"})
	}
	if m.Time != nil {
		var err error
		u.clock, err = m.Time.compile(u.entry.add)
		c.wrong(key+".time", err)
	}
	return u
}
