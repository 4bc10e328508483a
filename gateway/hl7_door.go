package gateway

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"medfleet/gateway/mllp"
)

// Refuse answers a sender whose input the listener does not take: once, if a
// control id can be read. A message that the handler could not bear costs its
// sender no other: the connection stays.
func (h *hl7Keeper) Refuse(ctx context.Context, from mllp.Peer, reason mllp.Reason, head []byte) mllp.Answer {
	switch reason {
	case mllp.TooMany:
		h.turnAway(netip.Addr{}, from, reason)
		return mllp.Answer{Close: true, NotKept: true}
	case mllp.NotAllowed:
		h.turnAway(from.Addr.Addr().Unmap(), from, reason)
		return rejection(head, reason.String())
	}
	a := h.noHL7(ctx, from, head, reason.String())
	a.Close = a.Close && (reason != mllp.Panicked || a.Frame == nil)
	return a
}

// turnAway counts somebody who does not come in, and puts that into a letter now and
// then. Nobody waits for the letter: who floods us with connections must not have a
// sync for each, nor push out the letters of others.
func (h *hl7Keeper) turnAway(who netip.Addr, from mllp.Peer, reason mllp.Reason) {
	h.counts.Refused.Add(1)
	if h.door.due(who, time.Now()) {
		h.dead.post(DeadLetter{Source: "hl7", Peer: from.Addr.String(), Reason: reason.String()}, true)
	}
}

const (
	doorEvery = time.Minute // between two letters about the same
	doorNames = 1024        // addresses that are remembered
)

// doorLetters remembers when a letter was last written about an address that may not
// come in; about a crowd, under no address.
type doorLetters struct {
	mu   sync.Mutex
	last map[netip.Addr]time.Time
}

// due says that a letter is to be written now. Of more addresses than it remembers,
// none gets one until the oldest may have another.
func (d *doorLetters) due(who netip.Addr, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, known := d.last[who]
	if known && now.Sub(last) < doorEvery {
		return false
	}
	if !known && len(d.last) >= doorNames && !d.forget(now) {
		return false
	}
	if d.last == nil {
		d.last = map[netip.Addr]time.Time{}
	}
	d.last[who] = now
	return true
}

// forget makes room, and says whether there is any.
func (d *doorLetters) forget(now time.Time) bool {
	for who, at := range d.last {
		if now.Sub(at) >= doorEvery {
			delete(d.last, who)
		}
	}
	return len(d.last) < doorNames
}
