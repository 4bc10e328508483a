package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Config is the configuration of a [Listener]. Zero values mean the defaults.
type Config struct {
	Address        string         // host:port for Listen; 2575 is the usual port
	Allow          []netip.Prefix // senders' addresses; empty: everybody
	MaxConnections int            // default 1024
	MaxFrame       int            // longest message in bytes, default 1 MiB
	MaxUnfinished  int            // bytes in unfinished frames of all connections, default 64 MiB but at least two messages
	FrameTimeout   time.Duration  // from a frame's first byte to its last, default 30 s
	IdleTimeout    time.Duration  // default none: a device may be silent for hours
	WriteTimeout   time.Duration  // for an answer, default 30 s
	Pipeline       int            // messages of one connection waiting for their answer, default 64
	TLS            *tls.Config    // nil: plain text
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxConnections, 1024)
	setDefault(&c.MaxFrame, DefaultMaxFrame)
	setDefault(&c.MaxUnfinished, max(64<<20, 2*(c.MaxFrame+restBytes)))
	setDefault(&c.FrameTimeout, 30*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.Pipeline, 64)
	return c
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// Listener takes connections of senders and serves each. Create it with
// [NewListener].
type Listener struct {
	config   Config
	handler  Handler
	counters Counters
	budget   budget
	slots    chan struct{} // one per open connection
	serving  sync.WaitGroup
	ended    atomic.Bool // Run has returned
	last     uint64      // number of the last connection; of the accept loop alone
}

// NewListener makes a listener for h. It starts nothing.
func NewListener(c Config, h Handler) *Listener {
	l := &Listener{config: c.withDefaults(), handler: h}
	l.slots = make(chan struct{}, l.config.MaxConnections)
	l.budget.limit = int64(l.config.MaxUnfinished)
	return l
}

// Counters are the listener's counters, to be read at any time.
func (l *Listener) Counters() *Counters { return &l.counters }

// Heard is when the newest message came, from whomever; zero if none ever did.
func (l *Listener) Heard() time.Time { return l.counters.Heard() }

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
	peer := Peer{Conn: l.last}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		peer.Addr = netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
	}
	select {
	case l.slots <- struct{}{}:
	default:
		l.counters.Refused.Add(1)
		l.refuse(ctx, peer, TooMany, nil)
		nc.Close()
		return
	}
	l.counters.Accepted.Add(1)
	l.counters.Open.Add(1)
	l.serving.Go(func() {
		defer func() { <-l.slots }()
		defer l.counters.Open.Add(-1)
		l.serve(ctx, nc, peer)
	})
}

// serve runs one connection to its end.
func (l *Listener) serve(ctx context.Context, nc net.Conn, peer Peer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	defer nc.Close()
	keepAlive(nc)
	if l.config.TLS != nil {
		secure, err := l.handshake(ctx, nc)
		if err != nil {
			l.counters.Failures.Add(1)
			return
		}
		state := secure.ConnectionState()
		nc, peer.TLS = secure, &state
	}
	c := &connection{listener: l, peer: peer, nc: nc, cancel: cancel}
	c.room.L = &c.mu
	if l.allowed(peer.Addr.Addr()) {
		c.serve(ctx)
		return
	}
	l.counters.Refused.Add(1)
	c.turnAway(ctx)
}

func (l *Listener) handshake(ctx context.Context, nc net.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.FrameTimeout)
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

// refuse asks the handler, which may panic here too.
func (l *Listener) refuse(ctx context.Context, peer Peer, reason Reason, head []byte) (a Answer) {
	defer func() {
		if recover() != nil {
			l.counters.Panics.Add(1)
			a = Answer{Close: true}
		}
	}()
	a = l.handler.Refuse(ctx, peer, reason, head)
	a.Close = a.Close || reason != Panicked
	return a
}
