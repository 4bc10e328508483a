package hl7

// Some senders leave out the end of MSH, PID or PV1, so that the next segment stands
// in what looks like their last field:
//
//	MSH|^~\&|PUMP||||||ORU^R01|7|P|2.3PID|||...
//	PID|||4711||Doe^JanePV1||I|ICU^7OBR|1||...
//
// It is told by its name before a separator, at a place where neither segment can
// well have such a text. Left together, a patient's data would be read as fields
// of the header.

// versionField is MSH-12, before which no sender ends the header.
const versionField = 12

func mayBeGlued(n name) bool { return n == nameMSH || n == namePID || n == namePV1 }

// follows says that a segment of that name comes after MSH or PID.
func follows(n name) bool {
	switch n {
	case namePID, namePV1, nameOBR, nameOBX, nameNTE, namePRT,
		'E'<<16 | 'V'<<8 | 'N', 'P'<<16 | 'D'<<8 | '1', 'P'<<16 | 'V'<<8 | '2', 'N'<<16 | 'K'<<8 | '1',
		'O'<<16 | 'R'<<8 | 'C', 'A'<<16 | 'L'<<8 | '1', 'S'<<16 | 'F'<<8 | 'T', 'U'<<16 | 'A'<<8 | 'C':
		return true
	}
	return false
}

// glued is where in the line of a segment the next one begins that is glued to it;
// 0 if there is none.
func glued(n name, line []byte, sep byte) int {
	field := 1
	for i, c := range line {
		if c != sep {
			continue
		}
		if gluable(n, field) && i >= 8 && gluedTo(n, line[i-3:i]) {
			return i - 3
		}
		field++
	}
	return 0
}

// gluable says that field may end in the name of another segment by mistake. In
// MSH the separator itself is field 1.
func gluable(n name, field int) bool {
	return n == namePID || n == namePV1 || n == nameMSH && field >= versionField
}

// gluedTo says that b is a name in upper case that follows a segment: PV1, whose
// places have names of all kinds, only OBR.
func gluedTo(n name, b []byte) bool {
	next := name(b[0])<<16 | name(b[1])<<8 | name(b[2])
	return next == nameOBR || n != namePV1 && follows(next)
}
