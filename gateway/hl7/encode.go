package hl7

// Encode appends the message anew, with other separators if wanted, and gives
// every value as it was: read again, each has the same text. It is written in
// UTF-8, and MSH-18, where there is one, then says so; segments end with CR, what
// was rejoined or glued is whole. Escapes of formatting (2.7.6) become the
// characters that they stand for.
func (m *Message) Encode(dst []byte, sep Separators) []byte {
	b := NewBuilder(dst, sep)
	for _, s := range m.segments {
		b.Segment(s.Name())
		first := 1
		if s.header() {
			first = 3
		}
		for n := first; n <= s.Fields(); n++ {
			b.NextField()
			if v := s.Field(n); s.name == nameMSH && n == charsetField && !v.IsEmpty() {
				b.Text("UNICODE UTF-8")
			} else {
				b.value(v)
			}
		}
	}
	return b.Bytes()
}

// value writes a field part by part.
func (b *Builder) value(field Value) {
	each(field.Repetitions(), b.NextRepetition, func(rep Value) {
		each(rep.Components(), b.NextComponent, func(comp Value) {
			each(comp.Subcomponents(), b.NextSubcomponent, func(sub Value) { b.Text(sub.String()) })
		})
	})
}

// each writes parts with separators between.
func each(parts func(func(Value) bool), next func() *Builder, write func(Value)) {
	first := true
	for part := range parts {
		if !first {
			next()
		}
		first = false
		write(part)
	}
}
