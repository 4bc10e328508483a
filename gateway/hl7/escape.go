package hl7

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// maxSpaces bounds what one formatting command may add, so that a few bytes
// cannot become megabytes.
const maxSpaces = 16

// String is the value as text, see [Value.AppendText].
func (v Value) String() string {
	var scratch [64]byte
	return string(v.AppendText(scratch[:0]))
}

// AppendText appends the value as UTF-8 text: the character set decoded
// (MSH-18) and the escapes resolved (2.7). Escapes that are unknown, local or
// not closed stay as they are. Highlighting is dropped, line commands become
// newlines. Bytes that fit no character become U+FFFD, so the text is always
// valid UTF-8; it may hold any control character.
//
// It is meant for the undivided parts of a field. Separators of a larger value
// are left in the text and can no longer be told from escaped ones.
func (v Value) AppendText(dst []byte) []byte {
	esc := v.coding.escape()
	if esc == 0 || bytes.IndexByte(v.raw, esc) < 0 {
		return v.coding.appendDecoded(dst, v.raw)
	}
	var scratch [256]byte
	return v.coding.appendDecoded(dst, v.coding.unescape(scratch[:0], v.raw))
}

// unescape appends raw with its escapes resolved, still in the charset of raw.
func (c coding) unescape(dst, raw []byte) []byte {
	for {
		text, rest, found := cut(raw, c.escape())
		dst = append(dst, text...)
		if !found {
			return dst
		}
		body, after, closed := cut(rest, c.escape())
		if !closed {
			dst = append(dst, c.escape())
			return append(dst, rest...)
		}
		if local(body) {
			dst = append(dst, c.escape())
			dst = append(dst, body...)
			dst, raw = append(dst, c.escape()), after
			continue
		}
		resolved, ok := c.appendEscape(dst, body)
		if ok {
			dst, raw = resolved, after
			continue
		}
		// A lone escape character, as in a Windows path. The next one may
		// begin a true escape.
		dst, raw = append(dst, c.escape()), rest
	}
}

// local says that body is an escape with a meaning we do not know or do not
// need: \Zdd..\ (2.7.7), \Cxxyy\ and \Mxxyyzz\ (2.7.3).
func local(body []byte) bool {
	if len(body) < 2 {
		return false
	}
	switch body[0] {
	case 'Z':
		return true
	case 'C', 'M':
		_, err := hex.Decode(make([]byte, 4), body[1:min(len(body), 8)])
		return err == nil && (len(body) == 5 || len(body) == 7)
	}
	return false
}

// appendEscape appends what the escape \body\ stands for.
func (c coding) appendEscape(dst, body []byte) ([]byte, bool) {
	switch {
	case len(body) == 1:
		return c.appendCharacter(dst, body[0])
	case len(body) >= 3 && body[0] == 'X':
		return c.appendHex(dst, body[1:])
	case len(body) >= 3 && body[0] == '.':
		return appendFormatting(dst, body[1:])
	}
	return dst, false
}

// appendCharacter resolves the one-letter escapes (2.7.1, 2.7.2).
func (c coding) appendCharacter(dst []byte, letter byte) ([]byte, bool) {
	var char byte
	switch letter {
	case 'F':
		char = c.field()
	case 'S':
		char = c.component()
	case 'T':
		char = c.subcomponent()
	case 'R':
		char = c.repetition()
	case 'E':
		char = c.escape()
	case 'P':
		char = c.truncation()
	case 'H', 'N':
		return dst, true
	}
	if char == 0 {
		return dst, false
	}
	return append(dst, char), true
}

// appendHex resolves \Xhhhh..\ (2.7.5): bytes in the message's character set.
func (c coding) appendHex(dst, digits []byte) ([]byte, bool) {
	n := len(dst)
	decoded, err := hex.AppendDecode(dst, digits)
	if err != nil {
		return dst, false
	}
	if c.transcoded() {
		char := append([]byte(nil), decoded[n:]...)
		return c.charset().appendUTF8(decoded[:n], char), true
	}
	return decoded, true
}

// appendFormatting resolves the commands of formatted text (2.7.6).
func appendFormatting(dst, command []byte) ([]byte, bool) {
	count := 1
	if arg := bytes.TrimLeft(command[2:], " +"); len(arg) > 0 {
		n, err := strconv.ParseUint(string(arg), 10, 16)
		if err != nil {
			return dst, string(command[:2]) == "in" || string(command[:2]) == "ti"
		}
		count = min(int(n), maxSpaces)
	}
	switch string(command[:2]) {
	case "br", "ce", "sp":
		return append(dst, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"[:count]...), true
	case "sk":
		return append(dst, "                "[:count]...), true
	case "in", "ti", "fi", "nf":
		return dst, true
	}
	return dst, false
}
