// Package tsdb keeps float series in a folder of this machine, in the time
// series database of Prometheus. It is the store when no other is configured.
//
// One series is named <measurement>:<metric>, with the labels device, class,
// model, site, unit and gateway as far as they are known. The colon keeps the two
// names apart, since neither may contain one.
//
// What the engine does not do by itself is done here. It never syncs what it
// commits, so Sync does, file by file. It counts lateness from the newest sample
// of the whole database, so points are judged by the clock before it sees them.
// It merely logs when it could not log late data, so Sync asks its counters.
// After a write to its log has failed it may no longer log which series are
// which, so it is closed and opened anew before the next write. It can lose late
// data in a crash while it compacts, so nothing is written meanwhile (compact.go).
//
// What stays: a log damaged in its middle is cut there when it is opened, and
// what it held after that, at most a few hours that are in no block yet, is
// gone. A value written for a time that has one already is dropped while that
// time is the newest of the series; otherwise one of the two is given back.
package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	engine "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/util/compression"

	"medfleet"
	"medfleet/collector/store"
)

// Defaults of Options.
const (
	DefaultRetention = 400 * 24 * time.Hour
	DefaultMaxSeries = 4_000_000
)

// MinRetention is the shortest time that samples can be kept: what is still
// accepted as late must not be deleted at once.
const MinRetention = medfleet.MaxPast + blockRange

const (
	day = 24 * time.Hour
	// lateWindow is how far behind the newest sample the engine takes late ones.
	// It is longer than MaxPast and MaxFuture together, so that the engine never
	// refuses what the clock allows, not even after the clock was set back.
	lateWindow = medfleet.MaxPast + day
	// blockRange is the longest block. Blocks must be able to grow over the whole
	// late window, else those of late data are never merged.
	blockRange = 31 * day
	// segmentSize is how much disk a block takes while it is written, however
	// small it becomes.
	segmentSize = 64 << 20
)

// Options say how long and how much is kept. The zero value is ready.
type Options struct {
	Retention time.Duration // samples older than this are deleted; 0 means DefaultRetention
	MaxBytes  int64         // blocks beyond this size are deleted, oldest first; 0: no limit. The newest hours are not counted
	MaxSeries int           // points that would begin more series in memory are refused; 0 means DefaultMaxSeries
	Logger    *slog.Logger  // nil discards
}

// complete fills in the defaults.
func (o *Options) complete() error {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = DefaultMaxSeries
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Retention < MinRetention:
		return fmt.Errorf("retention %v: must be at least %v, as late data of %v is accepted", o.Retention, MinRetention, medfleet.MaxPast)
	case o.MaxSeries < 0 || o.MaxBytes < 0:
		return errors.New("max series and max bytes: must not be negative")
	}
	return nil
}

// engineOptions are the engine's own.
func (o *Options) engineOptions() *engine.Options {
	e := engine.DefaultOptions()
	e.RetentionDuration = o.Retention.Milliseconds()
	e.MaxBytes = o.MaxBytes
	e.OutOfOrderTimeWindow = lateWindow.Milliseconds()
	e.MaxBlockDuration = blockRange.Milliseconds()
	e.NoLockfile = true // the folder is locked already
	e.WALCompression = compression.Snappy
	e.MaxBlockChunkSegmentSize = segmentSize
	return e
}

// Store is a folder of series. It keeps the promises of store.Store.
type Store struct {
	folder  string
	options Options
	held    fileutil.Releaser // the lock on the folder
	fsync   func(path string) error

	writing lock // one write at a time; guards series and newest
	series  *cache
	newest  medfleet.Millis // newest sample

	syncing sync.Mutex // one sync at a time; guards synced
	synced  map[string]int64

	opened     sync.RWMutex // held for reading while the engine is used
	db         *engine.DB   // nil when closed, or when opening it anew has failed
	metrics    *prometheus.Registry
	compaction compaction
	closed     bool

	failed failure
}

var (
	_ store.Store          = (*Store)(nil)
	_ prometheus.Collector = (*Store)(nil)
)

// Open opens the store in a folder, making the folder when there is none. One
// process at a time can have it open. What compacts and deletes old blocks
// behind the scenes ends with Close.
func Open(folder string, o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open series in %s: %w", folder, err)
	}
	held, _, err := fileutil.Flock(filepath.Join(folder, "lock"))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("open series in %s: another process has the folder open: stop it or choose another data folder", folder)
	}
	if err != nil {
		return nil, fmt.Errorf("open series in %s: lock folder: %w", folder, err)
	}
	s := &Store{folder: folder, options: o, held: held, fsync: fsync, writing: newLock()}
	if err := s.open(false); err != nil {
		return nil, errors.Join(err, held.Release())
	}
	return s, nil
}

// open opens the engine and begins with nothing remembered. The caller holds
// writing, syncing and opened, or is the only one.
func (s *Store) open(calm bool) error {
	ctx, stop := context.WithCancel(context.Background())
	c := new(compactor)
	metrics := prometheus.NewRegistry()
	db, err := s.start(metrics, c.make(ctx))
	if err != nil {
		stop()
		return fmt.Errorf("open series in %s: %w", s.folder, err)
	}
	s.db, s.metrics = db, metrics
	s.series, s.synced = newCache(s.options.MaxSeries), make(map[string]int64)
	s.newest = newestOf(db)
	s.failed.recovered()
	s.compaction = compaction{stop: stop, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.run(ctx, db, c, calm)
	return nil
}

// start starts the engine.
func (s *Store) start(metrics *prometheus.Registry, c engine.NewCompactorFunc) (*engine.DB, error) {
	o := s.options.engineOptions()
	o.NewCompactorFunc = c
	db, err := engine.Open(s.folder, s.options.Logger, metrics, o, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: if it stays so, move the folder away; the store then begins anew", err)
	}
	db.DisableCompactions() // ours take their place
	for _, dir := range []string{s.folder, filepath.Dir(s.folder)} {
		if err := s.fsync(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("sync folder: %w", err), db.Close())
		}
	}
	return db, nil
}

// newestOf gives the time of the newest sample, 0 when there is none. A block
// says only which two hours its newest sample is in, so it may be too late by that.
func newestOf(db *engine.DB) medfleet.Millis {
	var newest medfleet.Millis
	for _, b := range db.Blocks() {
		newest = max(newest, medfleet.Millis(b.Meta().MaxTime-1))
	}
	if head := db.Head(); head.NumSeries() > 0 {
		newest = max(newest, medfleet.Millis(head.MaxTime()))
	}
	return newest
}

// Close ends the engine. What was written is in its log and is read from there
// at the next Open.
func (s *Store) Close() error {
	s.opened.RLock()
	s.compaction.stop() // it may be writing
	s.opened.RUnlock()
	s.writing <- struct{}{}
	defer s.writing.give()
	s.opened.Lock()
	defer s.opened.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := errors.Join(s.shut(), s.held.Release()); err != nil {
		return fmt.Errorf("close series in %s: %w", s.folder, err)
	}
	return nil
}

// shut ends the engine and what compacts it. The caller holds writing and opened.
func (s *Store) shut() error {
	if s.db == nil {
		return nil
	}
	s.compaction.stop()
	<-s.compaction.done
	err := s.db.Close()
	s.db = nil
	return err
}

// ready says whether the engine can be used. The caller holds opened.
func (s *Store) ready() error {
	switch {
	case s.closed:
		return store.ErrClosed
	case s.db == nil:
		return fmt.Errorf("series in %s are not open since %w", s.folder, s.failed.cause())
	}
	return nil
}

// Describe describes nothing: which metrics the engine has is its own affair.
func (s *Store) Describe(chan<- *prometheus.Desc) {}

// Collect gives the engine's own metrics, named prometheus_tsdb_*, so that the
// store can be registered like any prometheus.Collector.
func (s *Store) Collect(to chan<- prometheus.Metric) {
	s.opened.RLock()
	defer s.opened.RUnlock()
	if s.db != nil {
		s.metrics.Collect(to)
	}
}

// fsync syncs a file or a folder by its path.
func fsync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
