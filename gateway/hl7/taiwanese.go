package hl7

import (
	"cmp"
	"unicode/utf8"
)

// taiwanese reads CNS 11643-1992, which comes in two shapes; no byte of one means
// something else in the other, so that they may be mixed.
//
// Table 0211 says that the set "does not need an escape sequence": ASCII is what
// has no top bit. That is EUC-TW: two bytes with the top bit for plane 1, and four,
// of which the first is 8E and the second A0 and the number of the plane, for any.
//
// Where MSH-20 says ISO 2022-1994, sets are switched by its escape sequences
// (2.14.9.20), of which RFC 1922 tells the use: ESC $ and one of ( ) * + put a plane
// into G0 to G3, and SO, SI, SS2 (ESC N) and SS3 (ESC O) call one from there. Just
// before and after a separator the set is ASCII.
type taiwanese struct {
	sets    [4]byte // the plane that is in G0 to G3; 0: none, which in G0 is ASCII
	shifted bool    // SO: seven-bit bytes are those of G1
}

const (
	escape   = 0x1b
	shiftOut = 0x0e
	shiftIn  = 0x0f
	eucShift = 0x8e
)

// appendTaiwanese decodes CNS 11643-1992. What is cut short, and a character of no
// plane or place that we know, becomes U+FFFD.
func appendTaiwanese(dst, b []byte) []byte {
	var t taiwanese
	for n := 0; len(b) > 0; b = b[n:] {
		dst, n = t.append(dst, b)
	}
	return dst
}

// append decodes what b begins with and says how many bytes that was.
func (t *taiwanese) append(dst, b []byte) ([]byte, int) {
	switch c := b[0]; {
	case c == '\r' || c == '\n':
		t.sets[0], t.shifted = 0, false // a segment begins in ASCII, whatever was left open
	case c == escape:
		return t.escaped(dst, b)
	case c == shiftOut && t.sets[1] != 0:
		t.shifted = true
		return dst, 1
	case c == shiftIn && t.sets[1] != 0:
		t.shifted = false
		return dst, 1
	case c == eucShift && len(b) > 1 && b[1] > 0xa0 && b[1] <= 0xb0:
		return appendPair(dst, b, 2, b[1]-0xa0)
	case c >= utf8.RuneSelf:
		return appendPair(dst, b, 0, cmp.Or(t.sets[1], 1))
	case graphic(c) && t.lower() != 0:
		return appendPair(dst, b, 0, t.lower())
	}
	return append(dst, b[0]), 1
}

// lower is the plane of seven-bit bytes, 0 for ASCII.
func (t *taiwanese) lower() byte {
	if t.shifted {
		return t.sets[1]
	}
	return t.sets[0]
}

// escaped reads an escape sequence, and the character behind a single shift.
func (t *taiwanese) escaped(dst, b []byte) ([]byte, int) {
	switch {
	case len(b) > 3 && b[1] == '$' && b[2] >= '(' && b[2] <= '+' && b[3] >= 'G' && b[3] <= 'M':
		t.sets[b[2]-'('] = b[3] - 'G' + 1
		return dst, 4
	case len(b) > 2 && b[1] == '(' && b[2] == 'B':
		t.sets[0] = 0
		return dst, 3
	case len(b) > 1 && (b[1] == 'N' || b[1] == 'O') && t.sets[b[1]-'N'+2] != 0:
		return appendPair(dst, b, 2, t.sets[b[1]-'N'+2])
	}
	return utf8.AppendRune(dst, utf8.RuneError), 1
}

// appendPair decodes the two bytes behind a prefix. Where they are not a pair, the
// one that may be a separator or the end of a segment is left to be read anew.
func appendPair(dst, b []byte, prefix int, plane byte) ([]byte, int) {
	if len(b) < prefix+2 || !graphic(b[prefix]) || !graphic(b[prefix+1]) || (b[prefix]^b[prefix+1])&0x80 != 0 {
		return utf8.AppendRune(dst, utf8.RuneError), max(prefix, 1)
	}
	return utf8.AppendRune(dst, cnsRune(plane, b[prefix], b[prefix+1])), prefix + 2
}

// graphic says that a byte may be in a character of two: 94 are, with the top bit or
// without.
func graphic(c byte) bool { return c&0x7f > ' ' && c&0x7f < 0x7f }
