package mqtt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
)

// script is a device's connection: what it says, in pieces, and what it is told.
type script struct {
	net.Conn
	mu     sync.Mutex
	pieces [][]byte
	told   []byte
	closed bool
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.pieces) == 0:
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	s.told = append(s.told, p...)
	return len(p), nil
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *script) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error { return nil }

// noting is a Taker that keeps all at once and remembers in which order.
type noting struct{ took []string }

func (n *noting) Take(m mqtt.Message, _ medfleet.Millis) mqtt.Receipt {
	n.took = append(n.took, fmt.Sprint(m.Topic, m.Retained, string(m.Payload)))
	return instant{}
}

// outcome is all that can be seen of a conversation.
type outcome struct {
	took                     []string
	told                     [][]byte
	ends                     []string
	messages, refused, wills uint64
}

func converse(t *testing.T, leaving bool, most int, devices ...[][]byte) (o outcome) {
	t.Helper()
	disk := &noting{}
	b := mqtt.NewBroker(mqtt.BrokerOptions{
		Taker: disk, Log: slog.New(slog.DiscardHandler), Limits: mqtt.Limits{MaxPacket: most, MaxInFlight: 3},
		Allows: func(topic string) bool { return topic == "" || strings.IndexByte("w$+\xff\x00", topic[0]) >= 0 },
	})
	var conns []net.Conn
	var scripts []*script
	for _, pieces := range devices {
		s := &script{pieces: slices.Clone(pieces)}
		scripts = append(scripts, s)
		conns = append(conns, s)
	}
	ends, err := b.Converse(t.Context(), leaving, conns...)
	require.NoError(t, err)
	for i, end := range ends {
		if errors.Is(end, io.ErrUnexpectedEOF) {
			end = io.EOF // how much of a packet had come
		}
		o.ends = append(o.ends, fmt.Sprint(end))
		o.told = append(o.told, ordered(scripts[i].told))
	}
	c := b.Counts()
	o.took, o.messages, o.refused, o.wills = disk.took, c.Messages.Load(), c.Refused.Load(), c.Wills.Load()
	return o
}

// ordered gives what a device is told with the PUBREC behind CONNACK in order: those
// that the library says again for an earlier connection come in any.
func ordered(told []byte) []byte {
	var list []string
	for rest := told; len(rest) > 0; {
		n := 2 + int(rest[1])
		list = append(list, string(rest[:n]))
		rest = rest[n:]
	}
	end := min(1, len(list))
	for end < len(list) && list[end][0] == 0x50 {
		end++
	}
	slices.Sort(list[min(1, len(list)):end])
	return []byte(strings.Join(list, ""))
}

// hello is CONNECT with a last will and a keep-alive of a minute.
func hello(version byte, clean bool) []byte {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', version, 0x0c, 0, 60} // a will with QoS 1
	if clean {
		body[7] |= 2
	}
	properties := func(list ...byte) {
		if version == 5 {
			body = append(append(body, byte(len(list))), list...)
		}
	}
	text := func(s string) { body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...) }
	properties(0x11, 0, 0, 0, 99) // its session shall stay for 99 s
	text("pump-17")
	properties()
	text(onlineTopic)
	text("gone")
	return packet(0x10, body)
}

// chatter is a device that says all kinds of things, some of them wrong.
type chatter struct {
	*rand.Rand
	version byte
	most    int // the longest packet that may be said
}

func (c chatter) pick(list ...string) string { return list[c.IntN(len(list))] }

func (c chatter) publish() []byte {
	topic := statusTopic
	if c.IntN(8) == 0 {
		topic = c.pick(onlineTopic, "ward/1", "medfleet/v1/a", "ward/"+strings.Repeat("long", 40), "ward/ä")
	}
	first, id := byte(0x30), byte(0)
	switch c.IntN(10) {
	case 0, 1:
	case 2:
		first, id = 0x34, byte(1+c.IntN(4))
	case 3:
		first, id = 0x3a, byte(1+c.IntN(4))
	default:
		first, id = 0x32, byte(1+c.IntN(200))
	}
	if c.IntN(6) == 0 {
		first |= 1
	}
	properties := ""
	if c.IntN(8) == 0 {
		properties = "\x26\x00\x01k\x00\x01v" // a word of its own
	}
	size := c.IntN(60)
	if c.IntN(25) == 0 {
		size = c.IntN(c.most - 500)
	}
	if c.IntN(40) == 0 {
		first, id, topic, properties, size = c.spoil(first, id, topic, properties, size)
	}
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
	if first&6 != 0 {
		body = append(body, 0, id)
	}
	if c.version == 5 {
		body = append(append(body, byte(len(properties))), properties...)
	}
	return c.packet(first, append(body, bytes.Repeat([]byte{'a' + byte(c.IntN(26))}, size)...))
}

// spoil makes one thing wrong, or nothing.
func (c chatter) spoil(first, id byte, topic, properties string, size int) (byte, byte, string, string, int) {
	switch c.IntN(6) {
	case 0:
		first = 0x30 | byte(c.IntN(16))
	case 1:
		id = 0
	case 2:
		topic = c.pick("", "doors/1", "$SYS/a", "$share/a/b", "ward/+", "ward/#", "+", "\xff", "ward/\xff", "ward/\x00", "medfleet/v1", "medfleet/v1/\xc3")
	case 3:
		properties = c.pick("\x23\x00\x01", "\x23\x00\x00", "\x01", "\x26\x00", "\x0b\x01", "\x02\x00\x00\x00\x09")
	case 4:
		size = c.most - len(topic) - len(properties) - 5 + c.IntN(3) // about as long as may be
	}
	return first, id, topic, properties, size
}

// packet writes the length in more bytes than it needs, once in a while.
func (c chatter) packet(first byte, body []byte) []byte {
	n := len(body)
	if c.IntN(100) > 0 {
		return packet(first, body)
	}
	b := []byte{first, byte(n) | 0x80, byte(n>>7) | 0x80, byte(n >> 14)}
	if c.IntN(2) == 0 {
		b[3] |= 0x80
		b = append(b, 0)
	}
	return append(b, body...)
}

func (c chatter) says() []byte {
	switch c.IntN(40) {
	case 0, 1, 2:
		return []byte{0xc0, 0} // PINGREQ
	case 3, 4, 5, 6, 7:
		return []byte{0x62, 2, 0, byte(1 + c.IntN(4))} // PUBREL
	case 8:
		return c.rare()
	}
	return c.publish()
}

func (c chatter) rare() []byte {
	switch c.IntN(8) {
	case 0:
		return hello(c.version, true) // for the second time
	case 1:
		return []byte{0xe0, 0} // DISCONNECT
	case 2:
		return []byte{byte(c.IntN(256)), byte(c.IntN(4)), byte(c.IntN(256)), byte(c.IntN(256))}
	case 3:
		whole := c.publish()
		return whole[:c.IntN(len(whole))]
	}
	return packet(0x82, []byte{0, 9, 0, 1, '#', 1}) // SUBSCRIBE
}

// pieces cuts what is said as a network might.
func (c chatter) pieces(said []byte) (list [][]byte) {
	most := []int{1, 40, 700, 9000, 1 << 20}[c.IntN(5)]
	for len(said) > 0 {
		n := min(1+c.IntN(most), len(said))
		list = append(list, said[:n])
		said = said[n:]
	}
	return list
}

func (c chatter) connection() [][]byte {
	var said []byte
	if c.IntN(50) > 0 {
		said = hello(c.version, c.IntN(2) == 0)
	}
	for range c.IntN(100) {
		said = append(said, c.says()...)
	}
	return c.pieces(said)
}

// same requires one outcome of both ways. Where a device is cut off for what it says,
// not all answers to what it had said before have left: how many depends on how much
// had been read at once.
func same(t *testing.T, most int, devices ...[][]byte) (library outcome) {
	t.Helper()
	want, got := converse(t, true, most, devices...), converse(t, false, most, devices...)
	for i := range want.told {
		if want.ends[i] != io.EOF.Error() {
			n := min(len(want.told[i]), len(got.told[i]))
			want.told[i], got.told[i] = want.told[i][:n], got.told[i][:n]
		}
	}
	require.Equal(t, want, got)
	return want
}

// What the gate takes itself, it takes and answers exactly as it would be if all were
// left to the library: whatever devices say, and in whatever pieces it comes.
func TestWhatTheGateTakesIsAnsweredAsTheLibraryWould(t *testing.T) {
	took, kinds := 0, map[string]int{}
	for seed := range uint64(200) {
		c := chatter{rand.New(rand.NewPCG(seed, 1)), 4 + byte(seed%2), []int{3000, 20_000}[seed/2%2]}
		want := same(t, c.most, c.connection(), c.connection())
		took += len(want.took)
		for _, end := range want.ends {
			kinds[end]++
		}
	}
	require.Greater(t, took, 5000)
	require.Greater(t, len(kinds), 8, "%v", kinds)
}

// FuzzGate is the same for whatever a device may say behind its CONNECT.
func FuzzGate(f *testing.F) {
	f.Add(publishes("one", "two"), false, uint8(3))
	f.Add([]byte{0x34, 5, 0, 1, 'w', 0, 1, 0x62, 2, 0, 1, 0x30, 3, 0, 1, 'w'}, true, uint8(200))
	f.Add([]byte{0xc0, 0, 0x32, 0x86, 0x80, 0x80, 0x80, 0, 0, 1, 'w', 0, 1, 0, 0xe0, 0}, true, uint8(1))
	f.Fuzz(func(t *testing.T, said []byte, newer bool, chunk uint8) {
		version := byte(4)
		if newer {
			version = 5
		}
		said = append(append(hello(version, true), said...), 0xc0, 0) // what is begun has a length at least
		pieces := slices.Collect(slices.Chunk(said, int(chunk)+1))
		same(t, 20_000, pieces)
	})
}
