package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// Sync syncs what was appended to the logs since the last time. A sync that has
// failed is never tried again on the same file: the kernel may have forgotten
// what it could not write. The next Write opens the engine anew.
func (s *Store) Sync(ctx context.Context) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.opened.RLock()
	defer s.opened.RUnlock()
	if err := s.ready(); err != nil {
		return fmt.Errorf("sync series: %w", err)
	}
	if err := s.unlogged(); err != nil {
		s.failed.set(err)
	}
	if err := s.failed.tell(); err != nil {
		return fmt.Errorf("sync series in %s: write again what came after the last good sync: %w", s.folder, err)
	}
	// These are the engine's two logs: what came in order, and what came late. It
	// syncs all else itself: a block, before it deletes the log that it replaces.
	for _, dir := range []string{"wal", wlog.WblDirName} {
		if err := s.syncLog(ctx, filepath.Join(s.folder, dir)); err != nil {
			return fmt.Errorf("sync series in %s: %w", s.folder, err)
		}
	}
	return nil
}

// unlogged asks the engine's counters whether a write to a log has failed. For
// late samples the engine tells nobody else.
func (s *Store) unlogged() error {
	families, err := s.metrics.Gather()
	if err != nil {
		return fmt.Errorf("read the engine's counters: %w", err)
	}
	found := 0
	for _, f := range families {
		switch f.GetName() {
		case "prometheus_tsdb_wal_writes_failed_total", "prometheus_tsdb_out_of_order_wbl_writes_failed_total":
			found++
			if n := f.GetMetric()[0].GetCounter().GetValue(); n > 0 {
				return fmt.Errorf("%.0f writes to the log failed: is the disk full or read-only?", n)
			}
		}
	}
	if found != 2 {
		return errors.New("read the engine's counters: those of failed writes are missing")
	}
	return nil
}

// syncLog syncs the segments of one log that have grown, and its folder when
// there are new ones.
func (s *Store) syncLog(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list log: %w", err)
	}
	grown := false
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() {
			continue
		}
		created, err := s.syncSegment(filepath.Join(dir, e.Name()), e)
		if err != nil {
			return err
		}
		grown = grown || created
	}
	if !grown {
		return nil
	}
	return s.syncPath(dir)
}

// syncSegment syncs a segment that has grown and tells whether it is a new one.
// A segment that is gone by now is in a block.
func (s *Store) syncSegment(path string, e fs.DirEntry) (created bool, err error) {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		delete(s.synced, path)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at segment: %w", err)
	}
	before, known := s.synced[path]
	if known && before == info.Size() {
		return false, nil
	}
	if err := s.syncPath(path); err != nil {
		return false, err
	}
	s.synced[path] = info.Size()
	return !known, nil
}

// syncPath syncs a file or folder.
func (s *Store) syncPath(path string) error {
	err := s.fsync(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.failed.set(err)
	s.failed.tell()
	return fmt.Errorf("sync %s: %w", filepath.Base(path), err)
}
