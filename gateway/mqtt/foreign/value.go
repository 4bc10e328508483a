package foreign

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/valyala/fastjson"

	"medfleet/gateway/mapping"
)

// What many devices send where they have no value.
const filler, lowFiller = 32767, -32768

// word gives a value as text: a string's, or how a number, true or false is
// written. It is valid until the next call. Lists and objects have none.
func (r *Reader) word(v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return bytes.TrimSpace(b)
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		r.scratch = v.MarshalTo(r.scratch[:0])
		return r.scratch
	}
	return nil
}

// sent gives what a value says; ok is false where it can be nothing.
func (r *Reader) sent(v *fastjson.Value) (mapping.Value, bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		n, err := v.Float64()
		return mapping.Value{Kind: mapping.Number, Number: n}, err == nil && finite(n)
	case fastjson.TypeTrue:
		return mapping.Value{Kind: mapping.Truth, Number: 1}, true
	case fastjson.TypeFalse:
		return mapping.Value{Kind: mapping.Truth}, true
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return mapping.Value{Kind: mapping.Word, Text: bytes.TrimSpace(b)}, true
	}
	return mapping.Value{}, false
}

// reading gives a value to a conversion. Numbers may be sent as text.
func (p *plan) reading(u *use, v mapping.Value, unit *unitUse) (float64, bool) {
	if u.words {
		got, ok := u.conversion.Reading(v)
		return got.Value, ok
	}
	if v.Kind == mapping.Word {
		v = p.plain(u, v)
	}
	if v.Kind == mapping.Number && u.measure && (v.Number == filler || v.Number == lowFiller || slices.Contains(p.Fillers, v.Number)) {
		return 0, false
	}
	conversion := u.conversion
	if unit != nil {
		conversion = unit.conversion
	}
	got, ok := conversion.Reading(v)
	return got.Value, ok
}

// plain reads a text that stands for a number or a truth.
func (p *plan) plain(u *use, v mapping.Value) mapping.Value {
	if n, ok := number(v.Text, p.DecimalComma); ok {
		return mapping.Value{Kind: mapping.Number, Number: n}
	}
	if u.flag && (string(v.Text) == "true" || string(v.Text) == "false") {
		t := mapping.Value{Kind: mapping.Truth}
		if string(v.Text) == "true" {
			t.Number = 1
		}
		return t
	}
	return v
}

// number reads a decimal number, nothing around it: -12.5, 1e3, with a comma where
// that is how the sender writes.
func number(b []byte, comma bool) (float64, bool) {
	point := byte('.')
	if comma {
		point = ','
	}
	if len(b) == 0 || len(b) > 32 {
		return 0, false
	}
	rest, negative := b, false
	if rest[0] == '-' || rest[0] == '+' {
		negative, rest = rest[0] == '-', rest[1:]
	}
	digits, scale, mantissa, seen := 0, 0, uint64(0), false
	for len(rest) > 0 && (isDigit(rest[0]) || rest[0] == point && !seen) {
		switch {
		case rest[0] == point:
			seen = true
		default:
			digits++
			mantissa = mantissa*10 + uint64(rest[0]-'0')
			if seen {
				scale++
			}
		}
		rest = rest[1:]
	}
	switch {
	case digits == 0 || len(rest) > 0 && rest[0] != 'e' && rest[0] != 'E':
		return 0, false
	case len(rest) > 0 || digits > 15 || scale > 22:
		return slowNumber(b, comma)
	}
	n := float64(mantissa) / tens[scale] // exact: both are, and the quotient is rounded once
	if negative {
		n = -n
	}
	return n, true
}

// slowNumber is for numbers with exponents or more than 15 digits.
func slowNumber(b []byte, comma bool) (float64, bool) {
	if comma {
		b = bytes.ReplaceAll(b, []byte(","), []byte("."))
	}
	n, err := strconv.ParseFloat(string(b), 64)
	return n, err == nil && finite(n)
}

var tens = func() (t [23]float64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

func finite(n float64) bool { return !math.IsNaN(n) && !math.IsInf(n, 0) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
