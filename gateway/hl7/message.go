// Package hl7 reads and writes HL7 version 2 messages: bytes in, values out.
//
// It does no I/O, keeps no log and starts nothing. [Parse] finds the segments
// of one message and copies nothing; fields, repetitions, components and
// subcomponents are cut out when somebody asks for them, and escapes and
// character sets are resolved when somebody asks for text. What hospital
// devices really send is often not quite HL7, so reading is tolerant: any run
// of CR and LF ends a segment, a line that is no segment is rejoined with the
// one before, names may be in lower case, MSH-2 may be short. Only input
// without a usable MSH segment is refused.
//
// All character sets of table 0211 are read. Where characters may hold the byte
// of a separator (GB 18030, Big5, CNS 11643, the Japanese sets, UTF-16, UTF-32)
// text beyond ASCII is decoded before it is split, and then the message is a copy.
// What is written is UTF-8.
//
// Clauses are those of HL7 v2.9 chapter 2; the rules are the same since 2.3
// unless a comment says otherwise.
//
// Errors never quote the input: it may hold patient data.
package hl7

import (
	"bytes"
)

// MaxSegments is how many segments one message may have. A full ward round of
// observations has some hundreds; beyond this bound the input is hostile or broken.
const MaxSegments = 10_000

// Message is one parsed message. It points into the bytes it was parsed from,
// which must stay unchanged as long as the message or a value of it is used.
// The zero Message has no segments. A Message may be reused: [Message.Parse]
// keeps its memory. It is not safe for use while it is being parsed; copies
// share that memory.
type Message struct {
	raw      []byte
	segments []Segment
	coding   coding
	own      []byte // rejoined or transcoded input, when it could not be used as it came
}

// Parse reads one message. See [Message.Parse].
func Parse(b []byte) (Message, error) {
	var m Message
	err := m.Parse(b)
	return m, err
}

// Parse reads one message into m and drops what m held before. b must stay
// unchanged while m is used. A byte order mark, block characters of a framing
// and empty lines around the message are skipped.
//
// The error is a [*SyntaxError] wrapping [ErrNotHL7], [ErrSeparators],
// [ErrTooManySegments] or [ErrSeveralMessages]. With the last two m holds what
// was read up to there, its header included, so that it can be answered.
func (m *Message) Parse(b []byte) error {
	m.Reset()
	b = m.unwrap(b)
	sep, err := readSeparators(b)
	if err != nil {
		return err
	}
	m.coding |= newCoding(sep)
	if err := m.split(b); err != nil {
		return err
	}
	return m.applyCharset()
}

// Reset empties m and keeps its memory for the next message.
func (m *Message) Reset() {
	clear(m.segments)
	m.raw, m.segments, m.coding = nil, m.segments[:0], 0
}

// Raw is what the segments point into: the input without its wrapping, or,
// when lines were rejoined or the character set had to be decoded first, the
// message's own copy. Offsets in errors count from its start.
func (m *Message) Raw() []byte { return m.raw }

// Separators are the encoding characters of this message (MSH-1 and MSH-2).
func (m *Message) Separators() Separators { return m.coding.separators() }

// Segments are the segments in their order; the first is MSH. The slice is
// the message's own and holds until the next Parse or Reset.
func (m *Message) Segments() []Segment { return m.segments }

// Header is the MSH segment, or an empty segment if nothing was parsed.
func (m *Message) Header() Segment {
	if len(m.segments) == 0 {
		return Segment{}
	}
	return m.segments[0]
}

// First is the first segment of that name (upper case), or an empty segment,
// all of whose fields are empty.
func (m *Message) First(name string) Segment {
	for _, s := range m.segments {
		if s.Name() == name {
			return s
		}
	}
	return Segment{}
}

func (m *Message) has(n name) bool {
	for i := range m.segments {
		if m.segments[i].name == n {
			return true
		}
	}
	return false
}

// split finds the segments of b (2.5.4: CR ends a segment).
func (m *Message) split(b []byte) error {
	m.raw, m.segments = b, m.segments[:0]
	if m.segments == nil {
		m.segments = make([]Segment, 0, min(len(b)/48+4, MaxSegments))
	}
	for line := range lines(b) {
		if blank(b[line.from:line.to]) {
			continue
		}
		line.from += indent(b[line.from:line.to], m.coding.field())
		name, ok := segmentName(b[line.from:line.to], m.coding.field())
		if !ok {
			return m.split(m.rejoin(b))
		}
		for mayBeGlued(name) {
			length := glued(name, b[line.from:line.to], m.coding.field())
			if length == 0 {
				break
			}
			if err := m.add(name, span{line.from, line.from + length}); err != nil {
				return err
			}
			line.from += length
			name = nameOf(b[line.from:])
		}
		if err := m.add(name, line); err != nil {
			return err
		}
	}
	return nil
}

func (m *Message) add(n name, at span) error {
	switch {
	case len(m.segments) > 0 && n == nameMSH:
		return &SyntaxError{Segment: "MSH", Offset: at.from, Err: ErrSeveralMessages}
	case len(m.segments) == MaxSegments:
		return &SyntaxError{Offset: at.from, Err: ErrTooManySegments}
	}
	m.segments = append(m.segments, Segment{raw: m.raw[at.from:at.to:at.to], offset: at.from, name: n, coding: m.coding})
	return nil
}

// rejoin copies b with every line that starts no segment appended to the line
// before. The first line is known to be MSH. A name that stood alone on its
// line gets its separator, so that every line of the result is a segment.
func (m *Message) rejoin(b []byte) []byte {
	out, start := make([]byte, 0, len(b)+1), 0
	for line := range lines(b) {
		text := b[line.from:line.to]
		if blank(text) {
			continue
		}
		text = text[indent(text, m.coding.field()):]
		_, ok := segmentName(text, m.coding.field())
		switch {
		case ok && len(out) > 0:
			out = append(out, '\r')
			start = len(out)
		case !ok && len(out)-start == 3 && text[0] != m.coding.field():
			out = append(out, m.coding.field())
		}
		out = append(out, text...)
	}
	m.own = out
	return out
}

type span struct{ from, to int }

// lines yields the non-empty stretches between runs of CR and LF. It looks for
// each of the two only when the position has passed the last one found, so
// that either is searched once over the whole input.
func lines(b []byte) func(yield func(span) bool) {
	return func(yield func(span) bool) {
		cr, lf := -1, -1
		for pos := 0; pos < len(b); {
			if cr < pos {
				cr = indexFrom(b, pos, '\r')
			}
			if lf < pos {
				lf = indexFrom(b, pos, '\n')
			}
			end := min(cr, lf)
			if end > pos && !yield(span{pos, end}) {
				return
			}
			pos = end + 1
		}
	}
}

// indexFrom is the position of c in b at or after pos, len(b) if there is none.
func indexFrom(b []byte, pos int, c byte) int {
	if i := bytes.IndexByte(b[pos:], c); i >= 0 {
		return pos + i
	}
	return len(b)
}

// indent is how many blanks stand before the name of a segment; 0 where no name
// and separator follow them.
func indent(line []byte, field byte) int {
	n := 0
	for n < len(line) && (line[n] == ' ' || line[n] == '\t') {
		n++
	}
	if n == 0 {
		return 0
	}
	if _, ok := headerName(line[n:]); !ok || line[n+3] != field {
		return 0
	}
	return n
}

// blank says whether a line holds nothing but blanks and control characters,
// such as the end block of a frame.
func blank(line []byte) bool {
	for _, c := range line {
		if c > ' ' {
			return false
		}
	}
	return true
}
