package tsdb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	engine "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// The engine can lose late samples, synced or not, when it crashes while it
// compacts: it moves those of a series out of memory first, and a late sample of
// that series which comes before the block is finished starts the series' log
// with a mark that makes the next start forget what the log has before it. So
// compacting is not left to the engine's own loop: here nothing is written as
// long as the head is being compacted. Blocks are merged beside the writing.

// compactEvery is how often blocks are merged and old ones looked for.
const compactEvery = time.Minute

// compaction is the loop that compacts one opened engine.
type compaction struct {
	stop context.CancelFunc
	done chan struct{}
	wake chan struct{} // the head has grown enough
}

// compactor is the engine's, and tells how far a compaction has come.
type compactor struct {
	engine.Compactor
	headDone  func()         // called when nothing but merging blocks is left
	headError error          // why the head's samples in order could not be made a block
	late      map[int64]bool // where blocks begin that late samples belong into; nil when not known
}

// Plan is where the engine begins to merge blocks.
func (c *compactor) Plan(dir string) ([]string, error) {
	c.headDone()
	return c.Compactor.Plan(dir)
}

// Write makes a block of a part of the head. The engine asks for every two hours
// between the oldest late sample and the newest, which may be weeks: those in
// which there is none are left out before files are made for them.
func (c *compactor) Write(dest string, b engine.BlockReader, from, to int64, base *engine.BlockMeta) ([]ulid.ULID, error) {
	if late, ok := b.(*engine.OOOCompactionHead); ok {
		if c.late == nil {
			var err error
			if c.late, err = lateBlocks(late, to-from); err != nil {
				return nil, fmt.Errorf("look where late samples are: %w", err)
			}
		}
		if !c.late[from] {
			return nil, nil
		}
	}
	ids, err := c.Compactor.Write(dest, b, from, to, base)
	if _, inOrder := b.(*engine.RangeHead); inOrder && err != nil {
		c.headError = err
	}
	return ids, err
}

// make is what the engine builds its compactor with. Compacting ends when ctx does.
func (c *compactor) make(ctx context.Context) engine.NewCompactorFunc {
	return func(_ context.Context, r prometheus.Registerer, l *slog.Logger, ranges []int64, pool chunkenc.Pool, o *engine.Options) (engine.Compactor, error) {
		var err error
		c.Compactor, err = engine.NewLeveledCompactorWithOptions(ctx, r, l, ranges, pool, engine.LeveledCompactorOptions{
			MaxBlockChunkSegmentSize:    o.MaxBlockChunkSegmentSize,
			EnableOverlappingCompaction: true,
		})
		return c, err
	}
}

// run compacts when woken and every minute until ctx ends. After a failure it
// waits for the minute, and so it does at first when calm is set.
func (s *Store) run(ctx context.Context, db *engine.DB, c *compactor, calm bool) {
	defer close(s.compaction.done)
	tick := time.NewTicker(compactEvery)
	defer tick.Stop()
	for {
		wake := s.compaction.wake
		if calm {
			wake = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
		err := s.compact(ctx, db, c)
		calm = err != nil
		if calm && ctx.Err() == nil {
			s.options.Logger.Error("compacting series", "folder", s.folder, "error", err)
		}
	}
}

// compact compacts the head when it is time, then merges blocks. Nothing is
// written in the first part. When late samples could not be made a block, they
// are in the state that a crash would lose: then the engine is opened anew
// before the next write.
func (s *Store) compact(ctx context.Context, db *engine.DB, c *compactor) error {
	if err := s.writing.take(ctx); err != nil {
		return err
	}
	resume := sync.OnceFunc(s.writing.give)
	defer resume()
	merging := false
	c.headError, c.late = nil, nil
	c.headDone = func() {
		merging = true
		resume()
	}
	err := db.Compact(ctx)
	if err != nil && !merging && c.headError == nil {
		s.failed.set(fmt.Errorf("compact late samples: %w", err))
	}
	return err
}

// grown reports whether the engine would compact its head: when it spans one and
// a half of the shortest blocks.
func grown(h *engine.Head) bool {
	return h.NumSeries() > 0 && h.MaxTime()-h.MinTime() > engine.DefaultBlockDuration*3/2
}

// lock is a mutex that can be waited for with a context.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) give() { <-l }
