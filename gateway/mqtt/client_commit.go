package mqtt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// groupMost bounds the messages that wait for the disk together. One sync serves
// them all.
const groupMost = 1024

// commit is the one goroutine that hands messages to custody and acknowledges
// them, in the order in which they came (MQTT 3.1.1, 4.6). It returns nil when
// stop is closed, and an error when a message was not kept: MQTT has no way to
// refuse one message, so the connection ends and the broker sends again.
func (s *session) commit(ctx context.Context) error {
	defer s.client.busy.Store(0)
	group := make([]delivery, 0, groupMost)
	receipts := make([]Receipt, 0, groupMost)
	for {
		group = s.gather(group[:0])
		if len(group) == 0 {
			return nil
		}
		s.client.busy.Store(time.Now().UnixNano())
		receipts = receipts[:0]
		for _, d := range group {
			m := Message{Topic: d.message.Topic(), Payload: d.message.Payload(), Retained: d.message.Retained()}
			receipts = append(receipts, s.client.options.Taker.Take(m, d.received))
		}
		if err := s.settle(ctx, group, receipts); err != nil {
			return err
		}
		s.client.busy.Store(0)
		clear(group)
		clear(receipts)
	}
}

// gather waits for a message and takes with it what waits behind it already.
func (s *session) gather(group []delivery) []delivery {
	select {
	case <-s.stop:
		return group
	default:
	}
	select {
	case <-s.stop:
		return group
	case d := <-s.queue:
		group = append(group, d)
	}
	for len(group) < cap(group) {
		select {
		case d := <-s.queue:
			group = append(group, d)
		default:
			return group
		}
	}
	return group
}

// settle waits for each receipt and acknowledges the messages up to the first that
// was not kept.
func (s *session) settle(ctx context.Context, group []delivery, receipts []Receipt) error {
	for i := range group {
		if err := receipts[i].Wait(ctx); err != nil {
			s.acknowledge(group[:i])
			if ctx.Err() == nil {
				s.client.counts.Refused.Add(uint64(len(group) - i))
			}
			return fmt.Errorf("keep MQTT message: %w", err)
		}
	}
	s.acknowledge(group)
	return nil
}

// acknowledge tells the broker that messages are durable here. What is due to those
// with QoS 1 leaves in one write, past the library, which would make a write and
// three switches between goroutines of each.
func (s *session) acknowledge(kept []delivery) {
	s.client.counts.Messages.Add(uint64(len(kept)))
	bytes, late := 0, 0
	s.acks = s.acks[:0]
	for _, d := range kept {
		bytes += cost(d.message)
		switch d.message.Qos() {
		case 1:
			s.acks = appendPuback(s.acks, d.message.MessageID())
		case 2:
			if s.link.gone() || !ack(d.message) {
				late++
			}
		}
	}
	if !s.link.acknowledge(s.acks) {
		late += len(s.acks) / pubackBytes
	}
	s.client.counts.Late.Add(uint64(late))
	s.link.room.give(len(kept), bytes)
}

const pubackBytes = 4

// appendPuback adds a PUBACK (MQTT 3.1.1, 3.4).
func appendPuback(b []byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0x40, 2), id)
}

// ack bears the library's panic when its connection ends at this very moment.
func ack(m paho.Message) (sent bool) {
	defer func() {
		if recover() != nil {
			sent = false
		}
	}()
	m.Ack()
	return true
}
