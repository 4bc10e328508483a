package mllp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Limits bound what the other end of a connection may cost. Zero values mean the
// defaults.
type Limits struct {
	MaxFrame      int           // longest message in bytes, default 1 MiB
	MaxUnfinished int           // bytes in unfinished frames of all connections, default 64 MiB but at least two messages
	FrameTimeout  time.Duration // from a frame's first byte to its last, default 30 s; also for a TLS handshake
	IdleTimeout   time.Duration // default none: a device may be silent for hours
	WriteTimeout  time.Duration // for an answer, default 30 s
	Pipeline      int           // messages of one connection waiting for their answer, default 64
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxFrame, DefaultMaxFrame)
	setDefault(&l.MaxUnfinished, max(64<<20, 2*(l.MaxFrame+restBytes)))
	setDefault(&l.FrameTimeout, 30*time.Second)
	setDefault(&l.WriteTimeout, 30*time.Second)
	setDefault(&l.Pipeline, 64)
	return l
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// service serves connections, whichever side opened them: it takes messages from
// each and answers them.
type service struct {
	limits   Limits
	release2 bool
	handler  Handler
	counters Counters
	budget   budget
	serving  sync.WaitGroup
}

func (s *service) init(l Limits, release2 bool, h Handler) {
	s.limits, s.release2, s.handler = l.withDefaults(), release2, h
	s.budget.limit = int64(s.limits.MaxUnfinished)
}

// Counters are the counters of all connections, to be read at any time.
func (s *service) Counters() *Counters { return &s.counters }

// Heard is when the newest message came, from whomever; zero if none ever did.
func (s *service) Heard() time.Time { return s.counters.Heard() }

// count counts an open connection; the function it gives ends that.
func (s *service) count() (done func()) {
	s.counters.Accepted.Add(1)
	s.counters.Open.Add(1)
	return func() { s.counters.Open.Add(-1) }
}

// connect makes a connection of nc, which ends with ctx. Call its end when it is
// no more served.
func (s *service) connect(ctx context.Context, nc net.Conn, peer Peer) (*connection, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	c := &connection{service: s, peer: peer, nc: nc, cancel: cancel}
	c.unhook = context.AfterFunc(ctx, func() { nc.Close() })
	if secure, ok := nc.(*tls.Conn); ok {
		state := secure.ConnectionState()
		c.peer.TLS = &state
	}
	return c, ctx
}

// refuse asks the handler, which may panic here too.
func (s *service) refuse(ctx context.Context, peer Peer, reason Reason, head []byte) (a Answer) {
	defer func() {
		if recover() != nil {
			s.counters.Panics.Add(1)
			a = Answer{Close: true, NotKept: true}
		}
	}()
	a = s.handler.Refuse(ctx, peer, reason, head)
	if reason != Panicked {
		a.Close, a.NotKept = true, true
	}
	return a
}

// keepAlive finds peers that are gone without a word: a device that lost its
// network sends no end of connection.
func keepAlive(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		// A failure leaves the system's own, slower keep-alive.
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3,
		})
	}
}
