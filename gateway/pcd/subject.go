package pcd

import (
	"bytes"

	"medfleet/profiles"
)

// subject is what an OBX row is about. number and refid are its code as far as
// it has the shape of one; metric is set in metric rows, profile in structure
// rows whose device type a profile declares. Unknown marks a code about
// equipment that nothing declares.
type subject struct {
	kind    rowKind
	number  uint32
	refid   string
	rank    int
	metric  string
	profile *profiles.Profile
	fault   *profiles.Fault // of a maker's alert
	unknown bool
}

// subject classifies an OBX row and remembers it: what may be read of its value
// follows from that.
func (s *sieve) subject(i int) subject {
	written := s.written(i)
	sub, ok := s.codes[string(written)]
	if !ok || !s.usual {
		sub = s.classify(i)
		s.remember(i, written, sub)
	}
	s.subjects[i] = sub
	return sub
}

func (s *sieve) classify(i int) subject {
	number, refid := s.code(i, obxCode), s.text(i, obxRefID)
	if number == 0 && refid == "" {
		number, refid = s.code(i, obxLateCode), s.text(i, obxEarlyRefID)
	}
	if number == 0 && refid == "" {
		number = hexCode(s.get(i, obxHexCode))
	}
	sub := s.mapper.subjectOf(number, refid)
	if sub.kind != rowOther {
		return sub
	}
	if other := s.mapper.subjectOf(s.code(i, obxOtherCode), s.text(i, obxOtherRefID)); other.kind != rowOther {
		return other
	}
	if f, ok := s.vendorAlert(i); ok {
		return subject{kind: rowVendorAlert, number: number, fault: f}
	}
	return sub
}

// remember keeps what a code is about, so that it is looked up once, when nothing
// stands in OBX-3 but a code, its name and their system.
func (s *sieve) remember(i int, written []byte, sub subject) {
	if !s.usual || sub.unknown || len(written) > maxCode { // of unknown ones a sender may have any number
		return
	}
	var room [maxCode]byte
	whole := append(append(room[:0], s.get(i, obxCode)...), '^')
	whole = append(append(whole, s.get(i, obxRefID)...), '^')
	if whole = append(whole, s.get(i, obxSystem)...); !bytes.Equal(whole, written) {
		return
	}
	if s.codes == nil || len(s.codes) >= maxNames {
		s.codes = make(map[string]subject)
	}
	s.codes[string(written)] = sub
}

// maxCode is how long an OBX-3 may be to be remembered.
const maxCode = 128

// vendorAlert finds a row that is an alert by its coding system: its code is in
// the makers' tables for whatever model.
func (s *sieve) vendorAlert(i int) (*profiles.Fault, bool) {
	system := s.get(i, obxSystem)
	switch string(system) {
	case "", "MDC", "LN", "SCT", "L":
		return nil, false
	}
	return s.fault("", system, s.get(i, obxVendorCode))
}

// fault looks a maker's code up, within its coding system unless that is nil.
func (s *sieve) fault(model string, system, code []byte) (*profiles.Fault, bool) {
	if len(code) == 0 || s.mapper == nil {
		return nil, false
	}
	if system == nil {
		return s.mapper.profiles.FaultBytes(model, code)
	}
	from := len(s.decoded)
	s.decoded = append(append(append(s.decoded, system...), ':'), code...)
	f, ok := s.mapper.profiles.FaultBytes(model, s.decoded[from:])
	s.decoded = s.decoded[:from]
	return f, ok
}
