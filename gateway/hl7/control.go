package hl7

import "bytes"

const (
	headBytes    = 8192 // how far into broken input an MSH is looked for
	maxControlID = 199  // length of MSH-10 (2.14.9.10)
)

// ControlID finds MSH-10 in input that may be broken: cut off, with rubbish
// before, without framing. It is nil if there is none that could be echoed:
// printable and not longer than the standard allows. It points into raw.
func ControlID(raw []byte) []byte {
	line, field, ended := headerLine(raw)
	if !ended && bytes.Count(line, []byte{field}) < 9 {
		return nil // the end of MSH-10 is not in sight: it may be cut off
	}
	id := nth(line, field, 9)
	if len(id) > maxControlID || !printable(id) {
		return nil
	}
	return id
}

// headerLine finds what follows the separator of the first MSH, and whether
// the line ends within raw. Without an MSH the line is empty.
func headerLine(raw []byte) (line []byte, field byte, ended bool) {
	raw = raw[:min(len(raw), headBytes)]
	at := bytes.Index(raw, []byte("MSH"))
	if at < 0 || len(raw) < at+5 || !separator(raw[at+3]) {
		return nil, '|', false
	}
	line = raw[at+4:]
	if i := bytes.IndexAny(line, "\r\n\x1c\x0b"); i >= 0 {
		line, ended = line[:i], true
	}
	return line, raw[at+3], ended
}

// Reject appends a refusal (AR, or CR where the sender asked for it) of input
// that may be broken, and says whether there is one: only if a control id can
// be read, and not for an acknowledgement.
func Reject(dst, raw []byte, o AckOptions) ([]byte, bool) {
	id := ControlID(raw)
	if len(id) == 0 {
		return dst, false
	}
	if m, err := Parse(raw); err == nil {
		return Ack(dst, &m, Rejected, o)
	}
	line, field, _ := headerLine(raw)
	if kind := nth(line, field, 8); acknowledgement(kind[:min(len(kind), 3)]) {
		return dst, false
	}
	b := NewBuilder(dst, standardBut(field))
	b.Segment("MSH").To(7).Time(o.Now, Second)
	b.To(9).Field("ACK").Field(o.id()).Field("P").Field("2.6")
	code := "AR"
	if o.Mode == AckEnhanced {
		code = "CR"
	}
	b.Segment("MSA").Field(code).NextField().Raw(id)
	b.condition(o.Error)
	return b.Bytes(), true
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
