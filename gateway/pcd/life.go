package pcd

import (
	"hash/maphash"
	"sync"

	"medfleet"
	"medfleet/profiles"
)

// meaning is what an alert stands for: the condition, its code and our words.
type meaning struct {
	condition *profiles.Condition
	code      string
	text      string
}

// life is an alert from its beginning on. A message about it may give it another
// meaning: message is the latest one about it, before what it meant until then.
type life struct {
	device medfleet.DeviceID
	meaning
	message uint64
	before  meaning
}

// maxLives bounds the memory: two generations of as many, the older forgotten
// when the newer is full.
const maxLives = 8192

// lives remembers which alert began under which id (Device TF-2, PCD-04: OBR-3 of
// the first message, OBR-29 of those that follow), so that a message which ends
// one need not say again what it was. Ids are kept as keyed hashes only. After a
// restart it knows none: then device and event code alone end an alert.
type lives struct {
	mu           sync.Mutex
	seed         maphash.Seed
	newer, older map[uint64]life
}

func newLives() *lives {
	return &lives{seed: maphash.MakeSeed(), newer: map[uint64]life{}}
}

func (l *lives) find(key uint64) (life, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.newer[key]; ok {
		return known, true
	}
	known, ok := l.older[key]
	return known, ok
}

func (l *lives) keep(key uint64, known life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.newer) >= maxLives {
		l.older, l.newer = l.newer, make(map[uint64]life, maxLives)
	}
	l.newer[key] = known
}

// follow finds the life that an alert belongs to. It gives what the alert means,
// which an end that says nothing has from its beginning, and what it meant before
// if that has changed.
func (r *reading) follow(a *alert, says meaning, phase medfleet.Phase) (m, was meaning, ok bool) {
	key, child := r.lifeKey(a)
	v := &r.devices[a.device]
	if key == 0 || v.id == "" {
		return says, meaning{}, says.condition != nil
	}
	known, found := r.mapper.lives.find(key)
	found = found && known.device == v.id
	if says.condition == nil {
		return known.meaning, meaning{}, found && phase == medfleet.End && !oddEvent(a.number)
	}
	now := life{device: v.id, meaning: says, message: r.sieve.sum(r.mapper.lives.seed, 0, mshSender, mshSenderFacility, mshControl, mshTime)}
	switch same := known.condition == says.condition && known.code == says.code; {
	case !found || !child:
	case known.message == now.message && !same:
		return says, meaning{}, true // two alerts of one message share an id
	case known.message == now.message:
		now.before = known.before // it was sent again
	case !same:
		now.before = known.meaning
	}
	r.mapper.lives.keep(key, now)
	return says, now.before, true
}

// lifeKey gives the hash of the id that an alert began under, 0 if it has none,
// and whether the message names it as the parent of its own.
func (r *reading) lifeKey(a *alert) (key uint64, child bool) {
	g := &r.groups[a.group]
	if g.kind != alertGroup || g.segment < 0 {
		return 0, false
	}
	if id, space := r.sieve.parent(g.segment); id != nil {
		return r.alertKey(id, space), true
	}
	return r.alertKey(r.sieve.get(g.segment, obrAlertID), r.sieve.get(g.segment, obrAlertSpace)), false
}

// alertKey hashes an id with the sender's name. A short id counts within its
// namespace; a long one is one by itself, and not every message repeats the
// namespace.
func (r *reading) alertKey(id, space []byte) uint64 {
	const short = 8
	if len(id) == 0 {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(r.mapper.lives.seed)
	h.Write(r.sieve.get(0, mshSender))
	h.WriteByte(0)
	h.Write(id)
	if len(id) < short {
		h.WriteByte(0)
		h.Write(space)
	}
	return h.Sum64()
}
