package rules

import "cel.dev/cel-go/interpreter"

// scope lets CEL read a device's inputs in place.
type scope struct {
	class  *class
	inputs []float64
}

// ResolveName gives the value of an input, unknown where nothing was heard.
func (s *scope) ResolveName(name string) (any, bool) {
	i, ok := s.class.byName[name]
	if !ok {
		return nil, false
	}
	return s.class.value(i, s.inputs[i]), true
}

// Parent has none.
func (s *scope) Parent() interpreter.Activation { return nil }
