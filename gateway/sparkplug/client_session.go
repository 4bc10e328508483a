package sparkplug

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
	"medfleet/gateway/mqtt/wire"
)

const (
	answerTime  = 10 * time.Second // for the subscriptions and our own word
	goodbye     = time.Second      // for the broker to take our last word
	lettersMost = 20               // messages put aside in a second
	window      = 16               // packets read ahead; one sync serves as many
	maxPacket   = maxPayload + 4<<10
)

// session is one connection. What edge nodes say is one story, so it is read ahead
// of a little and heard by one goroutine alone.
type session struct {
	client  *Client
	conn    *wire.Conn
	out     bytes.Buffer // what is said next
	packets chan wire.Packet
	failed  error // why the reader ended; read when packets is closed
	began   medfleet.Millis

	said  Said
	acks  []byte // what is due when it is kept
	spoke bool   // we have said that we are online
	key   uint16 // of our last PUBLISH with QoS 1

	letters  time.Time // since when messages were put aside
	lettered int       // how many since

	known bool // our own STATE came back
	up    bool // messages come in
}

// connection makes one connection and takes messages until it is lost or ctx ends;
// then everything it started has ended.
func (c *Client) connection(ctx context.Context) error {
	defer func() { c.host.Cut() }()
	began := max(medfleet.AsMillis(time.Now()), c.after+1)
	conn, err := c.dialer.Connect(ctx, c.hello(began), maxPacket)
	if err != nil {
		return err
	}
	s := &session{client: c, conn: conn, packets: make(chan wire.Packet, window), began: began}
	go s.read()
	err = s.attend(ctx)
	conn.Cut(errEnded)
	for range s.packets { // until the reader has ended
	}
	return err
}

// hello asks for a clean session and has, as our will, that we are offline.
func (c *Client) hello(began medfleet.Millis) *packets.ConnectPacket {
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.CleanSession = true
	hello.WillFlag, hello.WillQos, hello.WillRetain = true, 1, true
	hello.WillTopic, hello.WillMessage = c.options.stateTopic(), stateMessage(false, began)
	return hello
}

// read hands packets on, with memory of their own, until the connection ends.
func (s *session) read() {
	defer close(s.packets)
	for {
		p, err := s.conn.Next()
		if err != nil {
			s.failed = err
			return
		}
		p.Topic, p.Payload, p.Codes = bytes.Clone(p.Topic), bytes.Clone(p.Payload), bytes.Clone(p.Codes)
		select {
		case s.packets <- p:
		case <-s.conn.Ended():
			s.failed = s.conn.Cause()
			return
		}
	}
}

// attend subscribes and takes messages until the connection is of no more use: nil
// when ctx has ended.
func (s *session) attend(ctx context.Context) (err error) {
	defer func() { s.client.is(cmp.Or(err, s.lost(errEnded))) }()
	if err = s.client.dialer.Subscribe(s.conn, s.client.options.filters()); err != nil {
		return s.lost(err)
	}
	due := time.NewTimer(0)
	defer due.Stop()
	ping := time.NewTicker(wire.PingEvery)
	defer ping.Stop()
	granted := time.NewTimer(s.client.options.Answer)
	defer granted.Stop()
	for {
		select {
		case <-ctx.Done():
			s.farewell()
			return nil
		case p, ok := <-s.packets:
			if !ok {
				return s.lost(s.failed)
			}
			err = s.several(ctx, p)
		case <-due.C:
			s.client.host.Tick(&s.said, time.Now())
			err = s.settle(ctx)
		case <-ping.C:
			_ = s.conn.Ping() // the reader ends if it does not leave
		case <-granted.C:
			err = s.late()
		}
		if err != nil {
			return err
		}
		now := time.Now()
		due.Reset(s.client.host.Due(now).Sub(now))
	}
}

var errEnded = errors.New("connection ended")

func (s *session) lost(err error) error {
	return fmt.Errorf("connection to Sparkplug broker %s lost: %w: if it happens again and again, another client may use the name %q",
		s.client.dialer.Address(), err, s.client.options.ClientID)
}

// several handles a packet and those behind it, and has all of it kept at once.
func (s *session) several(ctx context.Context, p wire.Packet) error {
	for i := 1; ; i++ {
		if err := s.handle(ctx, p); err != nil {
			return errors.Join(err, s.settle(ctx))
		}
		if i == window {
			return s.settle(ctx)
		}
		var ok bool
		select {
		case p, ok = <-s.packets:
		default:
			return s.settle(ctx)
		}
		if !ok {
			return errors.Join(s.lost(s.failed), s.settle(ctx))
		}
	}
}

func (s *session) handle(ctx context.Context, p wire.Packet) error {
	switch p.Kind {
	case packets.Suback:
		return s.granted(p.Codes)
	case packets.Publish:
		return s.publish(ctx, p)
	}
	return nil
}

func (s *session) publish(ctx context.Context, p wire.Packet) error {
	switch p.QoS {
	case 1:
		s.acks = wire.AppendAnswer(s.acks, packets.Puback, p.ID)
	case 2:
		return s.lost(wire.ErrMalformed) // we have not asked for it
	}
	m := Message{Topic: string(p.Topic), Payload: p.Payload, Retained: p.Retained, Cut: p.Cut}
	if isState(m.Topic) {
		return s.state(m)
	}
	now := time.Now()
	s.client.counts.Messages.Add(1)
	s.client.counts.Heard.Store(now.UnixMilli())
	if m.Cut {
		s.client.counts.Shortened.Add(1)
	}
	err := s.client.take(&s.said, m, now)
	if err == nil {
		s.said.Messages++
		return nil
	}
	if !s.putsAside(now) {
		s.client.counts.Unlettered.Add(1)
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, s.client.options.Patience)
	defer cancel()
	if err := s.client.options.Taker.PutAside(limited, err, p.Size); err != nil && ctx.Err() == nil {
		s.client.options.Log.Warn("Sparkplug message not understood and not put aside", "error", err)
	}
	return nil
}

// putsAside bounds how much the disk has to do with messages that nobody understands:
// edge nodes wait for nothing, and one that is broken must not hold up the others.
func (s *session) putsAside(now time.Time) bool {
	if now.Sub(s.letters) >= time.Second {
		s.letters, s.lettered = now, 0
	}
	s.lettered++
	return s.lettered <= lettersMost
}

// settle has what was said made durable, asks for rebirths and acknowledges.
func (s *session) settle(ctx context.Context) error {
	if !s.said.Nothing() || s.said.Messages > 0 {
		s.keep(ctx)
	}
	for _, n := range s.said.Ask {
		if err := s.ask(n); err != nil {
			return err
		}
	}
	s.said.Reset()
	s.out.Write(s.acks)
	s.acks = s.acks[:0]
	return s.flush()
}

// keep gives the disk its time. What it does not take is dropped, and counted; the
// edge nodes are asked to say everything anew.
func (s *session) keep(ctx context.Context) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.client.options.Patience)
	defer cancel()
	now := time.Now()
	err := s.client.options.Taker.Keep(limited, &s.said, medfleet.AsMillis(now))
	if err == nil {
		if s.up {
			s.client.is(nil)
		}
		return
	}
	lost := len(s.said.Observations) + len(s.said.Events)
	s.client.counts.NotKept.Add(uint64(lost))
	err = fmt.Errorf("keep Sparkplug messages: %w: look at the gateway's data folder", err)
	if s.client.Up() {
		s.client.options.Log.Error("Sparkplug messages dropped; their edge nodes are asked for a rebirth", "records", lost, "error", err)
	}
	s.client.is(err)
	s.client.host.NotKept(&s.said, slices.Clone(s.said.From), now)
}

func (s *session) ask(n Node) error {
	topic, message, err := Command(n, medfleet.AsMillis(time.Now()))
	if err != nil {
		return fmt.Errorf("ask for a rebirth: %w", err)
	}
	command := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	command.TopicName, command.Payload = topic, message
	return command.Write(&s.out)
}

// granted looks at SUBACK, and says that we are there: not before (Sparkplug 3.0,
// 5.3).
func (s *session) granted(codes []byte) error {
	if err := s.client.dialer.Granted(codes, s.client.options.filters()); err != nil {
		return fmt.Errorf("subscribe at Sparkplug broker %s: %w", s.client.dialer.Address(), err)
	}
	return s.online()
}

// connected is told that messages come in: our own word has come back, or a broker
// that lets nobody hear it has been borne.
func (s *session) connected() {
	s.up = true
	s.client.counts.Connected.Add(1)
	s.client.is(nil)
	s.client.options.Log.Info("messages come in from the Sparkplug broker", "address", s.client.dialer.Address())
}

// late is the time by which the broker has answered, and our own word has come back.
// Where it has not, the subscriptions may be worth nothing: a broker may take them
// with those of the connection before, which had the same name. One that only does
// not let us say that we are there is borne, after a second try.
func (s *session) late() error {
	switch {
	case s.up:
		s.client.deaf = false
		return nil
	case !s.spoke:
		return fmt.Errorf("subscribe at Sparkplug broker %s: no answer in %s", s.client.dialer.Address(), s.client.options.Answer)
	case !s.client.deaf:
		s.client.deaf = true
		return fmt.Errorf("subscribe at Sparkplug broker %s: our own word does not come back: let its access list allow %q to write and to read %s",
			s.client.dialer.Address(), s.client.options.ClientID, s.client.options.stateTopic())
	}
	s.client.options.Log.Warn("the Sparkplug broker does not let us say that we are online: edge nodes that wait for it stay silent; allow writing and reading the topic",
		"topic", s.client.options.stateTopic(), "client_id", s.client.options.ClientID)
	s.connected()
	return nil
}

func (s *session) write(p packets.ControlPacket) error {
	if err := p.Write(&s.out); err != nil {
		return s.lost(err)
	}
	return s.flush()
}

func (s *session) flush() error {
	defer s.out.Reset()
	if err := s.conn.Write(s.out.Bytes()); err != nil {
		return s.lost(err)
	}
	return nil
}
