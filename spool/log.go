package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Log is a log on disk. All its methods may be called from many goroutines.
type Log struct {
	dir   string
	o     Options
	lock  io.Closer
	epoch uint64
	seed  uint32
	done  chan struct{} // closed when the committer has ended
	stop  chan struct{} // closed when Close begins

	// keep serializes what happens to positions and to files that go. It is
	// taken before mu, never after.
	keep     sync.Mutex
	lostFile *slots

	mu       sync.Mutex
	wake     *sync.Cond // the committer waits here
	closed   bool
	segs     []*segment // by base; the last one may be active
	active   *segment   // being written; nil before the first record and after a failure
	cursors  map[string]*cursor
	lost     []lostRange
	durable  uint64      // newest sequence on disk
	previous uint64      // where the records of the segments so far end
	sequence uint64      // newest sequence given
	queue    batch       // what the next sync takes
	began    time.Time   // when the last round of the committer began
	late     *time.Timer // the queue is due
	flight   batch       // what the committer is writing
	grown    chan struct{}
	failures failures
	count    counters

	file File // of the active segment; the committer's alone
}

// batch is what one round of the committer takes.
type batch struct {
	frames []byte
	first  uint64
	last   uint64
	due    bool          // it waits for no more company
	done   chan struct{} // closed when the fate of all of it is known
}

// Epoch is the random number of this opening. Every record written by this
// Log carries it.
func (l *Log) Epoch() uint64 { return l.epoch }

// Enqueue hands records to the committer, which copies them, and returns the
// sequence of the last. They are next to one another in the log. Nothing is
// durable yet: WaitDurable tells. Errors: ErrFull (a *FullError), ErrTooLarge,
// ErrClosed; with any of them nothing was taken.
func (l *Log) Enqueue(payloads ...[]byte) (last uint64, err error) {
	return l.enqueue(false, payloads)
}

// EnqueuePatient is Enqueue for records that may wait for company: when the last
// sync began less than Options.Linger ago, theirs begins when that time is over, or
// when a record comes that does not wait.
func (l *Log) EnqueuePatient(payloads ...[]byte) (last uint64, err error) {
	return l.enqueue(true, payloads)
}

func (l *Log) enqueue(patient bool, payloads [][]byte) (last uint64, err error) {
	need, err := l.measure(payloads)
	if err != nil {
		return 0, err
	}
	now := time.Now().UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	if err := l.room(need); err != nil {
		return 0, err
	}
	opens := len(l.queue.frames) == 0
	if opens {
		l.queue.first = l.sequence + 1
		l.queue.done = make(chan struct{})
	}
	for _, p := range payloads {
		l.sequence++
		l.queue.frames = appendFrame(l.queue.frames, l.seed, frame{sequence: l.sequence, time: now, payload: p})
	}
	l.queue.last = l.sequence
	switch {
	case !patient || l.crowded():
		l.hurry()
	case opens:
		l.linger()
	}
	return l.sequence, nil
}

// hurry has the queue written now. The caller holds mu, and the queue is not empty.
func (l *Log) hurry() {
	l.queue.due = true
	l.wake.Signal()
}

// linger has the queue written when it has waited for company long enough.
func (l *Log) linger() {
	if wait := l.o.Linger - time.Since(l.began); wait > 0 {
		l.late.Reset(wait)
		return
	}
	l.hurry()
}

// lapsed is called when the queue has waited long enough, or the one before it.
func (l *Log) lapsed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue.frames) > 0 {
		l.hurry()
	}
}

// crowded reports whether the queue has so much in it that it need not wait for more.
func (l *Log) crowded() bool { return len(l.queue.frames) >= l.o.QueueBytes/4 }

func (l *Log) measure(payloads [][]byte) (int, error) {
	if len(payloads) == 0 {
		return 0, errors.New("append: no record given")
	}
	need := 0
	for _, p := range payloads {
		if len(p) > l.o.MaxRecord {
			return 0, fmt.Errorf("append record of %d bytes, allowed are %d: %w", len(p), l.o.MaxRecord, ErrTooLarge)
		}
		need += frameSize + len(p)
	}
	if need > l.o.QueueBytes {
		return 0, fmt.Errorf("append %d records of %d bytes at once, allowed are %d: %w", len(payloads), need, l.o.QueueBytes, ErrTooLarge)
	}
	return need, nil
}

// WaitDurable returns nil once the record and all of its call before it are on
// disk, the error that kept it from there, or ctx's error while that is open.
func (l *Log) WaitDurable(ctx context.Context, sequence uint64) error {
	for {
		settled, done, err := l.fate(sequence)
		if settled {
			return err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fate says what became of a record, or which channel closes when that is known.
func (l *Log) fate(sequence uint64) (settled bool, done <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case sequence > l.sequence:
		return true, nil, fmt.Errorf("wait for record %d: the newest is %d", sequence, l.sequence)
	case len(l.queue.frames) > 0 && sequence >= l.queue.first:
		return false, l.queue.done, nil
	case len(l.flight.frames) > 0 && sequence >= l.flight.first && sequence > l.durable:
		return false, l.flight.done, nil
	}
	return true, nil, l.failures.of(sequence)
}

// Append is Enqueue and WaitDurable. While only the queue is full it waits.
func (l *Log) Append(ctx context.Context, payloads ...[]byte) (last uint64, err error) {
	for {
		last, err = l.Enqueue(payloads...)
		if err == nil {
			return last, l.WaitDurable(ctx, last)
		}
		if !QueueFull(err) {
			return 0, err
		}
		if err := l.WaitQueue(ctx); err != nil {
			return 0, err
		}
	}
}

// QueueFull says that an error of Enqueue is about the queue in memory alone, which
// passes when the committer has finished a round: see WaitQueue.
func QueueFull(err error) bool {
	var full *FullError
	return errors.As(err, &full) && full.Holder == ""
}

// WaitQueue returns when the committer has finished a round, whether its records are
// durable now or failed, or ctx's error. It returns at once when nothing is queued.
func (l *Log) WaitQueue(ctx context.Context) error {
	l.mu.Lock()
	done := l.queue.done
	if len(l.flight.frames) > 0 {
		done = l.flight.done
	}
	idle := len(l.queue.frames) == 0
	l.mu.Unlock()
	if idle {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close refuses new records, writes the ones that wait, keeps the positions,
// lets go of the folder and returns when the committer has ended.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closed = true
	close(l.stop)
	l.late.Stop()
	l.wake.Broadcast()
	l.mu.Unlock()
	<-l.done
	return errors.Join(l.closePositions(), l.lock.Close())
}

func (l *Log) closePositions() error {
	l.keep.Lock()
	defer l.keep.Unlock()
	var errs []error
	for _, c := range l.cursors {
		if l.behind(c) {
			errs = append(errs, l.syncCursor(c))
		}
		if c.file != nil {
			errs = append(errs, c.file.close())
		}
	}
	if l.lostFile != nil {
		errs = append(errs, l.lostFile.close())
	}
	return errors.Join(errs...)
}

// behind says whether more was committed than is on disk.
func (l *Log) behind(c *cursor) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.committed > c.synced
}
