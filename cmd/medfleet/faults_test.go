package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"medfleet/collector/ingest"
	"medfleet/gateway"
)

// hasty is how long the faulty programs wait with appending after they have
// acknowledged.
const hasty = 100 * time.Millisecond

// hastyLog acknowledges before it appends.
type hastyLog struct {
	gateway.Custody
	given atomic.Uint64
}

func hastyCustody(c gateway.Custody) gateway.Custody { return &hastyLog{Custody: c} }

func (h *hastyLog) Enqueue(payloads ...[]byte) (uint64, error) {
	later := cloned(payloads)
	time.AfterFunc(hasty, func() { h.Custody.Enqueue(later...) })
	return h.given.Add(uint64(len(payloads))), nil
}

func (h *hastyLog) WaitDurable(context.Context, uint64) error { return nil }

// hastyAppender acknowledges before it appends.
type hastyAppender struct{ ingest.Journal }

func hastyJournal(j ingest.Journal) ingest.Journal { return hastyAppender{j} }

func (h hastyAppender) Append(ctx context.Context, records ...[]byte) (uint64, error) {
	later := cloned(records)
	time.AfterFunc(hasty, func() { h.Journal.Append(context.WithoutCancel(ctx), later...) })
	return 1, nil
}

func cloned(list [][]byte) [][]byte {
	out := make([][]byte, len(list))
	for i, b := range list {
		out[i] = slices.Clone(b)
	}
	return out
}
