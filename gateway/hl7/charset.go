package hl7

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
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
	charsetTaiwanese
	// charsetUTF16 and charsetUTF32 are those of messages that came so, big end
	// first: what is left of them are hexadecimal escapes.
	charsetUTF16
	charsetUTF32
)

// charsetField is MSH-18.
const charsetField = 18

// charsetOf reads MSH-18. The first repetition is the default (2.14.9.18);
// the Japanese sets are switched on by escape sequences and so count
// wherever they stand. So does the Taiwanese one beside ASCII, whose bytes it
// leaves alone.
func charsetOf(v Value) charset {
	first, ascii, n := charsetGuess, false, 0
	for rep := range v.Repetitions() {
		c := charsetNamed(rep.raw)
		switch {
		case c == charsetJapanese:
			return c
		case n == 0:
			name := bytes.TrimSpace(rep.raw)
			first, ascii = c, len(name) == 0 || string(name) == "ASCII"
		case ascii && c == charsetTaiwanese:
			first = c
		}
		n++
	}
	return first
}

// charsetNames are the names of table 0211, and what is written for them, without
// what stands between letters and digits. Those that are missing are guessed.
var charsetNames = map[string]charset{
	"88591": charset8859_1, "88592": charset8859_2, "88593": charset8859_3, "88594": charset8859_4, "88595": charset8859_5,
	"88596": charset8859_6, "88597": charset8859_7, "88598": charset8859_8, "88599": charset8859_9, "885915": charset8859_15,
	"IR100": charset8859_1, "IR101": charset8859_2, "IR109": charset8859_3, "IR110": charset8859_4, "IR144": charset8859_5,
	"IR127": charset8859_6, "IR126": charset8859_7, "IR138": charset8859_8, "IR148": charset8859_9,
	"IR14": charsetJapanese, "IR87": charsetJapanese, "IR159": charsetJapanese, "JISX0202": charsetJapanese, "JAS2020": charsetJapanese,
	"KSX1001": charsetKorean, "EUCKR": charsetKorean, "IR149": charsetKorean,
	"GB180302000": charsetGB18030, "GB18030": charsetGB18030, "GBK": charsetGB18030, "GB2312": charsetGB18030,
	"BIG5": charsetBig5, "CNS116431992": charsetTaiwanese, "CNS11643": charsetTaiwanese, "EUCTW": charsetTaiwanese,
}

// charsetNamed reads one repetition of MSH-18.
func charsetNamed(b []byte) charset {
	var key [16]byte
	n := 0
	for _, c := range b {
		if c = upper(c); !letter(c) && !digit(c) {
			continue
		}
		if n == len(key) {
			return charsetGuess
		}
		key[n] = c
		n++
	}
	return charsetNames[string(bytes.TrimPrefix(key[:n], []byte("ISO")))]
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
	case charsetUTF16:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case charsetUTF32:
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	}
	return encoding.Replacement
}

// appendUTF8 appends b, text in c, as UTF-8.
func (c charset) appendUTF8(dst, b []byte) []byte {
	if c == charsetGuess && utf8.Valid(b) {
		return append(dst, b...)
	}
	switch c {
	case charsetJapanese:
		return appendJapanese(dst, b)
	case charsetTaiwanese:
		return appendTaiwanese(dst, b)
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

func (c coding) appendDecoded(dst, b []byte) []byte {
	if c.transcoded() || plain(b) {
		return append(dst, b...)
	}
	return c.charset().appendUTF8(dst, b)
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
	if m.coding.transcoded() { // UTF-16 or UTF-32, whatever MSH-18 says
		return nil
	}
	c := charsetOf(m.Header().Field(charsetField))
	if c == charsetGuess {
		c = m.concealed()
	}
	if c == charsetGuess {
		return nil
	}
	m.coding = m.coding.in(c)
	if c >= charsetGB18030 {
		m.coding = m.coding.decoded()
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

// maxConcealed is how long a header may be for its character set to be looked for.
const maxConcealed = 4 << 10

// concealed is a set that MSH-18 names and nobody finds there: a character before
// it holds the byte of a separator, and the fields behind have other numbers. Read
// in that set, the header names it.
func (m *Message) concealed() charset {
	header := m.Header()
	if len(header.raw) > maxConcealed || plain(header.raw) {
		return charsetGuess
	}
	for _, c := range [...]charset{charsetGB18030, charsetBig5, charsetJapanese, charsetTaiwanese} {
		header.raw = c.appendUTF8(nil, m.Header().raw)
		if charsetOf(header.Field(charsetField)) == c {
			return c
		}
	}
	return charsetGuess
}
