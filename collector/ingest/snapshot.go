package ingest

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The door's memory is kept in a file beside the journal, with the journal's
// sequence up to which it holds; what came after is replayed at the next start.

type snapshot struct {
	Version  int             `json:"version"`
	Sequence uint64          `json:"sequence"`
	Epochs   []epochSnapshot `json:"epochs"`
}

type epochSnapshot struct {
	streamKey
	Epoch uint64 `json:"epoch,string"`
	High  uint64 `json:"high"`
	Sums  []byte `json:"sums,omitempty"` // of the epoch in use, four bytes each
	used  uint64
}

const (
	snapshotVersion = 2
	snapshotFile    = "ingest.json"
)

// Save writes the memory. newest is asked for the journal's newest durable
// sequence while nothing is being appended; it is returned when the file is on
// disk, and the journal may then let go of everything up to it.
func (d *Door) Save(newest func() uint64) (uint64, error) {
	s := d.snapshot(newest)
	b, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("write ingest memory: %w", err)
	}
	if err := replaceFile(filepath.Join(d.o.Folder, snapshotFile), b); err != nil {
		return 0, fmt.Errorf("write ingest memory: %w", err)
	}
	return s.Sequence, nil
}

func (d *Door) snapshot(newest func() uint64) snapshot {
	d.memory.appending.Lock()
	defer d.memory.appending.Unlock()
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	s := snapshot{Version: snapshotVersion, Sequence: newest()}
	for key, st := range d.memory.streams {
		for id, e := range st.epochs {
			s.Epochs = append(s.Epochs, epochSnapshot{key, id, e.high, packed(e.sums), e.used})
		}
	}
	slices.SortFunc(s.Epochs, func(a, b epochSnapshot) int { return cmp.Compare(a.used, b.used) })
	return s
}

func packed(sums []uint32) []byte {
	b := make([]byte, 0, 4*len(sums))
	for _, s := range sums {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return b
}

// Load reads the memory back and gives the journal's sequence up to which it
// holds: 0 when there is none or it cannot be read, and everything is replayed.
func (d *Door) Load() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(d.o.Folder, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read ingest memory: %w", err)
	}
	var s snapshot
	if err := json.Unmarshal(b, &s); err != nil || s.Version != snapshotVersion {
		d.o.Log.Warn("the memory of what was taken cannot be read; it is rebuilt from the journal", "file", snapshotFile)
		return 0, nil
	}
	for _, e := range s.Epochs {
		if st := d.memory.stream(e.Gateway, e.Stream); st != nil {
			known := st.epoch(e.Epoch)
			known.high = e.High
			for i := range min(len(known.sums), len(e.Sums)/4) {
				known.sums[i] = binary.LittleEndian.Uint32(e.Sums[4*i:])
			}
		}
	}
	return s.Sequence, nil
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(name string, content []byte) error {
	temporary := name + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
