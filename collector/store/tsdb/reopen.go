package tsdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// reopen opens the engine anew when there was a failure. Before, it tries
// whether the disk takes writes again: as long as it does not, the old engine
// stays open for reading. The caller holds writing.
func (s *Store) reopen() error {
	cause := s.failed.cause()
	if cause == nil || s.isClosed() {
		return nil
	}
	if err := s.probe(); err != nil {
		return fmt.Errorf("the disk still takes no writes, make room or repair it: %w (before: %w)", err, cause)
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.opened.Lock()
	defer s.opened.Unlock()
	s.options.Logger.Warn("opening the series anew after a failure", "folder", s.folder, "error", cause)
	if err := s.shut(); err != nil {
		s.options.Logger.Warn("closing the series after a failure", "folder", s.folder, "error", err)
	}
	return s.open(true)
}

func (s *Store) isClosed() bool {
	s.opened.RLock()
	defer s.opened.RUnlock()
	return s.closed
}

// probeSize is about what the engine needs to go on: a page of each log and a
// little more.
const probeSize = 256 << 10

// probe writes, syncs and removes a file.
func (s *Store) probe() error {
	path := filepath.Join(s.folder, "probe.tmp")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeSize))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

// failure is the first failure since the engine was opened, and the debt of one
// that Sync has not told of: late samples may be missing in the log though Write
// has taken them, and a new engine knows nothing of that.
type failure struct {
	mu    sync.Mutex
	first error
	told  bool
	owed  error
}

func (f *failure) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = err
	}
}

// tell gives Sync what to tell: the failure as long as it lasts, an untold
// one once after it has passed.
func (f *failure) tell() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first != nil {
		f.told = true
		return f.first
	}
	owed := f.owed
	f.owed = nil
	return owed
}

// recovered notes that the engine was opened anew.
func (f *failure) recovered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first != nil && !f.told {
		f.owed = f.first
	}
	f.first, f.told = nil, false
}
