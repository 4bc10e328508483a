package foreign

import (
	"errors"
	"fmt"
	"strings"
)

// template is a topic with names for some of its levels.
type template struct {
	levels []level
	open   bool // ends with #
}

// level is a literal, or a place for any word.
type level struct {
	text string
	any  bool
	name string // of a place that is used
}

const maxLevels = 32

func parseTemplate(topic string) (template, error) {
	var t template
	parts := strings.Split(topic, "/")
	if topic == "" || len(topic) > 1024 || len(parts) > maxLevels || strings.ContainsRune(topic, 0) {
		return t, fmt.Errorf("%q is no topic: want something like hospital/{unit}/{device}/telemetry, at most %d levels", topic, maxLevels)
	}
	seen := map[string]bool{}
	for i, p := range parts {
		name, named := strings.CutPrefix(p, "{")
		name, closed := strings.CutSuffix(name, "}")
		switch {
		case p == "#" && i == len(parts)-1:
			t.open = true
			continue
		case p == "+":
			t.levels = append(t.levels, level{any: true})
			continue
		case named && closed && levelName(name):
			if seen[name] {
				return t, fmt.Errorf("%q: {%s} stands there twice: give each level a name of its own", topic, name)
			}
			seen[name] = true
			t.levels = append(t.levels, level{any: true, name: name})
			continue
		case strings.ContainsAny(p, "+#{}"):
			return t, fmt.Errorf("%q: %q is no level: + and {name} stand for one whole level, # for all the last ones; names are of lower-case letters, digits and _", topic, p)
		}
		t.levels = append(t.levels, level{text: p})
	}
	return t, nil
}

func levelName(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

// filter is what to subscribe to (MQTT 3.1.1, 4.7.1).
func (t *template) filter() string {
	var list []string
	for _, l := range t.levels {
		if l.any {
			list = append(list, "+")
			continue
		}
		list = append(list, l.text)
	}
	if t.open {
		list = append(list, "#")
	}
	return strings.Join(list, "/")
}

// match takes a topic apart; into has room for every level. A topic that begins
// with $ is the broker's own and fits no place for any word (4.7.2).
func (t *template) match(topic string, into []string) bool {
	if topic == "" || topic[0] == '$' && (len(t.levels) == 0 || t.levels[0].any) {
		return false
	}
	rest, more := topic, true
	for i, l := range t.levels {
		if !more {
			return false
		}
		var word string
		word, rest, more = strings.Cut(rest, "/")
		if !l.any && word != l.text {
			return false
		}
		into[i] = word
	}
	return !more || t.open
}

// names gives the place of each named level.
func (t *template) names() map[string]int {
	names := map[string]int{}
	for i, l := range t.levels {
		if l.name != "" {
			names[l.name] = i
		}
	}
	return names
}

// composed is a device's id of levels of the topic: "{unit}-{bed}".
type composed []struct {
	text  string
	level int // -1 for the text
}

func parseComposed(s string, names map[string]int) (c composed, used []string, err error) {
	for rest := s; rest != ""; {
		text, after, open := strings.Cut(rest, "{")
		if text != "" {
			c = append(c, struct {
				text  string
				level int
			}{text, -1})
		}
		if !open {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		level, ok := names[name]
		if !closed || !ok {
			return nil, nil, fmt.Errorf("%q: {%s} is no level of the topic", s, name)
		}
		c = append(c, struct {
			text  string
			level int
		}{"", level})
		used = append(used, name)
		rest = tail
	}
	if len(used) == 0 {
		return nil, nil, errors.New("it names no level of the topic: all messages would be one device's")
	}
	return c, used, nil
}

// append writes the id of a message's levels.
func (c composed) append(dst []byte, levels []string) []byte {
	for _, p := range c {
		if p.level < 0 {
			dst = append(dst, p.text...)
			continue
		}
		dst = append(dst, levels[p.level]...)
	}
	return dst
}

// covers reports whether a filter takes every topic that another takes (4.7.1).
func covers(wide, narrow string) bool {
	for {
		w, wideRest, wideMore := strings.Cut(wide, "/")
		n, narrowRest, narrowMore := strings.Cut(narrow, "/")
		switch {
		case w == "#":
			return true
		case n == "#", w != "+" && w != n:
			return false
		case !wideMore && !narrowMore:
			return true
		case !narrowMore:
			return wideRest == "#"
		case !wideMore:
			return false
		}
		wide, narrow = wideRest, narrowRest
	}
}

// Meet reports whether there can be a topic that both filters take.
func Meet(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, "/")
		y, restB, moreB := strings.Cut(b, "/")
		switch {
		case x == "#" || y == "#":
			return true
		case x != "+" && y != "+" && x != y:
			return false
		case !moreA && !moreB:
			return true
		case !moreA:
			return restB == "#"
		case !moreB:
			return restA == "#"
		}
		a, b = restA, restB
	}
}
