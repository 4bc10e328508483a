package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"medfleet"
	"medfleet/profiles"
)

// Condition is the configuration of one value of the sender's that says whether a
// condition lasts.
type Condition struct {
	Condition string   `yaml:"condition"`       // one that the profiles declare
	While     []string `yaml:"while,omitempty"` // values during which it lasts; empty: true, or any number but 0
	Priority  string   `yaml:"priority,omitempty"`
}

// Switch tells from a value whether a condition lasts. It is not changed by use.
type Switch struct {
	Condition *profiles.Condition
	Priority  string
	while     map[string]bool
}

// Compile holds the configuration against what is declared.
func (c Condition) Compile(set *profiles.Set) (*Switch, error) {
	declared, ok := set.Condition(c.Condition)
	if !ok {
		return nil, fmt.Errorf("condition %q: the profiles declare none of this name", c.Condition)
	}
	if !slices.Contains([]string{"", "high", "medium", "low", "none"}, c.Priority) {
		return nil, fmt.Errorf("condition %q: priority %q: use high, medium, low or none", c.Condition, c.Priority)
	}
	s := &Switch{Condition: declared, Priority: c.Priority}
	for _, v := range c.While {
		if s.while == nil {
			s.while = map[string]bool{}
		}
		s.while[v] = true
	}
	return s, nil
}

// Lasts reports whether the condition lasts; ok is false when the value does not
// tell. A truth or a number may be sent as text.
func (s *Switch) Lasts(v Value) (on, ok bool) {
	if s.while != nil {
		on, _ = lookUp(s.while, v)
		return on, v.Kind != 0
	}
	if v.Kind == Word {
		return truth(v.Text)
	}
	return v.Number != 0, v.Kind == Number && v.Number == v.Number || v.Kind == Truth
}

// truth reads true, false, 1 and 0 that are sent as text, in whatever case.
func truth(text []byte) (on, ok bool) {
	switch {
	case bytes.EqualFold(text, []byte("true")), string(text) == "1":
		return true, true
	case bytes.EqualFold(text, []byte("false")), string(text) == "0":
		return false, true
	}
	return false, false
}

// Event fills in what an event of a declared condition says beside its device and
// its time.
func (s *Switch) Event(on bool) medfleet.Event {
	e := Event(s.Condition, on)
	e.Priority = s.Priority
	return e
}

// Event gives the begin or the end of a condition.
func Event(c *profiles.Condition, on bool) medfleet.Event {
	phase := medfleet.End
	if on {
		phase = medfleet.Start
	}
	return medfleet.Event{Condition: c.Name, Kind: c.Kind, Text: c.Title, Phase: phase}
}

// Codes is the configuration of one value of the sender's that is the code of what
// is wrong now: code as it is sent, a number or a text, to condition. A code that
// stands for nothing, such as 0, has the condition "". What is not listed is looked
// up among the makers' own codes that the profiles know.
type Codes map[string]string

// CodeTable finds the condition of a code. It is not changed by use.
type CodeTable struct {
	set   *profiles.Set
	codes map[string]Code
}

// Code is what a code stands for: Condition is nil when nothing is wrong. Text is
// the code as a table has it, or of a code's shape.
type Code struct {
	Text      string
	Condition *profiles.Condition
}

// Compile holds the table against what is declared.
func (c Codes) Compile(set *profiles.Set) (*CodeTable, error) {
	var errs []error
	t := &CodeTable{set: set, codes: make(map[string]Code, len(c))}
	for code, name := range c {
		declared, ok := set.Condition(name)
		switch {
		case !ok && name != "":
			errs = append(errs, fmt.Errorf("codes: condition %q: the profiles declare none of this name", name))
		case !isCode(code):
			errs = append(errs, fmt.Errorf("codes: %q: want %s", code, codeWords))
		}
		t.codes[code] = Code{code, declared}
	}
	return t, errors.Join(errs...)
}

// Conditions gives those that the table itself names, each once.
func (t *CodeTable) Conditions() (list []*profiles.Condition) {
	seen := map[*profiles.Condition]bool{}
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		if c := t.codes[code].Condition; c != nil && !seen[c] {
			seen[c] = true
			list = append(list, c)
		}
	}
	return list
}

// Find gives what a code of a model stands for; ok is false when nobody knows it.
func (t *CodeTable) Find(model string, v Value) (c Code, ok bool) {
	if c, ok = lookUp(t.codes, v); ok {
		return c, true
	}
	text := v.text()
	fault, ok := t.set.Fault(model, text)
	if !ok || !isCode(text) {
		return Code{}, false
	}
	condition, ok := t.set.Condition(fault.Condition)
	return Code{text, condition}, ok
}
