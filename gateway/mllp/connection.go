package mllp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxCoalesced = 64 << 10        // bytes of answers collected before a write
	turnAwayTime = 5 * time.Second // for the first message of a sender not allowed
	lingerTime   = time.Second     // to let a last answer arrive before the connection is reset
	lingerBytes  = 4 << 20
)

// connection is one sender. Its goroutine reads; while answers are due, a
// second one waits for receipts and writes.
type connection struct {
	listener *Listener
	peer     Peer
	nc       net.Conn
	cancel   context.CancelFunc

	mu        sync.Mutex
	room      sync.Cond // the queue got shorter, or answering ended
	queue     queue     // at most Pipeline
	answering bool      // the second goroutine runs
	stopped   bool      // no more reading, no more answers
	out       []byte    // answers collected for one write; of the second goroutine alone
}

// serve reads messages until the stream ends, then lets the answers that are
// due go out.
func (c *connection) serve(ctx context.Context) {
	r := c.reader(c.listener.config.FrameTimeout)
	defer r.Release()
	for {
		frame, err := r.Next()
		if err != nil {
			c.ended(ctx, r, err)
			break
		}
		if receipt := c.accept(ctx, frame); receipt != nil && !c.push(ctx, receipt) {
			break
		}
	}
	c.drain()
}

// turnAway reads one message of a sender that is not on the allow-list, only to
// tell it so.
func (c *connection) turnAway(ctx context.Context) {
	r := c.reader(min(turnAwayTime, c.listener.config.FrameTimeout))
	defer r.Release()
	r.config.MaxFrame, r.config.IdleTimeout = headBytes, turnAwayTime
	frame, err := r.Next()
	if err != nil {
		frame = r.Head()
	}
	c.push(ctx, c.listener.refuse(ctx, c.peer, NotAllowed, frame[:min(len(frame), headBytes)]))
	c.drain()
}

func (c *connection) reader(frameTimeout time.Duration) *Reader {
	cfg := &c.listener.config
	return NewReader((*readSide)(c), ReaderConfig{
		MaxFrame: cfg.MaxFrame, FrameTimeout: frameTimeout, IdleTimeout: cfg.IdleTimeout,
		Counters: &c.listener.counters, budget: &c.listener.budget,
	})
}

// ended counts why reading ended and queues the refusal, so that it goes out
// after the answers to what came before.
func (c *connection) ended(ctx context.Context, r *Reader, err error) {
	n := &c.listener.counters
	reason := Reason(0)
	switch {
	case ctx.Err() != nil, c.isStopped(), errors.Is(err, io.EOF), errors.Is(err, ErrIdle):
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
	c.push(ctx, c.listener.refuse(ctx, c.peer, reason, r.Head()))
}

// accept calls the handler and survives its panic.
func (c *connection) accept(ctx context.Context, frame []byte) (receipt Receipt) {
	defer func() {
		if recover() != nil {
			c.listener.counters.Panics.Add(1)
			receipt = c.listener.refuse(ctx, c.peer, Panicked, frame[:min(len(frame), headBytes)])
		}
	}()
	return c.listener.handler.Accept(ctx, c.peer, frame)
}

// push queues a receipt, waiting while the queue is full: the sender is then
// not read from. It says whether reading may go on.
func (c *connection) push(ctx context.Context, receipt Receipt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.queue.len() >= c.listener.config.Pipeline && !c.stopped {
		c.room.Wait()
	}
	if c.stopped {
		return false
	}
	c.queue.push(receipt)
	if !c.answering {
		c.answering = true
		c.listener.serving.Go(func() { c.answer(ctx) })
	}
	return true
}

// drain waits until all answers due are sent, then for a moment for the sender
// to take them: closing with input unread would reset the connection and
// destroy them.
func (c *connection) drain() {
	c.mu.Lock()
	for c.answering {
		c.room.Wait()
	}
	linger := c.stopped
	c.mu.Unlock()
	if !linger {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}

// answer writes answers in the order of the queue and ends when it is empty.
func (c *connection) answer(ctx context.Context) {
	for {
		receipt, ok := c.pop()
		if !ok {
			return
		}
		if !settled(receipt) && !c.flush() {
			continue
		}
		a := c.wait(ctx, receipt)
		if ctx.Err() != nil { // shutting down, or the sender is gone
			c.stop()
			continue
		}
		if a.Frame != nil {
			c.out = AppendFrame(c.out, a.Frame)
			c.listener.counters.Answers.Add(1)
		}
		if a.Close || len(c.out) >= maxCoalesced {
			c.flush()
		}
		if a.Close {
			c.stop()
		}
	}
}

func settled(r Receipt) bool {
	s, ok := r.(Settled)
	return ok && s.Settled()
}

// pop takes the oldest receipt. When there is none, what is collected is
// written, and if there still is none, answering ends.
func (c *connection) pop() (Receipt, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.len() == 0 && len(c.out) > 0 {
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
	}
	if c.queue.len() == 0 || c.stopped {
		if c.answering = false; cap(c.out) > restBytes {
			c.out = nil
		}
		c.room.Broadcast()
		return nil, false
	}
	c.room.Broadcast()
	return c.queue.pop(), true
}

// wait waits for the receipt and survives its panic.
func (c *connection) wait(ctx context.Context, receipt Receipt) (a Answer) {
	defer func() {
		if recover() != nil {
			c.listener.counters.Panics.Add(1)
			a = c.listener.refuse(ctx, c.peer, Panicked, nil)
		}
	}()
	return receipt.Wait(ctx)
}

// flush writes the collected answers. A sender that does not take them is given up.
func (c *connection) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.listener.config.WriteTimeout))
	n, err := c.nc.Write(c.out)
	c.listener.counters.BytesOut.Add(int64(n))
	c.out = c.out[:0]
	if err != nil {
		c.listener.counters.Failures.Add(1)
		c.stop()
		c.cancel()
	}
	return err == nil
}

// stop ends reading and answering.
func (c *connection) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.room.Broadcast()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

func (c *connection) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// readSide is the connection as its Reader sees it: a deadline set for reading
// does not undo the end of reading.
type readSide connection

// Read reads from the peer.
func (s *readSide) Read(p []byte) (int, error) { return s.nc.Read(p) }

// SetReadDeadline sets the deadline unless reading has been ended.
func (s *readSide) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	return s.nc.SetReadDeadline(t)
}
