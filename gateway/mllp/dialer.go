package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// DialConfig is the configuration of a [Dialer]. Zero values mean the defaults.
type DialConfig struct {
	Limits
	Address  string                      // host:port of the station that sends
	TLS      func() (*tls.Config, error) // asked before each connection; nil: plain text
	Release2 bool                        // speak MLLP release 2
	Poll     *Poll                       // what to ask the station; nil: it sends by itself
	Log      *slog.Logger                // nil for none
	Timeout  time.Duration               // for connecting, default 30 s
	RetryMin time.Duration               // first wait before connecting again, default 1 s
	RetryMax time.Duration               // longest wait, default 60 s

	// Connect is a net.Dialer's DialContext if nil.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dialer connects to one station and takes the messages that it sends, over as
// many connections as it takes, one at a time. Create it with [NewDialer].
type Dialer struct {
	service
	config DialConfig
	last   uint64 // number of the last connection

	mu  sync.Mutex
	err error // why no message comes in
}

var errNotStarted = errors.New("not connected yet")

// NewDialer makes a dialer for h. It connects to nothing: Run does.
func NewDialer(c DialConfig, h Handler) *Dialer {
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.RetryMin, time.Second)
	setDefault(&c.RetryMax, 60*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Connect == nil {
		c.Connect = new(net.Dialer).DialContext
	}
	if c.Poll != nil {
		poll := c.Poll.withDefaults()
		c.Poll = &poll
		setDefault(&c.IdleTimeout, poll.Silence)
	}
	d := &Dialer{config: c, err: errNotStarted}
	d.init(c.Limits, c.Release2, h)
	return d
}

// Up says that the station is connected.
func (d *Dialer) Up() bool { return d.Err() == nil }

// Err says why the station is not connected, or nil when it is.
func (d *Dialer) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *Dialer) state(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// Run takes messages until ctx ends and returns nil when everything it started has
// ended, which includes calls of the handler. Run may be called once.
func (d *Dialer) Run(ctx context.Context) error {
	defer d.serving.Wait()
	wait := backoff{least: d.config.RetryMin, most: d.config.RetryMax}
	for {
		began := time.Now()
		err := d.connection(ctx)
		if ctx.Err() != nil {
			d.state(ctx.Err())
			return nil
		}
		d.state(err)
		// A connection that did not last is no success: a station that is full
		// takes connections only to close them.
		if time.Since(began) >= d.config.RetryMax {
			wait.last = 0
		}
		again := wait.next()
		d.config.Log.Warn("no messages from the HL7 station", "address", d.config.Address, "error", err, "again_in", again)
		pause(ctx, again)
	}
}

// Why a connection to a station ended, in words for a technician.
var (
	errStationEnded = errors.New("the station closed the connection: look whether it lets this gateway in and has a place for it")
	errStationMute  = errors.New("the station is connected and says nothing: look whether it is on")
	errGivenUp      = errors.New("this gateway closed the connection: its disk took no message, or the station sent no HL7 or took no answers")
)

// connection connects and serves the connection to its end; the error says why it
// ended.
func (d *Dialer) connection(ctx context.Context) error {
	nc, err := d.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to HL7 station %q: %w", d.config.Address, err)
	}
	keepAlive(nc)
	defer d.count()()
	d.last++
	c, ctx := d.connect(ctx, nc, Peer{Conn: d.last, Addr: addressOf(nc)})
	defer c.end()
	d.state(nil)
	if d.config.Poll != nil {
		var asking sync.WaitGroup
		defer asking.Wait()
		defer c.cancel()
		asking.Go(func() { c.ask(ctx, d.config.Poll) })
	}
	return explain(c.serve(ctx), c.stopped.Load())
}

func explain(err error, stopped bool) error {
	switch {
	case stopped:
		return errGivenUp
	case errors.Is(err, io.EOF):
		return errStationEnded
	case errors.Is(err, ErrIdle):
		return errStationMute
	}
	return err
}

func (d *Dialer) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	if d.config.TLS == nil {
		return d.config.Connect(ctx, "tcp", d.config.Address)
	}
	config, err := d.config.TLS()
	if err != nil {
		return nil, err
	}
	nc, err := d.config.Connect(ctx, "tcp", d.config.Address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return secure, nil
}

// addressOf is the peer's address, zero for what is not TCP.
func addressOf(nc net.Conn) netip.AddrPort {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
}

// backoff gives waits that double up to a bound. Half of each is drawn, so that
// gateways which lost the same station do not come back as one.
type backoff struct{ least, most, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.least), b.most)
	return b.last/2 + rand.N(b.last/2+1)
}
