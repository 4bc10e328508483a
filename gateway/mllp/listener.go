package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Config is the configuration of a [Listener]. Zero values mean the defaults.
type Config struct {
	Limits
	Address        string         // host:port for Listen; 2575 is the usual port
	Allow          []netip.Prefix // senders' addresses; empty: everybody
	MaxConnections int            // default 1024
	TLS            *tls.Config    // nil: plain text
	Release2       bool           // speak MLLP release 2: each message gets a commit frame before its answer
}

// Listener takes connections of senders and serves each. Create it with
// [NewListener].
type Listener struct {
	service
	config Config
	slots  chan struct{} // one per open connection
	ended  atomic.Bool   // Run has returned
	last   uint64        // number of the last connection; of the accept loop alone
}

// NewListener makes a listener for h. It starts nothing.
func NewListener(c Config, h Handler) *Listener {
	setDefault(&c.MaxConnections, 1024)
	l := &Listener{config: c, slots: make(chan struct{}, c.MaxConnections)}
	l.init(c.Limits, c.Release2, h)
	return l
}

// Up says that the listener takes connections: its socket is open until Run ends.
func (l *Listener) Up() bool { return !l.ended.Load() }

// Listen opens the configured address, for Run.
func (l *Listener) Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", l.config.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for HL7 on %q: choose a free address of this host: %w", l.config.Address, err)
	}
	return ln, nil
}

// Run takes connections from ln until ctx is done, then closes ln and all
// connections without further answers, and returns nil when everything it
// started has ended, which includes calls of the handler. It returns an error
// when ln fails for good. Run may be called once.
func (l *Listener) Run(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.serving.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	defer l.ended.Store(true)
	for wait := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			closeIfOpen(nc)
			return nil
		case err == nil:
			wait = 0
			l.take(ctx, nc)
		case !passing(err):
			return fmt.Errorf("accept HL7 connection: %w", err)
		default:
			l.counters.Failures.Add(1)
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			pause(ctx, wait)
		}
	}
}

func closeIfOpen(nc net.Conn) {
	if nc != nil {
		nc.Close()
	}
}

// passing says that an accept error is about the one connection or a shortage
// that may end, such as of file descriptors.
func passing(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// take begins to serve a connection, or closes it if it is one too many.
func (l *Listener) take(ctx context.Context, nc net.Conn) {
	l.last++
	peer := Peer{Conn: l.last, Addr: addressOf(nc)}
	select {
	case l.slots <- struct{}{}:
	default:
		l.counters.Refused.Add(1)
		l.refuse(ctx, peer, TooMany, nil)
		nc.Close()
		return
	}
	done := l.count()
	l.serving.Go(func() {
		l.serve(ctx, nc, peer)
		done()
		<-l.slots
	})
}

// serve runs one connection to its end. A thousand of them wait below it: what it
// needs only at the beginning is elsewhere, so that their stacks stay small.
func (l *Listener) serve(ctx context.Context, nc net.Conn, peer Peer) {
	c, ctx := l.begin(ctx, nc, peer)
	switch {
	case c == nil:
		return
	case l.allowed(peer.Addr.Addr()):
		_ = c.serve(ctx) // the counters say why it ended
		l.tellEnded(c)
	default:
		l.counters.Refused.Add(1)
		c.turnAway(ctx)
	}
	c.end()
}

// begin makes a connection of nc; nil when its handshake fails.
func (l *Listener) begin(ctx context.Context, nc net.Conn, peer Peer) (*connection, context.Context) {
	keepAlive(nc)
	if l.config.TLS != nil {
		secure, err := l.handshake(ctx, nc)
		if err != nil {
			l.counters.Failures.Add(1)
			nc.Close()
			return nil, nil
		}
		nc = secure
	}
	return l.connect(ctx, nc, peer)
}

func (l *Listener) tellEnded(c *connection) {
	if h, ok := l.handler.(Listening); ok {
		h.Ended(c.peer)
	}
}

func (l *Listener) handshake(ctx context.Context, nc net.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.limits.FrameTimeout)
	defer cancel()
	secure := tls.Server(nc, l.config.TLS)
	return secure, secure.HandshakeContext(ctx)
}

func (l *Listener) allowed(addr netip.Addr) bool {
	if len(l.config.Allow) == 0 {
		return true
	}
	for _, p := range l.config.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
