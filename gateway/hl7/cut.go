package hl7

import (
	"encoding/binary"
	"math/bits"
)

// Cut writes the fields of a segment into fields, each at its number as [Segment.Field]
// counts, as many as there is room for: to read several, this goes through the
// segment once. What is not there is empty.
func (s Segment) Cut(fields []Value) {
	clear(fields)
	if s.header() || s.coding.field() == 0 {
		for n := 1; n < len(fields); n++ {
			fields[n] = s.Field(n)
		}
		return
	}
	if len(s.raw) < 4 {
		return
	}
	const ones, low = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	b, n, from, at := s.raw[4:], 1, 0, 0
	pattern := ones * uint64(s.coding.field())
	for ; len(b)-at >= 8; at += 8 { // see nthOf
		x := binary.LittleEndian.Uint64(b[at:]) ^ pattern
		for hits := ^((x&low + low) | x | low); hits != 0; hits &= hits - 1 {
			if n >= len(fields) {
				return
			}
			i := at + bits.TrailingZeros64(hits)>>3
			fields[n] = Value{raw: b[from:i:i], coding: s.coding}
			n, from = n+1, i+1
		}
	}
	for ; at < len(b) && n < len(fields); at++ {
		if b[at] == s.coding.field() {
			fields[n] = Value{raw: b[from:at:at], coding: s.coding}
			n, from = n+1, at+1
		}
	}
	if n < len(fields) {
		fields[n] = Value{raw: b[from:], coding: s.coding}
	}
}
