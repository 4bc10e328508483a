package foreign

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// Bounds of a path in the configuration.
const (
	maxDepth = 16
	maxKey   = 128
)

// scope is a part of a payload whose values are gathered together: the payload
// itself, or an entry of a list in it.
type scope struct {
	id    int
	root  *node
	slots int
}

// node is a place that some path leads through or to.
type node struct {
	slot int // where its value is gathered, -1 for nowhere
	keys map[string]*node
	list []*node // by place in a list
}

func newNode() *node { return &node{slot: -1} }

// ref is a value of a message: a slot of a scope. The zero ref is none.
type ref struct {
	scope *scope
	slot  int
}

// add makes a path part of the scope.
func (s *scope) add(path string) (ref, error) {
	steps, err := steps(path)
	if err != nil {
		return ref{}, err
	}
	n := s.root
	for _, step := range steps {
		n = n.step(step)
	}
	if n.slot < 0 {
		n.slot = s.slots
		s.slots++
	}
	return ref{s, n.slot}, nil
}

// step gives the node below; a number is a key and a place in a list.
func (n *node) step(key string) *node {
	if n.keys == nil {
		n.keys = map[string]*node{}
	}
	below := n.keys[key]
	if below == nil {
		below = newNode()
		n.keys[key] = below
	}
	if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < maxPlaces {
		for len(n.list) <= i {
			n.list = append(n.list, nil)
		}
		n.list[i] = below
	}
	return below
}

const maxPlaces = 1024

// steps takes a path apart: a.b.0, or /a/b/0 with ~1 for / and ~0 for ~ (RFC 6901);
// none for the whole.
func steps(path string) ([]string, error) {
	var list []string
	switch {
	case path == "" || path == "$":
		return nil, nil
	case path[0] == '/':
		list = strings.Split(path[1:], "/")
		for i, s := range list {
			list[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
		}
	default:
		list = strings.Split(path, ".")
	}
	if len(list) > maxDepth {
		return nil, fmt.Errorf("path %q is %d levels deep: want at most %d", path, len(list), maxDepth)
	}
	for _, s := range list {
		if s == "" || len(s) > maxKey {
			return nil, fmt.Errorf("path %q: want keys of 1 to %d bytes with a dot between them, as in battery.level; a key with a dot in it is written /so.it/goes", path, maxKey)
		}
	}
	return list, nil
}

// gather fills a scope's slots from a value; what no path leads to is counted.
func (r *Reader) gather(s *scope, v *fastjson.Value) {
	clear(r.frames[s.id])
	r.walk(s.root, v, r.frames[s.id])
}

func (r *Reader) walk(n *node, v *fastjson.Value, frame []*fastjson.Value) {
	if n.slot >= 0 {
		if frame[n.slot] != nil {
			r.out.Refused++ // the same key twice: nobody knows which is meant
			return
		}
		frame[n.slot] = v
		if n.keys == nil {
			return
		}
	}
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(key []byte, below *fastjson.Value) {
			if next := n.keys[string(key)]; next != nil {
				r.walk(next, below, frame)
				return
			}
			r.out.Dropped++
		})
	case fastjson.TypeArray:
		for i, below := range v.GetArray() {
			if i < len(n.list) && n.list[i] != nil {
				r.walk(n.list[i], below, frame)
				continue
			}
			r.out.Dropped++
		}
	default:
		if n.slot < 0 {
			r.out.Dropped++
		}
	}
}

// value gives what was gathered, nil where there is nothing or null.
func (r *Reader) value(at ref) *fastjson.Value {
	if at.scope == nil {
		return nil
	}
	v := r.frames[at.scope.id][at.slot]
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil
	}
	return v
}
