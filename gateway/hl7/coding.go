package hl7

// coding is what is needed to read a value: its message's separators, its character
// set, and whether the message's text is UTF-8 already, while hexadecimal escapes
// are still in that set. It is one number because each value carries it: what fits
// in a register costs nothing there.
type coding uint64

const (
	codingComponent    = 8
	codingRepetition   = 16
	codingEscape       = 24
	codingSubcomponent = 32
	codingTruncation   = 40
	codingCharset      = 48
	codingTranscoded   = 56
)

func newCoding(s Separators) coding {
	return coding(s.Field) | coding(s.Component)<<codingComponent | coding(s.Repetition)<<codingRepetition |
		coding(s.Escape)<<codingEscape | coding(s.Subcomponent)<<codingSubcomponent | coding(s.Truncation)<<codingTruncation
}

func (c coding) field() byte        { return byte(c) }
func (c coding) component() byte    { return byte(c >> codingComponent) }
func (c coding) repetition() byte   { return byte(c >> codingRepetition) }
func (c coding) escape() byte       { return byte(c >> codingEscape) }
func (c coding) subcomponent() byte { return byte(c >> codingSubcomponent) }
func (c coding) truncation() byte   { return byte(c >> codingTruncation) }
func (c coding) charset() charset   { return charset(c >> codingCharset) }
func (c coding) transcoded() bool   { return c>>codingTranscoded != 0 }

func (c coding) separators() Separators {
	return Separators{c.field(), c.component(), c.repetition(), c.escape(), c.subcomponent(), c.truncation()}
}

// in is the coding with a character set.
func (c coding) in(set charset) coding {
	return c&^(0xff<<codingCharset) | coding(set)<<codingCharset
}

// decoded is the coding of a message whose text is UTF-8 by now.
func (c coding) decoded() coding { return c | 1<<codingTranscoded }
