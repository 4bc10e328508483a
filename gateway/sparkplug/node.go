package sparkplug

import (
	"errors"
	"time"

	"medfleet"
	"medfleet/gateway/sparkplug/payload"
)

// node is an edge node: one connection, one sequence of messages, any number of
// devices.
type node struct {
	host     *Host
	id       Node
	itself   *speaker // nil when nobody wants the node's own metrics
	devices  map[string]*speaker
	speakers []*speaker // all of them, in the order in which they came

	born       bool  // its birth is known and no message is missing since
	gone       bool  // its death was told, and no birth since
	next       uint8 // sequence number
	session    uint64
	hasSession bool

	held      map[uint8]held
	heldBytes int
	gap       time.Time // when a missing message is given up; zero: none is missing

	rebirth
	due   time.Time // when Tick has to look at it; zero: never
	place int       // in the agenda, -1 when it is not there
}

// held is a message that waits for the one before it.
type held struct {
	topic   topic
	payload *payload.Payload
	at      time.Time
	bytes   int
}

var (
	errSeq     = errors.New("message has no seq from 0 to 255: the edge node has to number its messages")
	errDevices = errors.New("too many devices: the bound for one edge node, or for all together, is reached")
)

// sequenced takes a message in its turn (Sparkplug 3.0, 5.3). One that is early
// waits for those before it, as long as the reorder time.
func (n *node) sequenced(said *Said, m held) error {
	if !n.born {
		n.host.counts.Unborn.Add(1)
		n.want(said, m.at)
		return nil
	}
	if m.payload.Seq == nil || m.payload.GetSeq() > 255 {
		n.lose(said, m.at)
		return errSeq
	}
	seq := uint8(m.payload.GetSeq())
	if seq != n.next {
		n.hold(said, seq, m)
		return nil
	}
	err := n.deliver(said, m, m.at)
	return errors.Join(err, n.release(said, m.at))
}

// deliver takes the message whose turn it is now; it may have waited.
func (n *node) deliver(said *Said, m held, now time.Time) error {
	n.next++
	switch m.topic.kind {
	case ndata:
		if n.itself != nil && n.itself.born {
			n.data(said, n.itself, m, now)
		} else {
			said.drop(m.payload)
		}
	case dbirth:
		return n.deviceBorn(said, m)
	case ddata:
		n.deviceData(said, m, now)
	case ddeath:
		if d := n.devices[m.topic.device]; d != nil {
			d.gone(said, m.at)
		}
		n.host.counts.Deaths.Add(1)
	}
	return nil
}

func (n *node) deviceData(said *Said, m held, now time.Time) {
	d := n.devices[m.topic.device]
	switch {
	case d != nil && d.born:
		n.data(said, d, m, now)
	case planFor(n.host.plans, n.id, m.topic.device) == nil || d != nil && d.class == nil:
		said.drop(m.payload) // nobody's, however often it is born
	default:
		n.host.counts.Unborn.Add(1)
		n.want(said, now)
	}
}

func (n *node) data(said *Said, s *speaker, m held, now time.Time) {
	b := &batch{said: said, payload: m.payload, at: m.at, received: medfleet.AsMillis(m.at)}
	if s.read(b) {
		n.host.counts.Unborn.Add(1)
		n.want(said, now)
	}
}

// hold keeps a message that came before its turn.
func (n *node) hold(said *Said, seq uint8, m held) {
	if _, twice := n.held[seq]; twice {
		n.host.counts.Repeated.Add(1)
		return
	}
	if n.gap.IsZero() {
		n.gap = m.at.Add(n.host.options.Reorder)
		n.schedule()
	}
	if n.held == nil {
		n.held = map[uint8]held{}
	}
	n.held[seq] = m
	n.heldBytes += m.bytes
	if len(n.held) > n.host.options.Limits.Held || n.heldBytes > n.host.options.Limits.HeldBytes {
		n.lose(said, m.at)
	}
}

// release takes the messages that have waited for the one that came.
func (n *node) release(said *Said, now time.Time) error {
	var errs []error
	for {
		m, ok := n.held[n.next]
		if !ok {
			break
		}
		delete(n.held, n.next)
		n.heldBytes -= m.bytes
		errs = append(errs, n.deliver(said, m, now))
	}
	if len(n.held) == 0 && !n.gap.IsZero() {
		n.gap = time.Time{}
		n.schedule()
	}
	return errors.Join(errs...)
}

// lose is told that a message is missing for good. It may have been a birth, so that
// no alias can be trusted any more: nothing is taken until the node is born anew.
func (n *node) lose(said *Said, now time.Time) {
	n.host.counts.Gaps.Add(1)
	n.host.counts.Lost.Add(uint64(len(n.held)))
	n.unborn()
	n.want(said, now)
}

// unborn forgets what a birth has told; who was connected is remembered.
func (n *node) unborn() {
	n.born = false
	n.drop()
	for _, s := range n.speakers {
		s.born = false
	}
}

func (n *node) drop() {
	clear(n.held)
	n.heldBytes, n.gap = 0, time.Time{}
	n.schedule()
}

// birth takes NBIRTH: everything begins anew.
func (n *node) birth(said *Said, m held) error {
	if m.payload.Seq == nil || m.payload.GetSeq() > 255 {
		return errSeq
	}
	n.host.counts.Births.Add(1)
	n.host.counts.Lost.Add(uint64(len(n.held)))
	n.unborn()
	n.gone = false
	n.born, n.next = true, uint8(m.payload.GetSeq())+1
	n.session, n.hasSession = bdSeq(m.payload)
	n.answered()
	if n.itself == nil {
		said.drop(m.payload)
		return nil
	}
	return n.welcome(said, n.itself, m)
}

func (n *node) deviceBorn(said *Said, m held) error {
	n.host.counts.Births.Add(1)
	d := n.devices[m.topic.device]
	if d == nil {
		p := planFor(n.host.plans, n.id, m.topic.device)
		if p == nil {
			said.drop(m.payload)
			return nil
		}
		l := &n.host.options.Limits
		if len(n.devices) >= l.Devices || n.host.devices >= l.AllDevices {
			return errDevices
		}
		n.host.devices++
		d = n.add(p, m.topic.device)
		n.devices[m.topic.device] = d
	}
	return n.welcome(said, d, m)
}

// welcome takes what a birth says of a node itself or a device.
func (n *node) welcome(said *Said, s *speaker, m held) error {
	s.born = false
	err := s.identify(n.host, m.payload)
	if err == nil {
		err = s.learn(n.host, m.payload)
	}
	if err != nil {
		said.drop(m.payload)
		return err
	}
	s.born = true
	s.turn(said, connected, m.at)
	s.read(&batch{said: said, payload: m.payload, at: m.at, received: medfleet.AsMillis(m.at), birth: true})
	return nil
}

func (n *node) add(p *plan, device string) *speaker {
	s := &speaker{node: n, device: device, plan: p, names: map[string]*metric{}}
	n.speakers = append(n.speakers, s)
	return s
}

// death takes NDEATH: the node and all its devices are not heard any more. The death
// of a session that is over comes late and says nothing (5.4).
func (n *node) death(said *Said, m held) {
	if number, ok := bdSeq(m.payload); ok && n.hasSession && number != n.session {
		n.host.counts.OldDeaths.Add(1)
		return
	}
	n.host.counts.Deaths.Add(1)
	n.host.counts.Lost.Add(uint64(len(n.held)))
	n.unborn()
	n.gone = true
	n.answered()
	for _, s := range n.speakers {
		s.gone(said, m.at)
	}
}
