package mqtt

import (
	"context"
	"fmt"
	"time"

	"medfleet/gateway/mqtt/wire"
)

// commit is the one goroutine that waits for the disk and acknowledges messages, in
// the order in which they came (MQTT 3.1.1, 4.6). It returns nil when the line is
// shut and empty, and an error when a message was not kept: MQTT has no way to
// refuse one message, so the connection ends and the broker sends again.
func (s *session) commit(ctx context.Context) error {
	defer s.client.busy.Store(0)
	var group []slip
	for {
		group = s.line.next(group)
		if len(group) == 0 {
			return nil
		}
		s.client.busy.Store(time.Now().UnixNano())
		if err := s.settle(ctx, group); err != nil {
			return err
		}
		s.client.busy.Store(0)
		clear(group)
	}
}

// settle waits for each receipt and acknowledges the messages up to the first that
// was not kept.
func (s *session) settle(ctx context.Context, group []slip) error {
	for i := range group {
		if group[i].receipt == nil {
			continue
		}
		if err := group[i].receipt.Wait(ctx); err != nil {
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

// acknowledge tells the broker that messages are durable here: what is due to all of
// them leaves in one write.
func (s *session) acknowledge(kept []slip) {
	messages, late, bytes := 0, 0, 0
	s.acks = s.acks[:0]
	for i := range kept {
		k := &kept[i]
		bytes += k.cost
		if k.answer != 0 {
			s.acks = wire.AppendAnswer(s.acks, k.answer, k.id)
		}
		if k.receipt != nil {
			messages++
			late += int(min(k.answer, 1))
		}
	}
	s.client.counts.Messages.Add(uint64(messages))
	if s.conn.Write(s.acks) != nil {
		s.client.counts.Late.Add(uint64(late))
	}
	s.line.give(len(kept), bytes)
}
