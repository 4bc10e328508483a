package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"medfleet/spelling"
)

// source is a configuration file as it was read, for telling where in it
// something is wrong.
type source struct {
	name  string
	lines []string
	body  ast.Node
}

// mistake is one thing that is wrong at a place in a file.
type mistake struct {
	line, column int
	text         string
}

// maxMistakes is how many mistakes are told at once.
const maxMistakes = 50

// told joins mistakes in the order of the file, each with its place and a caret
// under it.
func (s *source) told(list []mistake) error {
	slices.SortStableFunc(list, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var errs []error
	for _, m := range list[:min(len(list), maxMistakes)] {
		errs = append(errs, errors.New(s.tell(m)))
	}
	if n := len(list) - len(errs); n > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d mistakes more", s.name, n))
	}
	return errors.Join(errs...)
}

func (s *source) tell(m mistake) string {
	head := fmt.Sprintf("%s:%d:%d: %s", s.name, m.line, m.column, m.text)
	if m.line < 1 || m.line > len(s.lines) {
		return head
	}
	line := []rune(strings.TrimRight(s.lines[m.line-1], "\r"))
	at := min(max(m.column-1, 0), len(line))
	shown := strings.ReplaceAll(discreet(line, at), "\t", " ")
	return head + "\n  " + shown + "\n  " + strings.Repeat(" ", at) + "^"
}

// discreet gives a line as far as the word at a place, since what stands beyond a
// key, and in other keys before it, may be a secret. Blanks take the place of what
// is left out, so that a caret still fits.
func discreet(line []rune, at int) string {
	before := values.ReplaceAllStringFunc(string(line[:at]), func(v string) string {
		value := strings.TrimLeft(v, ": ")
		return v[:len(v)-len(value)] + strings.Repeat("·", len([]rune(value)))
	})
	word, rest, key := strings.Cut(string(line[at:]), ":")
	if key && strings.TrimSpace(rest) != "" {
		return before + word + ": …"
	}
	return before + string(line[at:])
}

// values matches what stands after a key in a line.
var values = regexp.MustCompile(`: ?("[^"]*"|'[^']*'|[^,{}\[\] ]+)`)

// syntax gives a YAML error its place in the file.
func (s *source) syntax(err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return s.told([]mistake{at(y.GetToken(), y.GetMessage())})
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

func at(t *token.Token, text string) mistake {
	return mistake{t.Position.Line, t.Position.Column, text}
}

// strange finds every key that the type does not know and every duration that is
// none. The decoder would stop at the first.
func strange(n ast.Node, t reflect.Type) []mistake {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return strangeKeys(n, t)
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		var list []mistake
		for _, v := range n.Values {
			list = append(list, strange(v, t.Elem())...)
		}
		return list
	case *ast.StringNode:
		if _, err := time.ParseDuration(n.Value); t == reflect.TypeFor[time.Duration]() && err != nil {
			return []mistake{at(n.GetToken(), "no duration: want a number and a unit, such as 30s, 10m or 72h")}
		}
	}
	return nil
}

func strangeKeys(n *ast.MappingNode, t reflect.Type) []mistake {
	if t.Kind() != reflect.Struct {
		return nil
	}
	known := map[string]reflect.Type{}
	keysOf(t, known)
	var list []mistake
	for _, v := range n.Values {
		key := v.Key.GetToken()
		field, ok := known[key.Value]
		if !ok {
			list = append(list, at(key, fmt.Sprintf("unknown key %q%s", key.Value, spelling.Hint(key.Value, slices.Collect(maps.Keys(known))))))
			continue
		}
		list = append(list, strange(v.Value, field)...)
	}
	return list
}

// keysOf gives the keys of a section and the type of each, those of embedded
// sections among them.
func keysOf(t reflect.Type, known map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			keysOf(f.Type, known)
		case f.IsExported() && name != "-":
			known[cmp.Or(name, strings.ToLower(f.Name))] = f.Type
		}
	}
}

// keyed matches the key that an error of a package begins with.
var keyed = regexp.MustCompile(`^([a-z][a-z_0-9]*(?:\.[a-z_0-9]+|\[\d+\])*)(?:, [a-z_.]+| and [a-z_0-9.\[\]]+)?: `)

// wrong gives each of the joined errors that begins with a key the place of that
// key, or of the nearest section that is there.
func (s *source) wrong(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range joined.Unwrap() {
			errs = append(errs, s.wrong(one))
		}
		return errors.Join(errs...)
	}
	if m := keyed.FindStringSubmatch(err.Error()); m != nil {
		if t := s.find(m[1]); t != nil {
			return fmt.Errorf("%s:%d:%d: %w", s.name, t.Position.Line, t.Position.Column, err)
		}
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// find gives the token of a key such as gateway.uplink.url or api.people[1].role,
// or of as much of it as is there; nil when nothing of it is.
func (s *source) find(path string) (found *token.Token) {
	n := s.body
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch in := n.(type) {
		case *ast.MappingNode:
			i := slices.IndexFunc(in.Values, func(v *ast.MappingValueNode) bool { return v.Key.GetToken().Value == part })
			if i < 0 {
				return found
			}
			found, n = in.Values[i].Key.GetToken(), in.Values[i].Value
		case *ast.SequenceNode:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(in.Values) {
				return found
			}
			found, n = in.Values[i].GetToken(), in.Values[i]
		default:
			return found
		}
	}
	return found
}
