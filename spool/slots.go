package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

const (
	slotSize = 4 * kib
	slotHead = 16
)

var errSlotsDamaged = errors.New("no good copy is in it")

// slots is a small file that is replaced as a whole: two copies, each with
// checksum and generation, written in turn and fsynced, so that a torn write
// leaves the other copy. It is written in place because it takes no new space:
// on a full disk positions must still move, or no segment could ever be freed.
type slots struct {
	file       File
	name       string
	generation uint64
	current    int64 // 0 or 1: the copy that holds the latest good content
}

// createSlots makes the file, or replaces it, by a temporary one.
func createSlots(files Files, path string, content []byte) (*slots, error) {
	f, err := files.Create(path + tempSuffix)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	s := &slots{file: f, name: filepath.Base(path), generation: 1}
	b := make([]byte, 2*slotSize)
	s.encode(b, content)
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = files.Rename(path+tempSuffix, path)
	}
	if err == nil {
		err = files.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = files.Remove(path + tempSuffix) // it may be gone already; Open removes it otherwise
		return nil, fmt.Errorf("create %s: %w", path, errors.Join(err, f.Close()))
	}
	return s, nil
}

// openSlots returns the newest good content. With errSlotsDamaged there is none:
// the bytes are there and wrong. Bytes the disk does not give are another error,
// because it may give them later: whoever takes them for damaged in the meantime
// gives numbers again that the file, once it can be read, says are done with.
func openSlots(files Files, path string) (*slots, []byte, error) {
	f, err := files.Edit(path)
	if err != nil {
		return nil, nil, unreadableSlots(path, err)
	}
	s := &slots{file: f, name: filepath.Base(path)}
	b := make([]byte, 2*slotSize)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, errors.Join(unreadableSlots(path, err), f.Close())
	}
	var content []byte
	for i := range int64(2) {
		generation, c, ok := s.decode(b[i*slotSize : (i+1)*slotSize])
		if ok && generation > s.generation {
			s.generation, s.current, content = generation, i, c
		}
	}
	if s.generation == 0 {
		return nil, nil, fmt.Errorf("open %s: %w", path, errors.Join(errSlotsDamaged, f.Close()))
	}
	return s, content, nil
}

func unreadableSlots(path string, err error) error {
	return fmt.Errorf("read %s: %w: check the disk; to give up what the file says, and be given records again, remove it", path, err)
}

// write replaces the older copy. After an error the newer one still stands.
func (s *slots) write(content []byte) error {
	other := 1 - s.current
	b := make([]byte, slotHead+len(content))
	s.generation++
	s.encode(b, content)
	if _, err := s.file.WriteAt(b, other*slotSize); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	s.current = other
	return nil
}

func (s *slots) close() error { return s.file.Close() }

// encode fills the head of b: checksum, length, generation, content. The
// checksum begins with the file's name, so a file renamed by hand is refused.
func (s *slots) encode(b, content []byte) {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(content)))
	binary.LittleEndian.PutUint64(b[8:], s.generation)
	copy(b[slotHead:], content)
	binary.LittleEndian.PutUint32(b, s.sum(b[4:slotHead+len(content)]))
}

func (s *slots) decode(b []byte) (generation uint64, content []byte, ok bool) {
	n := int(binary.LittleEndian.Uint32(b[4:]))
	if n > slotSize-slotHead || s.sum(b[4:slotHead+n]) != binary.LittleEndian.Uint32(b) {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint64(b[8:]), b[slotHead : slotHead+n], true
}

func (s *slots) sum(b []byte) uint32 {
	return castagnoli(castagnoli(0, []byte(s.name)), b)
}
