package hl7

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/bits"
	"time"
)

// Value is a field or a part of one: a repetition, a component, a
// subcomponent. It points into the message. The zero Value is empty.
//
// Numbers count from 1. A part that is not there is empty, and part 1 of
// something undivided is the thing itself, so that a component may be asked of
// a field that a sender left simple, and the first of one it divided (2.11).
type Value struct {
	raw    []byte
	coding coding
}

// Bytes is the value as it stands in the message, escapes unresolved. It must
// not be changed.
func (v Value) Bytes() []byte { return v.raw[:len(v.raw):len(v.raw)] }

// IsEmpty says that the sender gives no information.
func (v Value) IsEmpty() bool { return len(v.raw) == 0 }

// IsNull says that the value is `""`: the receiver is to forget what it knew (2.5.3.1).
func (v Value) IsNull() bool { return string(v.raw) == `""` }

// Repetition is repetition n of a field.
func (v Value) Repetition(n int) Value { return v.part(v.coding.repetition(), n) }

// Repetitions yields all repetitions; an empty field has none.
func (v Value) Repetitions() iter.Seq[Value] { return v.parts(v.coding.repetition()) }

// Component is component n of the first repetition.
func (v Value) Component(n int) Value { return v.within(v.coding.component(), n) }

// Components yields all components of the first repetition.
func (v Value) Components() iter.Seq[Value] { return v.Repetition(1).parts(v.coding.component()) }

// Subcomponent is subcomponent n of the first component of the first repetition.
func (v Value) Subcomponent(n int) Value { return v.Component(1).part(v.coding.subcomponent(), n) }

// Subcomponents yields all subcomponents of the first component of the first repetition.
func (v Value) Subcomponents() iter.Seq[Value] { return v.Component(1).parts(v.coding.subcomponent()) }

// Time reads component 1. See [ParseTime].
func (v Value) Time(loc *time.Location) (time.Time, Precision, error) {
	return ParseTime(v.Component(1).raw, loc)
}

// Number reads component 1 of the first repetition. See [ParseNumber].
func (v Value) Number() (float64, error) { return ParseNumber(v.Component(1).raw) }

// within is part n of the first repetition.
func (v Value) within(sep byte, n int) Value {
	v.raw = nthWithin(v.raw, v.coding.repetition(), sep, n)
	return v
}

func (v Value) part(sep byte, n int) Value {
	v.raw = nth(v.raw, sep, n)
	return v
}

func (v Value) parts(sep byte) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for rest, more := v.raw, len(v.raw) > 0; more; {
			part := Value{coding: v.coding}
			part.raw, rest, more = cut(rest, sep)
			if !yield(part) {
				return
			}
		}
	}
}

// cut gives what stands before the first separator and what after it. A zero
// separator separates nothing.
func cut(b []byte, sep byte) (before, after []byte, found bool) {
	if sep == 0 {
		return b, nil, false
	}
	i := bytes.IndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i:i], b[i+1:], true
}

// nth gives part n, counted from 1; nil if there are not so many.
func nth(b []byte, sep byte, n int) []byte {
	switch {
	case n < 1:
		return nil
	case sep == 0 && n == 1:
		return b
	case sep == 0:
		return nil
	}
	return nthOf(b, sep, n)
}

// nthOf looks at eight bytes at once: parts are short, so that a search for each
// separator would cost more.
func nthOf(b []byte, sep byte, n int) []byte {
	pattern, from, at := ones*uint64(sep), 0, 0
	for ; len(b)-at >= 8; at += 8 {
		x := binary.LittleEndian.Uint64(b[at:]) ^ pattern
		if (x-ones)&^x&^low == 0 {
			continue // no byte of these is sep
		}
		for hits := equal(x, 0); hits != 0; hits &= hits - 1 {
			i := at + bits.TrailingZeros64(hits)>>3
			if n--; n == 0 {
				return b[from:i:i]
			}
			from = i + 1
		}
	}
	for i := at; i < len(b); i++ {
		if b[i] != sep {
			continue
		}
		if n--; n == 0 {
			return b[from:i:i]
		}
		from = i + 1
	}
	if n != 1 {
		return nil
	}
	return b[from:]
}
