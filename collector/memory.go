package collector

import (
	"context"
	"fmt"
	"time"

	"medfleet/spool"
)

const memoryEvery = 30 * time.Second

// remember fills the door's memory of what it has taken: from its file, then from
// the journal's records since. The journal keeps these until the file has them.
func (c *Collector) remember(ctx context.Context) error {
	sequence, err := c.door.Load()
	if err != nil {
		return err
	}
	if c.taken, err = c.journal.Reader(takenReader); err != nil {
		return fmt.Errorf("open reader %s: %w", takenReader, err)
	}
	newest := c.journal.Stats().Newest
	lost := sequence > newest // the journal was lost or restored: its numbers begin anew
	if lost {
		sequence = 0
	}
	err = follow(ctx, c.journal, c.taken, sequence, newest, func(r spool.Record) { c.door.Replay(r.Payload) })
	if err == nil && lost {
		err = c.saveMemory() // before new records get numbers that the file covers
	}
	if err != nil {
		return fmt.Errorf("rebuild the memory of what was taken: %w", err)
	}
	return nil
}

// follow gives the journal's records after one sequence up to and with another,
// and none beyond. It does not wait for records that are no longer there.
func follow(ctx context.Context, journal *spool.Log, reader *spool.Reader, after, newest uint64, each func(spool.Record)) error {
	stats := journal.Stats()
	newest = min(newest, stats.Newest)
	if after >= newest || stats.Oldest > newest {
		return nil
	}
	if err := reader.Seek(max(after+1, stats.Oldest)); err != nil {
		return err
	}
	for at := after; at < newest; {
		records, gap, err := reader.Read(ctx, readRecords, readBytes)
		if err != nil {
			return err
		}
		if gap != nil {
			at = gap.Last
		}
		for _, r := range records {
			if at = r.Sequence; at > newest {
				return nil
			}
			each(r)
		}
	}
	return nil
}

func (c *Collector) keepMemory(ctx context.Context) error {
	t := time.NewTicker(memoryEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := c.saveMemory(); err != nil {
			c.o.Log.Error("the memory of what was taken is not saved; the journal keeps its records until it is", "error", err)
		}
	}
}

func (c *Collector) saveMemory() error {
	sequence, err := c.door.Save(func() uint64 { return c.journal.Stats().Newest })
	if err != nil || sequence == 0 {
		return err
	}
	if err := c.taken.Seek(sequence + 1); err != nil {
		return err
	}
	return c.taken.Commit(sequence)
}
