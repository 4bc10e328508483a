package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Reader takes records off the log under a name; its position survives. Read,
// Seek and Close belong to one goroutine, Commit to any.
type Reader struct {
	l *Log
	c *cursor

	w       window
	seg     *segment // open, or nil
	off     int64    // of the next frame in it
	low     uint64   // lowest sequence that frame can have
	damage  *CorruptError
	trouble struct { // reads of one place that failed one after another
		times int
		since time.Time
	}
	records []Record
}

// ReaderOption changes how the log treats a reader.
type ReaderOption func(*cursor)

// MayLose lets the log drop, as a declared gap, what this reader has not taken
// when a cap is reached, even if the log's policy is Block.
func MayLose() ReaderOption { return func(c *cursor) { c.mayLose = true } }

// Reader opens the reader of that name (a-z, 0-9 and -, up to 64 letters),
// which goes on where it last committed. A new one starts at the oldest record.
func (l *Log) Reader(name string, options ...ReaderOption) (*Reader, error) {
	if !validReaderName(name) {
		return nil, fmt.Errorf("open reader %q: use up to 64 of a-z, 0-9 and -", name)
	}
	l.keep.Lock()
	defer l.keep.Unlock()
	c, fresh, err := l.claim(name, options)
	if err != nil {
		return nil, fmt.Errorf("open reader %s: %w", name, err)
	}
	if fresh {
		if err := l.syncCursor(c); err != nil {
			l.mu.Lock()
			c.open = false
			if c.file == nil && !c.unread {
				delete(l.cursors, name) // it was never there
			}
			l.mu.Unlock()
			return nil, fmt.Errorf("open reader %s: %w", name, err)
		}
	}
	return &Reader{l: l, c: c}, nil
}

// claim marks a reader open. It is fresh when its file has to be written.
func (l *Log) claim(name string, options []ReaderOption) (c *cursor, fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, ErrClosed
	}
	c = l.cursors[name]
	if c == nil {
		c = &cursor{name: name, committed: l.firstToTell(len(l.cursors) == 0) - 1}
		l.cursors[name] = c
	}
	if c.open {
		return nil, false, errors.New("it is open already: close it first")
	}
	before := c.mayLose
	c.open, c.mayLose = true, false
	for _, o := range options {
		o(c)
	}
	c.next = c.committed + 1
	return c, c.file == nil || before != c.mayLose, nil
}

// firstToTell is where a reader without a position begins: at the oldest
// record or, if it may be the one they concern, at the oldest loss. mu is held.
func (l *Log) firstToTell(losses bool) uint64 {
	if losses && len(l.lost) > 0 {
		return min(l.lost[0].first, l.oldest())
	}
	return l.oldest()
}

// Forget removes a closed reader's position, so that the log keeps nothing for it.
func (l *Log) Forget(name string) error {
	if err := l.forget(name); err != nil {
		return fmt.Errorf("forget reader %s: %w", name, err)
	}
	l.retain(0)
	return nil
}

func (l *Log) forget(name string) error {
	l.keep.Lock()
	defer l.keep.Unlock()
	l.mu.Lock()
	c := l.cursors[name]
	if c == nil || c.open || l.closed {
		l.mu.Unlock()
		return errors.New("it is open, or there is none of that name")
	}
	delete(l.cursors, name)
	l.mu.Unlock()
	if c.file == nil {
		return nil
	}
	return errors.Join(c.file.close(), l.o.Files.Remove(filepath.Join(l.dir, name+positionSuffix)), l.o.Files.SyncDir(l.dir))
}

// Commit says that everything up to and including a sequence is done with. The
// position reaches the disk before any segment goes; between segments at most
// once a second, so that after a crash a little is read again. An error means
// that the position could not be written: the log keeps more than it must.
func (r *Reader) Commit(sequence uint64) error {
	l := r.l
	l.mu.Lock()
	if l.closed || !r.c.open {
		l.mu.Unlock()
		return ErrClosed
	}
	if sequence >= r.c.next {
		next := r.c.next
		l.mu.Unlock()
		return fmt.Errorf("commit record %d as reader %s: the next to read is %d", sequence, r.c.name, next)
	}
	r.c.committed = max(r.c.committed, sequence)
	due := l.due(r.c)
	l.mu.Unlock()
	if !due {
		return nil
	}
	l.keep.Lock()
	err := l.syncCursor(r.c)
	l.keep.Unlock()
	if err != nil {
		return err
	}
	l.retain(0)
	return nil
}

// due says whether a position is worth an fsync. mu is held.
func (l *Log) due(c *cursor) bool {
	if c.committed == c.synced {
		return false
	}
	for _, s := range l.segs {
		if s == l.active || s.end-1 > c.committed {
			break
		}
		if s.end-1 > c.synced {
			return true
		}
	}
	return time.Since(c.written) >= positionEvery
}

// Seek makes the next Read begin at a sequence; 0 is the oldest record. It is
// for a reader that keeps its own truth elsewhere. What was committed stays
// committed. Beyond the newest record it is an error, because records still to
// be written would be skipped.
func (r *Reader) Seek(sequence uint64) error {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !r.c.open {
		return ErrClosed
	}
	if sequence > l.sequence+1 {
		return fmt.Errorf("seek to record %d as reader %s: the newest is %d", sequence, r.c.name, l.sequence)
	}
	if sequence == 0 {
		sequence = l.oldest()
	}
	r.c.next = sequence
	return r.leave()
}

// Close keeps the position and lets another open the reader. The log goes on
// keeping records for it; see Forget.
func (r *Reader) Close() error {
	l := r.l
	l.keep.Lock()
	defer l.keep.Unlock()
	l.mu.Lock()
	if !r.c.open {
		l.mu.Unlock()
		return nil
	}
	r.c.open = false
	closed := l.closed
	l.mu.Unlock()
	err := r.leave()
	if !closed && l.behind(r.c) {
		err = errors.Join(err, l.syncCursor(r.c))
	}
	return err
}
