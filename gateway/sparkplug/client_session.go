package sparkplug

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
)

const (
	keepAlive   = 30 * time.Second
	pingEvery   = 20 * time.Second
	answerTime  = 10 * time.Second // for CONNACK, SUBACK and a write
	goodbye     = time.Second      // for the broker to take our last word
	readBuffer  = 64 << 10
	lettersMost = 20 // messages put aside in a second
	window      = 16 // packets read ahead; one sync serves as many
)

// session is one connection. It works on packets: a client library hands messages
// over without bound, and a host application needs little of it.
type session struct {
	client  *Client
	conn    net.Conn
	out     *bufio.Writer
	packets chan packet
	failed  error // why the reader ended; read when packets is closed
	began   medfleet.Millis

	said   Said
	acks   []uint16
	spoke  bool   // we have said that we are online
	key    uint16 // of our last PUBLISH with QoS 1
	heard  bool   // something came since the last ping
	pinged bool

	letters  time.Time // since when messages were put aside
	lettered int       // how many since

	known bool // our own STATE came back
	up    bool // messages come in
}

// connection makes one connection and takes messages until it is lost or ctx ends;
// then everything it started has ended.
func (c *Client) connection(ctx context.Context) error {
	conn, err := c.dialer.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &session{
		client: c, conn: conn, out: bufio.NewWriterSize(conn, 4<<10), packets: make(chan packet, window),
		began: max(medfleet.AsMillis(time.Now()), c.after+1),
	}
	in := bufio.NewReaderSize(conn, readBuffer)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = s.connect(in)
	if !stop() || err != nil {
		return errors.Join(err, ctx.Err())
	}
	done := make(chan struct{})
	go s.read(in, done)
	err = s.attend(ctx)
	conn.Close()
	close(done)
	for range s.packets { // until the reader has ended
	}
	return err
}

// read hands packets on until the connection or the session ends.
func (s *session) read(in *bufio.Reader, done <-chan struct{}) {
	defer close(s.packets)
	for {
		p, err := readPacket(in)
		if err != nil {
			s.failed = err
			return
		}
		select {
		case s.packets <- p:
		case <-done:
			return
		}
	}
}

// connect says CONNECT with a clean session and, as its will, that we are offline.
func (s *session) connect(in *bufio.Reader) error {
	o := &s.client.options
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion = "MQTT", 4
	hello.CleanSession, hello.Keepalive, hello.ClientIdentifier = true, uint16(keepAlive/time.Second), o.ClientID
	hello.WillFlag, hello.WillQos, hello.WillRetain = true, 1, true
	hello.WillTopic, hello.WillMessage = o.stateTopic(), stateMessage(false, s.began)
	hello.UsernameFlag, hello.Username = o.User != "", o.User
	hello.PasswordFlag, hello.Password = o.Password != "", []byte(o.Password)
	if err := s.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return s.client.dialer.Explain(err)
	}
	if err := s.write(hello); err != nil {
		return s.client.dialer.Explain(err)
	}
	p, err := readPacket(in)
	switch {
	case err != nil:
		return s.client.dialer.Explain(err)
	case p.kind != typeConnack || len(p.codes) != 2:
		return s.client.dialer.Explain(errMalformed)
	case p.codes[1] != packets.Accepted:
		return s.client.dialer.Explain(refusal(p.codes[1]))
	}
	return s.conn.SetDeadline(time.Time{})
}

func refusal(code byte) error {
	if err := packets.ConnErrors[code]; err != nil {
		return err
	}
	return fmt.Errorf("refused with code %d", code)
}

// attend subscribes and takes messages until the connection is of no more use: nil
// when ctx has ended.
func (s *session) attend(ctx context.Context) error {
	if err := s.subscribe(); err != nil {
		return err
	}
	due := time.NewTimer(0)
	defer due.Stop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	granted := time.NewTimer(s.client.options.Answer)
	defer granted.Stop()
	defer s.client.is(s.lost(errEnded))
	for {
		var err error
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
			err = s.ping()
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
func (s *session) several(ctx context.Context, p packet) error {
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

func (s *session) handle(ctx context.Context, p packet) error {
	s.heard = true
	switch p.kind {
	case typeSuback:
		return s.granted(p.codes)
	case typePublish:
		return s.publish(ctx, p)
	}
	return nil
}

func (s *session) publish(ctx context.Context, p packet) error {
	if p.id != 0 {
		s.acks = append(s.acks, p.id)
	}
	if isState(p.message.Topic) {
		return s.state(p.message)
	}
	now := time.Now()
	s.client.counts.Messages.Add(1)
	s.client.counts.Heard.Store(now.UnixMilli())
	if p.message.Cut {
		s.client.counts.Shortened.Add(1)
	}
	err := s.client.take(&s.said, p.message, now)
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
	if err := s.client.options.Taker.PutAside(limited, err, p.size); err != nil && ctx.Err() == nil {
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
	for _, id := range s.acks {
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = id
		if err := ack.Write(s.out); err != nil {
			return s.lost(err)
		}
	}
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
	return command.Write(s.out)
}

func (s *session) subscribe() error {
	ask := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	ask.MessageID, ask.Topics = 1, s.client.options.filters()
	ask.Qoss = slices.Repeat([]byte{1}, len(ask.Topics))
	return s.write(ask)
}

// granted looks at SUBACK (3.9.3), and says that we are there: not before (Sparkplug
// 3.0, 5.3).
func (s *session) granted(codes []byte) error {
	filters := s.client.options.filters()
	for i, f := range filters {
		if i >= len(codes) || codes[i] >= 0x80 {
			return fmt.Errorf("subscribe at Sparkplug broker %s: %s refused: let the broker's access list allow %q to read it",
				s.client.dialer.Address(), f, s.client.options.ClientID)
		}
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

func (s *session) ping() error {
	if s.pinged && !s.heard {
		return s.lost(errors.New("it does not answer"))
	}
	s.pinged, s.heard = true, false
	return s.write(packets.NewControlPacket(packets.Pingreq))
}

func (s *session) write(p packets.ControlPacket) error {
	if err := p.Write(s.out); err != nil {
		return s.lost(err)
	}
	return s.flush()
}

func (s *session) flush() error {
	if s.out.Buffered() == 0 {
		return nil
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
		return s.lost(err)
	}
	if err := s.out.Flush(); err != nil {
		return s.lost(err)
	}
	return nil
}
