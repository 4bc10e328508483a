package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// source is a rule file: its name and its lines, for the errors.
type source struct {
	name     string
	lines    []string
	problems *problemList
}

// wrong notes a problem at a place, lines and columns from 1.
func (s *source) wrong(at place, format string, args ...any) {
	p := Problem{File: s.name, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)}
	if at.line > 0 && at.line <= len(s.lines) {
		p.Source = s.lines[at.line-1]
	}
	*s.problems = append(*s.problems, p)
}

type place struct{ line, column int }

// field is one value of a rule with the place of its first letter.
type field struct {
	text string
	at   place
	set  bool
	src  *source
	// folded says that lines of the file are not lines of the text: then only
	// the first line's columns are exact.
	folded bool
	indent int // columns before each line of a block
}

// within gives the place in the file of a place in the text, which counts lines
// from 1 and columns from 0, as CEL does.
func (f *field) within(line, column int) place {
	if line > 1 && !f.folded {
		return place{f.at.line + line - 1, f.indent + column + 1}
	}
	at := place{f.at.line, f.at.column + column}
	if f.at.line <= len(f.src.lines) {
		at.column = min(at.column, len(f.src.lines[f.at.line-1])+1)
	}
	return at
}

func (f *field) wrong(format string, args ...any) { f.src.wrong(f.at, format, args...) }

// draft is a rule as read, before anything is known of its meaning.
type draft struct {
	at                            place
	src                           *source
	class                         field
	alert, expr, clear, summary   field
	forTime, hold, priority, page field
	action, runbook               field
	needs, seenOnWire             []field
}

// read parses one rule file into drafts; whatever is wrong goes to the source's
// problems.
func read(src *source, text []byte) []*draft {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		var bad *yaml.SyntaxError
		if errors.As(err, &bad) && bad.Token != nil {
			src.wrong(placeOf(bad.Token), "%s", bad.Message)
		} else {
			src.wrong(place{}, "read YAML: %v", err)
		}
		return nil
	}
	var drafts []*draft
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			drafts = append(drafts, readDocument(src, doc.Body)...)
		}
	}
	if len(drafts) == 0 && len(*src.problems) == 0 {
		src.wrong(place{1, 1}, "no rules: want `class:` and a list under `rules:`")
	}
	return drafts
}

func readDocument(src *source, body ast.Node) []*draft {
	var class field
	var drafts []*draft
	at := placeOf(body.GetToken())
	for i, kv := range pairs(src, body) {
		if i == 0 {
			at = placeOf(kv.Key.GetToken())
		}
		switch key := kv.Key.GetToken().Value; key {
		case "class":
			class = scalar(src, kv.Value)
		case "rules":
			for _, item := range items(src, kv.Value) {
				drafts = append(drafts, readRule(src, item))
			}
		default:
			unknownKey(src, kv, []string{"class", "rules"})
		}
	}
	if !class.set {
		src.wrong(at, "class is missing: want a class of the profiles, or any")
	}
	for _, d := range drafts {
		d.class = class
	}
	return drafts
}

func readRule(src *source, node ast.Node) *draft {
	d := &draft{at: placeOf(node.GetToken()), src: src}
	single := map[string]*field{
		"alert": &d.alert, "expr": &d.expr, "clear": &d.clear, "for": &d.forTime, "hold": &d.hold, "priority": &d.priority,
		"page": &d.page, "summary": &d.summary, "action": &d.action, "runbook": &d.runbook,
	}
	several := map[string]*[]field{"needs": &d.needs, "seen_on_wire": &d.seenOnWire}
	known := []string{"needs", "seen_on_wire"}
	for k := range single {
		known = append(known, k)
	}
	for i, kv := range pairs(src, node) {
		key := kv.Key.GetToken()
		if i == 0 {
			d.at = placeOf(key)
		}
		if f, ok := single[key.Value]; ok {
			*f = scalar(src, kv.Value)
		} else if list, ok := several[key.Value]; ok {
			for _, item := range items(src, kv.Value) {
				*list = append(*list, scalar(src, item))
			}
		} else {
			unknownKey(src, kv, known)
		}
	}
	return d
}

func unknownKey(src *source, kv *ast.MappingValueNode, known []string) {
	key := kv.Key.GetToken()
	src.wrong(placeOf(key), "unknown key %q%s", key.Value, didYouMean(key.Value, known))
}

// pairs lists what a mapping holds; a mapping of one pair is a node of its own.
func pairs(src *source, node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	src.wrong(placeOf(node.GetToken()), "want keys and values, such as `class: infusion_pump`")
	return nil
}

func items(src *source, node ast.Node) []ast.Node {
	if n, ok := node.(*ast.SequenceNode); ok {
		return n.Values
	}
	src.wrong(placeOf(node.GetToken()), "want a list")
	return nil
}

// scalar reads a value that is not a list or a mapping, as text.
func scalar(src *source, node ast.Node) field {
	t := node.GetToken()
	f := field{at: placeOf(t), set: true, src: src}
	switch n := node.(type) {
	case *ast.StringNode:
		f.text = n.Value
		f.folded = true
		if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
			f.at.column++
		}
	case *ast.LiteralNode:
		f.text = n.Value.Value
		f.folded = t.Type == token.FoldedType
		f.at.line++
		if f.at.line <= len(src.lines) {
			line := src.lines[f.at.line-1]
			f.indent = len(line) - len(strings.TrimLeft(line, " "))
		}
		f.at.column = f.indent + 1
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		f.text = t.Value
	default:
		f.wrong("want a single value")
		f.set = false
	}
	return f
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// duration reads 90s, 10m, 1h30m or 30d, from 0 to 30 days.
func duration(text string) (time.Duration, error) {
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(max(n, -1), 1000)) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d < 0 || d > maxDuration {
		return 0, fmt.Errorf("%q is no duration: want 90s, 10m, 1h or 7d, at most 30d", text)
	}
	return d, nil
}
