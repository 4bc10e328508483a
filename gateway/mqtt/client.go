package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"medfleet"
)

// Taker takes custody of messages: Take is called for each in the order in which
// the broker sent them, and the receipts are waited for in that order, those of what
// came together together. Take must not block on a disk, and does not use m once it
// has returned.
type Taker interface {
	Take(m Message, received medfleet.Millis) Receipt
}

// Receipt is for one message. Wait returns nil only when what the message says is
// durable, or when there is nothing in it to keep; any error means that the broker
// must send the message again. A message that can never be kept is therefore for
// the Taker to put aside: with an error it would come again for ever and hold up
// all behind it. Wait may never be called.
type Receipt interface {
	Wait(ctx context.Context) error
}

// ClientOptions are what a client needs.
type ClientOptions struct {
	ClientConfig
	Taker Taker
	Log   *slog.Logger // nil for none

	Window      int           // messages between broker and disk, above the broker's in-flight limit; 0 is 4096
	WindowBytes int           // their bytes together; 0 is 32 MiB
	Patience    time.Duration // how long the disk may stand still before the feed counts as down; 0 is 10 s
	RetryMin    time.Duration // first wait before connecting again; 0 is 1 s
	RetryMax    time.Duration // longest wait; 0 is 60 s

	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil is a net.Dialer's
}

const (
	defaultWindow      = 4096
	defaultWindowBytes = 32 << 20
	defaultPatience    = 10 * time.Second
	defaultRetryMin    = time.Second
	defaultRetryMax    = 60 * time.Second
)

// ClientCounts are the client's counters.
type ClientCounts struct {
	Connected atomic.Uint64 // connections on which the broker granted the subscriptions
	Messages  atomic.Uint64 // taken into custody or found to say nothing
	Refused   atomic.Uint64 // not acknowledged: they could not be made durable
	Late      atomic.Uint64 // durable when the connection was gone: the broker sends them again
	Full      atomic.Uint64 // connections cut because custody stood still with a full window
	Shortened atomic.Uint64 // over 256 KiB: taken without their payload, which nobody could use
}

// Client takes messages from an external MQTT broker (MQTT 3.1.1). Its PUBACK, or
// PUBREC, is where the gateway's custody begins: before it the broker's own promise
// holds, and the broker keeps what is published while the client is away, for as
// long and as much as it is set to. Raise its limits of queued messages, messages
// in flight and session expiry above the longest absence to be survived, and make
// its own store durable.
//
// A message may come twice, when the connection was lost between the disk and
// PUBACK; then all that was not acknowledged comes again, in its order.
type Client struct {
	options ClientOptions
	dialer  *Dialer
	counts  ClientCounts
	busy    atomic.Int64 // Unix ns since when custody has been waited for; 0 is not now

	mu  sync.Mutex
	err error // why no message comes in
}

var errNotStarted = errors.New("not connected yet")

// NewClient checks the options, the certificates' files among them. It connects to
// nothing: Run does.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	dialer, err := NewDialer(o.ServerConfig)
	if err != nil {
		return nil, err
	}
	o.Window = cmp.Or(o.Window, defaultWindow)
	o.WindowBytes = cmp.Or(o.WindowBytes, defaultWindowBytes)
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.RetryMin = cmp.Or(o.RetryMin, defaultRetryMin)
	o.RetryMax = cmp.Or(o.RetryMax, defaultRetryMax)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial != nil {
		dialer.dial = o.Dial
	}
	return &Client{options: o, dialer: dialer, err: errNotStarted}, nil
}

// Counts gives the client's counters.
func (c *Client) Counts() *ClientCounts { return &c.counts }

// Up reports whether messages come in and reach the disk.
func (c *Client) Up() bool { return c.Err() == nil }

// Err says why no message comes in and what to do about it, or nil when they do.
func (c *Client) Err() error {
	if since := c.busy.Load(); since != 0 {
		if d := time.Since(time.Unix(0, since)); d > c.options.Patience {
			return fmt.Errorf("keep MQTT messages: the disk has not answered for %s: look at the gateway's data folder", d.Round(time.Second))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Client) state(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Run takes messages until ctx ends, over as many connections as it takes, and
// returns nil when everything it started has ended.
func (c *Client) Run(ctx context.Context) error {
	Again(ctx, c.options.RetryMin, c.options.RetryMax, c.connection, func(err error, pause time.Duration) {
		c.state(err)
		c.options.Log.Warn("no messages from the MQTT broker", "broker", c.options.Feed(), "error", err, "again_in", pause)
	})
	c.state(ctx.Err())
	return nil
}
