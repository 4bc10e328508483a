package record

import (
	"bytes"
	"math"
	"strconv"

	"medfleet"
)

// lines writes a line of line protocol of what is clean already: names that are
// declared, tags and texts as clean gives them. The library looks for each
// character to be escaped in a pass of its own and copies the line; a test holds
// this against it.
type lines struct {
	buf    []byte
	fields int
	bad    bool
}

// Characters that a backslash stands before.
var (
	inMeasurement = escapes(", ")
	inTag         = escapes(",= ") // keys and values, and keys of fields
	inText        = escapes(`"\`)
)

func escapes(chars string) *[256]bool {
	var set [256]bool
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return &set
}

func (l *lines) start(measurement string) {
	l.buf, l.fields, l.bad = l.buf[:0], 0, measurement == "" || cleanTag(measurement) != measurement
	l.buf = appendEscaped(l.buf, measurement, inMeasurement)
}

func (l *lines) tag(key, value string) {
	l.buf = appendEscaped(append(l.buf, ','), key, inTag)
	l.buf = appendEscaped(append(l.buf, '='), value, inTag)
}

// field writes a field up to its value.
func (l *lines) field(key string) {
	mark := byte(',')
	if l.fields == 0 {
		mark = ' '
	}
	l.fields++
	l.buf = append(appendEscaped(append(l.buf, mark), key, inTag), '=')
}

// number writes a number; what is none is left out.
func (l *lines) number(key string, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		l.field(key)
		l.buf = appendNumber(l.buf, value)
	}
}

// appendNumber writes a number in the fewest digits that are read as the same. Nearly
// all have no more than three behind the point, and that is quickly written: what has
// so few digits in all is never the same number as another that has.
func appendNumber(dst []byte, value float64) []byte {
	const most = 1e6 // from which on it is written with an exponent
	thousandths := math.Round(value * 1000)
	if !(math.Abs(value) < most) || thousandths/1000 != value || value == 0 {
		return strconv.AppendFloat(dst, value, 'g', -1, 64)
	}
	n := int64(thousandths)
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/1000, 10)
	if n %= 1000; n != 0 {
		dst = append(dst, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
		dst = bytes.TrimRight(dst, "0")
	}
	return dst
}

func (l *lines) whole(key string, value int64) {
	l.field(key)
	l.buf = append(strconv.AppendInt(l.buf, value, 10), 'i')
}

func (l *lines) text(key, value string) {
	l.field(key)
	l.buf = append(appendEscaped(append(l.buf, '"'), value, inText), '"')
}

// end appends the line to dst, without a newline. One without a field is none.
func (l *lines) end(dst []byte, at medfleet.Millis) []byte {
	if l.bad || l.fields == 0 {
		return dst
	}
	l.buf = strconv.AppendInt(append(l.buf, ' '), int64(min(max(at, minTime), maxTime)), 10)
	return append(dst, l.buf...)
}

func appendEscaped(dst []byte, s string, set *[256]bool) []byte {
	from := 0
	for i := range len(s) {
		if set[s[i]] {
			dst = append(append(dst, s[from:i]...), '\\')
			from = i
		}
	}
	return append(dst, s[from:]...)
}
