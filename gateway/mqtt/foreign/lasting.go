package foreign

import (
	"hash/maphash"
	"slices"
	"sync"

	"medfleet"
	"medfleet/gateway/mapping"
)

// lasting remembers which conditions of each device last, so that a value which
// each message repeats becomes an event when it changes and at no other time. What
// it does not know yet is told either way: it may have changed while the gateway
// was away.
type lasting struct {
	mu      sync.Mutex
	devices map[lastingKey]*lasts
}

type lastingKey struct {
	plan   *plan
	device medfleet.DeviceID
}

// lasts is what lasts at one device.
type lasts struct {
	switches []tri
	codes    []standing
}

type tri uint8

const (
	unknown tri = iota
	off
	on
)

// standing are the codes that a value stood at; known is false before the first.
type standing struct {
	known   bool
	codes   []mapping.Code
	nobodys uint64 // digest of the codes that nobody knew; 0 for none
}

// has reports whether a code stood, under the same name and for the same condition.
func (s *standing) has(code mapping.Code) bool { return s.known && slices.Contains(s.codes, code) }

// maxLasting bounds the memory; beyond it, it starts anew.
const maxLasting = 200_000

// of gives the memory of a device, under the lock.
func (l *lasting) of(p *plan, device medfleet.DeviceID) *lasts {
	key := lastingKey{p, device}
	d := l.devices[key]
	if d == nil {
		if l.devices == nil || len(l.devices) >= maxLasting {
			l.devices = map[lastingKey]*lasts{}
		}
		d = &lasts{switches: make([]tri, len(p.switches)), codes: make([]standing, len(p.codes))}
		l.devices[key] = d
	}
	return d
}

// forget lets everything be told again.
func (l *lasting) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.devices)
}

// turned notes what a switch says now and reports whether that is new.
func (l *lasting) turned(p *plan, device medfleet.DeviceID, i int, is bool) bool {
	now := off
	if is {
		now = on
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.of(p, device)
	before := d.switches[i]
	d.switches[i] = now
	return before != now
}

// strange notes the codes that nobody knows, by their digest, and reports whether
// they are others than before. The codes themselves are not kept.
func (l *lasting) strange(p *plan, device medfleet.DeviceID, i int, now uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.of(p, device)
	before := d.codes[i].nobodys
	d.codes[i].nobodys = now
	return before != now
}

// digest is the same for the same code only.
func (r *Reader) digest(v mapping.Value) uint64 {
	r.scratch = v.Append(r.scratch[:0])
	return maphash.Bytes(r.set.seed, r.scratch) | 1
}

// moved notes the codes that a value stands at now and gives those before, which
// are valid until the next message of the device.
func (l *lasting) moved(p *plan, device medfleet.DeviceID, i int, now []mapping.Code) (before standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.of(p, device)
	before = d.codes[i]
	if before.known && slices.Equal(before.codes, now) {
		return before
	}
	d.codes[i] = standing{known: true, codes: slices.Clone(now), nobodys: before.nobodys}
	return before
}
