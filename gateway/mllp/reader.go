package mllp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Reasons why a [Reader] ends. They say nothing of what was read.
var (
	// ErrTooLarge means a message over the limit.
	ErrTooLarge = errors.New("message over the limit: raise the limit or send less at once")
	// ErrNoFrame means that bytes came without a start block.
	ErrNoFrame = errors.New("no MLLP start block: is the sender speaking MLLP, and without TLS?")
	// ErrSlow means that a frame was not complete in time.
	ErrSlow = errors.New("frame not complete in time")
	// ErrTruncated means that the connection ended inside a frame.
	ErrTruncated = errors.New("connection ended inside a frame")
	// ErrIdle means that nothing came for longer than the idle timeout.
	ErrIdle = errors.New("connection idle")
	// ErrBusy means that the connections together hold as many bytes of
	// unfinished frames as they may.
	ErrBusy = errors.New("too many bytes in unfinished frames")
)

const (
	restBytes   = 1024            // buffer of a connection at rest
	firstGrowth = 4096            // a usual report fits
	aheadBytes  = 64 << 10        // buffer of a sender that sends ahead, if there is room
	headBytes   = 4096            // of a refused frame, what is kept to find a control id
	maxRubbish  = 4096            // bytes outside frames before a sender is given up
	shrinkAfter = 5 * time.Second // at rest this long, a large buffer is given back
)

// ReaderConfig bounds a [Reader]. Zero values mean the defaults.
type ReaderConfig struct {
	MaxFrame     int            // longest message in bytes; default DefaultMaxFrame
	FrameTimeout time.Duration  // from a frame's first byte to its last; default 30 s
	IdleTimeout  time.Duration  // between frames; default none
	Counters     *Counters      // may be nil
	Commit       func(ack bool) // release 2: called for a commit frame, which is no message; nil: release 1
	Before       func() error   // called before more is waited for, when all whole frames are given; an error ends reading; may be nil
	budget       *budget        // bytes beyond the resting buffer, shared by connections; may be nil
}

func (c ReaderConfig) withDefaults() ReaderConfig {
	if c.MaxFrame <= 0 {
		c.MaxFrame = DefaultMaxFrame
	}
	if c.FrameTimeout <= 0 {
		c.FrameTimeout = 30 * time.Second
	}
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	return c
}

// Reader takes messages out of a stream. Bytes before a start block are
// skipped, up to a limit; a start block inside a frame begins it anew; after
// the end block CR, LF or nothing may follow. Timeouts work where the stream
// has SetReadDeadline, as a net.Conn has.
type Reader struct {
	src       io.Reader
	deadliner interface{ SetReadDeadline(time.Time) error } // nil: no timeouts
	config    ReaderConfig

	buf      []byte
	from, to int  // unread bytes
	seen     int  // of an open frame, bytes already searched, counted from `from`
	open     bool // from is just behind a start block
	rubbish  int  // bytes outside frames, unread from `from` on
	taken    int  // bytes from the budget
	filled   bool // the last read filled the buffer: there may be more

	last time.Time // when the newest frame was complete
	busy bool      // the one before came shortly before

	started time.Time // when an unfinished frame, or rubbish, was first waited for
	resting bool      // the deadline set is that of a connection at rest
	active  bool      // a frame came since
}

// NewReader reads from src, which it does not close.
func NewReader(src io.Reader, c ReaderConfig) *Reader {
	r := &Reader{src: src, config: c.withDefaults(), buf: newBuffer(restBytes)}
	r.deadliner, _ = src.(interface{ SetReadDeadline(time.Time) error })
	return r
}

// Next gives the next message, without its block characters. The slice is the
// reader's buffer and holds until the next call.
//
// It returns io.EOF when the stream ends between frames, an error wrapping
// ErrTooLarge, ErrNoFrame, ErrSlow, ErrTruncated, ErrIdle or ErrBusy, that of
// Before, or the stream's own. After an error the reader is finished.
func (r *Reader) Next() ([]byte, error) {
	for {
		frame, ok, err := r.scan()
		if err != nil {
			return nil, err
		}
		if ok {
			r.took(time.Now())
			if r.config.Commit != nil && isCommit(frame) {
				r.config.Commit(frame[0] == commitAck)
				continue
			}
			r.config.Counters.frame(r.last)
			return frame, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// took notes when a frame was complete.
func (r *Reader) took(at time.Time) {
	r.busy = at.Sub(r.last) < shrinkAfter
	r.started, r.active, r.last = time.Time{}, true, at
}

// Head is the beginning of the frame or of the rubbish that Next failed on, at
// most 4 KiB. It holds until Release.
func (r *Reader) Head() []byte {
	return r.buf[r.from:min(r.to, r.from+headBytes)]
}

// Release gives the buffer back. The reader must not be used any more.
func (r *Reader) Release() {
	recycle(r.buf)
	r.config.budget.give(r.taken)
	r.buf, r.from, r.to, r.taken = nil, 0, 0, 0
}

// scan looks for a complete frame in the buffer.
func (r *Reader) scan() (frame []byte, ok bool, err error) {
	if !r.open && !r.skip() {
		return nil, false, r.checkRubbish()
	}
	for {
		fresh := r.buf[r.from+r.seen : r.to]
		end := bytes.IndexByte(fresh, endBlock)
		if end >= 0 {
			fresh = fresh[:end]
		}
		if n := bytes.Count(fresh, []byte{startBlock}); n > 0 {
			r.from, r.seen = r.from+r.seen+bytes.LastIndexByte(fresh, startBlock)+1, 0
			r.config.Counters.Restarts.Add(int64(n))
			continue
		}
		r.seen += len(fresh)
		if r.seen > r.config.MaxFrame {
			return nil, false, fmt.Errorf("read frame: over %d bytes: %w", r.config.MaxFrame, ErrTooLarge)
		}
		if end < 0 {
			return nil, false, nil
		}
		frame = r.buf[r.from : r.from+r.seen : r.from+r.seen]
		r.from, r.seen, r.open, r.rubbish = r.from+r.seen+1, 0, false, 0
		return frame, true, nil
	}
}

// skip drops bytes up to and with a start block and says whether there was one.
// Rubbish is kept while it fits, for a control id may be in it.
func (r *Reader) skip() bool {
	for r.rubbish == 0 && r.from < r.to && blank(r.buf[r.from]) {
		r.from++
	}
	unread := r.buf[r.from:r.to]
	at := bytes.IndexByte(unread, startBlock)
	found := at >= 0
	if !found {
		at = len(unread)
	}
	r.config.Counters.Rubbish.Add(int64(at - r.rubbish))
	r.rubbish = at
	if !found {
		return false
	}
	r.from, r.open, r.seen, r.rubbish = r.from+at+1, true, 0, 0
	return true
}

// blank says that c between frames is no rubbish.
func blank(c byte) bool { return c == endFrame || c == '\n' || c == ' ' || c == 0 }

func (r *Reader) checkRubbish() error {
	if r.rubbish > maxRubbish {
		return fmt.Errorf("read frame: %d bytes: %w", r.rubbish, ErrNoFrame)
	}
	return nil
}

// fill reads more, with room made and the right deadline set. A sender that does not
// speak often needs its large buffer no more: a thousand that speak at once share few.
func (r *Reader) fill() error {
	if r.from == r.to && r.taken > 0 && !r.busy && !r.open {
		_ = r.resize(restBytes) // smaller: the budget has it
	}
	if r.config.Before != nil {
		if err := r.config.Before(); err != nil {
			return err
		}
	}
	if err := r.room(); err != nil {
		return err
	}
	r.arm()
	n, err := r.src.Read(r.buf[r.to:])
	r.to += n
	r.filled = r.to == len(r.buf)
	r.config.Counters.BytesIn.Add(int64(n))
	switch {
	case n > 0 || err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return r.expired(err)
	case errors.Is(err, io.EOF) && r.open:
		return fmt.Errorf("read frame: %w", ErrTruncated)
	case errors.Is(err, io.EOF) && r.rubbish > 0:
		return fmt.Errorf("read frame: %w", ErrNoFrame)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("read frame: %w", err)
}

// room moves what is unread to the front and grows the buffer when that fills it.
// A sender that sends ahead gets a larger one too, while there is room: what one
// read takes shares a sync.
func (r *Reader) room() error {
	if r.from == r.to {
		r.from, r.to = 0, 0
	}
	if !r.filled {
		return nil
	}
	r.to, r.from = copy(r.buf, r.buf[r.from:r.to]), 0
	size := min(max(2*len(r.buf), firstGrowth), max(r.config.MaxFrame, maxRubbish)+restBytes)
	switch needed := r.to > len(r.buf)/2; {
	case size <= len(r.buf), !needed && size > aheadBytes:
		return nil
	case needed:
		return r.resize(size)
	}
	_ = r.resize(size) // the buffer it has does too
	return nil
}

func (r *Reader) resize(size int) error {
	if !r.config.budget.take(size - restBytes - r.taken) {
		return fmt.Errorf("read frame: %w", ErrBusy)
	}
	r.taken = size - restBytes
	other := newBuffer(size)
	r.from, r.to = 0, copy(other, r.buf[r.from:r.to])
	recycle(r.buf)
	r.buf, r.filled = other, false
	return nil
}
