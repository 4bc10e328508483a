package spool

import (
	"maps"
	"slices"
	"time"
)

// Stats is the state of a log at one moment. Counts are since Open.
type Stats struct {
	Epoch    uint64
	Oldest   uint64 // first sequence still on disk
	Newest   uint64 // last durable sequence
	Segments int
	Bytes    int64 // on disk in segments
	MaxBytes int64
	Queued   int // bytes waiting for the committer

	Appended     uint64 // records made durable
	Failed       uint64 // records refused by the disk
	Fsyncs       uint64 // of segments
	FsyncsFailed uint64
	FsyncLast    time.Duration
	FsyncTotal   time.Duration

	Gaps    uint64 // gaps given to readers
	Corrupt uint64 // records found damaged
	Dropped uint64 // records removed at a cap before every reader had them
	Torn    int64  // bytes Open cut from the newest segment

	Readers []ReaderStats // by name
}

// ReaderStats is how far one reader is.
type ReaderStats struct {
	Name      string
	Open      bool
	MayLose   bool
	Committed uint64        // last sequence it is done with
	Pending   uint64        // records it has still to commit
	Bytes     int64         // of those, about
	Age       time.Duration // of the oldest of those, about
}

type counters struct {
	bytes       int64
	appended    uint64
	failed      uint64
	fsyncs      uint64
	fsyncFailed uint64
	fsyncLast   time.Duration
	fsyncTotal  time.Duration
	gaps        uint64
	corrupt     uint64
	dropped     uint64
	torn        int64
}

// Stats reads the counters.
func (l *Log) Stats() Stats {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.count
	s := Stats{Epoch: l.epoch, Oldest: l.oldest(), Newest: l.durable, Segments: len(l.segs), Bytes: c.bytes,
		MaxBytes: l.o.MaxBytes, Queued: len(l.queue.frames) + len(l.flight.frames),
		Appended: c.appended, Failed: c.failed, Fsyncs: c.fsyncs, FsyncsFailed: c.fsyncFailed,
		FsyncLast: c.fsyncLast, FsyncTotal: c.fsyncTotal,
		Gaps: c.gaps, Corrupt: c.corrupt, Dropped: c.dropped, Torn: c.torn}
	for _, name := range slices.Sorted(maps.Keys(l.cursors)) {
		s.Readers = append(s.Readers, l.readerStats(l.cursors[name], now))
	}
	return s
}

// readerStats is exact for records; bytes and age are interpolated within the
// segment the reader is in. mu is held.
func (l *Log) readerStats(c *cursor, now time.Time) ReaderStats {
	r := ReaderStats{Name: c.name, Open: c.open, MayLose: c.mayLose, Committed: c.committed,
		Pending: l.pendingAfter(c.committed)}
	for _, s := range l.segs {
		if s.end-1 <= c.committed || s.end == s.base {
			continue
		}
		done := float64(max(s.base, c.committed+1)-s.base) / float64(s.end-s.base)
		r.Bytes += s.size - int64(done*float64(s.size))
		if r.Age == 0 {
			at := s.first + int64(done*float64(s.last-s.first))
			r.Age = max(1, now.Sub(time.UnixMilli(at)))
		}
	}
	return r
}

// pendingAfter counts the records on disk after a sequence. mu is held.
func (l *Log) pendingAfter(sequence uint64) (n uint64) {
	for _, s := range l.segs {
		if from := max(s.base, sequence+1); from < s.end {
			n += s.end - from
		}
	}
	return n
}

// oldest is the first sequence on disk, or the next one when there is none. mu is held.
func (l *Log) oldest() uint64 {
	if len(l.segs) > 0 {
		return l.segs[0].base
	}
	return l.previous
}

// begins is the sequence before which everything is gone. It is before oldest
// when the numbers between were never on disk. mu is held.
func (l *Log) begins() uint64 {
	if len(l.segs) > 0 {
		return l.segs[0].previous
	}
	return l.previous
}
