package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

// segment is one file of records as memory knows it. All fields but the names
// are guarded by Log.mu once the log is open.
type segment struct {
	name  string
	epoch uint64
	base  uint64 // first sequence
	end   uint64 // one past the last durable sequence
	size  int64  // durable bytes: nobody reads beyond
	disk  int64  // bytes taken on disk
	first int64  // ms: when it was created, so not after its first record
	last  int64  // ms: not before its last record

	// The same two for measuring ages: with a monotonic part where this
	// process wrote, so that a clock set while it runs makes nothing old.
	firstAt, lastAt time.Time

	headerLost bool   // header damaged; epoch and base are from the name
	previous   uint64 // from the header: records before it are in earlier segments

	damaged int64  // offset of the last damage seen; 0 = none
	counted uint64 // last sequence counted as corrupt
}

func (s *segment) holds(sequence uint64) bool { return s.base <= sequence && sequence < s.end }

// readSegment learns a segment from its first bytes, or from its name when
// they are damaged. It reads no record.
func readSegment(files Files, dir, name string) (*segment, error) {
	base, epoch, ok := parseSegmentName(name)
	if !ok {
		return nil, nil
	}
	f, err := files.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("open segment %s: %w", name, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("read segment %s: %w", name, err)
	}
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(name, err)
	}
	h, ok, err := decodeHeader(b[:n])
	if err != nil {
		return nil, fmt.Errorf("read segment %s: %w: run the newer release, or give this one another folder", name, err)
	}
	if !ok {
		h = header{epoch: epoch, base: base, previous: base}
	}
	return &segment{name: name, epoch: h.epoch, base: h.base, end: h.base, previous: h.previous,
		size: size, disk: size, first: h.created, last: h.created, headerLost: !ok}, nil
}

// scan reads a whole segment and sets its end and size behind its last good
// frame. It reports damage before that frame.
func (s *segment) scan(f File) (frames int, damage int64, err error) {
	w := window{}
	w.reset(f, epochSeed(s.epoch))
	off, limit := int64(headerSize), s.disk
	s.size = min(off, limit)
	for off < limit {
		fr, st, err := w.frameAt(off, limit)
		if err != nil {
			return 0, 0, err
		}
		if st == stepFrame && fr.sequence >= s.end {
			frames++
			off += fr.size()
			s.end, s.size, s.last = fr.sequence+1, off, max(fr.time, s.first)
			continue
		}
		next, err := w.resync(off+1, limit, s.end)
		if err != nil {
			return 0, 0, err
		}
		if next < limit && damage == 0 {
			damage = off
		}
		off = next
	}
	return frames, damage, nil
}

// discard removes a segment's file, or sets it aside when it is damaged.
func discard(files Files, dir string, s *segment) (kept string, err error) {
	path := filepath.Join(dir, s.name)
	if s.damaged > 0 {
		return s.name + corruptSuffix, files.Rename(path, path+corruptSuffix)
	}
	if err := files.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return "", nil
}

// unreadable is for bytes the disk refuses to give. That may pass, so nothing
// may be cut or given up because of it; a person decides.
func unreadable(name string, err error) error {
	return fmt.Errorf("read segment %s: %w: check the disk; to give up the records in it, rename the file to %s", name, err, name+corruptSuffix)
}

// plausible is 2000-01-01: an earlier stamp is of a clock that was not set.
const plausible = 946684800000

// ageFrom is the time to measure the age of a stamp read from disk from.
func ageFrom(ms int64, now time.Time) time.Time {
	if at := time.UnixMilli(ms); ms >= plausible && at.Before(now) {
		return at
	}
	return now
}
