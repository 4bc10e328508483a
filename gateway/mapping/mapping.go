// Package mapping turns what senders call by names of their own into our metrics
// and conditions, as the configuration says. It is for every way in where the
// sender's names are not ours: JSON of other makers, Sparkplug B.
//
// What it gives is always ours: a number in the unit that the profile declares, a
// state that the profile names, a condition that is declared. A sender's text never
// comes through but as an entry of a table of words, or where it has the shape of a
// name of equipment.
//
// It reads nothing and writes nothing.
package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"medfleet"
	"medfleet/profiles"
)

// Metric is the configuration of one value of the sender's that is a metric of
// ours: value × Scale + Offset is in Unit.
type Metric struct {
	Metric string            `yaml:"metric"`           // as the class's profile names it
	Unit   string            `yaml:"unit,omitempty"`   // UCUM, in which it is sent; empty is the profile's
	Scale  float64           `yaml:"scale,omitempty"`  // empty is 1
	Offset float64           `yaml:"offset,omitempty"` // as for degrees Fahrenheit
	Words  map[string]string `yaml:"words,omitempty"`  // text, number or true and false as sent: state's name, or number
}

// Kind says what a Value is.
type Kind uint8

// The kinds of value.
const (
	Number Kind = iota + 1
	Truth       // true or false
	Word        // text
)

// Value is what a sender says. Text is not kept.
type Value struct {
	Kind   Kind
	Number float64 // of a Truth 0 or 1
	Text   []byte
}

// Conversion makes readings of values. It is not changed by use.
type Conversion struct {
	metric        *profiles.Metric
	profile       *profiles.Profile
	from, to      *profiles.Unit // nil where nothing is to be converted
	scale, offset float64
	words         map[string]float64
}

// Compile holds the configuration against the profile of a class.
func (m Metric) Compile(p *profiles.Profile) (*Conversion, error) {
	metric, ok := p.Metric(m.Metric)
	if !ok {
		return nil, fmt.Errorf("metric %q: class %s has none of this name", m.Metric, p.Class)
	}
	c := &Conversion{metric: metric, profile: p, scale: m.Scale, offset: m.Offset}
	if c.scale == 0 {
		c.scale = 1
	}
	switch {
	case math.IsNaN(m.Scale+m.Offset) || math.IsInf(m.Scale+m.Offset, 0):
		return nil, fmt.Errorf("metric %q: scale and offset: want numbers", m.Metric)
	case (m.Scale != 0 || m.Offset != 0 || m.Unit != "") && !c.measures():
		return nil, fmt.Errorf("metric %q: it is a %s: unit, scale and offset are for measures; use words", m.Metric, metric.Kind)
	}
	return c, errors.Join(c.compileUnit(m), c.compileWords(m))
}

// measures tells metrics that have a unit from flags and states.
func (c *Conversion) measures() bool {
	return c.metric.Kind == profiles.Gauge || c.metric.Kind == profiles.Counter
}

var units = profiles.NewUnits()

func (c *Conversion) compileUnit(m Metric) error {
	if m.Unit == "" || m.Unit == c.metric.Unit {
		return nil
	}
	from, known := units.Named([]byte(m.Unit))
	to, ours := units.Named([]byte(c.metric.Unit))
	if !known || !ours {
		return fmt.Errorf("metric %q: unit %q: not known here: write it as UCUM does, or leave it out and give scale", m.Metric, m.Unit)
	}
	if _, ok := from.Convert(0, to); !ok {
		return fmt.Errorf("metric %q: unit %q: it does not measure what %q measures", m.Metric, m.Unit, c.metric.Unit)
	}
	c.from, c.to = from, to
	return nil
}

func (c *Conversion) compileWords(m Metric) error {
	if len(m.Words) == 0 {
		return nil
	}
	var errs []error
	c.words = make(map[string]float64, len(m.Words))
	for sent, ours := range m.Words {
		v, ok := c.ours(ours)
		if !ok {
			errs = append(errs, fmt.Errorf("metric %q: words: %q is neither a value of it nor a number it can have", m.Metric, ours))
		}
		c.words[sent] = v
	}
	return errors.Join(errs...)
}

// ours reads the right side of a table of words.
func (c *Conversion) ours(word string) (float64, bool) {
	switch {
	case c.metric.Kind == profiles.Enum:
		if v, ok := c.profile.StateValue(word); ok {
			return v, true
		}
	case c.metric.Kind == profiles.Flag && word == "true":
		return 1, true
	case c.metric.Kind == profiles.Flag && word == "false":
		return 0, true
	}
	v, err := strconv.ParseFloat(word, 64)
	return v, err == nil && c.possible(v)
}

// Reading gives the reading that a value is, false when it can be none.
func (c *Conversion) Reading(v Value) (medfleet.Reading, bool) {
	n, ok := c.number(v)
	return medfleet.Reading{Metric: c.metric.Name, Value: n}, ok && c.possible(n)
}

func (c *Conversion) number(v Value) (float64, bool) {
	switch {
	case c.words != nil:
		return lookUp(c.words, v)
	case v.Kind == Word:
		return c.state(v.Text)
	case v.Kind == Truth:
		return v.Number, c.metric.Kind == profiles.Flag
	}
	n := v.Number*c.scale + c.offset
	if c.from != nil {
		return c.from.Convert(n, c.to)
	}
	return n, true
}

// state reads a state under the profile's own name, without allocating.
func (c *Conversion) state(word []byte) (float64, bool) {
	if c.metric.Kind != profiles.Enum {
		return 0, false
	}
	for i := range c.profile.States {
		if c.profile.States[i].Name == string(word) {
			return float64(i), true
		}
	}
	return 0, false
}

func (c *Conversion) possible(v float64) bool {
	return c.metric.Plausible(v) && (c.measures() || v == math.Trunc(v))
}

// lookUp finds a value in a table by its text, without allocating.
func lookUp[T any](table map[string]T, v Value) (found T, ok bool) {
	var buffer [32]byte
	if v.Kind == Word {
		found, ok = table[string(v.Text)]
		return found, ok
	}
	found, ok = table[string(v.Append(buffer[:0]))]
	return found, ok && v.Kind != 0
}

func (v Value) text() string { return string(v.Append(nil)) }

// Append writes a number as people do, true or false, a word as it is.
func (v Value) Append(dst []byte) []byte {
	switch v.Kind {
	case Number:
		return strconv.AppendFloat(dst, v.Number, 'f', -1, 64)
	case Truth:
		return strconv.AppendBool(dst, v.Number != 0)
	}
	return append(dst, v.Text...)
}
