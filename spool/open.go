package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const lockName = "lock"

// Open takes the folder, which it creates if need be, repairs the torn end of
// its newest segment and begins a new epoch. It reads the headers of all
// segments but the records of the newest only. Errors: ErrLocked, ErrVersion,
// and those of the disk. Close ends what Open starts.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	if err := o.Files.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	lock, err := o.Files.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("open log %s: %w: stop that one, or give this one another folder", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open log %s: lock folder: %w", dir, err)
	}
	l := &Log{dir: dir, o: o, lock: lock, done: make(chan struct{}), stop: make(chan struct{}),
		cursors: map[string]*cursor{}, grown: make(chan struct{})}
	l.wake = sync.NewCond(&l.mu)
	l.late = time.AfterFunc(time.Hour, l.lapsed) // set anew when there is something to wait
	l.epoch = newEpoch()
	l.seed = epochSeed(l.epoch)
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, errors.Join(err, l.closeFiles(), lock.Close()))
	}
	l.retain(0)
	go l.run()
	return l, nil
}

// newEpoch is random, so that a restored backup or a cloned machine never has
// its new records taken for old ones. Zero stands for unknown.
func newEpoch() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails, says its documentation
		if e := binary.LittleEndian.Uint64(b[:]); e != 0 {
			return e
		}
	}
}

// load learns all that is in the folder. Nobody else sees the log yet.
func (l *Log) load() error {
	names, err := l.o.Files.List(l.dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	slices.Sort(names)
	var ahead uint64
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, tempSuffix):
			l.remove(name)
		case strings.HasSuffix(name, positionSuffix):
			committed, err := l.loadPosition(name)
			if err != nil {
				return err
			}
			ahead = max(ahead, committed)
		case name == lostName:
			if err := l.loadLost(); err != nil {
				return err
			}
		}
	}
	if n := len(l.lost); n > 0 {
		ahead = max(ahead, l.lost[n-1].last)
	}
	if err := l.loadSegments(names); err != nil {
		return err
	}
	return l.finishNewest(ahead)
}

func (l *Log) remove(name string) {
	if err := l.o.Files.Remove(filepath.Join(l.dir, name)); err != nil {
		l.o.OnEvent(Event{Kind: EventCleanup, File: name, Err: err})
	}
}

func (l *Log) loadPosition(name string) (committed uint64, err error) {
	if !validReaderName(strings.TrimSuffix(name, positionSuffix)) {
		return 0, nil
	}
	c, err := loadCursor(l.o.Files, filepath.Join(l.dir, name))
	if err != nil && !errors.Is(err, errSlotsDamaged) {
		return 0, err
	}
	if err != nil {
		l.o.OnEvent(Event{Kind: EventPosition, File: name, Err: err})
	}
	c.unread = err != nil
	l.cursors[c.name] = c
	return c.committed, nil
}

func (l *Log) loadLost() error {
	file, content, err := openSlots(l.o.Files, filepath.Join(l.dir, lostName))
	if errors.Is(err, errSlotsDamaged) {
		l.o.OnEvent(Event{Kind: EventPosition, File: lostName, Err: err})
		return nil
	}
	if err != nil {
		return err
	}
	l.lostFile, l.lost = file, decodeLost(content)
	return nil
}

// loadSegments fills the list, in order and without duplicates.
func (l *Log) loadSegments(names []string) error {
	for _, name := range names {
		s, err := readSegment(l.o.Files, l.dir, name)
		if err != nil {
			return err
		}
		if s != nil {
			l.segs = append(l.segs, s)
		}
	}
	slices.SortFunc(l.segs, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.first, b.first), ownName(b)-ownName(a))
	})
	kept := l.segs[:0]
	for _, s := range l.segs {
		if n := len(kept); n > 0 && kept[n-1].base == s.base && kept[n-1].epoch == s.epoch {
			l.setAside(s, "second copy of "+kept[n-1].name)
			continue
		}
		kept = append(kept, s)
	}
	l.segs = kept
	return nil
}

// ownName is 1 for a segment whose file has the name it was written under.
func ownName(s *segment) int {
	if s.name == segmentName(s.base, s.epoch) {
		return 1
	}
	return 0
}

// setAside renames a file that is not part of the log but may be evidence.
func (l *Log) setAside(s *segment, why string) {
	path := filepath.Join(l.dir, s.name)
	l.o.OnEvent(Event{Kind: EventCorrupt, File: s.name, Err: &CorruptError{File: s.name, What: why}})
	if err := l.o.Files.Rename(path, path+corruptSuffix); err != nil {
		l.o.OnEvent(Event{Kind: EventCleanup, File: s.name, Err: err})
		return
	}
	l.o.OnEvent(Event{Kind: EventKept, File: s.name + corruptSuffix})
	l.limitKept()
}

// finishNewest repairs the newest segment and finds where records end and
// where the next one's number begins. ahead is the highest sequence any
// position knows of.
func (l *Log) finishNewest(ahead uint64) error {
	end, next := uint64(1), uint64(1)
	for len(l.segs) > 0 {
		newest := l.segs[len(l.segs)-1]
		frames, err := l.repair(newest)
		if err != nil {
			return err
		}
		if frames > 0 {
			end = max(end, newest.end)
			break
		}
		// Nothing of it was ever durable, but its number may be in a name.
		next = max(next, newest.base+1)
		if !newest.headerLost {
			end = max(end, newest.previous)
		}
		l.segs = l.segs[:len(l.segs)-1]
		l.dismiss(newest)
	}
	end = max(end, ahead+1)
	next = max(next, end)
	l.settleEnds(end)
	l.previous, l.sequence, l.durable = end, next-1, end-1
	for _, c := range l.cursors {
		if c.unread {
			c.committed = l.firstToTell(true) - 1
			c.synced = c.committed
		}
	}
	return nil
}

// dismiss takes a newest segment without any record out of the way.
func (l *Log) dismiss(s *segment) {
	if s.headerLost && s.disk > 0 {
		l.setAside(s, "no record can be read")
		return
	}
	l.remove(s.name)
}

// repair scans the newest segment, cuts its torn end and syncs it, so that
// what was written but not acknowledged before a kill is durable before it is read.
func (l *Log) repair(s *segment) (frames int, err error) {
	path := filepath.Join(l.dir, s.name)
	f, err := l.o.Files.Edit(path)
	if err != nil {
		return 0, fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close()
	frames, damage, err := s.scan(f)
	if err != nil {
		return 0, unreadable(s.name, err)
	}
	if damage > 0 {
		s.damaged = damage
		l.o.OnEvent(Event{Kind: EventCorrupt, File: s.name, Offset: damage,
			Err: &CorruptError{File: s.name, Offset: damage, What: "damaged record"}})
	}
	if frames == 0 {
		return 0, nil
	}
	if torn := s.disk - s.size; torn > 0 {
		if err := f.Truncate(s.size); err != nil {
			return 0, fmt.Errorf("cut torn end of segment %s: %w", s.name, err)
		}
		l.count.torn += torn
		s.disk = s.size
		l.o.OnEvent(Event{Kind: EventTornTail, File: s.name, Offset: s.size})
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("sync segment %s: %w", s.name, err)
	}
	return frames, l.o.Files.SyncDir(l.dir)
}

// settleEnds gives each segment the end that the later ones say it has. The
// lowest of them counts: a segment begun in vain may lie between.
func (l *Log) settleEnds(end uint64) {
	kept, now := l.segs[:0], time.Now()
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := l.segs[i]
		if i < len(l.segs)-1 {
			s.size = max(s.disk, headerSize)
			s.last = max(s.first, l.segs[i+1].first)
		}
		s.end = max(end, s.base)
		end = min(end, s.previous)
		s.firstAt, s.lastAt = ageFrom(s.first, now), ageFrom(s.last, now)
	}
	for _, s := range l.segs {
		if s.end == s.base || l.wasLost(s) {
			l.remove(s.name)
			continue
		}
		l.count.bytes += s.disk
		kept = append(kept, s)
	}
	l.segs = kept
}

// wasLost finds a segment that came back because its removal was not synced.
func (l *Log) wasLost(s *segment) bool {
	return slices.ContainsFunc(l.lost, func(r lostRange) bool { return r.first <= s.base && s.end-1 <= r.last })
}

// closeFiles undoes load when Open fails.
func (l *Log) closeFiles() error {
	var errs []error
	for _, c := range l.cursors {
		if c.file != nil {
			errs = append(errs, c.file.close())
		}
	}
	if l.lostFile != nil {
		errs = append(errs, l.lostFile.close())
	}
	return errors.Join(errs...)
}
