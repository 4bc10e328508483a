package sparkplug

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// Message is one PUBLISH as it came in.
type Message struct {
	Topic    string
	Payload  []byte // not kept
	Retained bool
	Cut      bool // its payload was over the limit and is not here
}

// HostOptions are what a Host is made of.
type HostOptions struct {
	Mappings []Mapping
	Profiles *profiles.Set
	Gateway  string
	Site     string
	Reorder  time.Duration // how long a message that is early waits; 0 is 2 s
	Limits   Limits
	Counts   *Counts // nil: its own
}

// Limits bound what is remembered; 0 is the default.
type Limits struct {
	Nodes      int // edge nodes: 10 000
	Devices    int // devices of one node: 2 000
	AllDevices int // 100 000
	Aliases    int // of all nodes: 2 000 000
	Held       int // messages of one node that wait for one before them: 64
	HeldBytes  int // their bytes: 1 MiB
}

func (l *Limits) complete() {
	l.Nodes = cmp.Or(l.Nodes, 10_000)
	l.Devices = cmp.Or(l.Devices, 2_000)
	l.AllDevices = cmp.Or(l.AllDevices, 100_000)
	l.Aliases = cmp.Or(l.Aliases, 2_000_000)
	l.Held = cmp.Or(l.Held, 64)
	l.HeldBytes = cmp.Or(l.HeldBytes, 1<<20)
}

const defaultReorder = 2 * time.Second

// Counts are a host's counters. They may be read while it works.
type Counts struct {
	Births    atomic.Uint64 // of nodes and devices
	Deaths    atomic.Uint64
	OldDeaths atomic.Uint64 // of sessions that were over
	Gaps      atomic.Uint64 // messages were missing
	Lost      atomic.Uint64 // messages that came behind a gap and could not be trusted
	Unborn    atomic.Uint64 // messages of which no birth is known
	Repeated  atomic.Uint64 // messages with a number that waits already
	Retained  atomic.Uint64 // state at an unknown time: not taken
	Strangers atomic.Uint64 // messages of nodes that nobody has mapped
	Rebirths  atomic.Uint64 // asked for
}

// Host is the state machine of a host application. It is for one goroutine; the same
// messages at the same times give the same.
type Host struct {
	options HostOptions
	plans   []*plan
	offline *profiles.Condition
	counts  *Counts

	nodes   map[Node]*node
	order   []*node
	ids     map[medfleet.DeviceID]*speaker
	devices int
	aliases int
	agenda  agenda
	pace    time.Time // when the next rebirth may be asked for
	sweep   time.Time // when signs of life are looked at next
}

// NewHost checks the mappings and says everything that is wrong with them.
func NewHost(o HostOptions) (*Host, error) {
	plans, err := compile(o.Mappings, o.Profiles)
	offline, ok := o.Profiles.Condition("offline")
	if !ok {
		err = errors.Join(err, errors.New(`the profiles declare no condition "offline"`))
	}
	if err != nil {
		return nil, err
	}
	o.Reorder = cmp.Or(o.Reorder, defaultReorder)
	o.Limits.complete()
	if o.Counts == nil {
		o.Counts = new(Counts)
	}
	return &Host{
		options: o, plans: plans, offline: offline, counts: o.Counts,
		nodes: map[Node]*node{}, ids: map[medfleet.DeviceID]*speaker{},
	}, nil
}

// Counts gives the counters.
func (h *Host) Counts() *Counts { return h.counts }

var errNodes = errors.New("too many edge nodes: the bound is reached")

// Take reads a message that came at a time. An error says why it is not understood,
// in words that never quote it.
func (h *Host) Take(said *Said, m Message, at time.Time) error {
	t, err := parseTopic(m.Topic)
	if err != nil {
		return err
	}
	if t.kind == command {
		return nil // somebody else's
	}
	if m.Retained {
		h.counts.Retained.Add(1)
		return nil
	}
	n, err := h.node(t.node)
	if n == nil {
		return err
	}
	if m.Cut {
		return n.unread(said, t, at, errLarge)
	}
	p, err := decode(m.Payload)
	if err != nil {
		return n.unread(said, t, at, err)
	}
	in := held{t, p, at, len(m.Payload)}
	switch t.kind {
	case nbirth:
		return n.birth(said, in)
	case ndeath:
		n.death(said, in)
		return nil
	}
	return n.sequenced(said, in)
}

// unread is told that a message could not be read. It had a number.
func (n *node) unread(said *Said, t topic, at time.Time, err error) error {
	if n.born && t.kind != ndeath {
		n.lose(said, at)
	}
	return err
}

// node finds an edge node. It is nil for one that nobody wants.
func (h *Host) node(id Node) (*node, error) {
	if n := h.nodes[id]; n != nil {
		return n, nil
	}
	wanted := false
	for _, p := range h.plans {
		wanted = wanted || p.concerns(id)
	}
	if !wanted {
		h.counts.Strangers.Add(1)
		return nil, nil
	}
	if len(h.nodes) >= h.options.Limits.Nodes {
		return nil, errNodes
	}
	n := &node{host: h, id: id, devices: map[string]*speaker{}, place: -1}
	if p := planFor(h.plans, id, ""); p != nil {
		n.itself = n.add(p, "")
	}
	h.nodes[id] = n
	h.order = append(h.order, n)
	return n, nil
}

// Due gives when Tick has something to do next; it is never before now, nor later than
// in sweepTime.
func (h *Host) Due(now time.Time) time.Time {
	due := now.Add(sweepTime)
	if !h.sweep.IsZero() && h.sweep.Before(due) {
		due = h.sweep
	}
	if len(h.agenda) == 0 {
		return due
	}
	first := h.agenda[0]
	at := first.due
	if at == first.ask && at.Before(h.pace) {
		at = h.pace
	}
	switch {
	case at.Before(now):
		return now
	case at.Before(due):
		return at
	}
	return due
}

// Tick does what is due: it gives up missing messages, asks for rebirths that had
// to wait, and says of who is connected and has nothing to report that it lives.
func (h *Host) Tick(said *Said, now time.Time) {
	for len(h.agenda) > 0 && !h.agenda[0].due.After(now) {
		n := h.agenda[0]
		switch {
		case !n.gap.IsZero() && !n.gap.After(now):
			n.lose(said, now)
		case h.pace.After(now):
			h.signs(said, now)
			return
		default:
			n.asks(said, now)
		}
	}
	h.signs(said, now)
}

// Sparkplug devices report by exception: one whose birth is known and whose death
// was not told is there, though it says nothing. That is told on so often that its
// silence is not taken for one of the connection.
const (
	sweepTime = 5 * time.Second
	signsPer  = 3 // silences of the class
)

func (h *Host) signs(said *Said, now time.Time) {
	if h.sweep.After(now) {
		return
	}
	h.sweep = now.Add(sweepTime)
	for _, n := range h.order {
		if !n.born {
			continue
		}
		for _, s := range n.speakers {
			if s.born && now.Sub(s.said) >= s.class.profile.Silence/signsPer-sweepTime {
				s.alone(said, now)
			}
		}
	}
}

// Cut is told that the connection to the broker is lost: what comes until there is
// another one is missing, so that nothing is current until it is born anew. Whoever
// was there is asked on the next one, though it may have nothing to say; that the
// connection was lost, perhaps before it could answer, is not held against it.
func (h *Host) Cut() {
	for _, n := range h.order {
		n.unborn()
		n.rebirth = rebirth{}
		if !n.gone {
			n.ask = soonest
		}
		n.schedule()
	}
}

// NotKept is told that what some nodes said last was not kept. They are asked for a
// rebirth, which says all that still holds.
func (h *Host) NotKept(said *Said, from []Node, now time.Time) {
	for _, id := range from {
		n := h.nodes[id]
		if n == nil {
			continue
		}
		n.unborn()
		for _, s := range n.speakers {
			s.forget()
		}
		n.want(said, now)
	}
}

// String counts what is known, for logs.
func (h *Host) String() string {
	return fmt.Sprintf("%d edge nodes, %d devices", len(h.order), h.devices)
}
