package spool

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// room says whether need more bytes may be taken. mu is held.
func (l *Log) room(need int) error {
	queued := int64(len(l.queue.frames))
	if queued+int64(need) > int64(l.o.QueueBytes) {
		return &FullError{Dir: l.dir, Bytes: l.count.bytes, Max: l.o.MaxBytes, Queued: queued}
	}
	if l.o.Full == DropOldest {
		return nil
	}
	coming := queued + int64(len(l.flight.frames)) + int64(need)
	want := l.count.bytes + coming + l.headers(coming) - l.o.MaxBytes
	if want <= 0 || want <= l.reclaimable() {
		return nil
	}
	name, pending := l.slowest()
	return &FullError{Dir: l.dir, Bytes: l.count.bytes, Max: l.o.MaxBytes, Queued: queued, Holder: name, Pending: pending}
}

// headers is what the segments begun for that many bytes add at most: two
// neighbours are together fuller than one.
func (l *Log) headers(bytes int64) int64 {
	return headerSize * (2*bytes/l.o.SegmentBytes + 2)
}

// reclaimable is what the log may remove to make room. mu is held.
func (l *Log) reclaimable() (bytes int64) {
	limit := l.held()
	for _, s := range l.segs {
		if s == l.active || s.end-1 > limit {
			break
		}
		bytes += s.disk
	}
	return bytes
}

// held is the sequence up to which no reader keeps the log from removing
// records when a cap is reached. mu is held.
func (l *Log) held() uint64 {
	if l.o.Full == DropOldest {
		return math.MaxUint64
	}
	if len(l.cursors) == 0 {
		return 0
	}
	limit := uint64(math.MaxUint64)
	for _, c := range l.cursors {
		if !c.mayLose {
			limit = min(limit, c.synced)
		}
	}
	return limit
}

// read is the sequence up to which every reader is done, on disk. mu is held.
func (l *Log) read() uint64 {
	if len(l.cursors) == 0 {
		return 0
	}
	limit := uint64(math.MaxUint64)
	for _, c := range l.cursors {
		limit = min(limit, c.synced)
	}
	return limit
}

// slowest names the reader that keeps a Block log full. mu is held.
func (l *Log) slowest() (name string, pending uint64) {
	name = "(none yet)"
	low := uint64(math.MaxUint64)
	for _, c := range l.cursors {
		if !c.mayLose && c.committed < low {
			low, name = c.committed, c.name
		}
	}
	if low == math.MaxUint64 {
		low = 0
	}
	return name, l.pendingAfter(low)
}

// retain removes the segments that every reader has done with and, to make
// room for need more bytes or for age, those that may be lost.
func (l *Log) retain(need int64) {
	l.keep.Lock()
	defer l.keep.Unlock()
	if l.tight(need) {
		l.syncBehind()
	}
	gone, drops := l.choose(need)
	if len(drops) > 0 {
		l.keepLost()
	}
	for i := range drops {
		l.o.OnEvent(Event{Kind: EventDropped, Gap: &drops[i]})
	}
	l.discard(gone)
}

// tight looks whether a cap asks for the oldest segment and may have it.
func (l *Log) tight(need int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.segs) > 0 && l.segs[0] != l.active && l.segs[0].end-1 <= l.held() && l.tooMuch(l.segs[0], need)
}

// syncBehind brings positions up to date, so that a gap begins where readers
// really are. One that fails only makes the declared gap larger.
func (l *Log) syncBehind() {
	for _, c := range l.cursors {
		if l.behind(c) {
			if err := l.syncCursor(c); err != nil {
				l.o.OnEvent(Event{Kind: EventPosition, Err: err})
			}
		}
	}
}

// tooMuch says whether a cap asks for the oldest segment. mu is held.
func (l *Log) tooMuch(s *segment, need int64) bool {
	return l.count.bytes+need+headerSize > l.o.MaxBytes || l.expired(s)
}

func (l *Log) expired(s *segment) bool {
	return l.o.MaxAge > 0 && s.end > s.base && time.Since(s.lastAt) > l.o.MaxAge
}

// choose takes what may go out of the list of segments.
func (l *Log) choose(need int64) (gone []*segment, drops []Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	done, limit := l.read(), l.held()
	for len(l.segs) > 0 && l.segs[0] != l.active {
		s := l.segs[0]
		switch {
		case s.end-1 <= done && len(l.cursors) > 0:
		case s.end-1 <= limit && l.tooMuch(s, need):
			drops = append(drops, l.drop(s))
		default:
			return gone, drops
		}
		gone = append(gone, s)
		l.segs = l.segs[1:]
		l.count.bytes -= s.disk
	}
	return gone, drops
}

// drop records that a segment goes before all readers had it. mu is held.
func (l *Log) drop(s *segment) Gap {
	r := lostRange{first: s.base, last: s.end - 1, epoch: s.epoch, from: s.first, to: s.last}
	if l.count.bytes <= l.o.MaxBytes && l.expired(s) {
		r.reason = lostByAge
	}
	l.lost = addLost(pruneLost(l.lost, l.read()), r)
	l.count.dropped += s.end - max(s.base, min(l.read()+1, s.end))
	return *r.gap(r.first, r.last)
}

// keepLost writes the list of lost ranges. That records are lost shows without
// it; what a failure costs is the reason.
func (l *Log) keepLost() {
	l.mu.Lock()
	content := encodeLost(l.lost)
	l.mu.Unlock()
	var err error
	if l.lostFile == nil {
		l.lostFile, err = createSlots(l.o.Files, filepath.Join(l.dir, lostName), content)
	} else {
		err = l.lostFile.write(content)
	}
	if err != nil {
		l.o.OnEvent(Event{Kind: EventPosition, File: lostName, Err: err})
	}
}

// maxKept bounds the damaged segments that are set aside.
const maxKept = 8

func (l *Log) discard(gone []*segment) {
	if len(gone) == 0 {
		return
	}
	for _, s := range gone {
		kept, err := discard(l.o.Files, l.dir, s)
		if err != nil {
			l.o.OnEvent(Event{Kind: EventCleanup, File: s.name, Err: err})
		} else if kept != "" {
			l.o.OnEvent(Event{Kind: EventKept, File: kept})
			l.limitKept()
		}
	}
	if err := l.o.Files.SyncDir(l.dir); err != nil {
		l.o.OnEvent(Event{Kind: EventCleanup, File: l.dir, Err: err})
	}
}

// limitKept removes the oldest of the files set aside beyond maxKept.
func (l *Log) limitKept() {
	names, err := l.o.Files.List(l.dir)
	if err != nil {
		l.o.OnEvent(Event{Kind: EventCleanup, File: l.dir, Err: err})
		return
	}
	for _, name := range oldestBeyond(names, corruptSuffix, maxKept) {
		if err := l.o.Files.Remove(filepath.Join(l.dir, name)); err != nil {
			l.o.OnEvent(Event{Kind: EventCleanup, File: name, Err: err})
		}
	}
}

func oldestBeyond(names []string, suffix string, limit int) []string {
	var kept []string
	for _, n := range names {
		if strings.HasSuffix(n, suffix) {
			kept = append(kept, n)
		}
	}
	if len(kept) <= limit {
		return nil
	}
	slices.Sort(kept)
	return kept[:len(kept)-limit]
}
