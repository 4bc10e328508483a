package stream

import (
	"slices"
	"sync"

	"medfleet"
)

// changes remembers what changed, by sequence number: what is new since the last
// cut, and the last cuts. Both are bounded; a client that knows less than they
// reach back to needs a snapshot.
type changes struct {
	max int

	mu      sync.Mutex
	pending map[medfleet.Change]struct{}
	spilled bool // more was pending than fits
	cuts    []cut
	spare   [][]medfleet.Change
	held    int
	seq     uint64
	floor   uint64 // the lowest sequence number to which since can answer
}

type cut struct {
	seq     uint64
	changed []medfleet.Change
}

// maxCuts bounds how far back a client may be in step: about two minutes.
const maxCuts = 512

func newChanges(maximum int) *changes {
	return &changes{max: maximum, pending: make(map[medfleet.Change]struct{}, 64)}
}

// mark notes a change. It never waits for more than the lock of a map.
func (c *changes) mark(change medfleet.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) < c.max {
		c.pending[change] = struct{}{}
		return
	}
	if _, known := c.pending[change]; !known {
		c.spilled = true
	}
}

// cut gives what is pending the next sequence number, if there is anything, and
// returns the newest number.
func (c *changes) cut() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return c.seq
	}
	c.seq++
	changed := c.slice(len(c.pending))
	for change := range c.pending {
		changed = append(changed, change)
	}
	clear(c.pending)
	c.cuts = append(c.cuts, cut{c.seq, changed})
	c.held += len(changed)
	for c.held > c.max || len(c.cuts) > maxCuts {
		c.forget(1)
	}
	if c.spilled {
		c.spilled = false
		c.forget(len(c.cuts))
		c.floor = c.seq
	}
	return c.seq
}

func (c *changes) slice(n int) []medfleet.Change {
	if len(c.spare) == 0 {
		return make([]medfleet.Change, 0, n)
	}
	last := len(c.spare) - 1
	s := c.spare[last]
	c.spare = c.spare[:last]
	return s[:0]
}

func (c *changes) forget(n int) {
	for _, old := range c.cuts[:n] {
		c.held -= len(old.changed)
		c.floor = old.seq
		clear(old.changed)
		if len(c.spare) < 4 {
			c.spare = append(c.spare, old.changed)
		}
	}
	c.cuts = slices.Delete(c.cuts, 0, n)
}

// since lists each change after one sequence number up to another, once. The
// second result is false when that is no longer (or not yet) known.
func (c *changes) since(from, to uint64) ([]medfleet.Change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from < c.floor || from > to || to > c.seq {
		return nil, false
	}
	var all []medfleet.Change
	seen := map[medfleet.Change]struct{}{}
	for _, cut := range c.cuts {
		if cut.seq <= from || cut.seq > to {
			continue
		}
		for _, change := range cut.changed {
			if _, dup := seen[change]; !dup {
				seen[change] = struct{}{}
				all = append(all, change)
			}
		}
	}
	return all, true
}
