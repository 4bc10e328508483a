package foreign

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
	"medfleet/spelling"
)

// plan is a Mapping ready for use. It is not changed by use.
type plan struct {
	Mapping
	set      *profiles.Set
	topic    template
	scopes   []*scope
	each     ref    // of the list whose entries are messages
	entry    *scope // what each message is: the payload, or an entry
	compose  composed
	pattern  *regexp.Regexp
	words    words
	clock    *clock
	classes  map[medfleet.Class]*classPlan
	switches []switchUse
	codes    []codesUse
	readings []readingsUse
	events   []eventsUse
}

// words are where the words about the device stand.
type words struct {
	device, class, model, unit, site wordUse
}

// wordUse is where one word stands: at a value, in a level of the topic (-1 for
// none), else it is always the same.
type wordUse struct {
	at    ref
	level int
	words map[string]string
	fixed string
}

// classPlan is what the values are to us when the device is of a class.
type classPlan struct {
	profile  *profiles.Profile
	metrics  []*use
	others   []ref             // values that are metrics of other classes
	readings []map[string]*use // by Readings, by name
}

// use is a value that is a metric.
type use struct {
	at         ref
	unitAt     ref
	metric     string
	conversion *mapping.Conversion
	words      bool // a table decides alone
	measure    bool
	flag       bool
	unitless   bool // may come without a unit where units are sent
	units      map[*profiles.Unit]*unitUse
}

// unitUse is the conversion from a unit that is sent with the value.
type unitUse struct{ conversion *mapping.Conversion }

type switchUse struct {
	at    ref
	lasts *mapping.Switch
}

type codesUse struct {
	at    ref
	table *mapping.CodeTable
	ends  []*profiles.Condition // all that the table names
}

func newCodesUse(at ref, table *mapping.CodeTable) codesUse {
	u := codesUse{at: at, table: table}
	if table != nil {
		u.ends = table.Conditions()
	}
	return u
}

// readingsUse is a list of named values. Its switches and codes follow the plan's
// own in the memory of what lasts.
type readingsUse struct {
	at                ref
	level             int // of the topic that is the name, -1 for a list
	entry             *scope
	name, value, unit ref
	switches          map[string]int // place among all switches
	codes             map[string]int
}

type eventsUse struct {
	at       ref
	entry    *scope
	code     ref
	table    *mapping.CodeTable
	phase    wordUse
	priority wordUse
	clock    *clock
}

// compiler gathers all that is wrong with one mapping.
type compiler struct {
	*plan
	section string
	errs    []error
	used    map[string]bool // levels of the topic
}

func (m Mapping) compile(set *profiles.Set, section string) (*plan, error) {
	c := &compiler{plan: &plan{Mapping: m, set: set, classes: map[medfleet.Class]*classPlan{}}, section: section, used: map[string]bool{}}
	c.shape()
	c.identity()
	c.values()
	c.lists()
	c.perClass()
	c.unused()
	return c.plan, errors.Join(c.errs...)
}

// wrong notes a mistake under a key of the mapping.
func (c *compiler) wrong(key string, err error) {
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("%s.%s: %w", c.section, key, err))
	}
}

func (c *compiler) shape() {
	if !printable(c.Name) || len(c.Name) > 64 {
		c.wrong("name", errors.New("want at most 64 letters, digits, blanks and . _ -"))
	}
	var err error
	c.topic, err = parseTemplate(c.Topic)
	c.wrong("topic", err)
	if c.Payload != "" && c.Payload != "json" && c.Payload != "text" {
		c.wrong("payload", fmt.Errorf("%q: want json or text", c.Payload))
	}
	whole := c.scope()
	c.entry = whole
	if c.Each != "" {
		c.each, err = whole.add(c.Each)
		c.wrong("each", err)
		c.entry = c.scope()
	}
}

func (c *compiler) scope() *scope {
	s := &scope{id: len(c.scopes), root: newNode()}
	c.scopes = append(c.scopes, s)
	return s
}

// path makes a path part of the entry, or of the payload where it says so.
func (c *compiler) path(p string) (ref, error) {
	if p == "" {
		return ref{}, errors.New(`path: missing: name a key such as battery.level, or "$" for all of it`)
	}
	if rest, ok := strings.CutPrefix(p, "$."); ok {
		return c.scopes[0].add(rest)
	}
	return c.entry.add(p)
}

func (c *compiler) identity() {
	names := c.topic.names()
	w := &c.words
	w.device = c.from("device_from", c.DeviceFrom, names, "device", "")
	c.translated("device_from", c.DeviceFrom, func(s string) bool { return medfleet.DeviceID(s).Valid() }, "up to 64 letters, digits and . _ - :")
	c.translated("model_from", c.ModelFrom, mapping.Model, modelWords)
	c.translated("unit_from", c.UnitFrom, mapping.Place, placeWords)
	c.translated("site_from", c.SiteFrom, mapping.Place, placeWords)
	w.class = c.from("class_from", c.ClassFrom, names, "class", c.Class)
	w.model = c.from("model_from", c.ModelFrom, names, "model", c.Model)
	w.unit = c.from("unit_from", c.UnitFrom, names, "unit", c.Unit)
	w.site = c.from("site_from", c.SiteFrom, names, "site", c.Site)
	if c.Device != "" {
		var used []string
		var err error
		c.compose, used, err = parseComposed(c.Device, names)
		c.wrong("device", err)
		for _, name := range used {
			c.used[name] = true
		}
	}
	if c.Device == "" && c.DeviceFrom == nil && w.device.level < 0 {
		c.wrong("device_from", errors.New("missing: nothing says which device a message is about: name a level of the topic {device}, or the path of its serial number"))
	}
	if c.DevicePattern != "" {
		var err error
		if c.pattern, err = regexp.Compile("^(?:" + c.DevicePattern + ")$"); err != nil {
			c.wrong("device_pattern", fmt.Errorf("%q is no regular expression: %w", c.DevicePattern, err))
		}
	}
	if c.Model != "" && !mapping.Model(c.Model) {
		c.wrong("model", fmt.Errorf("%q: want %s", c.Model, modelWords))
	}
	for key, place := range map[string]string{"unit": c.Unit, "site": c.Site} {
		if place != "" && !mapping.Place(place) {
			c.wrong(key, fmt.Errorf("%q: want %s", place, placeWords))
		}
	}
	if c.Time != nil {
		var err error
		c.clock, err = c.Time.compile(c.path)
		c.wrong("time", err)
	}
}

const (
	modelWords = "up to 40 letters, digits, blanks and . _ - + / ( )"
	placeWords = "up to 32 letters, digits, blanks and . _ - / #"
)

// translated checks the right side of a table of words.
func (c *compiler) translated(key string, f *From, shaped func(string) bool, want string) {
	if f == nil {
		return
	}
	for _, sent := range slices.Sorted(maps.Keys(f.Words)) {
		if !shaped(f.Words[sent]) {
			c.wrong(key, fmt.Errorf("words: %q: want %s", f.Words[sent], want))
		}
	}
}

// from finds where a word stands. A level of the topic with the word's own name is
// taken when nothing else is said.
func (c *compiler) from(key string, f *From, names map[string]int, own, fixed string) wordUse {
	u := wordUse{level: -1, fixed: fixed}
	if level, ok := names[own]; ok {
		u.level, c.used[own] = level, true
	}
	if f == nil {
		return u
	}
	u.words = f.Words
	var err error
	switch {
	case f.Path != "":
		u.at, err = c.path(f.Path)
	case f.Topic != "":
		u.level = c.level(key, f.Topic)
	case u.level < 0 || len(f.Words) == 0:
		err = errors.New("want path, or topic with the name of a level")
	}
	c.wrong(key, err)
	return u
}

// level finds a level of the topic by its name.
func (c *compiler) level(key, name string) int {
	names := c.topic.names()
	level, ok := names[name]
	if !ok {
		c.wrong(key, fmt.Errorf("topic: %q is no named level of it%s", name, spelling.Hint(name, slices.Collect(maps.Keys(names)))))
	}
	c.used[name] = true
	return level
}

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

// listed is a word of an entry that has to be one of ours, by a table or as it is.
func (c *compiler) listed(key string, s *scope, f *From, ours []string) wordUse {
	u := wordUse{level: -1, words: f.Words}
	if f.Path == "" {
		c.wrong(key, errors.New("path: missing"))
		return u
	}
	u.at = c.part(key, s.add, f.Path)
	for _, sent := range slices.Sorted(maps.Keys(f.Words)) {
		if !slices.Contains(ours, f.Words[sent]) {
			c.wrong(key, fmt.Errorf("words: %q%s", f.Words[sent], spelling.Hint(f.Words[sent], ours)))
		}
	}
	if u.words == nil {
		u.words = map[string]string{}
		for _, word := range ours {
			u.words[word] = word
		}
	}
	return u
}

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

// unused tells of levels that are named for nothing: a mistake in a name would else
// go unseen.
func (c *compiler) unused() {
	names := c.topic.names()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !c.used[name] {
			c.wrong("topic", fmt.Errorf("{%s} is used for nothing: name it {device}, {class}, {model}, {unit} or {site}, use it in device, or write + for a level that does not matter%s",
				name, meant(name)))
		}
	}
	if len(c.Metrics)+len(c.Conditions)+len(c.Codes)+len(c.Readings)+len(c.Events) == 0 {
		c.wrong("metrics", errors.New("missing: the mapping takes nothing of its messages: name metrics, conditions, codes, readings or events"))
	}
}

func meant(name string) string {
	if near := spelling.Nearest(name, []string{"device", "class", "model", "unit", "site"}); near != "" {
		return fmt.Sprintf("; did you mean {%s}?", near)
	}
	return ""
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
