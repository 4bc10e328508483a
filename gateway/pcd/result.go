package pcd

import (
	"time"

	"medfleet"
)

// Verdict says what a message is to us. What is answered follows from it.
type Verdict uint8

// The verdicts. NothingForUs is for messages that are well understood but hold
// no record: orders, demographics, measurements. Their observations, if any,
// have no readings; they are signs of life.
const (
	NotUnderstood Verdict = iota // HL7, but of no device we could name: a dead letter
	Understood                   // there is a record in it
	NothingForUs                 // accepted and counted
	AsksUs                       // a query: refused, we answer nothing about anybody
)

// String names the verdict as it is written in logs and counters.
func (v Verdict) String() string {
	switch v {
	case Understood:
		return "understood"
	case NothingForUs:
		return "nothing_for_us"
	case AsksUs:
		return "asks_us"
	}
	return "not_understood"
}

// Mark is what is to be known about an observation or event beside its values.
type Mark struct {
	Clamped      bool            // the device's time was not plausible; the gateway's is used
	DeviceTime   medfleet.Millis // the device's own time when Clamped
	NotInService bool            // MSH-11 says debugging or training, or OBX-8 says DEMO
	Historical   bool            // an event without duration that was kept back for long before it was sent
}

// Dropped counts what was left behind.
type Dropped struct {
	Segments int // segments nothing is ever read from: patient, visit, order, notes, unknown
	Rows     int // OBX that are not about equipment
	Values   int // values of equipment that are no plausible number in a known unit, or no known word
	Devices  int // devices that could not be named or have no profile
	Alerts   int // alerts that are not about equipment, or whose code nobody knows
	OddCodes int // odd event codes: no source says what they mean, so they never raise anything

	// Refused are the rows of Values, each with its reason; at most MaxUnknown.
	Refused []Refusal
	// Unknown are codes about equipment that no profile knows, as
	// number^REFID, for the counter; at most MaxUnknown.
	Unknown []string
}

// Bounds of one message. Devices and events beyond them are counted in Dropped.
const (
	MaxDevices = 512 // devices, and observations: one for each device and time
	MaxEvents  = 512
	MaxParts   = 512 // modules, and attachments
	MaxUnknown = 16  // unknown codes, and reasons for refused values
)

// Identity is what a device says of its own making: what recall lists are made
// of. Each is empty when the message does not say it. Firmware, Software and
// Hardware are revisions as the device words them: 1.1.13, or
// "Pump 1.1.13, Wifi 1.4.59" where it has several.
type Identity struct {
	Device       medfleet.DeviceID
	Class        medfleet.Class
	Time         medfleet.Millis // of the observation it came with
	Manufacturer string
	Model        string
	Serial       string
	Firmware     string
	Software     string
	Hardware     string
}

// Result is what one message says. It is reused: Mapper.Map empties it first
// and keeps its memory. It is not for concurrent use.
type Result struct {
	Verdict Verdict
	// Reason is for people. It quotes nothing of the message but its type.
	Reason string
	// Observations has one entry for each device and time; one without Readings
	// is only a sign of life. ObservationMarks goes with it, entry by entry.
	Observations     []medfleet.Observation
	ObservationMarks []Mark
	Events           []medfleet.Event
	EventMarks       []Mark
	// Attachments are parts with a name of their own that were seen in a device: a
	// module in its slot, a pump in a rack. AttachmentMarks goes with it.
	Attachments     []medfleet.Attachment
	AttachmentMarks []Mark
	// Identities has an entry for each device that told serial number, firmware
	// or the like.
	Identities []Identity
	// Sent is MSH-7, 0 if there is none: what clock skew is judged by.
	Sent medfleet.Millis
	// Skew is how far the sender's clock is ahead of the gateway's by MSH-7,
	// negative when it is behind. It is known only when MSH-7 is there, to the
	// second, and has a zone or the sender's configuration does. A message that
	// was kept back shows its age as skew.
	Skew      time.Duration
	SkewKnown bool
	// NoZone says that stamps came without a zone from a sender without
	// time_zone, and UTC was assumed.
	NoZone  bool
	Dropped Dropped
	Sender  *Sender

	reading reading
}

// Reset empties the result and keeps its memory.
func (res *Result) Reset() {
	res.Verdict, res.Reason = NotUnderstood, ""
	res.Observations, res.ObservationMarks = res.Observations[:0], res.ObservationMarks[:0]
	res.Events, res.EventMarks = res.Events[:0], res.EventMarks[:0]
	res.Attachments, res.AttachmentMarks = res.Attachments[:0], res.AttachmentMarks[:0]
	res.Identities = res.Identities[:0]
	res.Sent, res.NoZone, res.Sender = 0, false, nil
	res.Skew, res.SkewKnown = 0, false
	res.Dropped = Dropped{Unknown: res.Dropped.Unknown[:0], Refused: res.Dropped.Refused[:0]}
}

// addObservation appends an observation and keeps the memory for readings that
// an earlier one had in its place.
func (res *Result) addObservation(q medfleet.Equipment, at medfleet.Millis, gateway string) *medfleet.Observation {
	n := len(res.Observations)
	if n < cap(res.Observations) {
		res.Observations = res.Observations[:n+1]
	} else {
		res.Observations = append(res.Observations, medfleet.Observation{})
	}
	o := &res.Observations[n]
	*o = medfleet.Observation{Equipment: q, Time: at, Gateway: gateway, Readings: o.Readings[:0]}
	return o
}

// unknown notes a code for the counter.
func (res *Result) unknown(code string) {
	d := &res.Dropped
	if code == "" || len(d.Unknown) >= MaxUnknown {
		return
	}
	for _, have := range d.Unknown {
		if have == code {
			return
		}
	}
	d.Unknown = append(d.Unknown, code)
}
