package pcd

import (
	"bytes"
	"strings"
	"time"

	"medfleet"
	"medfleet/gateway/hl7"
)

// Message is a parsed HL7 message. In this package only the sieve looks into one.
type Message = hl7.Message

// sieve is all that the rest of the package sees of a message: segments by
// their index, what kind they are, and values by place. A value that is not on
// the allow-list, stands in a row the list does not name or is not of the
// declared shape reads as nothing.
type sieve struct {
	mapper   *Mapper
	segments []hl7.Segment
	kinds    []segmentKind
	subjects []subject // by segment, set when an OBX is classified
	decoded  []byte    // text whose escapes were resolved, until the next message
	open     bool      // lets everything through: the control of the tests
	usual    bool      // the message has the usual separators
	known    names
	codes    map[string]subject // what codes are about, by an OBX-3 of allowed values alone

	// The fields of the segment read last: finding one means going through
	// all before it.
	at     int
	fields hl7.Fields
}

func (s *sieve) begin(m *Mapper, msg *Message) {
	s.mapper, s.segments, s.open = m, msg.Segments(), unfiltered || m != nil && m.open
	n := len(s.segments)
	if cap(s.subjects) < n {
		s.subjects = make([]subject, n)
	}
	s.subjects, s.kinds = s.subjects[:n], s.kinds[:0]
	clear(s.subjects)
	for i := range s.segments {
		s.kinds = append(s.kinds, kindOf(s.segments[i].Name()))
	}
	s.at, s.decoded = -1, s.decoded[:0]
	sep, usual := msg.Separators(), hl7.Standard()
	sep.Truncation = usual.Truncation
	s.usual = sep == usual && !s.open
}

// end forgets the message, whose memory is somebody else's.
func (s *sieve) end() {
	s.mapper, s.segments = nil, nil
	s.fields.Of(hl7.Segment{})
}

func (s *sieve) count() int { return len(s.segments) }

// kind says which segment it is, as far as that matters here.
func (s *sieve) kind(i int) segmentKind { return s.kinds[i] }

func kindOf(name string) segmentKind {
	switch name {
	case "OBX":
		return segmentOBX
	case "OBR":
		return segmentOBR
	case "MSH":
		return segmentMSH
	case "PID":
		return segmentPatient
	case "PV1":
		return segmentPV1
	case "PRT":
		return segmentPRT
	}
	return segmentOther
}

// title is a segment's name for a dead letter, as far as it is a name: those
// of the standard and of makers (Z..). Text that got between the segments can
// look like one.
func (s *sieve) title(i int) string {
	name := s.segments[i].Name()
	if name == "" || name[0] != 'Z' && !strings.Contains(standardSegments, name) {
		return "???"
	}
	return name
}

const standardSegments = "MSH SFT UAC MSA ERR EVN PID PD1 NK1 PV1 PV2 ARV ROL PRT OBR OBX ORC NTE TQ1 TQ2 SPM SAC " +
	"DG1 AL1 IAM PR1 GT1 IN1 IN2 IN3 ACC DRG PDA MRG RXA RXC RXD RXE RXG RXO RXR RXV QRD QRF QPD RCP DSP DSC " +
	"SCH RGS AIS AIG AIL AIP TXA FT1 BLG CTI CTD CON DEV FHS BHS BTS FTS"

// length is a segment's length in bytes.
func (s *sieve) length(i int) int { return len(s.segments[i].Bytes()) }

// all gives every field of a segment, and nothing unless the sieve is open.
func (s *sieve) all(i int, yield func(n int, text string)) {
	if !s.open {
		return
	}
	for n := 1; n <= s.segments[i].Fields(); n++ {
		yield(n, s.segments[i].Field(n).String())
	}
}

// filled tells where in a segment something stands, and not what.
func (s *sieve) filled(i int, yield func(field, component int)) {
	for n := 1; n <= s.segments[i].Fields(); n++ {
		c := 0
		for v := range s.segments[i].Field(n).Components() {
			if c++; !v.IsEmpty() {
				yield(n, c)
			}
		}
	}
}

// get reads the first repetition of a place, nil if there is nothing or it may
// not be read. It is valid until the next message.
func (s *sieve) get(i int, p place) []byte { return s.nth(i, p, 1) }

// nth reads repetition n of a place.
func (s *sieve) nth(i int, p place, n int) []byte {
	f := &shapes[allowed[p].shape]
	v, ok := s.cut(i, p, n)
	if !ok {
		return nil
	}
	b := bytes.Trim(v.Bytes(), " ")
	if f.text {
		b = s.decode(v)
	}
	if len(b) == 0 || string(b) == `""` || !s.open && !f.is(b) {
		return nil
	}
	return b
}

// cut takes a place out of its segment if the list allows it there. The shape
// is not yet checked.
func (s *sieve) cut(i int, p place, n int) (hl7.Value, bool) {
	r := &allowed[p]
	if i < 0 || i >= len(s.kinds) || s.kinds[i] != r.segment {
		return hl7.Value{}, false
	}
	if r.rows != 0 && r.rows&s.subjects[i].kind == 0 && !s.open {
		return hl7.Value{}, false
	}
	if r.segment == segmentPRT && p != prtKind && s.get(i, prtKind) == nil {
		return hl7.Value{}, false
	}
	v := s.field(i, r.field)
	if v.IsEmpty() {
		return v, false
	}
	if n > 1 {
		v = v.Repetition(n)
	}
	if r.component > 0 {
		v = v.Component(r.component)
	}
	return v, !v.IsEmpty()
}

// field reads a field; a segment is gone through once for all of them.
func (s *sieve) field(i, n int) hl7.Value {
	if i != s.at {
		s.at = i
		s.fields.Of(s.segments[i])
	}
	return s.fields.Field(n)
}

// written is OBX-3 as it stands in the message, to be told from others and not to
// be read.
func (s *sieve) written(i int) []byte { return s.field(i, allowed[obxCode].field).Bytes() }

// decode resolves charset and escapes; plain ASCII is used as it stands.
func (s *sieve) decode(v hl7.Value) []byte {
	from := len(s.decoded)
	s.decoded = v.AppendText(s.decoded)
	return bytes.Trim(s.decoded[from:len(s.decoded):len(s.decoded)], " ")
}

// blank says that nothing stands at a place, whatever its shape.
func (s *sieve) blank(i int, p place) bool {
	_, ok := s.cut(i, p, 1)
	return !ok
}

// text reads a place as a string that outlives the message.
func (s *sieve) text(i int, p place) string { return s.known.keep(s.get(i, p)) }

// number reads a place of that shape.
func (s *sieve) number(i int, p place) (float64, bool) {
	v, ok := s.cut(i, p, 1)
	if !ok {
		return 0, false
	}
	f, err := v.Number()
	return f, err == nil
}

// code reads a place that holds the number of a code, 0 if there is none.
func (s *sieve) code(i int, p place) uint32 { return decimal(s.get(i, p)) }

// stamp is a time as it was sent.
type stamp struct {
	at    medfleet.Millis // 0: there is none
	zoned bool            // it has a zone of its own
	exact bool            // it is told to the second
}

// time reads a place of that shape; the zone is for stamps without one.
func (s *sieve) time(i int, p place, zone *time.Location) stamp {
	v, ok := s.cut(i, p, 1)
	if !ok {
		return stamp{}
	}
	t, precision, err := hl7.ParseTime(v.Bytes(), zone)
	if err != nil || precision < hl7.Minute {
		return stamp{}
	}
	return stamp{medfleet.AsMillis(t), bytes.ContainsAny(v.Bytes(), "+-Z"), precision >= hl7.Second}
}

// measured says whether a measurement row holds a number; the number stays here.
func (s *sieve) measured(i int) bool {
	switch b := s.get(i, obxValid); string(b) {
	case "", notMeasured, "-32768", "-100":
		return false
	}
	return true
}

// word reads an enumeration: its text stands in component 2, or, when that is
// empty, in component 1. A bit number behind it is left out.
func (s *sieve) word(i, n int) []byte {
	if b := s.nth(i, obxWordText, n); b != nil {
		return withoutBit(b)
	}
	return withoutBit(s.nth(i, obxWord, n))
}

// parent reads the alert that OBR-29 names: its second component, with the id and
// the namespace as parts of it, or the first where a sender puts it there.
func (s *sieve) parent(i int) (id, space []byte) {
	if v, ok := s.cut(i, obrParent, 1); ok {
		return v.Subcomponent(1).Bytes(), v.Subcomponent(2).Bytes()
	}
	if v, ok := s.cut(i, obrParentID, 1); ok {
		return v.Subcomponent(1).Bytes(), v.Subcomponent(2).Bytes()
	}
	return nil, nil
}

// bed reads the bed of a PV1: the component, or its first part where a maker adds
// numbers of its own.
func (s *sieve) bed(i int) string {
	v, ok := s.cut(i, pv1Bed, 1)
	if !ok {
		return ""
	}
	b := s.decode(v.Subcomponent(1))
	if !s.open && !shapes[allowed[pv1Bed].shape].is(b) {
		return ""
	}
	return s.known.keep(b)
}

// notMeasured is what many devices send as the number for "no value".
const notMeasured = "32767"

func isNumber(b []byte) bool {
	_, err := hl7.ParseNumber(b)
	return err == nil
}

func isTime(b []byte) bool {
	_, precision, err := hl7.ParseTime(b, nil)
	return err == nil && precision >= hl7.Minute
}
