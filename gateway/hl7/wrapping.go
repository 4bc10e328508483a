package hl7

import (
	"bytes"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// unwrap takes away what may stand around a message: a byte order mark, the
// block characters of a framing, blank lines. UTF-16 and UTF-32 are decoded.
func (m *Message) unwrap(b []byte) []byte {
	if wide, c := wideOf(b); wide != nil {
		if decoded, err := wide.NewDecoder().Bytes(b); err == nil {
			m.own, b = decoded, decoded
			m.coding = coding(0).in(c).decoded()
		}
	}
	b = trimStart(b)
	for len(b) > 0 && framing(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// trimStart takes blanks, control characters and a byte order mark, before or
// after them, from the start.
func trimStart(b []byte) []byte {
	for range 2 {
		for len(b) > 0 && b[0] <= ' ' {
			b = b[1:]
		}
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	return b
}

func framing(c byte) bool { return c == '\r' || c == '\n' || c == 0x1c || c == 0x0b }

// wideOf tells UTF-16 and UTF-32 by their byte order mark, or by the zeros in the
// first letter of a message, file or batch; nil for text in bytes.
func wideOf(b []byte) (encoding.Encoding, charset) {
	if len(b) < 4 || b[0] != 0 && b[1] != 0 && b[0] < 0xfe {
		return nil, 0
	}
	head := string(b[:4])
	switch {
	case head == "\xff\xfe\x00\x00", first(b[0]) && head[1:] == "\x00\x00\x00":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), charsetUTF32
	case head == "\x00\x00\xfe\xff", head[:3] == "\x00\x00\x00" && first(b[3]):
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM), charsetUTF32
	case head[:2] == "\xff\xfe", first(b[0]) && b[1] == 0 && b[3] == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), charsetUTF16
	case head[:2] == "\xfe\xff", b[0] == 0 && first(b[1]) && b[2] == 0:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), charsetUTF16
	}
	return nil, 0
}

// first says that a message (MSH), a file (FHS) or a batch (BHS) begins so.
func first(c byte) bool {
	c = upper(c)
	return c == 'M' || c == 'F' || c == 'B'
}
