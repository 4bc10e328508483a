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
	service *service
	peer    Peer
	nc      net.Conn
	cancel  context.CancelFunc
	unhook  func() bool // ends what cancel would do

	writing sync.Mutex // one writes whole frames: answers, or what a poll asks

	mu        sync.Mutex
	room      sync.Cond // the queue got shorter, or answering ended
	queue     queue     // at most Pipeline
	answering bool      // the second goroutine runs
	stopped   bool      // no more reading, no more answers
	out       []byte    // answers collected for one write; of the second goroutine alone
}

// end lets go of the connection.
func (c *connection) end() {
	c.unhook()
	c.cancel()
	c.nc.Close()
}

// serve reads messages until the stream ends, then lets the answers that are
// due go out. It gives why reading ended, nil if an answer ended it.
func (c *connection) serve(ctx context.Context) (ended error) {
	r := c.reader(c.service.limits.FrameTimeout)
	defer r.Release()
	for {
		frame, err := r.Next()
		if err != nil {
			ended = err
			c.ended(ctx, r, err)
			break
		}
		receipt := c.accept(ctx, frame)
		if receipt == nil && c.service.release2 {
			receipt = Answer{} // no answer, but its commit frame
		}
		if receipt != nil && !c.push(ctx, receipt) || closes(receipt) {
			break
		}
	}
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
	c.push(ctx, c.service.refuse(ctx, c.peer, NotAllowed, frame[:min(len(frame), headBytes)]))
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
	return NewReader((*readSide)(c), config)
}

// ended counts why reading ended and queues the refusal, so that it goes out
// after the answers to what came before.
func (c *connection) ended(ctx context.Context, r *Reader, err error) {
	n := &c.service.counters
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
	c.push(ctx, c.service.refuse(ctx, c.peer, reason, r.Head()))
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

// push queues a receipt, waiting while the queue is full: the sender is then
// not read from. It says whether reading may go on.
func (c *connection) push(ctx context.Context, receipt Receipt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.queue.len() >= c.service.limits.Pipeline && !c.stopped {
		c.room.Wait()
	}
	if c.stopped {
		return false
	}
	c.queue.push(receipt)
	if !c.answering {
		c.answering = true
		c.service.serving.Go(func() { c.answer(ctx) })
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
			c.stop()
		}
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
			c.service.counters.Panics.Add(1)
			a = c.service.refuse(ctx, c.peer, Panicked, nil)
		}
	}()
	return receipt.Wait(ctx)
}

// flush writes the collected answers.
func (c *connection) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	ok := c.write(c.out)
	c.out = c.out[:0]
	return ok
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
