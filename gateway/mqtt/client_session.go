package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
)

const (
	keepAlive     = 30 * time.Second
	pingTime      = 10 * time.Second
	subscribeTime = 10 * time.Second
	// How long what is on its way to the disk may still take when we are told to end.
	graceTime = 2 * time.Second
	// How long the library may take to say goodbye before its connection is cut.
	partTime = time.Second
)

// session is one connection to the broker. Each has a library client, a queue and
// a committer of its own, all gone before the next begins: so an acknowledgement
// can never go out on a connection other than its message's.
type session struct {
	client *Client
	link   *link
	paho   paho.Client
	queue  chan delivery
	lost   chan error    // the library's, when all it started has ended
	stop   chan struct{} // closed when the committer shall take no more
	done   chan struct{} // closed when the committer has ended
	failed error         // why it ended by itself; read after done
	acks   []byte        // of the committer
}

// delivery is a message with the time at which it came.
type delivery struct {
	message  paho.Message
	received medfleet.Millis
}

// connection makes one connection and takes messages until it is lost or ctx
// ends; then everything it started has ended.
func (c *Client) connection(ctx context.Context) error {
	conn, err := c.dialer.Dial(ctx)
	if err != nil {
		return err
	}
	s := &session{
		client: c,
		link:   newLink(conn, c),
		queue:  make(chan delivery, c.options.Window),
		lost:   make(chan error, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	s.paho = paho.NewClient(s.options())
	return s.run(ctx)
}

func (s *session) options() *paho.ClientOptions {
	c := &s.client.options.ClientConfig
	o := paho.NewClientOptions().AddBroker("tcp://" + s.client.dialer.Address()).
		SetClientID(c.ClientID).SetUsername(c.User).SetPassword(c.Password).
		SetCleanSession(false).   // the broker keeps messages while we are away
		SetProtocolVersion(4).    // no second attempt with an older one
		SetAutoAckDisabled(true). // we acknowledge, when the message is durable
		SetOrderMatters(true).SetDefaultPublishHandler(s.receive).
		SetAutoReconnect(false).SetConnectRetry(false). // Run does, and can be ended while it waits
		SetStore(noStore{}).SetKeepAlive(keepAlive).SetPingTimeout(pingTime).SetConnectTimeout(connectTime).
		SetWriteTimeout(subscribeTime / 2).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return s.link, nil }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.lost <- err })
	return o
}

// receive must not block: the library would neither read nor acknowledge any more.
// The link lets no more messages through than the queue has room for, so a full
// queue is a mistake of ours; the broker then sends again what was not acknowledged.
func (s *session) receive(_ paho.Client, m paho.Message) {
	select {
	case s.queue <- delivery{m, medfleet.AsMillis(time.Now())}:
	default:
		s.client.counts.Full.Add(1)
		s.link.cut(errFull)
	}
}

func (s *session) run(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		defer close(s.done)
		s.failed = s.commit(work)
	}()
	err := s.attend(ctx)
	close(s.stop)
	if ctx.Err() != nil {
		s.grace()
	}
	cancel()
	<-s.done
	s.part()
	return err
}

// connect says CONNECT. Messages of an earlier session may come with its answer.
func (s *session) connect(ctx context.Context) error {
	release := context.AfterFunc(ctx, func() { s.link.cut(context.Cause(ctx)) })
	defer release()
	token := s.paho.Connect()
	<-token.Done() // bounded by connectTime
	if err := token.Error(); err != nil {
		return errors.Join(s.client.dialer.Explain(err), s.link.Close())
	}
	return nil
}

// attend subscribes and waits until the connection is of no more use: nil when ctx
// has ended.
func (s *session) attend(ctx context.Context) error {
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	s.client.counts.Connected.Add(1)
	s.client.state(nil)
	defer s.client.state(errEnded)
	s.client.options.Log.Info("messages come in from the MQTT broker", "broker", s.client.options.Feed(), "address", s.client.dialer.Address())
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.lost:
		return fmt.Errorf("connection to MQTT broker %s lost: %w: if it happens again and again, another client may use the name %q",
			s.client.dialer.Address(), err, s.client.options.ClientID)
	case <-s.done:
		return s.failed
	}
}

// subscribe asks on every connection, for the filters may be new; the broker
// answers with its retained messages.
func (s *session) subscribe(ctx context.Context) error {
	token := s.paho.SubscribeMultiple(s.client.options.filters(), nil).(*paho.SubscribeToken)
	limit := time.NewTimer(subscribeTime)
	defer limit.Stop()
	select {
	case <-token.Done():
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fmt.Errorf("subscribe at MQTT broker %s: no answer in %s", s.client.dialer.Address(), subscribeTime)
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe at MQTT broker %s: %w", s.client.dialer.Address(), err)
	}
	return s.granted(token.Result())
}

// granted holds the broker's answer (MQTT 3.1.1, 3.9.3) against what we need: with
// QoS 0 it would keep nothing for us, which is right only where we asked for it.
func (s *session) granted(result map[string]byte) error {
	for filter, qos := range s.client.options.filters() {
		switch code, answered := result[filter]; {
		case !answered || code >= 0x80:
			return fmt.Errorf("subscribe at MQTT broker %s: %s refused: let the broker's access list allow %q to read it",
				s.client.dialer.Address(), filter, s.client.options.ClientID)
		case code == 0 && qos > 0:
			return fmt.Errorf("subscribe at MQTT broker %s: %s granted with QoS 0 only, under which messages are lost: let the broker allow QoS 1",
				s.client.dialer.Address(), filter)
		}
	}
	return nil
}

// grace lets the committer end what it has begun, unless the disk stands still or
// nobody is left to be told.
func (s *session) grace() {
	t := time.NewTimer(graceTime)
	defer t.Stop()
	select {
	case <-s.done:
	case <-s.link.ended:
	case <-t.C:
	}
}

// part says DISCONNECT and waits until the library has ended all it started: its
// Disconnect may return before when the network does not move, but a connection
// that is cut stands in nobody's way.
func (s *session) part() {
	const quiesce = uint(partTime / time.Millisecond)
	s.paho.Disconnect(quiesce)
	s.link.cut(errEnded)
	s.paho.Disconnect(quiesce)
}

var (
	errEnded = errors.New("connection ended")
	errFull  = errors.New("messages come in faster than the disk takes them, and the window is full: the broker keeps the rest")
)

// noStore remembers nothing for the library: what is not acknowledged the broker
// remembers, and we publish nothing.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
