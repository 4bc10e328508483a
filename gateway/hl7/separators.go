package hl7

import "bytes"

// Separators are the encoding characters of one message (2.5.4): MSH-1 and the
// characters of MSH-2. A zero byte means that the message has no such character.
type Separators struct {
	Field        byte // MSH-1
	Component    byte // the first character of MSH-2
	Repetition   byte // the second
	Escape       byte // the third
	Subcomponent byte // the fourth
	Truncation   byte // the fifth, since 2.7
}

// Standard are the separators the standard recommends.
func Standard() Separators {
	return Separators{Field: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'}
}

// AppendMSH2 appends the encoding characters as they stand in MSH-2.
func (s Separators) AppendMSH2(dst []byte) []byte {
	for _, c := range s.msh2() {
		if c == 0 {
			break
		}
		dst = append(dst, c)
	}
	return dst
}

func (s *Separators) msh2() [5]byte {
	return [5]byte{s.Component, s.Repetition, s.Escape, s.Subcomponent, s.Truncation}
}

// readSeparators takes the encoding characters from the start of a message.
// MSH-2 may be short (the characters it lacks do not exist in this message),
// empty (the standard ones are meant) or longer (the rest is ignored). A blank
// or repeated character counts as lacking, with all after it.
func readSeparators(b []byte) (Separators, error) {
	if name, ok := headerName(b); !ok || name != nameMSH {
		return Separators{}, &SyntaxError{Err: ErrNotHL7}
	}
	if !separator(b[3]) {
		return Separators{}, &SyntaxError{Segment: "MSH", Field: 1, Offset: 3, Err: ErrSeparators}
	}
	list := b[4:]
	if i := bytes.IndexAny(list, string([]byte{b[3], '\r', '\n'})); i >= 0 {
		list = list[:i]
	}
	if len(list) == 0 || list[0] == ' ' {
		return standardBut(b[3]), nil
	}
	return listedSeparators(b[3], list)
}

func standardBut(field byte) Separators {
	s := Standard()
	s.Field = field
	for _, c := range []*byte{&s.Component, &s.Repetition, &s.Escape, &s.Subcomponent} {
		if *c == field {
			*c = 0
		}
	}
	return s
}

func listedSeparators(field byte, list []byte) (Separators, error) {
	s := Separators{Field: field}
	into := [...]*byte{&s.Component, &s.Repetition, &s.Escape, &s.Subcomponent, &s.Truncation}
	for i, c := range list[:min(len(list), len(into))] {
		if c == ' ' || bytes.IndexByte(list[:i], c) >= 0 {
			break
		}
		if !separator(c) {
			return Separators{}, &SyntaxError{Segment: "MSH", Field: 2, Offset: 4 + i, Err: ErrSeparators}
		}
		*into[i] = c
	}
	return s, nil
}

// separator says whether c may separate: printable ASCII, no letter or digit.
// Bytes from 0x80 on would cut multi-byte characters apart.
func separator(c byte) bool {
	return c > ' ' && c < 0x7f && !letter(c) && !digit(c) && c != '"' && c != '.' && c != '-' && c != '+'
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
