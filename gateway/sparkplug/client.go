package sparkplug

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

// Taker takes custody of what edge nodes say.
type Taker interface {
	// Keep returns nil when all of it is durable. It uses said during the call only.
	Keep(ctx context.Context, said *Said, received medfleet.Millis) error
	// PutAside is told of a message that is not understood, and why.
	PutAside(ctx context.Context, reason error, bytes int) error
}

// ClientOptions are what a client is made of.
type ClientOptions struct {
	Config
	Profiles *profiles.Set
	Gateway  string
	Site     string
	Taker    Taker
	Log      *slog.Logger // nil for none

	Reorder  time.Duration // how long a message that is early waits; 0 is 2 s
	Patience time.Duration // how long the disk may stand still before what comes is dropped; 0 is 10 s
	Answer   time.Duration // for the broker to grant the subscriptions and give us back our own word; 0 is 10 s
	RetryMin time.Duration // first wait before connecting again; 0 is 1 s
	RetryMax time.Duration // longest wait; 0 is 60 s
}

// ClientCounts are the client's counters.
type ClientCounts struct {
	Connected  atomic.Uint64 // connections on which messages came in
	Messages   atomic.Uint64 // read
	Heard      atomic.Int64  // when the newest message came, Unix ms; 0: none has
	NotKept    atomic.Uint64 // records that the disk did not take: dropped, and their nodes asked for a rebirth
	Shortened  atomic.Uint64 // messages over 1 MiB
	Unlettered atomic.Uint64 // messages not understood that came too fast to be put aside
	Said       atomic.Uint64 // times that we said to be online
}

// Client is a Sparkplug host application (Sparkplug 3.0, 5.3): one connection to a
// broker, with a clean session. It publishes its STATE and commands for a rebirth,
// nothing else.
type Client struct {
	options ClientOptions
	dialer  *mqtt.Dialer
	host    *Host // of Run alone
	counts  ClientCounts
	state   *Counts         // the host's
	after   medfleet.Millis // of Run alone: what our next word has to be newer than
	deaf    bool            // of Run alone: our own word did not come back the last time

	mu  sync.Mutex
	err error // why nothing comes in
}

var errNotStarted = errors.New("not connected yet")

// NewClient checks the options, mappings and certificates' files among them. It
// connects to nothing: Run does.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	dialer, err := mqtt.NewDialer(o.ServerConfig)
	if err != nil {
		return nil, err
	}
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	o.Answer = cmp.Or(o.Answer, answerTime)
	o.RetryMin = cmp.Or(o.RetryMin, time.Second)
	o.RetryMax = cmp.Or(o.RetryMax, time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{options: o, dialer: dialer, state: new(Counts), err: errNotStarted}
	if c.host, err = c.newHost(); err != nil {
		return nil, each(o.Section+".", err)
	}
	return c, nil
}

func (c *Client) newHost() (*Host, error) {
	o := &c.options
	return NewHost(HostOptions{
		Mappings: o.Mappings, Profiles: o.Profiles, Gateway: o.Gateway, Site: o.Site, Reorder: o.Reorder, Counts: c.state,
	})
}

// Counts gives the client's counters.
func (c *Client) Counts() *ClientCounts { return &c.counts }

// Nodes gives the counters of what became of edge nodes' messages.
func (c *Client) Nodes() *Counts { return c.state }

// Up reports whether messages come in and reach the disk.
func (c *Client) Up() bool { return c.Err() == nil }

// Heard is when the newest message came, zero if none ever did.
func (c *Client) Heard() time.Time {
	if ms := c.counts.Heard.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Err says why nothing comes in and what to do about it, or nil when messages do.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Client) is(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Run takes messages until ctx ends, over as many connections as it takes, and
// returns nil when everything it started has ended.
func (c *Client) Run(ctx context.Context) error {
	mqtt.Again(ctx, c.options.RetryMin, c.options.RetryMax, c.connection, func(err error, pause time.Duration) {
		c.is(err)
		c.options.Log.Warn("no messages from the Sparkplug broker", "error", err, "again_in", pause)
	})
	c.is(ctx.Err())
	return nil
}

var errPanic = errors.New("reading the message failed inside the gateway: please report it, with what the edge node sends")

// take is the host's Take, but one message that it cannot bear costs no more than a
// rebirth of all.
func (c *Client) take(said *Said, m Message, at time.Time) (err error) {
	defer func() {
		if recover() == nil {
			return
		}
		said.Reset()
		err = errPanic
		if host, broken := c.newHost(); broken == nil {
			c.host = host // its memory may be anything
		}
	}()
	return c.host.Take(said, m, at)
}
