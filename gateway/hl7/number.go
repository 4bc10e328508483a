package hl7

import "strconv"

// maxNumber bounds the length of a number; NM allows 16 characters (2.A.47).
const maxNumber = 32

// ParseNumber reads an NM: an optional sign, digits, an optional dot and
// digits, blanks around. Exponents, commas, comparisons, "NaN" and "Inf" are no
// numbers here, whatever a programming language thinks of them; nor is
// anything a device writes for "not measured".
//
// The error is a [*SyntaxError] with the offset in b.
func ParseNumber(b []byte) (float64, error) {
	from, to := 0, len(b)
	for from < to && b[from] == ' ' {
		from++
	}
	for to > from && b[to-1] == ' ' {
		to--
	}
	if at, ok := numberShaped(b[from:to]); !ok {
		return 0, &SyntaxError{Offset: from + at, Err: ErrNumber}
	}
	f, err := strconv.ParseFloat(string(b[from:to]), 64)
	if err != nil {
		return 0, &SyntaxError{Offset: from, Err: ErrNumber}
	}
	return f, nil
}

// numberShaped checks the form and says where it is left.
func numberShaped(b []byte) (int, bool) {
	digits, dots := 0, 0
	for i, c := range b {
		switch {
		case digit(c):
			digits++
		case c == '.' && dots == 0:
			dots++
		case (c == '+' || c == '-') && i == 0:
		default:
			return i, false
		}
	}
	return len(b), digits > 0 && len(b) <= maxNumber
}
