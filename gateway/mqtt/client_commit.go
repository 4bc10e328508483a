package mqtt

import (
	"context"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// groupMost bounds the messages that wait for the disk together. One sync serves
// them all.
const groupMost = 256

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

// settle waits for each receipt and acknowledges its message.
func (s *session) settle(ctx context.Context, group []delivery, receipts []Receipt) error {
	for i, d := range group {
		if err := receipts[i].Wait(ctx); err != nil {
			if ctx.Err() == nil {
				s.client.counts.Refused.Add(uint64(len(group) - i))
			}
			return fmt.Errorf("keep MQTT message: %w", err)
		}
		s.client.counts.Messages.Add(1)
		if !s.acknowledge(d.message) {
			s.client.counts.Late.Add(1)
		}
		s.link.room.give(cost(d.message))
		s.client.busy.Store(time.Now().UnixNano())
	}
	return nil
}

// acknowledge sends PUBACK, or nothing when the connection is gone.
func (s *session) acknowledge(m paho.Message) bool {
	if s.link.gone() {
		return false
	}
	return ack(m)
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
