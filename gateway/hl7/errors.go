package hl7

import (
	"errors"
	"strconv"
)

var (
	// ErrNotHL7 means that the input does not begin with an MSH segment.
	ErrNotHL7 = errors.New("not an HL7 v2 message: it must begin with MSH and a field separator")
	// ErrSeparators means that MSH-1 or MSH-2 holds characters that cannot separate.
	ErrSeparators = errors.New("encoding characters must be printable ASCII other than letters and digits")
	// ErrTooManySegments means more than MaxSegments segments.
	ErrTooManySegments = errors.New("too many segments: send the observations in several messages")
	// ErrSeveralMessages means a second MSH inside a message: use [Messages].
	ErrSeveralMessages = errors.New("several messages in one: read them as a batch")
	// ErrTime means a value that is no HL7 date or time.
	ErrTime = errors.New("not a date or time of the form YYYY[MM[DD[HHMM[SS[.S]]]]][+/-ZZZZ]")
	// ErrNumber means a value that is no HL7 number.
	ErrNumber = errors.New("not a number of the form [+-]digits[.digits]")
)

// SyntaxError says where a message is wrong. It never holds a value of the
// message, so it may be logged.
type SyntaxError struct {
	Segment string // name, "" when not known
	Field   int    // number as in the standard, 0 when the error is not about a field
	Offset  int    // bytes from the start of [Message.Raw]; from the start of the value for ParseTime and ParseNumber
	Err     error  // what is wrong, one of the Err values of this package
}

// Error tells place and cause.
func (e *SyntaxError) Error() string {
	place := "read message"
	if e.Segment != "" {
		place = "read " + e.Segment
		if e.Field > 0 {
			place += "-" + strconv.Itoa(e.Field)
		}
	}
	return place + ": byte " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }
