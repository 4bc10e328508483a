package mqtt

import (
	"math"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"medfleet/profiles"
)

// number reads a metric's value: a JSON number, true or false for a flag, the
// name of a state for the state.
func number(p *profiles.Profile, m *profiles.Metric, v *fastjson.Value) (float64, bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		n, err := v.Float64()
		if err != nil || math.IsNaN(n) || !m.Plausible(n) {
			return 0, false
		}
		if m.Kind == profiles.Enum || m.Kind == profiles.Flag {
			return n, n == math.Trunc(n)
		}
		return n, true
	case fastjson.TypeTrue:
		return 1, m.Kind == profiles.Flag
	case fastjson.TypeFalse:
		return 0, m.Kind == profiles.Flag
	case fastjson.TypeString:
		if m.Kind != profiles.Enum {
			return 0, false
		}
		word, _ := v.StringBytes()
		return stateValue(p, word)
	}
	return 0, false
}

// stateValue is p.StateValue of bytes, without allocating.
func stateValue(p *profiles.Profile, word []byte) (float64, bool) {
	for i := range p.States {
		if p.States[i].Name == string(word) {
			return float64(i), true
		}
	}
	return 0, false
}

// priority gives the words that the profiles' other sources use too, or nothing.
func priority(word []byte) string {
	switch string(word) {
	case "high":
		return "high"
	case "medium":
		return "medium"
	case "low":
		return "low"
	case "none":
		return "none"
	}
	return ""
}

// text gives a string's bytes, nil when the key is missing or no string.
func text(body *fastjson.Object, key string) []byte {
	v := body.Get(key)
	if v == nil {
		return nil
	}
	b, err := v.StringBytes()
	if err != nil {
		return nil
	}
	return b
}

const (
	maxWord  = 64
	maxNames = 1 << 16
)

// shaped gives a text that consists of allowed bytes only, shared between
// messages, or nothing at all: what has another shape could be anything. That is
// counted as dropped.
func (c *Contract) shaped(b []byte, allowed func(rune) bool, r *Reading) string {
	if len(b) > maxWord || !every(b, allowed) {
		r.Dropped++
		return ""
	}
	if s, ok := c.names[string(b)]; ok {
		return s
	}
	if len(c.names) >= maxNames {
		clear(c.names)
	}
	s := string(b)
	c.names[s] = s
	return s
}

func every(b []byte, allowed func(rune) bool) bool {
	for len(b) > 0 {
		x, size := utf8.DecodeRune(b)
		if x == utf8.RuneError || !allowed(x) {
			return false
		}
		b = b[size:]
	}
	return true
}

func word(x rune) bool {
	return x >= 'a' && x <= 'z' || x >= 'A' && x <= 'Z' || x >= '0' && x <= '9' || x == '_' || x == '-' || x == '.'
}

func modelName(x rune) bool { return word(x) || x == ' ' || x == '/' || x == '+' }

// placeName allows letters of any script: wards are named in the local language.
func placeName(x rune) bool { return modelName(x) || x == '#' || unicode.IsLetter(x) }

func code(x rune) bool { return word(x) || x == '^' || x == ':' || x == '/' }
