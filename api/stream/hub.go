package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"medfleet"
)

// Hub keeps every client informed. Make one with New, run it with Run, and serve
// it as an http.Handler; a client is accepted only while the hub runs.
type Hub struct {
	o       Options
	epoch   string
	changes *changes
	now     atomic.Pointer[published]

	mu      sync.Mutex
	clients int
	stop    chan struct{} // nil unless the hub runs
	ended   sync.WaitGroup

	building sync.Mutex // held by the clients that are not in step, one at a time
	made     made

	counts counts
}

// published is how far everybody may be, and the frame that leads there.
// It is replaced, never changed, and wake is closed when it is.
type published struct {
	seq   uint64
	delta *frame // leads to seq from the sequence number before it; nil at first
	beat  *frame
	beats uint64
	wake  chan struct{}
}

// made is what was last made for clients that are not in step: shared by all that
// come within a beat while nothing changes.
type made struct {
	to       uint64
	at       medfleet.Millis
	snapshot *frame
	deltas   map[uint64]*frame // by where they start
}

type counts struct{ deltas, late, snapshots, slow, refused atomic.Uint64 }

// Counts says what a hub has done since it was made.
type Counts struct {
	Clients   int    // connected now
	Deltas    uint64 // made for all clients in step
	Late      uint64 // made for clients that were behind
	Snapshots uint64 // made
	Slow      uint64 // clients dropped because they did not read
	Refused   uint64 // requests that did not become a stream
}

// New makes a hub with an epoch of its own. It starts nothing.
func New(o Options) (*Hub, error) {
	if o.Source.Devices == nil || o.Source.Alarms == nil || o.Source.Pages == nil || o.Source.Gateways == nil {
		return nil, errors.New("make stream: a source is missing: give devices, alarms, pages and gateways")
	}
	o.defaults()
	h := &Hub{o: o, epoch: rand.Text(), changes: newChanges(o.MaxChanges)}
	h.now.Store(&published{wake: make(chan struct{})})
	return h, nil
}

// Changed notes that something is different now. It does not wait, and once the
// ids of a busy interval have been seen it allocates nothing.
func (h *Hub) Changed(c medfleet.Change) { h.changes.mark(c) }

// Counts tells what the hub has done.
func (h *Hub) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Counts{
		Clients: h.clients, Deltas: h.counts.deltas.Load(), Late: h.counts.late.Load(),
		Snapshots: h.counts.snapshots.Load(), Slow: h.counts.slow.Load(), Refused: h.counts.refused.Load(),
	}
}

// Run publishes deltas and beats until ctx ends; then it says goodbye to every
// client and returns when all are gone. It can run once.
func (h *Hub) Run(ctx context.Context) error {
	stop := make(chan struct{})
	h.mu.Lock()
	if h.stop != nil {
		h.mu.Unlock()
		return errors.New("run stream: it runs already")
	}
	h.stop = stop
	h.mu.Unlock()

	h.loop(ctx)

	h.mu.Lock()
	close(stop)
	h.mu.Unlock()
	h.ended.Wait()
	return nil
}

func (h *Hub) loop(ctx context.Context) {
	interval, beats := time.NewTicker(h.o.Interval), time.NewTicker(h.o.Beat)
	defer interval.Stop()
	defer beats.Stop()
	troubled := false
	h.publish(ctx, true)
	for {
		due := false
		select {
		case <-ctx.Done():
			return
		case <-interval.C:
		case <-beats.C:
			due = true
		}
		switch did, err := h.publish(ctx, due); {
		case ctx.Err() != nil:
			return
		case err != nil:
			troubled = true
			h.o.Troubled(err)
		case did && troubled:
			troubled = false
			h.o.Troubled(nil)
		}
	}
}

// publish cuts what changed and makes the delta for the clients in step, and the
// beat when one is due. It reports whether there was anything to publish. When
// the source fails it publishes nothing at all.
func (h *Hub) publish(ctx context.Context, due bool) (did bool, err error) {
	old, at := h.now.Load(), now()
	next := &published{seq: h.changes.cut(), delta: old.delta, beats: old.beats, wake: make(chan struct{})}
	if next.seq == old.seq && !due {
		return false, nil
	}
	if err := h.o.Live(); err != nil {
		return false, fmt.Errorf("publish: %w", err)
	}
	if next.seq != old.seq {
		next.delta = nil
		if h.watched() {
			delta, err := h.delta(ctx, old.seq, next.seq)
			if err != nil {
				return false, err
			}
			if next.delta = delta; delta != nil {
				h.counts.deltas.Add(1)
			}
		}
	}
	// Made each time, so that whoever resumes is told the newest number at once.
	if next.beat, err = beat(next.seq, at); err != nil {
		return false, err
	}
	if due {
		next.beats++
	}
	h.now.Store(next)
	close(old.wake)
	return true, nil
}

func (h *Hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients > 0
}

// delta makes the frame between two sequence numbers; nil when the changes
// between them are no longer known.
func (h *Hub) delta(ctx context.Context, from, to uint64) (*frame, error) {
	changed, ok := h.changes.since(from, to)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	at := now()
	b, err := h.o.Source.changed(ctx, changed)
	if err != nil {
		return nil, fmt.Errorf("make delta: %w", err)
	}
	return b.frame("delta", from, to, at)
}

const readTimeout = 10 * time.Second

// catchUp makes the frame for a client that is not in step: a delta of all it
// missed, or a snapshot. Clients at the same place share it.
func (h *Hub) catchUp(ctx context.Context, from, to uint64) (*frame, error) {
	h.building.Lock()
	defer h.building.Unlock()
	h.outdate(to)
	if f := h.made.deltas[from]; f != nil {
		return f, nil
	}
	f, err := h.delta(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return h.makeSnapshot(ctx)
	}
	h.counts.late.Add(1)
	h.made.deltas[from] = f
	return f, nil
}

// snapshot makes a snapshot, or gives the one made for somebody else just now.
func (h *Hub) snapshot(ctx context.Context) (*frame, error) {
	h.building.Lock()
	defer h.building.Unlock()
	return h.makeSnapshot(ctx)
}

func (h *Hub) makeSnapshot(ctx context.Context) (*frame, error) {
	seq := h.now.Load().seq // before anything is read: what changes meanwhile comes again
	h.outdate(seq)
	if h.made.snapshot != nil {
		return h.made.snapshot, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	b, err := h.o.Source.snapshot(ctx, h.made.at)
	if err != nil {
		return nil, fmt.Errorf("make snapshot: %w", err)
	}
	if h.made.snapshot, err = b.frame("snapshot", 0, seq, h.made.at); err != nil {
		return nil, err
	}
	h.counts.snapshots.Add(1)
	return h.made.snapshot, nil
}

// outdate forgets what was made unless it leads to a sequence number and is fresh.
func (h *Hub) outdate(to uint64) {
	if at := now(); h.made.deltas == nil || h.made.to != to || at.Sub(h.made.at) >= h.o.Beat {
		h.made = made{to: to, at: at, deltas: map[uint64]*frame{}}
	}
}

// admit makes room for a client; its channel closes when it has to go.
func (h *Hub) admit() (stop chan struct{}, status int, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.stop:
		return nil, http.StatusServiceUnavailable, "the collector is stopping: try again in a moment"
	default:
	}
	switch {
	case h.stop == nil:
		return nil, http.StatusServiceUnavailable, "the collector is starting: try again in a moment"
	case h.clients >= h.o.MaxClients:
		return nil, http.StatusServiceUnavailable,
			fmt.Sprintf("all %d places for live boards are taken: close one, or try again later", h.o.MaxClients)
	}
	h.clients++
	h.ended.Add(1)
	return h.stop, 0, ""
}

func (h *Hub) leave() {
	h.mu.Lock()
	h.clients--
	h.mu.Unlock()
	h.ended.Done()
}
