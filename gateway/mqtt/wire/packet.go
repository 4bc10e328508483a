package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Packet is one packet of a broker's. Its bytes are the reader's: they are good
// until the next one is read.
type Packet struct {
	Kind    byte   // as in packets
	ID      uint16 // of PUBLISH with QoS 1 or 2, and of all answers; 0 for none
	Codes   []byte // of CONNACK and SUBACK
	Message        // of PUBLISH
}

// Message is what a PUBLISH says.
type Message struct {
	Topic    []byte
	Payload  []byte
	Size     int // of the payload as it was sent
	QoS      byte
	Retained bool
	Cut      bool // it was over the limit and comes without its payload
}

// Length is the packet's own, without what was cut off (2.2.3).
func (m *Message) Length() int {
	n := 2 + len(m.Topic) + len(m.Payload)
	if m.QoS > 0 {
		n += idBytes
	}
	return n
}

const idBytes = 2

// AnswerBytes is the length of a packet that answers.
const AnswerBytes = 4

// AppendAnswer adds a PUBACK, PUBREC or PUBCOMP (3.4, 3.5, 3.7).
func AppendAnswer(b []byte, kind byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, kind<<4, idBytes), id)
}

// ErrMalformed is a broker's packet that is none.
var ErrMalformed = errors.New("the broker sent a packet that is none: is it an MQTT broker?")

var errLength = errors.New("the broker sent a length of more than four bytes: is it an MQTT broker?")

func tooLong(kind byte, length int) error {
	return fmt.Errorf("the broker sent a packet of type %d with %d bytes: is it an MQTT broker?", kind, length)
}

// Header is what every packet begins with (2.2).
type Header struct {
	First  byte // kind and flags
	Size   int  // of itself
	Length int  // of what comes behind it
}

func (h Header) kind() byte { return h.First >> 4 }
func (h Header) qos() byte  { return h.First >> 1 & 3 }

// ParseHeader reads a header; ok is false while there is too little of it.
func ParseHeader(b []byte) (h Header, ok bool, err error) {
	for i := 1; i < len(b); i++ {
		h.Length |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			h.First, h.Size = b[0], i+1
			return h, true, nil
		}
		if i == 4 {
			return Header{}, false, errLength
		}
	}
	return Header{}, false, nil
}

// ParsePublish reads a PUBLISH; body is what comes behind its header. In MQTT 5 the
// payload begins with the properties.
func ParsePublish(h Header, body []byte) (p Packet, err error) {
	p.Kind = h.kind()
	return p, p.parsePublish(h, body)
}

// parsePublish reads topic, identifier and payload (3.3).
func (p *Packet) parsePublish(h Header, body []byte) error {
	m := &p.Message
	m.QoS, m.Retained = h.qos(), h.First&1 != 0
	if len(body) < 2 || m.QoS > 2 {
		return ErrMalformed
	}
	size := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if len(body) < size {
		return ErrMalformed
	}
	m.Topic, body = body[:size], body[size:]
	if m.QoS > 0 {
		if len(body) < idBytes {
			return ErrMalformed
		}
		p.ID, body = binary.BigEndian.Uint16(body), body[idBytes:]
	}
	m.Payload = body
	m.Size = h.Length - (m.Length() - len(body))
	return nil
}

// parseAnswer reads the other packets.
func (p *Packet) parseAnswer(body []byte) error {
	switch p.Kind {
	case packets.Connack:
		p.Codes = body
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp, packets.Suback:
		if len(body) < idBytes {
			return ErrMalformed
		}
		p.ID, p.Codes = binary.BigEndian.Uint16(body), body[idBytes:]
	}
	return nil
}
