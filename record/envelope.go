// Package record is the one form that a record has on disk and on the wire: an
// envelope around one line of InfluxDB line protocol. The envelope says what it
// is, where it came from and when; the line says what a device, a gateway or
// the loss of data has to tell. The line is never rewritten on its way.
//
// An envelope is, little-endian:
//
//	 0  version   1 byte   the first that knows the kind: 1, or 2 for an attachment
//	 1  kind      1 byte   1 observation, 2 event, 3 gap, 4 heartbeat, 5 attachment
//	 2  flags     2 bytes
//	 4  epoch     8 bytes  the opening of the spool that numbered it
//	12  sequence  8 bytes  its number in that spool
//	20  received  8 bytes  ms since 1970 UTC, the gateway's clock
//	28  gateway   1 byte length, then the name
//	    stream    1 byte length, then the name
//	    line      the rest
//
// On the wire envelopes follow one another, each with its length in front as an
// unsigned varint. A reader accepts its own version and the one before; since a
// record carries the lowest version that can tell it, one of version 1 goes on
// reading all but attachments, and says of those that it must be upgraded.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"medfleet"
)

// Kind says what a record is.
type Kind uint8

// The kinds of record.
const (
	Observation Kind = iota + 1
	Event
	Gap
	Heartbeat
	Attachment
)

// String names the kind as it is written in logs.
func (k Kind) String() string {
	switch k {
	case Observation:
		return "observation"
	case Event:
		return "event"
	case Gap:
		return "gap"
	case Heartbeat:
		return "heartbeat"
	case Attachment:
		return "attachment"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Flags say what is to be known about a record beside its values.
type Flags uint16

// The flags.
const (
	Late             Flags = 1 << iota // older than what was already known of the device
	Clamped                            // the device's clock was not plausible; the receiver's time is used
	Retained                           // state at an unknown time, from a broker's memory
	Historical                         // the sender says that it is not about now
	NotInService                       // the device is in demo, service or maintenance mode
	DuplicateSuspect                   // its key was seen before with other content
)

const (
	version    = 2
	headBytes  = 28
	maxName    = 64
	epochAt    = 4
	sequenceAt = 12
)

// version gives the first version of the envelope that has the kind.
func (k Kind) version() byte {
	if k >= Attachment {
		return 2
	}
	return 1
}

// ContentType is what a body of framed envelopes is sent as.
const ContentType = "application/vnd.medfleet.records"

// Envelope is a record taken apart. Gateway, Stream and Line are slices of what
// was parsed.
type Envelope struct {
	Kind     Kind
	Flags    Flags
	Epoch    uint64
	Sequence uint64
	Received medfleet.Millis
	Gateway  []byte
	Stream   []byte
	Line     []byte
}

// Append adds the envelope to dst. Names longer than 64 bytes are cut.
func (e *Envelope) Append(dst []byte) []byte {
	dst = append(dst, e.Kind.version(), byte(e.Kind))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(e.Flags))
	dst = binary.LittleEndian.AppendUint64(dst, e.Epoch)
	dst = binary.LittleEndian.AppendUint64(dst, e.Sequence)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Received))
	dst = appendName(dst, e.Gateway)
	dst = appendName(dst, e.Stream)
	return append(dst, e.Line...)
}

func appendName(dst, name []byte) []byte {
	name = name[:min(len(name), maxName)]
	dst = append(dst, byte(len(name)))
	return append(dst, name...)
}

// Errors of Parse and Next. Broken says that the bytes are no envelope; Newer
// that a later version of medfleet wrote it.
var (
	ErrBroken = errors.New("broken record envelope")
	ErrNewer  = errors.New("record envelope of a newer version: upgrade this side first")
)

// Parse takes an envelope apart without copying.
func Parse(b []byte) (Envelope, error) {
	if len(b) < headBytes+2 {
		return Envelope{}, ErrBroken
	}
	if b[0] > version {
		return Envelope{}, ErrNewer
	}
	e := Envelope{
		Kind: Kind(b[1]), Flags: Flags(binary.LittleEndian.Uint16(b[2:])),
		Epoch:    binary.LittleEndian.Uint64(b[epochAt:]),
		Sequence: binary.LittleEndian.Uint64(b[sequenceAt:]),
		Received: medfleet.Millis(binary.LittleEndian.Uint64(b[20:])),
	}
	rest, ok := b[headBytes:], true
	if e.Gateway, rest, ok = cutName(rest); !ok {
		return Envelope{}, ErrBroken
	}
	if e.Stream, e.Line, ok = cutName(rest); !ok || !e.Kind.in(b[0]) {
		return Envelope{}, ErrBroken
	}
	return e, nil
}

// in reports whether an envelope of this version can be of the kind.
func (k Kind) in(version byte) bool {
	return k >= Observation && k <= Attachment && version >= k.version()
}

func cutName(b []byte) (name, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) > maxName || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+b[0]], b[1+b[0]:], true
}

// Stamp writes the epoch and sequence that the spool gave into an envelope. A
// record gets its number when it is durable, which is after it was made.
func Stamp(b []byte, epoch, sequence uint64) {
	binary.LittleEndian.PutUint64(b[epochAt:], epoch)
	binary.LittleEndian.PutUint64(b[sequenceAt:], sequence)
}

// AppendFrame adds an envelope with its length in front.
func AppendFrame(dst, envelope []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(envelope)))
	return append(dst, envelope...)
}

// NextFrame cuts the first envelope off a body of frames.
func NextFrame(body []byte) (envelope, rest []byte, err error) {
	n, used := binary.Uvarint(body)
	if used <= 0 || n > uint64(len(body)-used) {
		return nil, nil, ErrBroken
	}
	return body[used : used+int(n)], body[used+int(n):], nil
}
