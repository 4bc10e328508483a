package hl7

import (
	"encoding/binary"
	"math/bits"
)

// fieldsFound is how many fields [Fields] finds in one go; what stands behind
// them is looked for when it is asked for.
const fieldsFound = 29

// Fields gives the fields of one segment after going through it once. Where they
// end is kept, not the values: few of them are read. The zero Fields is that of the
// zero Segment.
type Fields struct {
	segment Segment
	found   int
	all     bool                 // there are no more than those found
	ends    [fieldsFound + 1]int // of part n of what stands behind the name and its separator; ends[0] is before the first
}

// Of makes f the fields of s.
func (f *Fields) Of(s Segment) {
	f.segment, f.found, f.all = s, 0, false
	if len(s.raw) < 4 {
		return
	}
	f.ends[0] = -1
	f.found = cutAll(f.ends[1:], s.raw[4:], s.coding.field())
	f.all = f.found < fieldsFound
}

// Field is field n, as [Segment.Field] gives it.
func (f *Fields) Field(n int) Value {
	if f.segment.header() {
		if n <= 2 {
			return f.segment.headerField(n)
		}
		n-- // the separator after the name is field 1
	}
	if n < 1 || n > f.found {
		return f.behind(n)
	}
	from, to := f.ends[n-1]+1, f.ends[n]
	return Value{raw: f.segment.raw[4+from : 4+to : 4+to], coding: f.segment.coding}
}

// behind is part n of a segment, one that was not found at once.
func (f *Fields) behind(n int) Value {
	if n < 1 || f.all || len(f.segment.raw) < 4 {
		return Value{}
	}
	return Value{raw: nth(f.segment.raw[4:], f.segment.coding.field(), n), coding: f.segment.coding}
}

// cutAll writes the ends of the parts of b until ends is full, and gives their
// number. See nthOf for the eight bytes at once.
func cutAll(ends []int, b []byte, sep byte) int {
	if sep == 0 {
		return 0
	}
	pattern, n, at := ones*uint64(sep), 0, 0
	for ; len(b)-at >= 8; at += 8 {
		for hits := equal(binary.LittleEndian.Uint64(b[at:]), pattern); hits != 0; hits &= hits - 1 {
			if n == len(ends) {
				return n
			}
			ends[n] = at + bits.TrailingZeros64(hits)>>3
			n++
		}
	}
	for ; at < len(b); at++ {
		if b[at] != sep {
			continue
		}
		if n == len(ends) {
			return n
		}
		ends[n] = at
		n++
	}
	if n < len(ends) {
		ends[n] = len(b)
		n++
	}
	return n
}

const ones, low = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f

// equal has 0x80 in each byte of word that is the one pattern repeats.
func equal(word, pattern uint64) uint64 {
	x := word ^ pattern
	return ^((x&low + low) | x | low)
}

// nthWithin is part n of b up to the first end: nth of nth 1, in one go.
func nthWithin(b []byte, end, sep byte, n int) []byte {
	if end == 0 || sep == 0 || n < 1 {
		return nth(nth(b, end, 1), sep, n)
	}
	ends, seps, from, at := ones*uint64(end), ones*uint64(sep), 0, 0
	for ; len(b)-at >= 8; at += 8 {
		word := binary.LittleEndian.Uint64(b[at:])
		stop := equal(word, ends)
		for hits := equal(word, seps) | stop; hits != 0; hits &= hits - 1 {
			bit := bits.TrailingZeros64(hits)
			i := at + bit>>3
			if n--; n == 0 {
				return b[from:i:i]
			}
			if stop>>bit&1 != 0 {
				return nil
			}
			from = i + 1
		}
	}
	for ; at < len(b); at++ {
		c := b[at]
		if c != sep && c != end {
			continue
		}
		if n--; n == 0 {
			return b[from:at:at]
		}
		if c == end {
			return nil
		}
		from = at + 1
	}
	if n != 1 {
		return nil
	}
	return b[from:]
}
