package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"medfleet"
)

const codeWords = "up to 32 letters, digits and . _ - : / ^"

func isCode(s string) bool {
	return len(s) > 0 && len(s) <= 32 && every(s, func(r rune) bool { return alnum(r) || strings.ContainsRune("._-:/^", r) })
}

// Model tells whether a text has the shape of a model's name: up to 40 letters,
// digits, blanks and . _ - + / ( ), beginning with a letter or digit.
func Model(s string) bool {
	return len(s) > 0 && len(s) <= 40 && alnum(rune(s[0])) &&
		every(s, func(r rune) bool { return alnum(r) || strings.ContainsRune(" ._-+/()", r) })
}

// Place tells whether a text has the shape of a care unit's name: up to 32 letters
// of any script, digits, blanks and . _ - / #.
func Place(s string) bool {
	return len(s) > 0 && utf8.RuneCountInString(s) <= 32 &&
		every(s, func(r rune) bool { return unicode.IsLetter(r) || alnum(r) || strings.ContainsRune(" ._-/#", r) })
}

func alnum(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func every(s string, is func(rune) bool) bool {
	for _, r := range s {
		if r == utf8.RuneError || !is(r) {
			return false
		}
	}
	return true
}

// Template is a text with names in braces: "{node}-{device}".
type Template struct {
	parts []part
}

type part struct {
	text string
	name bool
}

// ParseTemplate reads a template; every name must be one of names.
func ParseTemplate(s string, names ...string) (Template, error) {
	var t Template
	for rest := s; rest != ""; {
		text, after, open := strings.Cut(rest, "{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !open {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(names, name) {
			return Template{}, fmt.Errorf("template %q: {%s} is none of {%s}", s, name, strings.Join(names, "}, {"))
		}
		t.parts = append(t.parts, part{name, true})
		rest = tail
	}
	return t, nil
}

// Has reports whether the template uses a name.
func (t Template) Has(name string) bool { return slices.Contains(t.parts, part{name, true}) }

// Text fills the template in.
func (t Template) Text(value func(name string) string) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name {
			b.WriteString(value(p.text))
			continue
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// Device fills the template in and cleans it to a device's id.
func (t Template) Device(value func(name string) string) (medfleet.DeviceID, error) {
	return medfleet.CleanDeviceID(t.Text(value))
}
