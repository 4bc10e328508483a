package sparkplug

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Control packets of MQTT 3.1.1 (2.2.1) that a broker sends us.
const (
	typeConnack  = 2
	typePublish  = 3
	typePuback   = 4
	typeSuback   = 9
	typePingresp = 13
)

// packet is one of them, taken apart.
type packet struct {
	kind    byte
	id      uint16  // of PUBLISH with QoS 1, PUBACK, SUBACK
	message Message // of PUBLISH
	size    int     // of PUBLISH's payload as it was sent
	codes   []byte  // of CONNACK and SUBACK
}

const (
	maxPacket  = maxPayload + 4<<10 // with the topic
	maxControl = 4 << 10
)

var errMalformed = errors.New("the broker sent a packet that is none: is it an MQTT broker?")

// readPacket reads the next packet. Nothing of it is believed before it is bounded:
// a PUBLISH over the limit comes without its payload.
func readPacket(in *bufio.Reader) (packet, error) {
	first, err := in.ReadByte()
	if err != nil {
		return packet{}, err
	}
	length, err := readLength(in)
	if err != nil {
		return packet{}, err
	}
	p := packet{kind: first >> 4}
	if p.kind == typePublish {
		return p, p.readPublish(in, first, length)
	}
	if length > maxControl {
		return packet{}, fmt.Errorf("the broker sent a packet of type %d with %d bytes: is it an MQTT broker?", p.kind, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return packet{}, err
	}
	return p, p.readControl(body)
}

func (p *packet) readControl(body []byte) error {
	switch p.kind {
	case typeConnack:
		p.codes = body
	case typePuback, typeSuback:
		if len(body) < 2 {
			return errMalformed
		}
		p.id, p.codes = binary.BigEndian.Uint16(body), body[2:]
	}
	return nil
}

// readPublish reads topic, identifier and payload (3.3).
func (p *packet) readPublish(in *bufio.Reader, first byte, length int) error {
	var short [2]byte
	if length < 2 {
		return errMalformed
	}
	if _, err := io.ReadFull(in, short[:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint16(short[:]))
	qos := first >> 1 & 3
	left := length - 2 - size
	if qos > 0 {
		left -= 2
	}
	if left < 0 || qos > 1 {
		return errMalformed
	}
	name := make([]byte, size)
	if _, err := io.ReadFull(in, name); err != nil {
		return err
	}
	if qos > 0 {
		if _, err := io.ReadFull(in, short[:]); err != nil {
			return err
		}
		p.id = binary.BigEndian.Uint16(short[:])
	}
	p.size = left
	p.message = Message{Topic: string(name), Retained: first&1 != 0, Cut: length > maxPacket}
	if p.message.Cut {
		_, err := in.Discard(left)
		return err
	}
	p.message.Payload = make([]byte, left)
	_, err := io.ReadFull(in, p.message.Payload)
	return err
}

// readLength reads a remaining length (2.2.3).
func readLength(in io.ByteReader) (length int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, errMalformed
}
