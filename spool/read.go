package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	readRecords = 1024
	readBytes   = mib
	readMost    = 4 * mib
)

// Read waits for at least one durable record and returns up to max of them, of
// up to maxBytes together (but always one), one after another in sequence and
// of one epoch. It may return fewer than there are. If the next records are
// lost it returns a Gap instead; the following Read goes on behind it, and
// Commit(gap.Last) makes it never be told again. Zero or less for max or
// maxBytes means a sensible number. Errors: ctx's, ErrClosed, and those of the
// disk, after which Read may be called again.
func (r *Reader) Read(ctx context.Context, max, maxBytes int) ([]Record, *Gap, error) {
	if max <= 0 {
		max = readRecords
	}
	if maxBytes <= 0 {
		maxBytes = readBytes
	}
	for {
		p, gap, err := r.locate(ctx)
		if err != nil || gap != nil {
			return nil, gap, err
		}
		gap, err = r.take(p, max, maxBytes)
		if err != nil {
			return nil, nil, fmt.Errorf("read segment %s: %w", p.name, err)
		}
		if gap != nil || len(r.records) > 0 {
			return r.records, gap, nil
		}
	}
}

// place is where a reader's next record is.
type place struct {
	seg       *segment
	name      string
	epoch     uint64
	next, end uint64
	size      int64
}

// locate waits until there is something to tell.
func (r *Reader) locate(ctx context.Context) (place, *Gap, error) {
	for {
		if err := ctx.Err(); err != nil {
			return place{}, nil, err
		}
		p, gap, grown, err := r.look()
		if err != nil || gap != nil || p.seg != nil {
			return p, gap, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
		case <-r.l.stop:
		}
	}
}

// look finds the segment of the next record, or the gap before it, or which
// channel closes when there is more.
func (r *Reader) look() (p place, gap *Gap, grown <-chan struct{}, err error) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !r.c.open {
		return p, nil, nil, ErrClosed
	}
	if begins := l.begins(); r.c.next < begins {
		gap = l.gone(r.c.next, begins-1)
		r.c.next = gap.Last + 1
		l.count.gaps++
		return p, gap, nil, nil
	}
	for _, s := range l.from(r.c.next) {
		r.c.next = max(r.c.next, s.base)
		if s.holds(r.c.next) {
			return place{seg: s, name: s.name, epoch: s.epoch, next: r.c.next, end: s.end, size: s.size}, nil, nil, nil
		}
	}
	return p, nil, l.grown, nil
}

// from is the list of segments from the one that may hold a sequence on. mu is held.
func (l *Log) from(sequence uint64) []*segment {
	low, high := 0, len(l.segs)
	for low < high {
		if mid := (low + high) / 2; l.segs[mid].end <= sequence {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return l.segs[low:]
}

// gone says why the records from first on are not there, up to last at most. mu is held.
func (l *Log) gone(first, last uint64) *Gap {
	for _, r := range l.lost {
		if r.last < first {
			continue
		}
		if r.first <= first {
			return r.gap(first, min(last, r.last))
		}
		last = min(last, r.first-1)
		break
	}
	return &Gap{First: first, Last: last, Count: last - first + 1, Reason: ReasonMissingSegment}
}

// take reads from the place into r.records, or finds that its next records are lost.
func (r *Reader) take(p place, max, maxBytes int) (*Gap, error) {
	r.records = r.records[:0]
	if err := r.enter(p); errors.Is(err, fs.ErrNotExist) {
		return r.vanished(p), nil
	} else if err != nil {
		return nil, err
	}
	r.topUp(p, int64(max)*frameSize+int64(maxBytes))
	next := p.next
	for len(r.records) < max && next < p.end {
		if len(r.records) > 0 && !r.w.wholeAt(r.off, p.size) {
			break // reading on would overwrite the payloads
		}
		f, st, err := r.w.frameAt(r.off, p.size)
		if err != nil {
			return nil, r.troubled(err)
		}
		if st == stepDamaged && len(r.records) == 0 {
			if err := r.stepOver(p); err != nil {
				return nil, r.troubled(err)
			}
			continue
		}
		if st == stepFrame && f.sequence < next {
			r.passed(f)
			continue
		}
		if st != stepFrame || f.sequence != next {
			if len(r.records) > 0 {
				break
			}
			return r.lacking(p, f, st), nil
		}
		if maxBytes -= len(f.payload); maxBytes < 0 && len(r.records) > 0 {
			break
		}
		r.records = append(r.records, Record{Position{p.epoch, next}, f.payload})
		r.passed(f)
		next++
	}
	r.advance(next)
	return nil, nil
}

func (r *Reader) passed(f frame) {
	r.off += f.size()
	r.low = f.sequence + 1
	r.damage, r.trouble.times, r.w.blind = nil, 0, false
}

func (r *Reader) advance(next uint64) {
	r.l.mu.Lock()
	r.c.next = next
	r.l.mu.Unlock()
}

// enter opens the segment unless it is open.
func (r *Reader) enter(p place) error {
	if r.seg == p.seg {
		return nil
	}
	if err := r.leave(); err != nil {
		return err
	}
	f, err := r.l.o.Files.Open(filepath.Join(r.l.dir, p.name))
	if err != nil {
		return err
	}
	r.w.reset(f, epochSeed(p.epoch))
	r.seg, r.off, r.low, r.damage, r.trouble.times = p.seg, headerSize, p.seg.base, nil, 0
	return nil
}

func (r *Reader) leave() error {
	if r.seg == nil {
		return nil
	}
	r.seg = nil
	return r.w.file.Close()
}

// topUp reads ahead as much as this call may return. Its errors show again
// where the bytes are needed.
func (r *Reader) topUp(p place, want int64) {
	want = min(want, readMost, p.size-r.off)
	if !r.w.has(r.off, want) {
		_ = r.w.fill(r.off, want, p.size)
	}
}

// A place that cannot be read this often, for this long, counts as damaged. A
// disk that is away for a moment must not cost records that it still has.
const (
	troubleTimes = 3
	troubleFor   = 30 * time.Second
)

func (r *Reader) troubled(err error) error {
	if r.trouble.times++; r.trouble.times == 1 {
		r.trouble.since = time.Now()
	}
	r.w.blind = r.trouble.times >= troubleTimes && time.Since(r.trouble.since) >= troubleFor
	return err
}

// stepOver finds the next good frame behind damage.
func (r *Reader) stepOver(p place) error {
	off, err := r.w.resync(r.off+1, p.size, r.low)
	if err != nil {
		return err
	}
	if r.damage == nil {
		r.damage = &CorruptError{File: p.name, Offset: r.off, What: "damaged record"}
		r.l.noteDamage(p.seg, r.damage)
	}
	r.off = off
	return nil
}

// lacking declares the records between the next one and the frame found, or
// the segment's end. The frame is left for the next Read.
func (r *Reader) lacking(p place, f frame, st status) *Gap {
	last := p.end - 1
	if st == stepFrame && f.sequence < p.end {
		last = f.sequence - 1
	}
	g := &Gap{First: p.next, Last: last, Epoch: p.epoch, Count: last - p.next + 1, Reason: ReasonMissingSegment}
	if r.damage != nil {
		g.Reason, g.Err = ReasonCorrupt, r.damage
	}
	r.l.declare(r.c, p.seg, g)
	return g
}

// vanished is for a segment that is in the list but not in the folder.
func (r *Reader) vanished(p place) *Gap {
	r.l.mu.Lock()
	listed := len(r.l.segs) > 0 && r.l.segs[0].base <= p.seg.base
	r.l.mu.Unlock()
	if !listed {
		return nil // removed at a cap a moment ago; look again
	}
	g := &Gap{First: p.next, Last: p.end - 1, Epoch: p.epoch, Count: p.end - p.next, Reason: ReasonMissingSegment}
	r.l.declare(r.c, p.seg, g)
	return g
}

func (l *Log) declare(c *cursor, s *segment, g *Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.From, g.To = timeOf(s.first), timeOf(s.last)
	c.next = g.Last + 1
	l.count.gaps++
	if g.Reason == ReasonCorrupt && g.Last > s.counted {
		l.count.corrupt += g.Last - max(g.First-1, s.counted)
		s.counted = g.Last
	}
}

// noteDamage marks a segment to be kept, and tells of each place once.
func (l *Log) noteDamage(s *segment, damage *CorruptError) {
	l.mu.Lock()
	known := damage.Offset <= s.damaged
	s.damaged = max(s.damaged, damage.Offset)
	l.mu.Unlock()
	if !known {
		l.o.OnEvent(Event{Kind: EventCorrupt, File: damage.File, Offset: damage.Offset, Err: damage})
	}
}
