package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet/gateway/mqtt/wire"
)

const (
	subscribeTime = 10 * time.Second
	// How long what is on its way to the disk may still take when we are told to end.
	graceTime = 2 * time.Second
)

// session is one connection to the broker. Each has a reader, a line and a committer
// of its own, all gone before the next begins: so an acknowledgement can never go
// out on a connection other than its message's.
type session struct {
	client  *Client
	conn    *wire.Conn
	line    *line
	granted chan []byte   // the broker's answer to SUBSCRIBE
	stop    chan struct{} // closed when the reader shall take no more
	lost    chan error    // why the reader has ended; then it takes no more
	done    chan struct{} // closed when the committer has ended
	failed  error         // why it ended by itself; read after done

	topics map[string]string // of the reader
	group  []slip            // of the reader: taken and not in line yet
	came   time.Time         // of the reader: when it came
	acks   []byte            // of the committer
}

// connection makes one connection and takes messages until it is lost or ctx
// ends; then everything it started has ended.
func (c *Client) connection(ctx context.Context) error {
	// Without a clean session the broker keeps messages while we are away.
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	conn, err := c.dialer.Connect(ctx, hello, maxPacket)
	if err != nil {
		return err
	}
	s := &session{
		client:  c,
		conn:    conn,
		line:    newLine(c.options.Window, c.options.WindowBytes),
		granted: make(chan []byte, 1),
		stop:    make(chan struct{}),
		lost:    make(chan error, 1),
		done:    make(chan struct{}),
		topics:  map[string]string{},
	}
	return s.run(ctx)
}

func (s *session) run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		err := s.read()
		s.line.shut()
		s.lost <- err
		close(s.lost)
	}()
	go func() {
		defer close(s.done)
		s.failed = s.commit(work)
	}()
	err := s.attend(ctx)
	s.conn.Stop()
	close(s.stop)
	for range s.lost { // until the reader has ended
	}
	var watch sync.WaitGroup
	if ctx.Err() != nil {
		watch.Go(s.conn.Watch)
		s.grace()
	}
	cancel()
	<-s.done
	s.conn.Part()
	watch.Wait()
	return err
}

// attend subscribes and waits until the connection is of no more use: nil when ctx
// has ended. Why is told at once, not only when what is on its way has been kept.
func (s *session) attend(ctx context.Context) (err error) {
	defer func() { s.client.state(cmp.Or(err, errEnded)) }()
	// On every connection, for the filters may be new; the broker answers with its
	// retained messages.
	if err := s.client.dialer.Subscribe(s.conn, s.client.options.filters()); err != nil {
		return s.client.subscribing(err)
	}
	answer := time.NewTimer(subscribeTime)
	defer answer.Stop()
	ping := time.NewTicker(wire.PingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case codes := <-s.granted:
			if err := s.client.granted(codes); err != nil {
				return s.client.subscribing(err)
			}
			answer.Stop()
			s.up()
		case <-answer.C:
			return s.client.subscribing(fmt.Errorf("no answer in %s", subscribeTime))
		case <-ping.C:
			_ = s.conn.Ping() // the reader ends if it does not leave
		case err := <-s.lost:
			return s.ended(err)
		case <-s.done:
			if s.failed != nil {
				return s.failed
			}
			return s.ended(<-s.lost) // the reader has ended, and left nothing
		}
	}
}

// ended says why the connection ended: because the broker refused us, if it had
// said so before.
func (s *session) ended(err error) error {
	select {
	case codes := <-s.granted:
		if refused := s.client.granted(codes); refused != nil {
			return s.client.subscribing(refused)
		}
	default:
	}
	return s.client.lost(err)
}

func (c *Client) lost(err error) error {
	return fmt.Errorf("connection to MQTT broker %s lost: %w: if it happens again and again, another client may use the name %q",
		c.dialer.Address(), err, c.options.ClientID)
}

// granted wants for each filter what it was asked for with: with QoS 0 the broker
// would keep nothing for us, which is right only where we asked for it.
func (c *Client) granted(codes []byte) error {
	filters := c.options.filters()
	if err := c.dialer.Granted(codes, filters); err != nil {
		return err
	}
	for i, f := range filters {
		if codes[i] == 0 && f.QoS > 0 {
			return fmt.Errorf("%s granted with QoS 0 only, under which messages are lost: let the broker allow QoS 1", f.Topic)
		}
	}
	return nil
}

func (c *Client) subscribing(err error) error {
	return fmt.Errorf("subscribe at MQTT broker %s: %w", c.dialer.Address(), err)
}

func (s *session) up() {
	c := s.client
	c.counts.Connected.Add(1)
	c.state(nil)
	c.options.Log.Info("messages come in from the MQTT broker", "broker", c.options.Feed(), "address", c.dialer.Address())
}

// grace lets the committer end what has been taken, unless the disk stands still or
// nobody is left to be told.
func (s *session) grace() {
	t := time.NewTimer(graceTime)
	defer t.Stop()
	select {
	case <-s.done:
	case <-s.conn.Ended():
	case <-t.C:
	}
}

var (
	errEnded = errors.New("connection ended")
	errFull  = errors.New("messages come in faster than the disk takes them, and the window is full: the broker keeps the rest")
)
