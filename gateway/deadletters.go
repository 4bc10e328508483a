package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"medfleet/spool"
)

// deadLetters keeps what was not understood, without what it said: a skeleton
// and a reason that a technician understands. It cannot be replayed.
type deadLetters struct {
	log   *spool.Log
	count atomic.Uint64
}

// DeadLetter is one message that was taken and not understood.
type DeadLetter struct {
	At       time.Time       `json:"at"`
	Source   string          `json:"source"`
	Peer     string          `json:"peer,omitempty"`
	Reason   string          `json:"reason"`
	Bytes    int             `json:"bytes"`
	Skeleton json.RawMessage `json:"skeleton,omitempty"`
}

// keep returns when the letter is durable.
func (d *deadLetters) keep(ctx context.Context, l DeadLetter) error {
	l.At = time.Now().UTC()
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	if _, err := d.log.Append(ctx, b); err != nil {
		return fmt.Errorf("keep dead letter: %w", err)
	}
	d.count.Add(1)
	return nil
}
