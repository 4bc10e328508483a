package hl7

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// appendJapanese decodes ISO IR87 and IR159, which are switched on by escape
// sequences (JIS X 0208, JIS X 0212), and ISO IR14 (JIS X 0201), whose half-width
// katakana stand above 0xA0 in eight-bit text. What is declared so may be UTF-8
// all the same. A segment begins in ASCII, whatever the one before left open: a name
// that was cut short takes nothing with it.
func appendJapanese(dst, b []byte) []byte {
	if high(b) < len(b) && utf8.Valid(b) {
		return append(dst, b...)
	}
	decoder := japanese.ISO2022JP.NewDecoder()
	for len(b) > 0 {
		n := sevenBit(b)
		dst, b = appendSevenBit(dst, b[:n], decoder), b[n:]
		for len(b) > 0 && b[0] >= utf8.RuneSelf {
			dst, b = utf8.AppendRune(dst, katakana(b[0])), b[1:]
		}
		for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
			dst, b = append(dst, b[0]), b[1:]
		}
	}
	return dst
}

func appendSevenBit(dst, b []byte, decoder *encoding.Decoder) []byte {
	if plain(b) {
		return append(dst, b...)
	}
	decoded, err := decoder.Bytes(b)
	if err != nil { // the decoder replaces what it cannot read; this is for safety
		return append(dst, "\uFFFD"...)
	}
	return append(dst, decoded...)
}

// sevenBit is how far text goes before a byte above ASCII or the end of its segment.
func sevenBit(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf || c == '\r' || c == '\n' {
			return i
		}
	}
	return len(b)
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
