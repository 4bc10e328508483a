package foreign

import (
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fastjson"

	"medfleet"
)

// Forms of a time.
const (
	formISO    = "iso"
	formUnixS  = "unix_s"
	formUnixMS = "unix_ms"
)

// clock reads the time of a message.
type clock struct {
	at   ref
	form string
	zone *time.Location // nil: a time without one is not read
}

func (t *Time) compile(add func(string) (ref, error)) (*clock, error) {
	if t == nil {
		return nil, nil
	}
	c := &clock{form: t.Form}
	var errs []error
	switch t.Form {
	case "", formISO, formUnixS, formUnixMS:
	default:
		errs = append(errs, fmt.Errorf("form: %q: want iso, unix_s or unix_ms", t.Form))
	}
	if t.Zone != "" {
		zone, err := time.LoadLocation(t.Zone)
		if err != nil {
			errs = append(errs, fmt.Errorf("zone: %q is no time zone: want a name such as Europe/Berlin", t.Zone))
		}
		c.zone = zone
	}
	at, err := add(t.Path)
	c.at = at
	return c, errors.Join(append(errs, err)...)
}

// From this number on a time is in milliseconds: in seconds it would be the year
// 5138, in milliseconds it is 1973.
const unixMS = 1e11

var (
	errNoTime = errors.New("the message has no time where the mapping says")
	errTime   = errors.New("the time is not written as the mapping says: want ISO 8601 with its offset (or set time.zone), or form: unix_s or unix_ms")
)

// read gives the time that a value says.
func (c *clock) read(v *fastjson.Value) (medfleet.Millis, error) {
	switch v.Type() {
	case fastjson.TypeNumber:
		n, err := v.Float64()
		if err != nil || !finite(n) || c.form == formISO {
			return 0, errTime
		}
		return c.unix(n)
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		if c.form == formUnixS || c.form == formUnixMS {
			if n, ok := number(b, false); ok {
				return c.unix(n)
			}
			return 0, errTime
		}
		at, ok := parseISO(b, c.zone)
		if !ok {
			return 0, errTime
		}
		return nonzero(medfleet.AsMillis(at)), nil
	}
	return 0, errTime
}

func (c *clock) unix(n float64) (medfleet.Millis, error) {
	if c.form == formUnixS || c.form == "" && n < unixMS {
		n *= 1000
	}
	if n < 0 || n > 1e15 {
		return 0, errTime
	}
	return nonzero(medfleet.Millis(n)), nil
}

// nonzero keeps 1970 itself, a clock that was never set, apart from no time at all.
func nonzero(at medfleet.Millis) medfleet.Millis {
	if at == 0 {
		return 1
	}
	return at
}

// parseISO reads 2026-07-30T14:00:00.25+02:00 and what people make of it: a blank
// for T, no fraction, a comma in it, no offset, no colon in it.
func parseISO(b []byte, zone *time.Location) (time.Time, bool) {
	var field [6]int
	for i, want := range [...]struct {
		digits int
		after  string
	}{{4, "-"}, {2, "-"}, {2, "T "}, {2, ":"}, {2, ":"}, {2, ""}} {
		n, ok := digits(b, want.digits)
		if !ok {
			return time.Time{}, false
		}
		field[i], b = n, b[want.digits:]
		if want.after == "" {
			break
		}
		if len(b) == 0 || b[0] != want.after[0] && b[0] != want.after[len(want.after)-1] {
			return time.Time{}, false
		}
		b = b[1:]
	}
	nanos, b, ok := fraction(b)
	if !ok || field[1] < 1 || field[1] > 12 || field[2] < 1 || field[3] > 23 || field[4] > 59 || field[5] > 60 {
		return time.Time{}, false
	}
	offset, zoned, ok := offset(b)
	switch {
	case !ok, !zoned && zone == nil:
		return time.Time{}, false
	case zoned:
		zone = time.UTC
	}
	if time.Date(field[0], time.Month(field[1]), field[2], 12, 0, 0, 0, time.UTC).Day() != field[2] {
		return time.Time{}, false // 31 February
	}
	at := time.Date(field[0], time.Month(field[1]), field[2], field[3], field[4], field[5], nanos, zone)
	return at.Add(-offset), true
}

// digits reads exactly n digits.
func digits(b []byte, n int) (v int, ok bool) {
	if len(b) < n {
		return 0, false
	}
	for _, c := range b[:n] {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

func fraction(b []byte) (nanos int, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, true
	}
	b = b[1:]
	n, unit := 0, int(time.Second)
	for n < len(b) && isDigit(b[n]) {
		unit /= 10
		nanos += int(b[n]-'0') * unit
		n++
	}
	return nanos, b[n:], n > 0 && n <= 9
}

// offset reads Z, +02:00, +0200 or +02; zoned is false where nothing stands.
func offset(b []byte) (d time.Duration, zoned, ok bool) {
	switch {
	case len(b) == 0:
		return 0, false, true
	case len(b) == 1 && (b[0] == 'Z' || b[0] == 'z'):
		return 0, true, true
	case b[0] != '+' && b[0] != '-':
		return 0, false, false
	}
	negative := b[0] == '-'
	hours, ok := digits(b[1:], 2)
	if !ok || hours > 14 {
		return 0, false, false
	}
	b = b[3:]
	minutes := 0
	if len(b) > 0 {
		if b[0] == ':' {
			b = b[1:]
		}
		if minutes, ok = digits(b, 2); !ok || len(b) != 2 || minutes > 59 {
			return 0, false, false
		}
	}
	d = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if negative {
		d = -d
	}
	return d, true, true
}
