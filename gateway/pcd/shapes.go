package pcd

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// shape is what a value must look like to be read.
type shape uint8

const (
	shapeAny shape = iota
	shapeName
	shapePrintable
	shapeIdentity
	shapeModel
	shapePlace
	shapeControl
	shapeCode
	shapeRefID
	shapeDotted
	shapeNumber
	shapeEqual
	shapeValidity
	shapeWord
	shapeUnit
	shapeTime
	shapeType
	shapeLetter
	shapeLetters
	shapeAnswer
	shapeMethod
	shapeEquipment
	shapeService
	shapeHexCode
	shapeVendorCode
	shapeSystem
	shapeMessage
	shapeMakerModel
	shapeRevision
	shapeRevisions
)

// form is a shape's test and its words. A form with text is decoded before the
// test: its character set and its escapes.
type form struct {
	words string
	text  bool
	is    func([]byte) bool
}

var shapes = [...]form{
	shapeAny:       {"anything up to 1024 bytes", false, func(b []byte) bool { return len(b) <= 1024 }},
	shapeName:      {"up to 64 bytes of letters of any script, digits, blanks and . _ - + /", true, isName},
	shapePrintable: {"up to 128 bytes without control characters", true, func(b []byte) bool { return every(b, 128, func(c byte) bool { return c >= ' ' && c != 0x7f }) }},
	shapeIdentity:  {"up to 64 letters, digits, blanks and . _ - + / : # ( ), a digit among them, not only zeros", true, isIdentity},
	shapeModel:     {"up to 40 letters, digits, blanks and . _ - + / ( ), beginning with a letter or digit", true, isModel},
	shapePlace:     {"up to 32 letters, digits, blanks and . _ - / #", true, isPlace},
	shapeControl:   {"up to 64 letters, digits and . _ - :", false, func(b []byte) bool { return every(b, 64, isControlByte) }},
	shapeCode:      {"up to 7 digits", false, func(b []byte) bool { return every(b, 7, isDigit) }},
	shapeRefID:     {"MDC and up to 77 capitals, digits and _", false, isRefID},
	shapeDotted:    {"up to 64 digits and dots", false, func(b []byte) bool { return every(b, 64, isDotted) }},
	shapeNumber:    {"a number", false, isNumber},
	shapeEqual:     {"=", false, func(b []byte) bool { return string(b) == "=" }},
	shapeValidity:  {"only whether it is a number", false, isNumber},
	shapeWord:      {"a word of up to 64 letters, digits, - and _, perhaps with its bit: onMains(0)", false, isWord},
	shapeUnit:      {"a unit code or name of up to 40 bytes without blanks", true, func(b []byte) bool { return every(b, 40, isUnitByte) }},
	shapeTime:      {"an HL7 time, at least to the minute", false, isTime},
	shapeType:      {"2 or 3 capitals and digits", false, isType},
	shapeLetter:    {"one capital", false, func(b []byte) bool { return every(b, 1, isCapital) }},
	shapeLetters:   {"up to 4 capitals", false, func(b []byte) bool { return every(b, 4, isCapital) }},
	shapeAnswer:    {"AL, NE, ER or SU", false, isAnswer},
	shapeMethod:    {"a method of measurement: up to 20 capitals, digits and _", false, func(b []byte) bool { return every(b, 20, isRefIDByte) }},
	shapeEquipment: {"EQUIP", false, func(b []byte) bool { return string(b) == "EQUIP" }},

	shapeService:    {"ALARM, WAVEFORM, CONTINUOUS WAVEFORM, BOUNDED WAVEFORM or BOUNDED WAVEFORMS", false, isService},
	shapeHexCode:    {"partition and term, four hexadecimal digits each: 0002-4bb8", false, isHexCode},
	shapeVendorCode: {"a code of up to 24 letters, digits and . _ - /, a digit among them", false, isVendorCode},
	shapeSystem:     {"a coding system: up to 16 capitals, digits, - and _", false, func(b []byte) bool { return every(b, 16, isSystemByte) }},
	shapeMessage:    {"up to 64 letters, digits, blanks and . _ - + / ! * : ? <", true, func(b []byte) bool { return every(b, 64, isMessageByte) }},
	shapeMakerModel: {"manufacturer=… model=…, each of up to 40 letters, digits, blanks and . _ - + / ( )", true, func(b []byte) bool { m, n := makerModel(b); return m != nil && n != nil }},
	shapeRevision:   {"a revision of up to 32 letters, digits and . _ - + /, a digit among them", false, isRevision},
	shapeRevisions:  {"several revisions, each after words such as Pump Firmware =", true, isRevisions},
}

// every says whether b has 1 to limit bytes and all of them are of a kind.
func every(b []byte, limit int, is func(byte) bool) bool {
	if len(b) == 0 || len(b) > limit {
		return false
	}
	for _, c := range b {
		if !is(c) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool   { return c >= '0' && c <= '9' }
func isCapital(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLetter(c byte) bool  { return isCapital(c) || c >= 'a' && c <= 'z' }
func isAlnum(c byte) bool   { return isLetter(c) || isDigit(c) }
func isDotted(c byte) bool  { return isDigit(c) || c == '.' }

func isRefIDByte(c byte) bool   { return isCapital(c) || isDigit(c) || c == '_' }
func isControlByte(c byte) bool { return isAlnum(c) || c == '.' || c == '_' || c == '-' || c == ':' }
func isUnitByte(c byte) bool    { return c > ' ' && c != 0x7f }

func isNameByte(c byte) bool {
	return isAlnum(c) || c == ' ' || c == '.' || c == '_' || c == '-' || c == '+' || c == '/'
}

func isMessageByte(c byte) bool { return isNameByte(c) || strings.IndexByte("!*:?<", c) >= 0 }
func isSystemByte(c byte) bool  { return isRefIDByte(c) || c == '-' }

func isModelByte(c byte) bool    { return isNameByte(c) || c == '(' || c == ')' }
func isIdentityByte(c byte) bool { return isModelByte(c) || c == ':' || c == '#' }

// isIdentity asks for a digit: a person's name has none. A row of zeros is what
// a sender writes that knows no number.
func isIdentity(b []byte) bool {
	digit, more := false, false
	for _, c := range b {
		digit = digit || isDigit(c)
		more = more || isAlnum(c) && c != '0'
	}
	return digit && more && every(b, 64, isIdentityByte)
}

func isModel(b []byte) bool { return every(b, 40, isModelByte) && isAlnum(b[0]) }

// isName allows letters of any script: Dräger.
func isName(b []byte) bool {
	return len(b) <= 64 && lettered(b, isNameByte)
}

// isPlace allows letters of any script: wards are named in the local language.
func isPlace(b []byte) bool {
	return utf8.RuneCount(b) <= 32 && lettered(b, func(c byte) bool {
		return isDigit(c) || c == ' ' || c == '.' || c == '_' || c == '-' || c == '/' || c == '#'
	})
}

// lettered says that b is some text of letters of any script and what else of ASCII
// may be among them.
func lettered(b []byte, may func(byte) bool) bool {
	for rest := b; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError || !unicode.IsLetter(r) && (r >= utf8.RuneSelf || !may(byte(r))) {
			return false
		}
		rest = rest[size:]
	}
	return len(b) > 0
}

func isRefID(b []byte) bool {
	return len(b) > 4 && string(b[:3]) == "MDC" && (b[3] == '_' || b[3] == 'X') && every(b, 80, isRefIDByte)
}

func isWord(b []byte) bool {
	b = withoutBit(b)
	return every(b, 64, func(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }) && isLetter(b[0])
}

// withoutBit cuts the number of an ASN.1 bit off its name: onMains(0).
func withoutBit(b []byte) []byte {
	n := len(b)
	if n < 4 || b[n-1] != ')' {
		return b
	}
	for i := n - 2; i > 0; i-- {
		switch {
		case b[i] == '(' && i < n-2:
			return b[:i]
		case !isDigit(b[i]):
			return b
		}
	}
	return b
}

func isType(b []byte) bool {
	return len(b) >= 2 && every(b, 3, func(c byte) bool { return isCapital(c) || isDigit(c) })
}

func isAnswer(b []byte) bool {
	switch string(b) {
	case "AL", "NE", "ER", "SU":
		return true
	}
	return false
}

// services are the words that some makers write for the code of OBR-4.
func isService(b []byte) bool {
	switch string(b) {
	case "ALARM", "WAVEFORM", "CONTINUOUS WAVEFORM", "BOUNDED WAVEFORM", "BOUNDED WAVEFORMS":
		return true
	}
	return false
}

func isHexCode(b []byte) bool { return hexCode(b) != 0 }

// hexCode reads partition and term as Philips monitors write them, 0 if b is
// anything else.
func hexCode(b []byte) uint32 {
	const size, dash = 9, 4
	if len(b) != size || b[dash] != '-' {
		return 0
	}
	n := uint32(0)
	for i, c := range b {
		switch c = lower(c); {
		case i == dash:
		case isDigit(c):
			n = n<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint32(c-'a'+10)
		default:
			return 0
		}
	}
	return n
}

// isVendorCode asks for a digit: a person's name has none.
func isVendorCode(b []byte) bool {
	return withDigit(b) && every(b, 24, func(c byte) bool { return isAlnum(c) || c == '.' || c == '_' || c == '-' || c == '/' })
}

func withDigit(b []byte) bool {
	for _, c := range b {
		if isDigit(c) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 0x20
	}
	return c
}
