package mqtt

import (
	"bytes"
	"net"
	"slices"
	"time"
	"unicode/utf8"

	broker "github.com/mochi-mqtt/server/v2"

	"medfleet/gateway/mqtt/wire"
)

// Almost all that a device says are messages with QoS 0 or 1, to which the library
// could add nothing: nobody has subscribed to them. The gate takes those, and leaves to
// the library what opens and ends a connection, QoS 2, and whatever is not as plain as
// that, wrong or right: so there is one place that answers it.

// Read takes the messages at the front of what has come, and gives the library what
// is behind them. The library asks for as much as its buffer holds, except within a
// packet.
func (g *gate) Read(p []byte) (int, error) {
	if g.passing != 0 {
		return g.pass(p)
	}
	for have := 0; ; {
		n, err := g.more(p[have:])
		if n == 0 && err != nil {
			return 0, err
		}
		have += n
		taken, err := g.takeFrom(p[:have], len(p))
		if err != nil {
			return 0, err
		}
		have = copy(p, p[taken:have])
		if size := g.leave(p[:have], len(p)); size != 0 {
			return g.give(p[:have], size), nil
		}
	}
}

// always is the length of a packet whose end is not known: all is the library's then.
const always = -1

// pass gives the library more of the packet at hand.
func (g *gate) pass(p []byte) (n int, err error) {
	if g.passing == always {
		return g.more(p)
	}
	n, err = g.more(p[:min(len(p), g.passing)])
	g.passing -= n
	return n, err
}

// more gives what has come. Before it waits it settles what is due.
func (g *gate) more(p []byte) (int, error) {
	if n := copy(p, g.rest); n > 0 {
		if g.rest = g.rest[n:]; len(g.rest) == 0 {
			g.rest = nil
		}
		return n, nil
	}
	if err := g.settle(); err != nil {
		return 0, err
	}
	return g.Conn.Read(p)
}

// takeFrom hands the messages at the front of b to the disk and tells how many bytes
// they are. room is what b can grow to.
func (g *gate) takeFrom(b []byte, room int) (taken int, err error) {
	for {
		h, ok, _ := wire.ParseHeader(b[taken:])
		end := taken + h.Size + h.Length
		if !ok || end > len(b) || !g.plain(h, room) {
			break
		}
		p, ok := g.message(h, b[taken+h.Size:end])
		if !ok {
			break
		}
		if err := g.hand(&p, taken == 0); err != nil {
			return taken, err
		}
		taken = end
	}
	if taken == 0 {
		return 0, nil
	}
	return taken, g.heard()
}

// plain reports whether a packet is one that is taken here, as far as its header
// tells. While messages with QoS 2 are not finished the library does it all: it alone
// knows their numbers and how many there may be.
func (g *gate) plain(h wire.Header, room int) bool {
	switch h.First {
	case 0x30, 0x31, 0x32, 0x33, 0x3a, 0x3b: // PUBLISH with QoS 0, or 1 and perhaps sent before
		return g.client != nil && h.Size+h.Length <= room && h.Length < g.broker.options.Limits.packet() &&
			g.client.State.Inflight.Len() == 0
	}
	return false
}

const version5 = 5

// message reads a message; ok is false if it is the library's after all.
func (g *gate) message(h wire.Header, body []byte) (p wire.Packet, ok bool) {
	p, err := wire.ParsePublish(h, body)
	if err != nil || len(p.Topic) == 0 || p.QoS > 0 && p.ID == 0 {
		return p, false
	}
	if g.client.Properties.ProtocolVersion == version5 {
		if len(p.Payload) == 0 || p.Payload[0] != 0 { // it has properties
			return p, false
		}
		p.Payload = p.Payload[1:]
	}
	return p, string(p.Topic) == g.last || g.recall(p.Topic)
}

const (
	gateTopics     = 256 // that a gate remembers: one for each device that speaks over it
	gateTopicBytes = 128
)

// recall makes a topic the last one if a device may publish under it.
func (g *gate) recall(topic []byte) bool {
	if t, ok := g.topics[string(topic)]; ok {
		g.last = t
		return true
	}
	if !utf8.Valid(topic) || bytes.IndexByte(topic, 0) >= 0 {
		return false
	}
	t := string(topic)
	if !broker.IsValidFilter(t, true) || !g.broker.takes(t) {
		return false
	}
	if len(t) <= gateTopicBytes && g.last != "" {
		g.remember(t)
	}
	g.last = t
	return true
}

// remember keeps a topic, from a connection's second one on: most have but one.
func (g *gate) remember(topic string) {
	if g.topics == nil {
		g.topics = map[string]string{g.last: g.last}
	}
	if len(g.topics) >= gateTopics {
		clear(g.topics)
	}
	g.topics[topic] = topic
}

// hand hands a message to the disk. The library too looks before each packet whether
// the connection has been closed.
func (g *gate) hand(p *wire.Packet, first bool) error {
	if g.closed.Load() {
		return net.ErrClosed
	}
	if first {
		g.came = time.Now()
	}
	g.take(g.broker.hand(g.last, p.Payload, g.came), p.QoS, p.ID)
	if g.broker.crowded() {
		return g.settle()
	}
	return nil
}

// leave tells how many bytes at the front of b, which may not have come whole, are the
// library's: 0 while what is there may be the beginning of a message.
func (g *gate) leave(b []byte, room int) (size int) {
	for size < len(b) {
		h, ok, err := wire.ParseHeader(b[size:])
		if err != nil {
			return always
		}
		end := size + h.Size + h.Length
		if !ok || g.plain(h, room) && (size > 0 || end > len(b)) {
			break
		}
		size = end
		if g.client == nil {
			break // how the next one is to be read is known after CONNECT
		}
	}
	return size
}

// give gives the library what is at the front of b and keeps the rest.
func (g *gate) give(b []byte, size int) int {
	switch {
	case size == always:
		g.passing = always
	case size < len(b):
		g.rest = slices.Concat(b[size:], g.rest)
		return size
	default:
		g.passing = size - len(b)
	}
	return len(b)
}
