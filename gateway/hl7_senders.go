package gateway

import (
	"slices"
	"sync"
	"time"

	"medfleet"
	"medfleet/gateway/mllp"
	"medfleet/gateway/pcd"
)

// hl7Sender is a sender that the configuration names, as a feed of its own: a
// listener is up whoever is connected, but a station whose connection is gone is a
// station that we do not hear, with everything behind it.
type hl7Sender struct {
	name  string // of the feed
	away  time.Duration
	heard lastHeard

	mu    sync.Mutex
	open  int       // connections by which it has spoken
	ended time.Time // when the last of them was gone
}

// senderAway is how long a sender may be without a connection: one that connects
// for each message is without most of the time.
const senderAway = time.Minute

func newHL7Senders(c pcd.Config) map[string]*hl7Sender {
	all := map[string]*hl7Sender{}
	for _, s := range c.Senders {
		away := s.Away
		if away == 0 {
			away = senderAway
		}
		all[s.Name] = &hl7Sender{name: feedName("hl7 from " + s.Name), away: away}
	}
	return all
}

func (s *hl7Sender) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open > 0 || !s.ended.IsZero() && time.Since(s.ended) < s.away
}

func (s *hl7Sender) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
}

func (s *hl7Sender) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.ended = time.Now()
}

// connections are those of a listener, with who has spoken by each.
type connections struct {
	mu   sync.Mutex
	open map[uint64][]*hl7Sender
}

// spoke notes that a sender spoke by a connection.
func (c *connections) spoke(conn uint64, s *hl7Sender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.open[conn], s) {
		return
	}
	if c.open == nil {
		c.open = map[uint64][]*hl7Sender{}
	}
	c.open[conn] = append(c.open[conn], s)
	s.begin()
}

func (c *connections) ended(conn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.open[conn] {
		s.end()
	}
	delete(c.open, conn)
}

// Ended is told of each connection that is gone.
func (f *hl7Feed) Ended(from mllp.Peer) { f.connections.ended(from.Conn) }

// came gives the feed by which a message came: its sender's where a listener took it
// and the configuration names the sender, else the one that took it.
func (f *hl7Feed) came(from mllp.Peer, sender *pcd.Sender, at medfleet.Millis) string {
	if !f.listens || sender == nil {
		return f.name
	}
	s := f.senders[sender.Name]
	if s == nil {
		return f.name
	}
	f.connections.spoke(from.Conn, s)
	s.heard.set(at)
	return s.name
}
