package spool

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const (
	positionSuffix = ".pos"
	positionSize   = 9
	flagMayLose    = 1

	// positionEvery is how often a position is written that frees no segment.
	// What was committed since is delivered again after a crash.
	positionEvery = time.Second
)

// cursor is what the log knows of one reader, open or not.
type cursor struct {
	name string

	// Guarded by Log.mu.
	committed uint64 // everything up to here is done with
	synced    uint64 // what of that is on disk; segments go by this one only
	next      uint64 // what Read gives next
	mayLose   bool
	open      bool
	written   time.Time
	unread    bool // its file was damaged when the log was opened

	// Guarded by Log.keep.
	file *slots
}

func (c *cursor) content(committed uint64) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, positionSize), committed)
	flags := byte(0)
	if c.mayLose {
		flags = flagMayLose
	}
	return append(b, flags)
}

// loadCursor reads a position. A damaged one (errSlotsDamaged) starts at the
// oldest record: giving records again is allowed, skipping them is not.
func loadCursor(files Files, path string) (*cursor, error) {
	c := &cursor{name: strings.TrimSuffix(filepath.Base(path), positionSuffix)}
	file, content, err := openSlots(files, path)
	if err != nil {
		return c, err
	}
	c.file = file
	if len(content) != positionSize {
		return c, fmt.Errorf("read %s: %w: %d bytes instead of %d", path, errSlotsDamaged, len(content), positionSize)
	}
	committed := binary.LittleEndian.Uint64(content)
	if !believable(committed + 1) {
		return c, fmt.Errorf("read %s: %w: position %d is impossible", path, errSlotsDamaged, committed)
	}
	c.committed = committed
	c.synced = c.committed
	c.mayLose = content[8]&flagMayLose != 0
	return c, nil
}

func validReaderName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// syncCursor puts a position on disk. Log.keep is held.
func (l *Log) syncCursor(c *cursor) error {
	l.mu.Lock()
	committed, content := c.committed, c.content(c.committed)
	l.mu.Unlock()
	var err error
	if c.file == nil {
		c.file, err = createSlots(l.o.Files, filepath.Join(l.dir, c.name+positionSuffix), content)
	} else {
		err = c.file.write(content)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.written = time.Now()
	if err != nil {
		return fmt.Errorf("keep position of reader %s: %w", c.name, err)
	}
	c.synced = max(c.synced, committed)
	return nil
}
