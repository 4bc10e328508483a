package hl7

import (
	"bytes"
	"time"
)

// name is a segment's name in upper case, its three characters in one number;
// 0 means none.
type name uint32

const (
	nameMSH name = 'M'<<16 | 'S'<<8 | 'H'
	namePID name = 'P'<<16 | 'I'<<8 | 'D'
	namePV1 name = 'P'<<16 | 'V'<<8 | '1'
	nameOBR name = 'O'<<16 | 'B'<<8 | 'R'
	nameOBX name = 'O'<<16 | 'B'<<8 | 'X'
	nameNTE name = 'N'<<16 | 'T'<<8 | 'E'
	namePRT name = 'P'<<16 | 'R'<<8 | 'T'
	nameMSA name = 'M'<<16 | 'S'<<8 | 'A'
	nameFHS name = 'F'<<16 | 'H'<<8 | 'S'
	nameBHS name = 'B'<<16 | 'H'<<8 | 'S'
	nameBTS name = 'B'<<16 | 'T'<<8 | 'S'
	nameFTS name = 'F'<<16 | 'T'<<8 | 'S'
)

func nameOf(b []byte) name {
	return name(upper(b[0]))<<16 | name(upper(b[1]))<<8 | name(upper(b[2]))
}

// Segment is one segment of a message. The zero Segment has no name and only
// empty fields.
type Segment struct {
	raw    []byte
	offset int
	name   name
	coding coding
}

// Name is the segment's name in upper case, "" for the zero Segment. It does
// not allocate for the segments that devices use.
func (s Segment) Name() string {
	switch s.name {
	case nameOBX:
		return "OBX"
	case nameOBR:
		return "OBR"
	case nameMSH:
		return "MSH"
	case namePID:
		return "PID"
	case namePV1:
		return "PV1"
	case nameNTE:
		return "NTE"
	case namePRT:
		return "PRT"
	case nameMSA:
		return "MSA"
	case 0:
		return ""
	}
	return string([]byte{byte(s.name >> 16), byte(s.name >> 8), byte(s.name)})
}

// Bytes is the segment as it stands in the message, without its terminator.
func (s Segment) Bytes() []byte { return s.raw }

// Offset is where the segment begins, in bytes from the start of [Message.Raw].
func (s Segment) Offset() int { return s.offset }

// Field is field n as the standard counts: from 1, and in MSH, FHS and BHS the
// separator itself is field 1 (2.5.4). A field that is not there is empty. To read
// several of a segment see [Fields].
func (s Segment) Field(n int) Value {
	if s.header() {
		if n <= 2 {
			return s.headerField(n)
		}
		n-- // the separator after the name is field 1
	}
	if n < 1 || len(s.raw) < 4 {
		return Value{}
	}
	return Value{raw: nth(s.raw[4:], s.coding.field(), n), coding: s.coding}
}

// Fields is the number of the last field that is there, empty or not.
func (s Segment) Fields() int {
	if len(s.raw) < 4 {
		return 0
	}
	n := bytes.Count(s.raw[4:], []byte{s.coding.field()}) + 1
	if s.header() {
		n++
	}
	return n
}

// Time reads component 1 of field n. See [ParseTime]; the error names segment and field.
func (s Segment) Time(n int, loc *time.Location) (time.Time, Precision, error) {
	t, p, err := ParseTime(s.Field(n).Component(1).raw, loc)
	return t, p, s.locate(n, err)
}

// Number reads component 1 of the first repetition of field n. See
// [ParseNumber]; the error names segment and field.
func (s Segment) Number(n int) (float64, error) {
	f, err := ParseNumber(s.Field(n).Component(1).raw)
	return f, s.locate(n, err)
}

func (s Segment) locate(n int, err error) error {
	if e, ok := err.(*SyntaxError); ok {
		e.Segment, e.Field = s.Name(), n
		e.Offset += s.fieldOffset(n)
	}
	return err
}

// fieldOffset is where field n begins in [Message.Raw]; for one that is not
// there, the end of the segment.
func (s Segment) fieldOffset(n int) int {
	if s.header() {
		n--
	}
	at := min(4, len(s.raw))
	for ; n > 1 && at < len(s.raw); n-- {
		at = min(indexFrom(s.raw, at, s.coding.field())+1, len(s.raw))
	}
	return s.offset + at
}

func (s Segment) header() bool {
	return s.name == nameMSH || s.name == nameBHS || s.name == nameFHS
}

// headerField gives MSH-1 and MSH-2, which must never be split or unescaped:
// their values carry no separators of their own.
func (s Segment) headerField(n int) Value {
	switch {
	case n == 1 && len(s.raw) > 3:
		return Value{raw: s.raw[3:4:4]}
	case n == 2 && len(s.raw) > 4:
		return Value{raw: nth(s.raw[4:], s.coding.field(), 1)}
	}
	return Value{}
}

// segmentName reads the name at the start of a line: a letter, two letters or
// digits, the field separator. Lower case is tolerated where the separator
// follows. Three characters alone are a segment without fields: joining
// them to the segment before would falsify its last field.
func segmentName(line []byte, field byte) (name, bool) {
	n, ok := headerName(line)
	if ok {
		return n, line[3] == field
	}
	if len(line) == 3 && nameShaped(line) && upperCase(line) {
		return nameOf(line), true
	}
	return 0, false
}

// headerName reads a name that some separator follows, in upper case.
func headerName(line []byte) (name, bool) {
	if len(line) < 4 || !nameShaped(line) || letter(line[3]) || digit(line[3]) {
		return 0, false
	}
	return nameOf(line), true
}

func nameShaped(b []byte) bool {
	return letter(b[0]) && (letter(b[1]) || digit(b[1])) && (letter(b[2]) || digit(b[2]))
}

func upperCase(b []byte) bool {
	return upper(b[0]) == b[0] && upper(b[1]) == b[1] && upper(b[2]) == b[2]
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 0x20
	}
	return c
}
