package simulators

import (
	"sync/atomic"

	"medfleet"
	"medfleet/simulators/edgenode"
)

// Protocol is what a device speaks.
type Protocol string

// The protocols.
const (
	MQTT      Protocol = "mqtt"
	HL7       Protocol = "hl7"
	Sparkplug Protocol = "sparkplug"
)

// Message is the identity of one message: enough to find out what became of it.
// It stays the same however often the message is sent.
type Message struct {
	Device    medfleet.DeviceID `json:"device"`
	Class     medfleet.Class    `json:"class"`
	Protocol  Protocol          `json:"protocol"`
	ID        string            `json:"id"`   // MSH-10; else the sequence in decimal
	Seq       uint64            `json:"seq"`  // rises per device, over restarts of the simulator too
	Time      medfleet.Millis   `json:"time"` // the device's time; no two messages of a device share it
	Condition string            `json:"condition,omitempty"`
	Phase     medfleet.Phase    `json:"phase,omitempty"`
}

// Event reports whether the message tells an event rather than a status.
func (m *Message) Event() bool { return m.Condition != "" }

// parcel is a message on its way, kept until it is acknowledged.
type parcel struct {
	Message
	topic   string // MQTT only
	payload []byte
	metrics []*edgenode.Value // Sparkplug only, instead of payload
	key     uint16            // MQTT packet id while it is in flight
	sent    bool              // once already
}

// Counts is what a fleet has done so far, in messages but for Reconnects.
type Counts struct {
	Made       uint64 // by the devices
	Sent       uint64 // written to a connection, repeats included
	Resent     uint64 // of these, repeats
	Acked      uint64 // acknowledged: PUBACK, AA, CA
	Refused    uint64 // refused for good: AR, CR
	Dropped    uint64 // pushed out of a full queue, never acknowledged; over Sparkplug said while nobody heard it
	Reconnects uint64 // connections lost or not had
}

type counters struct {
	made, sent, resent, acked, refused, dropped, reconnects atomic.Uint64
}

func (c *counters) read() Counts {
	return Counts{
		Made: c.made.Load(), Sent: c.sent.Load(), Resent: c.resent.Load(), Acked: c.acked.Load(),
		Refused: c.refused.Load(), Dropped: c.dropped.Load(), Reconnects: c.reconnects.Load(),
	}
}

// ledger is where links tell what became of messages.
type ledger struct {
	counters
	acked func(Message)
}

// out counts a message that is about to be written.
func (l *ledger) out(p *parcel) {
	l.sent.Add(1)
	if p.sent {
		l.resent.Add(1)
	}
}

func (l *ledger) settled(m Message) {
	l.counters.acked.Add(1)
	if l.acked != nil {
		l.acked(m)
	}
}
