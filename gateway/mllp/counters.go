package mllp

import (
	"sync/atomic"
	"time"
)

// Counters count what happened on a listener or client. They only grow, but
// for Open. The zero value is ready.
type Counters struct {
	Accepted  atomic.Int64 // connections taken
	Open      atomic.Int64 // connections open now
	Refused   atomic.Int64 // connections closed at once: not on the allow-list, or too many
	Frames    atomic.Int64 // messages received
	Answers   atomic.Int64 // answers sent, or received by a client
	BytesIn   atomic.Int64 // with block characters, and what was no frame
	BytesOut  atomic.Int64 // with block characters
	Restarts  atomic.Int64 // start blocks inside a frame
	Rubbish   atomic.Int64 // bytes outside frames
	TooLarge  atomic.Int64 // connections closed for a message over the limit
	Slow      atomic.Int64 // connections closed for a frame not complete in time
	Truncated atomic.Int64 // connections that ended inside a frame
	NoFrame   atomic.Int64 // connections closed for bytes that are no frame
	Busy      atomic.Int64 // connections closed because too much was unfinished
	Panics    atomic.Int64 // panics of the handler, recovered
	Failures  atomic.Int64 // accept, handshake, read and write errors
	Commits   atomic.Int64 // release 2: commit frames received
	Unmatched atomic.Int64 // client only: answers to no waiting message, skipped

	heard atomic.Int64 // Unix ns of the newest frame; 0 is never
}

// Heard is when the newest frame came, zero if none ever did.
func (c *Counters) Heard() time.Time {
	if ns := c.heard.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Messages is how many messages were received.
func (c *Counters) Messages() uint64 { return uint64(c.Frames.Load()) }

func (c *Counters) frame(at time.Time) {
	c.Frames.Add(1)
	c.heard.Store(at.UnixNano())
}

// budget is a number of bytes that connections share. A nil budget has no end.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take asks for n bytes; a negative n gives back.
func (b *budget) take(n int) bool {
	if b == nil {
		return true
	}
	if b.used.Add(int64(n)) > b.limit && n > 0 {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

func (b *budget) give(n int) {
	if b != nil {
		b.used.Add(-int64(n))
	}
}
