package hl7

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Outcome is what became of a message.
type Outcome byte

// The outcomes, with the codes they give in original and enhanced mode (table 0008).
const (
	Accepted Outcome = 'A' // AA, CA: safely stored
	Failed   Outcome = 'E' // AE, CE: not now; the sender may try again
	Rejected Outcome = 'R' // AR, CR: never; the sender must not try again
)

// AckMode chooses the acknowledgement codes (2.9.2, 2.9.3).
type AckMode uint8

const (
	// AckAuto takes the mode from the message: original when MSH-15 and MSH-16
	// are both empty, else enhanced.
	AckAuto AckMode = iota
	// AckOriginal answers AA, AE, AR. Many senders understand nothing else,
	// whatever they write into MSH-15.
	AckOriginal
	// AckEnhanced answers CA, CE, CR.
	AckEnhanced
)

// AckOptions complete an answer. The zero value is usable but for Now.
type AckOptions struct {
	Mode  AckMode
	Now   time.Time  // MSH-7 of the answer
	ID    string     // MSH-10 of the answer; empty: made from Now
	Error *Condition // ERR segment; nil: none
}

// Condition is the content of an ERR segment (2.14.5).
type Condition struct {
	Location string // ERR-2, components by ^: segment^sequence^field^repetition^component^subcomponent
	Code     int    // ERR-3, table 0357: 100 sequence, 101 required field, 102 data type, 200 message type, 207 internal ...
	Severity string // ERR-4: F, E, W or I
	Text     string // ERR-7, a diagnosis; never a value of the message
}

// Ack appends to dst the answer to req and says whether one is to be sent: not
// to an acknowledgement, and not where MSH-15 and MSH-16 do not ask for one.
//
// One answer is given per message. A sender that wants both a commit and an
// application acknowledgement gets the commit one; its application part never
// knew the message.
func Ack(dst []byte, req *Message, outcome Outcome, o AckOptions) ([]byte, bool) {
	var in Fields
	in.Of(req.Header())
	class, wanted := answerClass(req, &in, outcome, o.Mode)
	if !wanted {
		return dst, false
	}
	b := NewBuilder(dst, req.Separators())
	b.answerHeader(&in, o)
	b.NextField().Raw(in.Field(11).raw)
	b.NextField().Raw(in.Field(12).raw)
	if set := in.Field(18); req.coding.transcoded() {
		b.To(18).Field("UNICODE UTF-8")
	} else if !set.IsEmpty() {
		b.To(18).NextField().Raw(set.raw)
	}
	b.Segment("MSA").Field(string([]byte{class, byte(outcome)}))
	b.NextField().Raw(in.Field(10).raw)
	b.condition(o.Error)
	return b.Bytes(), true
}

// answerHeader writes MSH up to MSH-10: sender and receiver swapped, the
// trigger event kept.
func (b *Builder) answerHeader(in *Fields, o AckOptions) {
	b.Segment("MSH")
	for _, n := range [...]int{5, 6, 3, 4} {
		b.NextField().Raw(in.Field(n).raw)
	}
	b.Time(o.Now, Second)
	b.To(9).Field("ACK")
	if event := in.Field(9).Component(2); !event.IsEmpty() && b.sep.Component != 0 {
		b.NextComponent().Raw(event.raw).NextComponent().Text("ACK")
	}
	b.Field(o.id())
}

func (o AckOptions) id() string {
	if o.ID != "" {
		return o.ID
	}
	return strconv.FormatInt(o.Now.UnixNano(), 10)
}

func (b *Builder) condition(c *Condition) {
	if c == nil {
		return
	}
	b.Segment("ERR").To(2).NextField()
	b.components(strings.Split(c.Location, "^"))
	b.Field(strconv.Itoa(c.Code), conditionText(c.Code), "HL70357")
	b.Field(c.Severity)
	if c.Text != "" {
		b.To(7).Field(c.Text)
	}
}

// answerClass decides between C and A, and whether there is an answer at all.
func answerClass(req *Message, in *Fields, outcome Outcome, mode AckMode) (byte, bool) {
	commit, application := in.Field(15), in.Field(16)
	asked := !commit.IsEmpty() || !application.IsEmpty()
	if len(req.segments) == 0 || answersSomething(req, in, asked) {
		return 0, false
	}
	class := byte('A')
	wanted := !asked
	switch {
	case asked && conditionMet(commit, outcome):
		class, wanted = 'C', true
	case asked && conditionMet(application, outcome):
		wanted = true
	}
	switch mode {
	case AckOriginal:
		class = 'A'
	case AckEnhanced:
		class = 'C'
	}
	return class, wanted
}

// answersSomething says that req is an acknowledgement or another answer:
// answering those would never end. An answer other than a plain ACK may ask
// for a commit acknowledgement explicitly (2.9.3).
func answersSomething(req *Message, in *Fields, asked bool) bool {
	return acknowledgement(in.Field(9).Component(1).raw) || !asked && req.has(nameMSA)
}

// acknowledgement reads MSH-9.1: ACK, or MCF, the delayed form of old versions.
func acknowledgement(messageType []byte) bool {
	return bytes.EqualFold(messageType, []byte("ACK")) || bytes.EqualFold(messageType, []byte("MCF"))
}

// conditionMet reads MSH-15 or MSH-16 (table 0155). A code that is not in the
// table means always: a sender that wrote something waits for something.
func conditionMet(v Value, outcome Outcome) bool {
	switch b := bytes.TrimSpace(v.Component(1).raw); {
	case len(b) == 0, string(b) == `""`, bytes.EqualFold(b, []byte("NE")):
		return false
	case bytes.EqualFold(b, []byte("ER")):
		return outcome != Accepted
	case bytes.EqualFold(b, []byte("SU")):
		return outcome == Accepted
	}
	return true
}

// conditionText gives the words of table 0357.
func conditionText(code int) string {
	switch code {
	case 0:
		return "Message accepted"
	case 100:
		return "Segment sequence error"
	case 101:
		return "Required field missing"
	case 102:
		return "Data type error"
	case 103:
		return "Table value not found"
	case 200:
		return "Unsupported message type"
	case 201:
		return "Unsupported event code"
	case 202:
		return "Unsupported processing id"
	case 203:
		return "Unsupported version id"
	case 204:
		return "Unknown key identifier"
	case 205:
		return "Duplicate key identifier"
	case 206:
		return "Application record locked"
	}
	return "Application internal error"
}
