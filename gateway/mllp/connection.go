package mllp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxCoalesced = 64 << 10        // bytes of answers collected before a write
	turnAwayTime = 5 * time.Second // for the first message of a sender not allowed
	lingerTime   = time.Second     // to let a last answer arrive before the connection is reset
	lingerBytes  = 4 << 20
)

// connection is one sender. Its goroutine reads what whole messages there are and
// hands each over, then waits for their receipts and answers, then waits for more.
// Messages that came together so share a sync, and a sender that has not been
// answered is not read from for long.
type connection struct {
	service *service
	peer    Peer
	nc      net.Conn
	cancel  context.CancelFunc
	unhook  func() bool // ends what cancel would do

	writing sync.Mutex // one writes whole frames: answers, or what a poll asks

	due     []Receipt   // of messages not answered yet, oldest first; at most Pipeline
	out     []byte      // answers collected for one write
	stopped atomic.Bool // no more reading, no more answers
}

// restReceipts is for how many a connection at rest holds memory.
const restReceipts = 8

// errStopped ends reading; the cause is elsewhere.
var errStopped = errors.New("connection given up")

// end lets go of the connection.
func (c *connection) end() {
	c.unhook()
	c.cancel()
	c.nc.Close()
}

// serve takes messages until the stream or an answer ends it. It gives why reading
// ended.
func (c *connection) serve(ctx context.Context) (ended error) {
	r := c.reader(c.service.limits.FrameTimeout)
	r.config.Before = func() error { return c.settle(ctx) }
	defer r.Release()
	for ended == nil {
		var frame []byte
		if frame, ended = r.Next(); ended == nil {
			ended = c.owe(ctx, c.accept(ctx, frame))
		}
	}
	_ = c.settle(ctx) // an error is noted in c.stopped
	c.ended(ctx, r, ended)
	c.drain()
	return ended
}

// turnAway reads one message of a sender that is not on the allow-list, only to
// tell it so.
func (c *connection) turnAway(ctx context.Context) {
	r := c.reader(min(turnAwayTime, c.service.limits.FrameTimeout))
	defer r.Release()
	r.config.MaxFrame, r.config.IdleTimeout = headBytes, turnAwayTime
	frame, err := r.Next()
	if err != nil {
		frame = r.Head()
	}
	c.answer(c.service.refuse(ctx, c.peer, NotAllowed, frame[:min(len(frame), headBytes)]))
	c.drain()
}

func (c *connection) reader(frameTimeout time.Duration) *Reader {
	limits := &c.service.limits
	config := ReaderConfig{
		MaxFrame: limits.MaxFrame, FrameTimeout: frameTimeout, IdleTimeout: limits.IdleTimeout,
		Counters: &c.service.counters, budget: &c.service.budget,
	}
	if c.service.release2 { // the sender may confirm our answers; nothing hangs on it
		config.Commit = func(bool) { c.service.counters.Commits.Add(1) }
	}
	return NewReader(c.nc, config)
}

// ended counts why reading ended, and refuses what is not taken.
func (c *connection) ended(ctx context.Context, r *Reader, err error) {
	n := &c.service.counters
	reason := Reason(0)
	switch {
	case ctx.Err() != nil, c.stopped.Load(), errors.Is(err, io.EOF), errors.Is(err, ErrIdle):
		return
	case errors.Is(err, ErrTruncated):
		n.Truncated.Add(1)
		return
	case errors.Is(err, ErrTooLarge):
		n.TooLarge.Add(1)
		reason = TooLarge
	case errors.Is(err, ErrSlow):
		n.Slow.Add(1)
		reason = TooSlow
	case errors.Is(err, ErrNoFrame):
		n.NoFrame.Add(1)
		reason = NotFramed
	case errors.Is(err, ErrBusy):
		n.Busy.Add(1)
		reason = Busy
	default:
		n.Failures.Add(1)
		return
	}
	c.answer(c.service.refuse(ctx, c.peer, reason, r.Head()))
}

// accept calls the handler and survives its panic.
func (c *connection) accept(ctx context.Context, frame []byte) (receipt Receipt) {
	defer func() {
		if recover() != nil {
			c.service.counters.Panics.Add(1)
			receipt = c.service.refuse(ctx, c.peer, Panicked, frame[:min(len(frame), headBytes)])
		}
	}()
	return c.service.handler.Accept(ctx, c.peer, frame)
}

// owe notes that a message is to be answered. When there are as many as may be, or
// when the connection ends with this one, they are answered first.
func (c *connection) owe(ctx context.Context, receipt Receipt) error {
	if receipt == nil && c.service.release2 {
		receipt = Answer{} // no answer, but its commit frame
	}
	if receipt == nil {
		return nil
	}
	c.due = append(c.due, receipt)
	if len(c.due) < c.service.limits.Pipeline && !closes(receipt) {
		return nil
	}
	return c.settle(ctx)
}

// settle waits for the receipts that are due and answers in their order. Answers
// that are ready leave together. The error says that the connection has ended.
func (c *connection) settle(ctx context.Context) error {
	for i, receipt := range c.due {
		if c.due[i] = nil; !settled(receipt) {
			c.flush()
		}
		if c.stopped.Load() {
			continue
		}
		a := c.wait(ctx, receipt)
		if ctx.Err() != nil { // shutting down, or the sender is gone
			c.stopped.Store(true)
			continue
		}
		c.answer(a)
	}
	c.flush()
	c.rest()
	if c.stopped.Load() {
		return errStopped
	}
	return nil
}

// answer collects one answer.
func (c *connection) answer(a Answer) {
	if c.service.release2 {
		c.out = appendCommit(c.out, !a.NotKept)
	}
	if a.Frame != nil {
		c.out = AppendFrame(c.out, a.Frame)
		c.service.counters.Answers.Add(1)
	}
	if a.Close || len(c.out) >= maxCoalesced {
		c.flush()
	}
	if a.Close {
		c.stopped.Store(true)
	}
}

// rest lets go of memory that only a burst needs.
func (c *connection) rest() {
	if c.due = c.due[:0]; cap(c.due) > restReceipts {
		c.due = nil
	}
	if cap(c.out) > restBytes {
		c.out = nil
	}
}

// drain lets the sender take its last answer: closing with input unread would
// reset the connection and destroy it.
func (c *connection) drain() {
	if !c.stopped.Load() {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}

// closes says that a receipt ends the connection whatever happens, so that what
// stands behind its message is not for us.
func closes(r Receipt) bool {
	a, ok := r.(Answer)
	return ok && a.Close
}

func settled(r Receipt) bool {
	s, ok := r.(Settled)
	return ok && s.Settled()
}

// wait waits for the receipt and survives its panic.
func (c *connection) wait(ctx context.Context, receipt Receipt) (a Answer) {
	defer func() {
		if recover() != nil {
			c.service.counters.Panics.Add(1)
			a = c.service.refuse(ctx, c.peer, Panicked, nil)
		}
	}()
	return receipt.Wait(ctx)
}

// flush writes the collected answers.
func (c *connection) flush() {
	if len(c.out) > 0 {
		c.write(c.out)
		c.out = c.out[:0]
	}
}

// write writes whole frames. A peer that does not take them is given up.
func (c *connection) write(frames []byte) bool {
	c.writing.Lock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.service.limits.WriteTimeout))
	n, err := c.nc.Write(frames)
	c.writing.Unlock()
	c.service.counters.BytesOut.Add(int64(n))
	if err != nil {
		c.service.counters.Failures.Add(1)
		c.stopped.Store(true)
		c.cancel()
	}
	return err == nil
}
