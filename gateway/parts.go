package gateway

import (
	"sync"
	"time"

	"medfleet"
	"medfleet/record"
)

// parts remembers of each part where it was last told to be. Every message names
// the modules of its device again; only what is new is a record, and the same
// once an hour, so that the collector knows that it still holds.
type parts struct {
	mu   sync.Mutex
	told map[medfleet.DeviceID]*told
}

// told is what was last said of a part.
type told struct {
	parent medfleet.DeviceID
	slot   string
	kind   string
	model  string
	flags  record.Flags

	at       medfleet.Millis // when, by the gateway's clock
	moves    int             // changes that may be told at once
	refilled medfleet.Millis
}

const (
	maxParts    = 200_000 // bounds the memory; beyond it, it starts anew
	retellAfter = time.Hour
	// A part that two senders claim changes its place with every message. As many
	// changes are told at once, then one each minute.
	maxMoves  = 8
	moveEvery = time.Minute
)

func newParts() *parts { return &parts{told: map[medfleet.DeviceID]*told{}} }

// news reports whether an attachment must be told, and takes it for told. What a
// message leaves out of a part's type and model is filled in.
func (p *parts) news(a flagged[medfleet.Attachment], received medfleet.Millis) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.told[a.value.Part]
	if t == nil {
		if len(p.told) >= maxParts {
			clear(p.told)
		}
		t = &told{moves: maxMoves, refilled: received}
		p.told[a.value.Part] = t
	} else {
		t.complete(a.value)
		if t.same(a) && within(received.Sub(t.at), retellAfter) || !t.same(a) && !t.spend(received) {
			return false
		}
	}
	t.parent, t.slot, t.kind, t.model, t.flags, t.at = a.value.Parent, a.value.Slot, a.value.Type, a.value.Model, a.flags, received
	return true
}

func within(d, limit time.Duration) bool { return d > -limit && d < limit }

func (t *told) complete(a *medfleet.Attachment) {
	if a.Type == "" {
		a.Type = t.kind
	}
	if a.Model == "" {
		a.Model = t.model
	}
	if a.Slot == "" && a.Parent == t.parent {
		a.Slot = t.slot
	}
}

func (t *told) same(a flagged[medfleet.Attachment]) bool {
	v := a.value
	return t.parent == v.Parent && t.slot == v.Slot && t.kind == v.Type && t.model == v.Model && t.flags == a.flags
}

// spend takes one of the changes that may be told, if there is one left.
func (t *told) spend(received medfleet.Millis) bool {
	if n := received.Sub(t.refilled) / moveEvery; n > 0 {
		t.moves, t.refilled = int(min(maxMoves, time.Duration(t.moves)+n)), received
	} else if n < 0 {
		t.refilled = received // the clock was set back
	}
	if t.moves == 0 {
		return false
	}
	t.moves--
	return true
}

// forget is told that what was told of these parts did not become durable.
func (p *parts) forget(list []flagged[medfleet.Attachment]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range list {
		delete(p.told, a.value.Part)
	}
}

// forgetAll is forget where it is no longer known which they were.
func (p *parts) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.told)
}
