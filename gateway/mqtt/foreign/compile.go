package foreign

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
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

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
