package hl7

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Builder writes a message, segment by segment and field by field, in UTF-8:
// a message with text beyond ASCII should say "UNICODE UTF-8" in MSH-18. Text
// is escaped, so that whatever it holds, it is read back as it was. The zero
// Builder is not usable; see [NewBuilder].
type Builder struct {
	buf  []byte
	sep  Separators
	open bool // a segment is open
	from int  // where it begins
	next int  // number of the field that Field would write
}

// NewBuilder appends to dst, which may be nil or memory to reuse. With
// separators that lack an escape character, what would need escaping becomes a
// blank.
func NewBuilder(dst []byte, sep Separators) *Builder { return &Builder{buf: dst, sep: sep} }

// Segment ends the segment before and begins one of that name. In MSH, BHS and
// FHS it writes fields 1 and 2 itself; the next is 3.
func (b *Builder) Segment(name string) *Builder {
	b.end()
	b.open, b.from, b.next = true, len(b.buf), 1
	b.buf = append(b.buf, name...)
	if name == "MSH" || name == "BHS" || name == "FHS" {
		b.buf = append(b.buf, b.sep.Field)
		b.buf = b.sep.AppendMSH2(b.buf)
		b.next = 3
	}
	return b
}

// Field writes the next field with the given components.
func (b *Builder) Field(components ...string) *Builder {
	b.NextField()
	return b.components(components)
}

// Repeat adds a repetition to the field just written.
func (b *Builder) Repeat(components ...string) *Builder {
	b.NextRepetition()
	return b.components(components)
}

// Int writes the next field with a whole number.
func (b *Builder) Int(n int) *Builder {
	b.NextField()
	b.buf = strconv.AppendInt(b.buf, int64(n), 10)
	return b
}

// Time writes the next field with a time, see [AppendTime].
func (b *Builder) Time(t time.Time, p Precision) *Builder {
	b.NextField()
	b.buf = AppendTime(b.buf, t, p)
	return b
}

// To leaves fields empty up to n, so that the next one written is n. It does
// nothing when n is already written.
func (b *Builder) To(n int) *Builder {
	for b.next < n {
		b.NextField()
	}
	return b
}

// NextField, NextRepetition, NextComponent and NextSubcomponent go on to the
// next, empty place of that level; [Builder.Text] and [Builder.Raw] fill it.
func (b *Builder) NextField() *Builder {
	b.unglue()
	b.next++
	return b.separate(b.sep.Field)
}

// NextRepetition begins a further repetition.
func (b *Builder) NextRepetition() *Builder { return b.separate(b.sep.Repetition) }

// NextComponent begins a further component.
func (b *Builder) NextComponent() *Builder { return b.separate(b.sep.Component) }

// NextSubcomponent begins a further subcomponent.
func (b *Builder) NextSubcomponent() *Builder { return b.separate(b.sep.Subcomponent) }

// Text writes text at the present place, escaped. Invalid UTF-8 becomes U+FFFD.
func (b *Builder) Text(text string) *Builder {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			b.char(c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		b.buf = utf8.AppendRune(b.buf, r)
		i += size
	}
	return b
}

// Raw writes bytes that are encoded already with the same separators and
// character set, such as those of a [Value]. Control characters are left out:
// they could end a segment or a frame.
func (b *Builder) Raw(encoded []byte) *Builder {
	for _, c := range encoded {
		if c >= ' ' || c == 0x1b {
			b.buf = append(b.buf, c)
		}
	}
	return b
}

// Bytes ends the last segment and gives the message, what was in dst before it.
func (b *Builder) Bytes() []byte {
	b.end()
	return b.buf
}

func (b *Builder) end() {
	if b.open {
		b.buf = append(b.buf, '\r')
		b.open = false
	}
}

// unglue escapes the end of a field that would be taken for the next segment, were
// a separator to follow.
func (b *Builder) unglue() {
	n := len(b.buf)
	if n-b.from < 8 || b.sep.Escape == 0 {
		return
	}
	if segment := nameOf(b.buf[b.from:]); mayBeGlued(segment) && gluable(segment, b.next-1) && gluedTo(segment, b.buf[n-3:]) {
		last := b.buf[n-1]
		b.buf = b.buf[:n-1]
		b.escape('X', last)
	}
}

func (b *Builder) separate(sep byte) *Builder {
	if sep == 0 {
		sep = ' '
	}
	b.buf = append(b.buf, sep)
	return b
}

func (b *Builder) components(list []string) *Builder {
	for i, text := range list {
		if i > 0 {
			b.NextComponent()
		}
		b.Text(text)
	}
	return b
}

// char writes one ASCII character, escaped where it must be (2.7.1, 2.7.5).
func (b *Builder) char(c byte) {
	var letter byte
	switch {
	case c < ' ' || c == 0x7f:
		letter = 'X'
	case c == b.sep.Field:
		letter = 'F'
	case c == b.sep.Component:
		letter = 'S'
	case c == b.sep.Subcomponent:
		letter = 'T'
	case c == b.sep.Repetition:
		letter = 'R'
	case c == b.sep.Escape:
		letter = 'E'
	case c == b.sep.Truncation:
		letter = 'P'
	default:
		b.buf = append(b.buf, c)
		return
	}
	b.escape(letter, c)
}

func (b *Builder) escape(letter, c byte) {
	const digits = "0123456789ABCDEF"
	if b.sep.Escape == 0 {
		b.buf = append(b.buf, ' ')
		return
	}
	b.buf = append(b.buf, b.sep.Escape, letter)
	if letter == 'X' {
		b.buf = append(b.buf, digits[c>>4], digits[c&15])
	}
	b.buf = append(b.buf, b.sep.Escape)
}
