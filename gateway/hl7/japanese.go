package hl7

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// appendJapanese decodes ISO IR87 and IR159, which are switched on by escape
// sequences (JIS X 0208, JIS X 0212), and ISO IR14 (JIS X 0201), whose half-width
// katakana stand above 0xA0 in eight-bit text. What is declared so may be UTF-8
// all the same.
func appendJapanese(dst, b []byte) []byte {
	if high(b) < len(b) && utf8.Valid(b) {
		return append(dst, b...)
	}
	decoder := japanese.ISO2022JP.NewDecoder()
	for len(b) > 0 {
		n := high(b)
		seven, err := decoder.Bytes(b[:n])
		if err != nil { // the decoder replaces what it cannot read; this is for safety
			return append(dst, "\uFFFD"...)
		}
		dst, b = append(dst, seven...), b[n:]
		for len(b) > 0 && b[0] >= utf8.RuneSelf {
			dst, b = utf8.AppendRune(dst, katakana(b[0])), b[1:]
		}
	}
	return dst
}

// high is the position of the first byte above ASCII, len(b) if there is none.
func high(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

func katakana(c byte) rune {
	if c > 0xa0 && c < 0xe0 {
		return '\uFF61' + rune(c) - 0xa1
	}
	return utf8.RuneError
}
