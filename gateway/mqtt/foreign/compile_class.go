package foreign

import (
	"fmt"
	"maps"
	"slices"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
	"medfleet/spelling"
)

// perClass makes the plan of each class that a message can be about. A metric has
// to be one of at least one of them.
func (c *compiler) perClass() {
	var possible []*profiles.Profile
	switch {
	case c.words.class.at.scope == nil && c.words.class.level < 0:
		possible = c.profile("class", c.Class)
	case len(c.words.class.words) > 0:
		for _, sent := range slices.Sorted(maps.Keys(c.words.class.words)) {
			possible = append(possible, c.profile("class_from", c.words.class.words[sent])...)
		}
		if c.Class != "" {
			possible = append(possible, c.profile("class", c.Class)...)
		}
	default:
		possible = c.set.Classes()
	}
	if len(possible) == 0 {
		return
	}
	known := map[string]bool{}
	for _, p := range possible {
		for _, m := range p.Metrics {
			known[m.Name] = true
		}
	}
	c.metricsKnown("metrics", c.metricNames(), known)
	for i, m := range c.Readings {
		c.metricsKnown(fmt.Sprintf("readings[%d].metrics", i), metricNames(m.Metrics), known)
	}
	for i, p := range possible {
		if c.classes[p.Class] == nil {
			c.classes[p.Class] = c.classPlan(p, i == 0)
		}
	}
}

func (c *compiler) profile(key, class string) []*profiles.Profile {
	p, ok := c.set.Class(medfleet.Class(class))
	if ok {
		return []*profiles.Profile{p}
	}
	var names []string
	for _, p := range c.set.Classes() {
		names = append(names, string(p.Class))
	}
	if class == "" {
		c.wrong(key, fmt.Errorf("missing: say of which class the devices are%s, or where that stands with class_from", spelling.Hint("", names)))
		return nil
	}
	c.wrong(key, fmt.Errorf("%q is no class that the profiles declare%s", class, spelling.Hint(class, names)))
	return nil
}

func (c *compiler) metricNames() map[string]string {
	names := map[string]string{}
	for path, m := range c.Metrics {
		names[path] = m.Metric.Metric
	}
	return names
}

func metricNames(list map[string]mapping.Metric) map[string]string {
	names := map[string]string{}
	for name, m := range list {
		names[name] = m.Metric
	}
	return names
}

func (c *compiler) metricsKnown(key string, names map[string]string, known map[string]bool) {
	for _, path := range slices.Sorted(maps.Keys(names)) {
		if metric := names[path]; !known[metric] {
			c.wrong(key, fmt.Errorf("%s: metric %q is none of a class that can be meant%s", path, metric, spelling.Hint(metric, slices.Collect(maps.Keys(known)))))
		}
	}
}

func (c *compiler) classPlan(p *profiles.Profile, first bool) *classPlan {
	plan := &classPlan{profile: p}
	for _, path := range slices.Sorted(maps.Keys(c.Metrics)) {
		m := c.Metrics[path]
		at, err := c.path(path)
		u := c.use("metrics", path, m.Metric, p)
		if err != nil && first {
			c.wrong("metrics", named(path, err))
		}
		if u == nil || err != nil {
			plan.others = append(plan.others, at)
			continue
		}
		u.at = at
		if m.UnitFrom != "" {
			u.unitAt, err = c.path(m.UnitFrom)
			if err != nil && first {
				c.wrong("metrics", named(path+": unit_from", err))
			}
		}
		plan.metrics = append(plan.metrics, u)
	}
	for i, r := range c.Readings {
		byName := map[string]*use{}
		for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
			if u := c.use(fmt.Sprintf("readings[%d].metrics", i), name, r.Metrics[name], p); u != nil {
				byName[name] = u
			}
		}
		plan.readings = append(plan.readings, byName)
	}
	return plan
}

// use compiles a metric for a class; nil when the class has none of this name.
func (c *compiler) use(key, name string, m mapping.Metric, p *profiles.Profile) *use {
	metric, ok := p.Metric(m.Metric)
	if !ok {
		return nil
	}
	conversion, err := m.Compile(p)
	if err != nil {
		if metric.Unit != "" && m.Unit != "" {
			err = fmt.Errorf("%w (%s is in %s)", err, metric.Name, metric.Unit)
		}
		c.wrong(key, named(name, err))
		return nil
	}
	u := &use{
		metric: metric.Name, conversion: conversion, words: len(m.Words) > 0, flag: metric.Kind == profiles.Flag,
		measure:  metric.Kind == profiles.Gauge || metric.Kind == profiles.Counter,
		unitless: metric.Unit == "" || metric.Unit == "1" || m.Unit != "",
	}
	u.convertAll(m, p)
	return u
}

// convertAll makes the conversion from each unit that is known.
func (u *use) convertAll(m mapping.Metric, p *profiles.Profile) {
	if !u.measure || u.words {
		return
	}
	u.units = map[*profiles.Unit]*unitUse{}
	for _, unit := range knownUnits.All() {
		m.Unit = unit.UCUM
		if conversion, err := m.Compile(p); err == nil {
			u.units[unit] = &unitUse{conversion}
		}
	}
}

var knownUnits = profiles.NewUnits()
