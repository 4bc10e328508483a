package mqtt

import (
	"bytes"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
	"medfleet/gateway/mqtt/wire"
)

const (
	// paceTime is how far apart the reader's looks at the connection are: to look for
	// each message costs more than all that is done with it.
	paceTime = 5 * time.Millisecond
	// Topics that come again and again are made once.
	maxTopics     = 4096
	maxTopicBytes = 256
)

// read takes messages until the connection ends or stop is closed.
func (s *session) read() error {
	defer s.hand()
	for {
		p, err := s.conn.Next()
		for s.came = time.Now(); err == nil; p, err = s.conn.Next() {
			if err = s.handle(&p); err != nil || !s.conn.More() {
				break
			}
		}
		if err != nil {
			return err
		}
		s.hand()
		s.conn.Rest(paceTime-time.Since(s.came), s.stop)
	}
}

func (s *session) handle(p *wire.Packet) error {
	switch p.Kind {
	case packets.Publish:
		return s.take(p)
	case packets.Pubrel:
		return s.released(p)
	case packets.Suback:
		return s.answered(p.Codes)
	}
	return nil
}

// take hands a message to custody while there is room; until then TCP holds the
// broker back.
func (s *session) take(p *wire.Packet) error {
	if err := s.admit(p.Length()); err != nil {
		return err
	}
	if p.Cut {
		s.client.counts.Shortened.Add(1)
	}
	m := Message{Topic: s.topic(p.Topic), Payload: p.Payload, Retained: p.Retained}
	receipt := s.client.options.Taker.Take(m, medfleet.AsMillis(s.came))
	s.group = append(s.group, slip{receipt, answers[p.QoS], p.ID, p.Length()})
	return nil
}

// released ends a message with QoS 2 (4.3.3), after the answers to all that came before.
func (s *session) released(p *wire.Packet) error {
	err := s.admit(wire.AnswerBytes)
	s.group = append(s.group, slip{answer: packets.Pubcomp, id: p.ID, cost: wire.AnswerBytes})
	return err
}

// answers is what is due to a message, by its QoS (MQTT 3.1.1, 4.3).
var answers = [...]byte{0, packets.Puback, packets.Pubrec}

func (s *session) topic(b []byte) string {
	if t, ok := s.topics[string(b)]; ok {
		return t
	}
	t := string(b)
	if len(b) <= maxTopicBytes {
		if len(s.topics) >= maxTopics {
			clear(s.topics)
		}
		s.topics[t] = t
	}
	return t
}

func (s *session) answered(codes []byte) error {
	select {
	case s.granted <- bytes.Clone(codes):
		return nil
	default:
		return wire.ErrMalformed // a second answer to one question
	}
}

// hand puts what was taken into the line to the disk.
func (s *session) hand() {
	s.line.join(s.group)
	clear(s.group)
	s.group = s.group[:0]
}

// admit waits until there is room for a message.
func (s *session) admit(cost int) error {
	if s.line.admit(cost) {
		return nil
	}
	s.hand()
	limit := time.NewTimer(s.client.options.Patience)
	defer limit.Stop()
	for !s.line.admit(cost) {
		select {
		case <-s.line.freed:
		case <-s.stop:
			return errEnded
		case <-s.conn.Ended():
			return s.conn.Cause()
		case <-limit.C:
			s.client.counts.Full.Add(1)
			return errFull
		}
	}
	return nil
}
