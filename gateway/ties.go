package gateway

import (
	"sync"

	"medfleet"
)

// ties keeps two observations of one device from falling on the same
// millisecond, since a point is known by device and time and HL7 stamps have a
// resolution of a second. A message that comes again gets the time it had.
type ties struct {
	mu      sync.Mutex
	devices map[medfleet.DeviceID]*recent
}

// recent holds the last few observations' times of one device.
type recent struct {
	next int
	seen [8]placed
	last medfleet.Millis // the time given last
}

type placed struct {
	key uint64
	at  medfleet.Millis
}

// maxTies bounds the memory; beyond it, it starts anew.
const maxTies = 200_000

func newTies() *ties { return &ties{devices: map[medfleet.DeviceID]*recent{}} }

// settle gives the time to file an observation under. key is its own: of the
// message and its place there.
func (t *ties) settle(device medfleet.DeviceID, at medfleet.Millis, key uint64) medfleet.Millis {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.devices[device]
	if r == nil {
		if len(t.devices) >= maxTies {
			clear(t.devices)
		}
		r = new(recent)
		t.devices[device] = r
	}
	for _, p := range r.seen {
		if p.key == key && p.at != 0 && p.at >= at && p.at < at+1000 {
			return p.at
		}
	}
	if at%1000 == 0 && r.last >= at && r.last < at+1000 {
		at = r.last + 1 // whole seconds: there may have been more than are remembered
	}
	for r.taken(at) {
		at++
	}
	r.last = at
	r.seen[r.next] = placed{key, at}
	r.next = (r.next + 1) % len(r.seen)
	return at
}

func (r *recent) taken(at medfleet.Millis) bool {
	for _, p := range r.seen {
		if p.at == at {
			return true
		}
	}
	return false
}
