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
	b, err := l.encode()
	if err != nil {
		return err
	}
	if _, err := d.log.Append(ctx, b); err != nil {
		return fmt.Errorf("keep dead letter: %w", err)
	}
	d.count.Add(1)
	return nil
}

// post hands the letter to the disk: those that come together share a sync, and
// patient ones wait for company.
func (d *deadLetters) post(l DeadLetter, patient bool) posted {
	p := posted{letters: d, letter: l}
	if b, err := l.encode(); err == nil {
		p.sequence, _ = handTo(d.log, [][]byte{b}, patient) // what is not taken now is kept when it is waited for
	}
	return p
}

// posted is a letter on its way to the disk.
type posted struct {
	letters  *deadLetters
	letter   DeadLetter
	sequence uint64 // 0 when it has not set out
}

// Wait returns nil when the letter is durable.
func (p *posted) Wait(ctx context.Context) error {
	if p.sequence == 0 {
		return p.letters.keep(ctx, p.letter)
	}
	if err := p.letters.log.WaitDurable(ctx, p.sequence); err != nil {
		return fmt.Errorf("keep dead letter: %w", err)
	}
	p.letters.count.Add(1)
	return nil
}

func (l DeadLetter) encode() ([]byte, error) {
	l.At = time.Now().UTC()
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("write dead letter: %w", err)
	}
	return b, nil
}
