package hl7

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// charset is a character set of table 0211.
type charset uint8

const (
	// charsetGuess reads UTF-8 where it is valid and Windows-1252 where not. It
	// stands for an empty MSH-18, for ASCII and all forms of UNICODE, because
	// what is declared so is often something else; and for names not known.
	charsetGuess charset = iota
	charset8859_1
	charset8859_2
	charset8859_3
	charset8859_4
	charset8859_5
	charset8859_6
	charset8859_7
	charset8859_8
	charset8859_9
	charset8859_15
	charsetKorean
	// The following use bytes of the ASCII range inside characters, among them
	// | ^ ~ and \, so that a message must be decoded before it is split.
	charsetGB18030
	charsetBig5
	charsetJapanese
)

// charsetOf reads MSH-18. The first repetition is the default (2.14.9.18);
// the Japanese sets are switched on by escape sequences and so count
// wherever they stand.
func charsetOf(v Value) charset {
	first, n := charsetGuess, 0
	for rep := range v.Repetitions() {
		c := charsetNamed(rep.raw)
		if c == charsetJapanese {
			return c
		}
		if n == 0 {
			first = c
		}
		n++
	}
	return first
}

func charsetNamed(b []byte) charset {
	switch string(bytes.TrimSpace(b)) {
	case "8859/1":
		return charset8859_1
	case "8859/2":
		return charset8859_2
	case "8859/3":
		return charset8859_3
	case "8859/4":
		return charset8859_4
	case "8859/5":
		return charset8859_5
	case "8859/6":
		return charset8859_6
	case "8859/7":
		return charset8859_7
	case "8859/8":
		return charset8859_8
	case "8859/9":
		return charset8859_9
	case "8859/15":
		return charset8859_15
	case "KS X 1001":
		return charsetKorean
	case "GB 18030-2000":
		return charsetGB18030
	case "BIG-5":
		return charsetBig5
	case "ISO IR14", "ISO IR87", "ISO IR159":
		return charsetJapanese
	}
	return charsetGuess
}

// singleByte gives the table of a single-byte set, nil for the others. 8859/1
// is read as its superset Windows-1252, whose extra characters stand where
// 8859/1 has control codes nobody sends.
func (c charset) singleByte() *charmap.Charmap {
	switch c {
	case charsetGuess, charset8859_1:
		return charmap.Windows1252
	case charset8859_2:
		return charmap.ISO8859_2
	case charset8859_3:
		return charmap.ISO8859_3
	case charset8859_4:
		return charmap.ISO8859_4
	case charset8859_5:
		return charmap.ISO8859_5
	case charset8859_6:
		return charmap.ISO8859_6
	case charset8859_7:
		return charmap.ISO8859_7
	case charset8859_8:
		return charmap.ISO8859_8
	case charset8859_9:
		return charmap.ISO8859_9
	case charset8859_15:
		return charmap.ISO8859_15
	}
	return nil
}

func (c charset) multiByte() encoding.Encoding {
	switch c {
	case charsetKorean:
		return korean.EUCKR
	case charsetGB18030:
		return simplifiedchinese.GB18030
	case charsetBig5:
		return traditionalchinese.Big5
	case charsetJapanese:
		return japanese.ISO2022JP
	}
	return encoding.Replacement
}

// appendUTF8 appends b, text in c, as UTF-8.
func (c charset) appendUTF8(dst, b []byte) []byte {
	if c == charsetGuess && utf8.Valid(b) {
		return append(dst, b...)
	}
	table := c.singleByte()
	if table == nil {
		decoded, err := c.multiByte().NewDecoder().Bytes(b)
		if err != nil { // the decoders replace what they cannot read; this is for safety
			return append(dst, "\uFFFD"...)
		}
		return append(dst, decoded...)
	}
	for _, char := range b {
		dst = utf8.AppendRune(dst, table.DecodeByte(char))
	}
	return dst
}

func (c *coding) appendDecoded(dst, b []byte) []byte {
	if c.transcoded || plain(b) {
		return append(dst, b...)
	}
	return c.charset.appendUTF8(dst, b)
}

// plain says that b is ASCII without ESC, the same in every set.
func plain(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0x1b {
			return false
		}
	}
	return true
}

// applyCharset reads MSH-18 and makes every value know it. Where characters
// may hold separator bytes, the message is decoded and split anew.
func (m *Message) applyCharset() error {
	c := charsetOf(m.Header().Field(18))
	if c == charsetGuess {
		return nil
	}
	m.coding.charset = c
	if c >= charsetGB18030 {
		m.coding.transcoded = true
		if !plain(m.raw) {
			m.own = c.appendUTF8(nil, m.raw)
			return m.split(m.own)
		}
	}
	for i := range m.segments {
		m.segments[i].coding = m.coding
	}
	return nil
}

// unwrap takes away what may stand around a message: a byte order mark, the
// block characters of a framing, blank lines. UTF-16 is decoded.
func (m *Message) unwrap(b []byte) []byte {
	if utf16(b) {
		decoded, err := unicode.UTF16(endian(b), unicode.UseBOM).NewDecoder().Bytes(b)
		if err == nil {
			m.own, b = decoded, decoded
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

func utf16(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch string(b[:4]) {
	case "M\x00S\x00", "\x00M\x00S":
		return true
	}
	return string(b[:2]) == "\xff\xfe" || string(b[:2]) == "\xfe\xff"
}

func endian(b []byte) unicode.Endianness {
	if b[0] == 0 || b[0] == 0xfe {
		return unicode.BigEndian
	}
	return unicode.LittleEndian
}
