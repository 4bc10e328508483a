package hl7

import "time"

// Precision is how much of a time the sender gave.
type Precision uint8

// Precisions from coarse to fine; the zero Precision means no time.
const (
	Year Precision = iota + 1
	Month
	Day
	Hour
	Minute
	Second
	Fraction
)

// ParseTime reads a DTM or the first component of a TS (2.A.22):
//
//	YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]
//
// It tolerates what devices send: blanks inside, a fraction without its dot, a
// comma for the dot, up to nine digits of fraction, Z or a zone with a colon or
// without minutes. A time without a zone is in loc (nil: UTC); one with a zone
// is given back in UTC. What was left out is the start of the period.
//
// The error is a [*SyntaxError] with the offset in b.
func ParseTime(b []byte, loc *time.Location) (time.Time, Precision, error) {
	p := timeParser{in: b}
	t := p.parse(loc)
	if p.bad {
		return time.Time{}, 0, &SyntaxError{Offset: p.pos, Err: ErrTime}
	}
	return t, p.precision, nil
}

// timeParser reads digits from in, skipping blanks; bad is sticky.
type timeParser struct {
	in        []byte
	pos       int
	bad       bool
	precision Precision
}

func (p *timeParser) parse(loc *time.Location) time.Time {
	year, month, day, hour, minute, second := p.number(4), 1, 1, 0, 0, 0
	p.precision = Year
	for _, part := range [...]*int{&month, &day, &hour, &minute, &second} {
		if !digit(p.peek()) {
			break
		}
		*part = p.number(2)
		p.precision++
	}
	nanos := p.fraction()
	offset, zoned := p.zone()
	if p.bad = p.bad || p.peek() != 0 || year == 0 || !inRange(month, day, hour, minute, second); p.bad {
		return time.Time{}
	}
	if loc == nil || zoned {
		loc = time.UTC
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, loc)
	if t.Day() != day && second < 60 && p.precision >= Day { // 31 February and the like
		p.bad = !sameDay(t, day)
	}
	return t.Add(-offset)
}

// sameDay allows for a zone that skips midnight: time.Date then moves the hour.
func sameDay(t time.Time, day int) bool { return t.Add(2*time.Hour).Day() == day }

func inRange(month, day, hour, minute, second int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23 && minute <= 59 && second <= 60
}

// peek is the next byte that is not a blank, 0 at the end.
func (p *timeParser) peek() byte {
	for p.pos < len(p.in) && p.in[p.pos] == ' ' {
		p.pos++
	}
	if p.pos == len(p.in) {
		return 0
	}
	if p.in[p.pos] == 0 {
		return 1 // a NUL in the input is no end
	}
	return p.in[p.pos]
}

func (p *timeParser) number(digits int) int {
	n := 0
	for range digits {
		c := p.peek()
		if !digit(c) || p.bad {
			p.bad = true
			return 0
		}
		n, p.pos = n*10+int(c-'0'), p.pos+1
	}
	return n
}

// fraction reads the nanoseconds, with or without a dot.
func (p *timeParser) fraction() int {
	if p.precision < Second {
		return 0
	}
	if c := p.peek(); c == '.' || c == ',' {
		p.pos++
	}
	nanos, unit := 0, 100_000_000
	for ; digit(p.peek()); p.pos++ {
		if unit == 0 {
			p.bad = true
			return 0
		}
		nanos, unit = nanos+int(p.in[p.pos]-'0')*unit, unit/10
		p.precision = Fraction
	}
	return nanos
}

// zone reads +ZZZZ, -ZZZZ, +ZZ:ZZ, +ZZ or Z.
func (p *timeParser) zone() (time.Duration, bool) {
	sign := p.peek()
	switch sign {
	case 'Z':
		p.pos++
		return 0, true
	case '+', '-':
		p.pos++
	default:
		return 0, false
	}
	hours, minutes := p.number(2), 0
	if p.peek() == ':' {
		p.pos++
	}
	if p.peek() != 0 {
		minutes = p.number(2)
	}
	p.bad = p.bad || hours > 14 || minutes > 59
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		offset = -offset
	}
	return offset, true
}

// AppendTime appends t as a DTM (2.A.22) with the given precision, four digits of
// fraction, and t's zone for precisions that have an hour. The zero Precision
// appends nothing.
func AppendTime(dst []byte, t time.Time, p Precision) []byte {
	const layout = "20060102150405.0000"
	length := [...]int{0, 4, 6, 8, 10, 12, 14, 19}
	if p == 0 || int(p) >= len(length) {
		return dst
	}
	dst = t.AppendFormat(dst, layout[:length[p]])
	if p >= Hour {
		dst = t.AppendFormat(dst, "-0700")
	}
	return dst
}
