package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"
)

// run is the committer: one goroutine that takes all that waits, writes it,
// syncs once and tells everybody, until Close.
func (l *Log) run() {
	defer close(l.done)
	for l.take() {
		l.commit()
		// Those just told get to speak before the next round, so that a
		// round is not spent on the first of them alone.
		runtime.Gosched()
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			l.o.OnEvent(Event{Kind: EventCleanup, File: l.active.name, Err: err})
		}
	}
}

// take makes the queue the flight. It returns false when closed and empty.
func (l *Log) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.queue.due && !l.closed {
		l.wake.Wait()
	}
	if len(l.queue.frames) == 0 {
		return false
	}
	l.began = time.Now()
	l.queue, l.flight = batch{frames: l.flight.frames[:0]}, l.queue
	return true
}

// commit writes the flight, a segment's part at a time.
func (l *Log) commit() {
	rest, first := l.flight.frames, l.flight.first
	var failed error
	for len(rest) > 0 && failed == nil {
		part, records := l.fit(rest)
		if failed = l.store(part, first); failed == nil {
			first += records
			rest = rest[len(part):]
		}
	}
	l.settle(first, failed)
	if failed != nil {
		l.o.OnEvent(Event{Kind: EventWriteFailed, Err: failed})
	}
}

// settle ends the flight: what begins at first failed, if anything did.
func (l *Log) settle(first uint64, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed != nil {
		l.failures.add(first, l.flight.last, failed)
		l.count.failed += l.flight.last - first + 1
	}
	close(l.flight.done)
	l.flight.frames = l.flight.frames[:0]
}

// fit returns the frames that go into the active segment, at least one; when
// none does it seals the segment.
func (l *Log) fit(frames []byte) (part []byte, records uint64) {
	size := int64(headerSize)
	if l.active != nil {
		size = l.active.size
		if size+frameLength(frames) > l.o.SegmentBytes || l.overAge(l.active) {
			l.seal()
			size = headerSize
		}
	}
	n := int64(0)
	for n < int64(len(frames)) {
		next := frameLength(frames[n:])
		if n > 0 && size+n+next > l.o.SegmentBytes {
			break
		}
		n += next
		records++
	}
	return frames[:n], records
}

// overAge makes a slow log begin a new segment often enough for MaxAge to
// have something to remove.
func (l *Log) overAge(s *segment) bool {
	return l.o.MaxAge > 0 && time.Since(s.firstAt) > l.o.MaxAge/8
}

// seal ends the active segment at its last durable byte. It is not written again.
func (l *Log) seal() {
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			l.o.OnEvent(Event{Kind: EventCleanup, File: l.active.name, Err: err})
		}
	}
	l.file = nil
	l.mu.Lock()
	l.active = nil
	l.mu.Unlock()
}

// store makes one part durable. After an error the segment it went to is
// sealed before that part: a second fsync of the same file could return nil
// for pages the kernel has given up.
func (l *Log) store(part []byte, first uint64) error {
	if l.tight(int64(len(part))) {
		l.retain(int64(len(part)))
	}
	if l.active == nil {
		return l.begin(part, first)
	}
	s := l.active
	if _, err := l.file.WriteAt(part, s.size); err != nil {
		l.abandon(int64(len(part)))
		return fmt.Errorf("write segment %s: %w", s.name, err)
	}
	if err := l.syncFile(l.file); err != nil {
		l.abandon(int64(len(part)))
		return fmt.Errorf("sync segment %s: %w", s.name, err)
	}
	l.advance(s, part)
	return nil
}

func (l *Log) abandon(written int64) {
	l.mu.Lock()
	l.active.disk += written
	l.count.bytes += written
	l.mu.Unlock()
	l.seal()
}

// begin writes a new segment with its first records.
func (l *Log) begin(part []byte, first uint64) error {
	s := &segment{name: segmentName(first, l.epoch), epoch: l.epoch, base: first, end: first, previous: l.previous,
		size: headerSize, disk: headerSize, first: frameTime(part), last: frameTime(part), firstAt: time.Now()}
	h := header{epoch: s.epoch, base: s.base, previous: s.previous, created: s.first}
	path := filepath.Join(l.dir, s.name)
	file, err := l.o.Files.Create(path)
	if err != nil {
		return fmt.Errorf("create segment %s: %w", s.name, err)
	}
	if _, err = file.WriteAt(h.encode(), 0); err == nil {
		_, err = file.WriteAt(part, headerSize)
	}
	if err == nil {
		err = l.syncFile(file)
	}
	if err == nil {
		err = l.o.Files.SyncDir(l.dir)
	}
	if err != nil {
		return fmt.Errorf("begin segment %s: %w", s.name, errors.Join(err, file.Close(), l.o.Files.Remove(path)))
	}
	l.file = file
	l.mu.Lock()
	l.active = s
	l.segs = append(l.segs, s)
	l.count.bytes += headerSize
	l.mu.Unlock()
	l.advance(s, part)
	return nil
}

func (l *Log) syncFile(f File) error {
	begin := time.Now()
	err := f.Sync()
	took := time.Since(begin)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.fsyncs++
	l.count.fsyncLast = took
	l.count.fsyncTotal += took
	if err != nil {
		l.count.fsyncFailed++
	}
	return err
}

// advance makes a part visible to readers.
func (l *Log) advance(s *segment, part []byte) {
	records, last := uint64(0), int64(0)
	for at := int64(0); at < int64(len(part)); at += frameLength(part[at:]) {
		records++
		last = frameTime(part[at:])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.end += records
	s.size += int64(len(part))
	s.disk = s.size
	s.last, s.lastAt = max(s.last, last), time.Now()
	l.durable, l.previous = s.end-1, s.end
	l.count.appended += records
	l.count.bytes += int64(len(part))
	close(l.grown)
	l.grown = make(chan struct{})
}
