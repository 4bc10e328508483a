package sparkplug

import (
	"container/heap"
	"time"

	"google.golang.org/protobuf/proto"

	"medfleet"
	"medfleet/gateway/sparkplug/payload"
)

// A node is asked for a rebirth at most once in askLeast, and ever less often while
// asking does not help, up to askMost. All nodes together are asked at most once in
// askPace: a rebirth is much to say.
const (
	askLeast = time.Minute
	askMost  = 16 * time.Minute
	askPace  = 20 * time.Millisecond
)

// soonest is a time to ask a node at that is always over.
var soonest = time.Unix(0, 0)

// rebirth is when a node may be asked for its birth.
type rebirth struct {
	asked time.Time     // last
	wait  time.Duration // until it may be asked again
	ask   time.Time     // when it will be; zero: not
}

// want asks the node for a rebirth, now or as soon as it may be asked.
func (n *node) want(said *Said, now time.Time) {
	if !n.ask.IsZero() {
		return
	}
	n.ask = now
	if again := n.asked.Add(n.wait); again.After(now) {
		n.ask = again
	} else if !n.host.pace.After(now) {
		n.asks(said, now)
		return
	}
	n.schedule()
}

func (n *node) asks(said *Said, now time.Time) {
	if now.Sub(n.asked) > 2*n.wait {
		n.wait = askLeast
	} else {
		n.wait = min(2*n.wait, askMost)
	}
	n.asked, n.ask = now, time.Time{}
	n.host.pace = now.Add(askPace)
	n.host.counts.Rebirths.Add(1)
	said.Ask = append(said.Ask, n.id)
	n.schedule()
}

// answered is told that the node was born, or is gone.
func (n *node) answered() {
	n.ask = time.Time{}
	n.schedule()
}

// schedule puts the node into the agenda at the time at which something is due.
func (n *node) schedule() {
	n.due = n.gap
	if n.due.IsZero() || !n.ask.IsZero() && n.ask.Before(n.due) {
		n.due = n.ask
	}
	a := &n.host.agenda
	switch {
	case n.due.IsZero() && n.place >= 0:
		heap.Remove(a, n.place)
	case n.due.IsZero():
	case n.place < 0:
		heap.Push(a, n)
	default:
		heap.Fix(a, n.place)
	}
}

// agenda is a heap of nodes by when they are due.
type agenda []*node

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due.Before(a[j].due) }

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push and Pop are container/heap's.
func (a *agenda) Push(x any) {
	n := x.(*node)
	n.place = len(*a)
	*a = append(*a, n)
}

// Pop gives the last.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	n := (*a)[last]
	(*a)[last] = nil
	*a, n.place = (*a)[:last], -1
	return n
}

// Command gives topic and payload of the command that asks a node for a rebirth
// (Sparkplug 3.0, 6.4.25).
func Command(n Node, now medfleet.Millis) (topic string, message []byte, err error) {
	message, err = proto.Marshal(&payload.Payload{
		Timestamp: proto.Uint64(uint64(now)),
		Metrics: []*payload.Metric{{
			Name: proto.String("Node Control/Rebirth"), Timestamp: proto.Uint64(uint64(now)),
			Datatype: proto.Uint32(uint32(payload.DataType_Boolean)), Value: &payload.Metric_BooleanValue{BooleanValue: true},
		}},
	})
	return n.rebirthTopic(), message, err
}
