package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Why a message was not sent or not answered.
var (
	// ErrNoAnswer means that no answer came in time. The message may have been
	// stored; sending it again, with the same control id, is right.
	ErrNoAnswer = errors.New("no answer in time")
	// ErrNoControlID means that the message has no MSH-10, so that no answer
	// could be told to be its own.
	ErrNoControlID = errors.New("message has no control id (MSH-10)")
	// ErrNotCommitted means that the receiver could not store the message (release 2).
	// Sending it again is right.
	ErrNotCommitted = errors.New("the receiver has not stored the message")
	// ErrNoCommit means that no commit frame came in time (release 2). It would
	// name no message, so the connection is given up: a late one must not count
	// for the next.
	ErrNoCommit = errors.New("no commit frame in time: does the receiver speak MLLP release 2?")
	// ErrInFlight means that a message with the same control id waits for its answer.
	ErrInFlight = errors.New("a message with this control id is still waiting for its answer")
)

// ClientConfig is the configuration of a [Client]. Zero values mean the defaults.
type ClientConfig struct {
	Timeout  time.Duration // for connecting, for a write, and for an answer; default 30 s
	Window   int           // messages that may wait for their answers at a time, default 1
	MaxFrame int           // longest answer in bytes, default 1 MiB
	TLS      *tls.Config   // nil: plain text
	Release2 bool          // speak MLLP release 2, which allows one message at a time
	Counters *Counters     // may be nil; may be shared
}

func (c ClientConfig) withDefaults() ClientConfig {
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.Window, 1)
	if c.Release2 {
		c.Window = 1
	}
	setDefault(&c.MaxFrame, DefaultMaxFrame)
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	return c
}

// Client sends messages over one connection and matches each answer to its
// message by MSA-2. An answer that comes too late, or to nothing that was
// asked, is counted and skipped: it never counts for another message. A
// client whose connection has failed stays failed; dial anew. It may be
// used from several goroutines.
type Client struct {
	config  ClientConfig
	nc      net.Conn
	window  chan struct{}
	commits chan bool // release 2: what the receiver said of the message at hand
	reading sync.WaitGroup
	ended   chan struct{} // closed when the connection is of no more use
	once    sync.Once
	err     error // why; to be read after ended

	writing sync.Mutex
	out     []byte

	mu      sync.Mutex
	waiting map[string]chan []byte // by control id
}

// Dial connects to address, host:port, and starts a client, which is to be closed.
// The error is that of the connection or of TLS, or ctx's.
func Dial(ctx context.Context, address string, c ClientConfig) (*Client, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var nc net.Conn
	var err error
	if c.TLS != nil {
		nc, err = (&tls.Dialer{Config: c.TLS}).DialContext(ctx, "tcp", address)
	} else {
		nc, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to HL7 receiver %q: %w", address, err)
	}
	return Start(nc, c), nil
}

// Start makes a client of a connection, which it takes over, and begins to
// read answers. Close ends it.
func Start(nc net.Conn, c ClientConfig) *Client {
	c = c.withDefaults()
	cl := &Client{
		config: c, nc: nc, window: make(chan struct{}, c.Window), commits: make(chan bool, 1),
		ended: make(chan struct{}), waiting: make(map[string]chan []byte),
	}
	c.Counters.Accepted.Add(1)
	c.Counters.Open.Add(1)
	cl.reading.Go(cl.read)
	return cl
}

// Close ends the connection and returns nil when all the client started has ended.
// Messages still waiting get an error.
func (c *Client) Close() error {
	c.fail(net.ErrClosed)
	c.reading.Wait()
	return nil
}

// Done is closed when the connection has ended, by Close or by itself.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Send sends one message and waits for its answer, at most the configured
// time. The answer is the caller's. The error wraps ErrNoAnswer, ErrNoControlID,
// ErrInFlight, ctx's error or that of the connection.
func (c *Client) Send(ctx context.Context, message []byte) ([]byte, error) {
	id := string(controlID(message))
	if id == "" {
		return nil, fmt.Errorf("send message: %w", ErrNoControlID)
	}
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	answer, err := c.expect(id)
	if err != nil {
		return nil, err
	}
	defer c.forget(id)
	if err := c.transmit(ctx, message); err != nil {
		return nil, err
	}
	return c.await(ctx, answer)
}

// Commit sends one message in release 2 and waits for its commit frame, at most the
// configured time, not for an answer. The error wraps ErrNotCommitted, ErrNoCommit,
// ctx's error or that of the connection.
func (c *Client) Commit(ctx context.Context, message []byte) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	return c.transmit(ctx, message)
}

// enter waits for a place in the window.
func (c *Client) enter(ctx context.Context) error {
	select {
	case c.window <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("send message: wait for its turn: %w", ctx.Err())
	case <-c.ended:
		return fmt.Errorf("send message: %w", c.err)
	}
}

func (c *Client) leave() { <-c.window }

// transmit posts a message and, in release 2, waits until it is committed.
func (c *Client) transmit(ctx context.Context, message []byte) error {
	select {
	case <-c.commits: // a second one for the message before
		c.config.Counters.Unmatched.Add(1)
	default:
	}
	if err := c.Post(message); err != nil || !c.config.Release2 {
		return err
	}
	timer := time.NewTimer(c.config.Timeout)
	defer timer.Stop()
	select {
	case kept := <-c.commits:
		if !kept {
			return fmt.Errorf("send message: %w", ErrNotCommitted)
		}
		return nil
	case <-timer.C:
		c.fail(ErrNoCommit)
		return fmt.Errorf("send message: after %v: %w", c.config.Timeout, ErrNoCommit)
	case <-ctx.Done():
		c.fail(ctx.Err())
		return fmt.Errorf("send message: wait for its commit frame: %w", ctx.Err())
	case <-c.ended:
		return fmt.Errorf("send message: wait for its commit frame: %w", c.err)
	}
}

func (c *Client) await(ctx context.Context, answer chan []byte) ([]byte, error) {
	timer := time.NewTimer(c.config.Timeout)
	defer timer.Stop()
	select {
	case a := <-answer:
		return a, nil
	case <-timer.C:
		return nil, fmt.Errorf("send message: after %v: %w", c.config.Timeout, ErrNoAnswer)
	case <-ctx.Done():
		return nil, fmt.Errorf("send message: wait for its answer: %w", ctx.Err())
	case <-c.ended:
	}
	select { // it may have come just before the end
	case a := <-answer:
		return a, nil
	default:
		return nil, fmt.Errorf("send message: wait for its answer: %w", c.err)
	}
}

// Post sends one message and waits for nothing, not for a commit frame either: its
// answer is skipped. The error is that of the connection, which is then of no more
// use.
func (c *Client) Post(message []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = AppendFrame(c.out[:0], message)
	if err := c.write(); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	c.config.Counters.Frames.Add(1)
	return nil
}

// confirm tells the receiver that its answer has come (release 2).
func (c *Client) confirm() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = appendCommit(c.out[:0], true)
	_ = c.write() // an error ends the connection, which the next read tells
}

// write writes what is in c.out; what would follow half a frame could not be read.
func (c *Client) write() error {
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.config.Timeout))
	n, err := c.nc.Write(c.out)
	c.config.Counters.BytesOut.Add(int64(n))
	if err != nil {
		c.fail(err)
		return c.err
	}
	return nil
}

func (c *Client) expect(id string) (chan []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[id] != nil {
		return nil, fmt.Errorf("send message: %w", ErrInFlight)
	}
	answer := make(chan []byte, 1)
	c.waiting[id] = answer
	return answer, nil
}

func (c *Client) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// read hands answers to those who wait.
func (c *Client) read() {
	var received Counters // frames here are answers there
	config := ReaderConfig{MaxFrame: c.config.MaxFrame, FrameTimeout: c.config.Timeout, Counters: &received}
	if c.config.Release2 {
		config.Commit = c.committed
	}
	r := NewReader(c.nc, config)
	defer c.config.Counters.Open.Add(-1)
	for {
		frame, err := r.Next()
		c.config.Counters.BytesIn.Add(received.BytesIn.Swap(0))
		if err != nil {
			c.fail(err)
			return
		}
		c.config.Counters.Answers.Add(1)
		if !c.deliver(frame) {
			c.config.Counters.Unmatched.Add(1)
		}
		if c.config.Release2 {
			c.confirm()
		}
	}
}

// committed takes a commit frame. One that nobody waits for is skipped.
func (c *Client) committed(kept bool) {
	c.config.Counters.Commits.Add(1)
	if len(c.window) == 0 {
		c.config.Counters.Unmatched.Add(1)
		return
	}
	select {
	case c.commits <- kept:
	default:
		c.config.Counters.Unmatched.Add(1)
	}
}

// deliver gives an answer to the message it names, once.
func (c *Client) deliver(frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := string(acknowledgedID(frame))
	answer := c.waiting[id]
	if answer == nil {
		return false
	}
	delete(c.waiting, id)
	answer <- append([]byte(nil), frame...)
	return true
}

// fail ends the connection. The first cause stays, and may be read after fail.
func (c *Client) fail(err error) {
	c.once.Do(func() {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("receiver closed the connection: %w", err)
		}
		c.err = err
		close(c.ended)
		c.nc.Close()
	})
}
