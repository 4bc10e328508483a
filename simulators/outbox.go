package simulators

import "sync"

// outbox keeps one device's messages until they are acknowledged: some in
// flight, the others waiting. Beyond its limit the oldest waiting one goes.
type outbox struct {
	limit int
	ready chan struct{} // holds a token when there may be something to do

	mu      sync.Mutex
	flight  []parcel // in the order sent
	waiting []parcel
	head    int // of waiting
	muted   bool
	done    uint64 // messages settled so far
}

func newOutbox(limit int) *outbox {
	return &outbox{limit: limit, ready: make(chan struct{}, 1)}
}

// push adds a message, and reports whether that pushed another one out.
func (o *outbox) push(p parcel) (dropped bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.size() >= o.limit && o.head < len(o.waiting) {
		o.waiting[o.head] = parcel{}
		o.head++
		dropped = true
	}
	if o.head > 0 && len(o.waiting) == cap(o.waiting) {
		n := copy(o.waiting, o.waiting[o.head:])
		clear(o.waiting[n:])
		o.waiting, o.head = o.waiting[:n], 0
	}
	o.waiting = append(o.waiting, p)
	o.wake()
	return dropped
}

// take moves the oldest waiting message into flight, unless window are there
// already, and gives it the key.
func (o *outbox) take(window int, key uint16) (parcel, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.flight) >= window || o.head == len(o.waiting) || o.muted {
		return parcel{}, false
	}
	p := o.waiting[o.head]
	o.waiting[o.head] = parcel{}
	if o.head++; o.head == len(o.waiting) {
		o.waiting, o.head = o.waiting[:0], 0
	}
	p.key = key
	o.flight = append(o.flight, p)
	return p, true
}

// settle takes a message out of flight.
func (o *outbox) settle(key uint16) (Message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.flight {
		if o.flight[i].key != key {
			continue
		}
		m := o.flight[i].Message
		o.done++
		copy(o.flight[i:], o.flight[i+1:])
		o.flight[len(o.flight)-1] = parcel{}
		o.flight = o.flight[:len(o.flight)-1]
		o.wake()
		return m, true
	}
	return Message{}, false
}

// rewind puts what is in flight back to the front, to be sent again first.
func (o *outbox) rewind() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.flight) == 0 {
		return
	}
	all := make([]parcel, 0, o.size())
	for _, p := range o.flight {
		p.sent = true
		all = append(all, p)
	}
	o.waiting, o.head = append(all, o.waiting[o.head:]...), 0
	clear(o.flight)
	o.flight = o.flight[:0]
	o.wake()
}

// mute makes the link give up its connection and keep quiet, or speak again.
func (o *outbox) mute(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.muted = on
	o.wake()
}

func (o *outbox) isMuted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.muted
}

// pending is how many messages are not acknowledged.
func (o *outbox) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size()
}

// progress is how many messages were settled so far, and whether some are in flight.
func (o *outbox) progress() (settled uint64, flying bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done, len(o.flight) > 0
}

func (o *outbox) size() int { return len(o.flight) + len(o.waiting) - o.head }

// wake leaves a token; the caller need not hold the lock.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}
