package simulators

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
)

// station is a central station: one MLLP connection for some devices. Each has
// one message on the way at a time, so that its messages stay in order.
type station struct {
	name   string
	config *Config
	boxes  []*outbox
	ledger *ledger
	log    *slog.Logger
}

const (
	stationPatience = 20 * time.Second // for an answer
	stationRefused  = time.Second      // before a message is offered again after AE or CE
)

func (s *station) run(ctx context.Context) {
	var again backoff
	for s.awake(ctx) {
		err := s.session(ctx, &again)
		if ctx.Err() != nil {
			return
		}
		s.ledger.reconnects.Add(1)
		s.log.Debug("HL7 receiver lost, trying again", slog.String("station", s.name), slog.Any("error", err))
		if !again.wait(ctx) {
			return
		}
	}
}

// awake waits until one of the devices has something to send.
func (s *station) awake(ctx context.Context) bool {
	ticker := time.NewTicker(50 * time.Millisecond) // ten channels at once, once in a connection's life
	defer ticker.Stop()
	for {
		for _, b := range s.boxes {
			if b.pending() > 0 && !b.isMuted() {
				return ctx.Err() == nil
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// session is one connection from dial to its end.
func (s *station) session(ctx context.Context, again *backoff) error {
	client, err := mllp.Dial(ctx, s.config.HL7, mllp.ClientConfig{
		Timeout: stationPatience, Window: len(s.boxes), TLS: s.config.HL7TLS, Release2: s.config.HL7Release2,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	again.reset()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var lanes sync.WaitGroup
	for _, b := range s.boxes {
		b.rewind()
		lanes.Go(func() { cancel(s.lane(ctx, client, b)) }) // the first cause counts
	}
	lanes.Wait()
	return context.Cause(ctx)
}

// lane sends one device's messages until ctx is done or the connection fails.
func (s *station) lane(ctx context.Context, client *mllp.Client, b *outbox) error {
	for {
		p, ok := b.take(1, 1)
		if !ok {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-client.Done():
				return errors.New("connection ended")
			case <-b.ready:
				continue
			}
		}
		s.ledger.out(&p)
		answer, err := client.Send(ctx, p.payload)
		if err != nil {
			return err
		}
		if err := s.answered(ctx, b, answer); err != nil {
			return err
		}
	}
}

// answered reads the acknowledgement code: A is settled, R refused for good, and
// with E the message is offered again later.
func (s *station) answered(ctx context.Context, b *outbox, answer []byte) error {
	m, err := hl7.Parse(answer)
	if err != nil {
		return fmt.Errorf("read acknowledgement: %w", err)
	}
	switch code := m.First("MSA").Field(1).String(); code {
	case "AA", "CA":
		if m, ok := b.settle(1); ok {
			s.ledger.settled(m)
		}
	case "AR", "CR":
		if _, ok := b.settle(1); ok {
			s.ledger.refused.Add(1)
		}
	case "AE", "CE":
		b.rewind()
		pause(ctx, stationRefused)
	default:
		return fmt.Errorf("read acknowledgement: code of %d bytes is none of AA, CA, AR, CR, AE, CE", len(code))
	}
	return nil
}
