package sparkplug

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
)

// Mapping is the configuration of what some edge nodes or devices are to us. The
// first that fits is taken.
type Mapping struct {
	Match Match  `yaml:"match,omitempty"`
	Of    string `yaml:"of,omitempty"`     // device (the default): what is behind a node; node: the metrics of the node itself
	Named string `yaml:"device,omitempty"` // our id, from {group}, {node} and {device}; empty: {node}-{device}, or {node}

	Pattern string `yaml:"device_pattern,omitempty"` // what an id looks like (a regular expression); empty: any with a digit

	Class     medfleet.Class `yaml:"class,omitempty"`
	ClassFrom *ClassFrom     `yaml:"class_from,omitempty"` // instead of class
	Model     string         `yaml:"model,omitempty"`
	ModelFrom string         `yaml:"model_from,omitempty"` // name of a metric with the model in it
	Unit      string         `yaml:"unit,omitempty"`       // care unit; {group}, {node} and {device} may stand in it

	Metrics    map[string]mapping.Metric    `yaml:"metrics,omitempty"`    // by the metric's name
	Conditions map[string]mapping.Condition `yaml:"conditions,omitempty"` // likewise: true begins a condition, false ends it
	Codes      map[string]mapping.Codes     `yaml:"codes,omitempty"`      // likewise: the code of what is wrong now
}

// Match is of patterns with * and ?; an empty one fits everything.
type Match struct {
	Group  string `yaml:"group,omitempty"`
	Node   string `yaml:"node,omitempty"`
	Device string `yaml:"device,omitempty"`
}

// ClassFrom is a metric of the birth that tells the class.
type ClassFrom struct {
	Metric string                    `yaml:"metric"`
	Words  map[string]medfleet.Class `yaml:"words"`
}

// plan is a Mapping ready for use.
type plan struct {
	Mapping
	name, unit mapping.Template
	pattern    *regexp.Regexp
	classes    map[medfleet.Class]*classPlan
}

// classPlan is what the metrics of a class are to us.
type classPlan struct {
	profile *profiles.Profile
	uses    map[string]*use
}

// use is what one metric is to us.
type use struct {
	reading   *mapping.Conversion
	condition *mapping.Switch
	codes     *mapping.CodeTable
}

// compile checks all mappings and reports all errors at once.
func compile(list []Mapping, set *profiles.Set) ([]*plan, error) {
	var errs []error
	if len(list) == 0 {
		errs = append(errs, errors.New("mappings: missing: without any, nothing is taken"))
	}
	plans := make([]*plan, 0, len(list))
	for i := range list {
		p, err := list[i].compile(set)
		if err != nil {
			errs = append(errs, each(fmt.Sprintf("mappings[%d]: ", i), err))
		}
		plans = append(plans, p)
	}
	return plans, errors.Join(errs...)
}

// each puts a place before every one of several errors.
func each(place string, err error) error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s%w", place, err)
	}
	var errs []error
	for _, one := range several.Unwrap() {
		errs = append(errs, each(place, one))
	}
	return errors.Join(errs...)
}

func (m Mapping) compile(set *profiles.Set) (*plan, error) {
	p := &plan{Mapping: m, classes: map[medfleet.Class]*classPlan{}}
	p.Of = cmp.Or(m.Of, ofDevice)
	errs := []error{p.checkNames(), p.checkPatterns()}
	var err error
	if p.pattern, err = regexp.Compile("^(?:" + cmp.Or(m.Pattern, withDigit) + ")$"); err != nil {
		errs = append(errs, fmt.Errorf("device_pattern: %q is no regular expression", m.Pattern))
	}
	classes, err := m.listed()
	errs = append(errs, err)
	known := make([]*profiles.Profile, 0, len(classes))
	for _, c := range classes {
		profile, ok := set.Class(c)
		if !ok {
			errs = append(errs, fmt.Errorf("class %q: there is no such profile", c))
			continue
		}
		known = append(known, profile)
	}
	for _, profile := range known {
		own := m
		if len(known) > 1 {
			own.Metrics = possible(m.Metrics, profile)
		}
		plan, err := own.uses(profile, set)
		errs = append(errs, err)
		p.classes[profile.Class] = plan
	}
	if len(known) > 1 {
		errs = append(errs, m.someones(known))
	}
	return p, errors.Join(errs...)
}

// possible gives the metrics and words that a class can have. A mapping of several
// classes names what some of them have.
func possible(all map[string]mapping.Metric, profile *profiles.Profile) map[string]mapping.Metric {
	list := map[string]mapping.Metric{}
	for name, m := range all {
		if _, ok := profile.Metric(m.Metric); !ok {
			continue
		}
		words := map[string]string{}
		for sent, ours := range m.Words {
			if one := (mapping.Metric{Metric: m.Metric, Words: map[string]string{sent: ours}}); compiles(one, profile) {
				words[sent] = ours
			}
		}
		if len(m.Words) == 0 || len(words) > 0 {
			m.Words = words
			list[name] = m
		}
	}
	return list
}

func compiles(m mapping.Metric, profile *profiles.Profile) bool {
	_, err := m.Compile(profile)
	return err == nil
}

// someones finds the metrics and words that none of several classes has.
func (m Mapping) someones(classes []*profiles.Profile) error {
	var errs []error
	nobodys := func(one mapping.Metric) bool {
		return !slices.ContainsFunc(classes, func(p *profiles.Profile) bool { return compiles(one, p) })
	}
	for name, c := range m.Metrics {
		if nobodys(mapping.Metric{Metric: c.Metric}) {
			errs = append(errs, fmt.Errorf("metrics[%q]: metric %q: none of the classes has it", name, c.Metric))
			continue
		}
		for sent, ours := range c.Words {
			if nobodys(mapping.Metric{Metric: c.Metric, Words: map[string]string{sent: ours}}) {
				errs = append(errs, fmt.Errorf("metrics[%q]: words: none of the classes knows %q", name, ours))
			}
		}
	}
	return errors.Join(errs...)
}

// withDigit is an id with a digit in it: a person's name has none.
const withDigit = `.*[0-9].*`

const (
	ofDevice = "device"
	ofNode   = "node"
)

func (p *plan) checkNames() error {
	names := []string{"group", "node", "device"}
	pattern := cmp.Or(p.Named, "{node}-{device}")
	switch p.Of {
	case ofDevice:
	case ofNode:
		names = names[:2]
		pattern = cmp.Or(p.Named, "{node}")
	default:
		return fmt.Errorf("of: %q: use device or node", p.Of)
	}
	var err, err2 error
	if p.name, err = mapping.ParseTemplate(pattern, names...); err != nil {
		return fmt.Errorf("device: %w", err)
	}
	if !p.name.Has(p.Of) {
		return fmt.Errorf("device: %q: {%s} has to be in it, or several would have one id", pattern, p.Of)
	}
	if p.unit, err2 = mapping.ParseTemplate(p.Unit, names...); err2 != nil {
		return fmt.Errorf("unit: %w", err2)
	}
	if p.Model != "" && !mapping.Model(p.Model) {
		return fmt.Errorf("model: %q: want up to 40 letters, digits, blanks and . _ - + / ( )", p.Model)
	}
	return nil
}

func (p *plan) checkPatterns() error {
	for _, s := range []string{p.Match.Group, p.Match.Node, p.Match.Device} {
		if _, err := path.Match(s, ""); err != nil || strings.Contains(s, "/") {
			return fmt.Errorf("match: %q: want a name, * for any text and ? for any character", s)
		}
	}
	return nil
}

// listed gives the classes that a device of this mapping can be of.
func (m Mapping) listed() ([]medfleet.Class, error) {
	switch {
	case (m.Class == "") == (m.ClassFrom == nil):
		return nil, errors.New("class: give either class, or class_from with a metric and words")
	case m.Class != "":
		return []medfleet.Class{m.Class}, nil
	case m.ClassFrom.Metric == "" || len(m.ClassFrom.Words) == 0:
		return nil, errors.New("class_from: metric and words are both needed")
	}
	return slices.Compact(slices.Sorted(maps.Values(m.ClassFrom.Words))), nil
}

// uses compiles what the metrics are to a class.
func (m Mapping) uses(profile *profiles.Profile, set *profiles.Set) (*classPlan, error) {
	var errs []error
	plan := &classPlan{profile: profile, uses: map[string]*use{}}
	of := func(name string) *use {
		if plan.uses[name] == nil {
			plan.uses[name] = new(use)
		}
		return plan.uses[name]
	}
	var err error
	for name, c := range m.Metrics {
		if of(name).reading, err = c.Compile(profile); err != nil {
			errs = append(errs, fmt.Errorf("metrics[%q]: %w", name, err))
		}
	}
	for name, c := range m.Conditions {
		if of(name).condition, err = c.Compile(set); err != nil {
			errs = append(errs, fmt.Errorf("conditions[%q]: %w", name, err))
		}
	}
	for name, c := range m.Codes {
		if of(name).codes, err = c.Compile(set); err != nil {
			errs = append(errs, fmt.Errorf("codes[%q]: %w", name, err))
		}
	}
	for name := range plan.uses {
		if name == "" || len(name) > maxName {
			errs = append(errs, fmt.Errorf("%q: want the name of a metric, at most %d bytes", name, maxName))
		}
	}
	return plan, errors.Join(errs...)
}

// concerns reports whether anything of a node can be for this mapping.
func (p *plan) concerns(n Node) bool {
	return fits(p.Match.Group, n.Group) && fits(p.Match.Node, n.Edge)
}

// fits matches a name, in which there is no slash, with a pattern.
func fits(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// planFor finds the mapping of a device, or of the node itself for "". It is nil
// when nobody wants it.
func planFor(plans []*plan, n Node, device string) *plan {
	of := ofDevice
	if device == "" {
		of = ofNode
	}
	for _, p := range plans {
		if p.Of == of && p.concerns(n) && (of == ofNode || fits(p.Match.Device, device)) {
			return p
		}
	}
	return nil
}
