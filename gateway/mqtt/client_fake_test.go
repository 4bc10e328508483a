package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
)

// disk is a Taker that forgets in a power cut what it has not synced. A lying one
// says that messages are durable before they are.
type disk struct {
	mu       sync.Mutex
	moves    chan struct{} // closed while the disk moves
	taken    []*slip       // not durable yet
	dead     bool          // without power: what is taken is lost
	kept     []mqtt.Message
	lying    bool
	stubborn bool // goes on waiting when nobody waits for it any more
	answer   error
	syncs    int
}

// slip is the receipt of a message.
type slip struct {
	disk    *disk
	message mqtt.Message
	durable bool
	gone    bool // in a power cut
}

func newDisk() *disk {
	d := &disk{moves: make(chan struct{})}
	close(d.moves)
	return d
}

func (d *disk) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moves = make(chan struct{})
}

// start ends a stop, and a power cut.
func (d *disk) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = false
	close(d.moves)
}

func (d *disk) refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = err
}

// cutPower loses what is not durable, and what is still taken before start.
func (d *disk) cutPower() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	for _, s := range d.taken {
		s.gone = true
	}
	d.taken = nil
}

func (d *disk) Take(m mqtt.Message, _ medfleet.Millis) mqtt.Receipt {
	d.mu.Lock()
	defer d.mu.Unlock()
	m.Payload = bytes.Clone(m.Payload) // it is the client's
	s := &slip{disk: d, message: m, gone: d.dead}
	if !d.dead {
		d.taken = append(d.taken, s)
	}
	return s
}

func (d *disk) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.taken)
}

func (d *disk) durable() []mqtt.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]mqtt.Message(nil), d.kept...)
}

// payloads are those of the durable messages.
func (d *disk) payloads() (p []string) {
	for _, m := range d.durable() {
		p = append(p, string(m.Payload))
	}
	return p
}

var errPower = errors.New("power cut")

func (s *slip) Wait(ctx context.Context) error {
	d := s.disk
	d.mu.Lock()
	moves, durable := d.moves, s.durable
	d.mu.Unlock()
	switch {
	case durable:
		return nil
	case d.stubborn:
		<-moves
	case d.lying:
		select {
		case <-moves:
		default:
			return nil
		}
	}
	select {
	case <-moves:
	case <-ctx.Done():
		if !d.stubborn {
			return ctx.Err()
		}
	}
	return d.sync(s)
}

// sync makes durable what was taken.
func (d *disk) sync(s *slip) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.answer != nil:
		return d.answer
	case s.gone:
		return errPower
	}
	if len(d.taken) > 0 {
		d.syncs++
	}
	for _, s := range d.taken {
		s.durable = true
		d.kept = append(d.kept, s.message)
	}
	d.taken = nil
	return nil
}

var packet, publishBody = brokertest.Packet, brokertest.PublishBody

// pretender is a broker whose every word a test says, over a pipe without sockets.
type pretender struct {
	t    *testing.T
	conn net.Conn
	in   chan packets.ControlPacket // what the client says; closed at the end
}

// dials gives a Dial that hands each connection's other end to the test.
func dials(t *testing.T) (func(context.Context, string, string) (net.Conn, error), <-chan *pretender) {
	came := make(chan *pretender, 10)
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		p := &pretender{t, theirs, make(chan packets.ControlPacket, 10_000)}
		go func() {
			defer close(p.in)
			for {
				packet, err := packets.ReadPacket(theirs)
				if err != nil {
					return
				}
				p.in <- packet
			}
		}()
		came <- p
		return ours, nil
	}, came
}

func (p *pretender) hears(kind packets.ControlPacket) packets.ControlPacket {
	p.t.Helper()
	for packet := range p.in {
		if _, ping := packet.(*packets.PingreqPacket); ping {
			require.NoError(p.t, packets.NewControlPacket(packets.Pingresp).Write(p.conn))
			continue
		}
		require.IsType(p.t, kind, packet)
		return packet
	}
	p.t.Fatal("the client has ended the connection")
	return nil
}

// lets the client in with a code of MQTT 3.1.1, 3.2.2.3.
func (p *pretender) lets(code byte) *packets.ConnectPacket {
	p.t.Helper()
	c := p.hears(&packets.ConnectPacket{}).(*packets.ConnectPacket)
	answer := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	answer.ReturnCode = code
	require.NoError(p.t, answer.Write(p.conn))
	return c
}

func (p *pretender) grants(codes ...byte) *packets.SubscribePacket {
	p.t.Helper()
	s := p.hears(&packets.SubscribePacket{}).(*packets.SubscribePacket)
	answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	answer.MessageID, answer.ReturnCodes = s.MessageID, codes
	_ = answer.Write(p.conn) // the client may have ended the connection half-way through
	return s
}

func (p *pretender) publishes(id uint16, payload string) error {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.Qos, m.MessageID, m.TopicName, m.Payload = 1, id, statusTopic, []byte(payload)
	return m.Write(p.conn)
}

func (p *pretender) acknowledged() uint16 {
	p.t.Helper()
	return p.hears(&packets.PubackPacket{}).(*packets.PubackPacket).MessageID
}

// running starts a client; the function it gives ends it and waits for the end.
func running(t *testing.T, o mqtt.ClientOptions) (*mqtt.Client, func()) {
	t.Helper()
	if o.URL == "" {
		o.URL = "mqtt://127.0.0.1"
	}
	if o.ClientID == "" {
		o.ClientID = "medfleet-edge-1"
	}
	c, err := mqtt.NewClient(o)
	require.NoError(t, err)
	require.False(t, c.Up(), "before it runs")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var once sync.Once
	end := func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-ended)
			require.False(t, c.Up(), "after it has ended")
		})
	}
	t.Cleanup(end)
	return c, end
}
