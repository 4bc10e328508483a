package simulators

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
)

// mqttLink carries one device's messages to the broker: MQTT 3.1.1, one
// connection, as the device itself would have. It works on packets rather than
// through a client library because it must see each PUBACK, and must be able to
// vanish without a DISCONNECT so that the last will is published.
type mqttLink struct {
	config *Config
	id     medfleet.DeviceID
	box    *outbox
	ledger *ledger
	log    *slog.Logger
}

const (
	mqttWindow  = 16               // messages in flight
	mqttAlive   = 30 * time.Second // keep-alive told to the broker
	mqttPing    = 20 * time.Second
	mqttPatient = 20 * time.Second // for an answer, a write
)

// Why a session ended on purpose.
var errMuted = errors.New("device is silent")

func (l *mqttLink) run(ctx context.Context) {
	var again backoff
	for {
		if !l.awake(ctx) {
			return
		}
		err := l.session(ctx, &again)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errMuted) {
			continue
		}
		l.ledger.reconnects.Add(1)
		l.log.Debug("broker lost, trying again", slog.String("device", string(l.id)), slog.Any("error", err))
		if !again.wait(ctx) {
			return
		}
	}
}

// awake waits until there is something to send and the device is not silent.
func (l *mqttLink) awake(ctx context.Context) bool {
	for l.box.isMuted() || l.box.pending() == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-l.box.ready:
		}
	}
	return ctx.Err() == nil
}

// session is one connection from dial to its end.
func (l *mqttLink) session(ctx context.Context, again *backoff) error {
	nc, err := l.config.MQTT.dial(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Now()) })
	r := bufio.NewReaderSize(nc, 256)
	err = l.greet(nc, r)
	if stop(); err != nil {
		return fmt.Errorf("connect to MQTT broker: %w", err)
	}
	again.reset()
	l.box.rewind()
	reading := &reader{ended: make(chan struct{})}
	go l.read(r, reading)
	err = l.write(ctx, nc, reading.ended)
	nc.Close()
	<-reading.ended
	return errors.Join(err, reading.err)
}

// reader is the state of the goroutine that reads: err may be read after ended.
type reader struct {
	ended chan struct{}
	err   error
}

func (b *Broker) dial(ctx context.Context) (net.Conn, error) {
	address, secure, err := b.address()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mqttPatient)
	defer cancel()
	if secure {
		return (&tls.Dialer{Config: b.TLS}).DialContext(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// greet connects, with a last will, and tells that the device is there.
func (l *mqttLink) greet(nc net.Conn, r io.Reader) error {
	online := topicBase(l.config.Site, l.config.Gateway, l.id) + "online"
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion = "MQTT", 4
	hello.CleanSession, hello.Keepalive = true, uint16(mqttAlive/time.Second)
	hello.ClientIdentifier = string(l.id)
	hello.WillFlag, hello.WillQos, hello.WillTopic, hello.WillMessage = true, 1, online, []byte(`{"online":false}`)
	hello.UsernameFlag, hello.Username = l.config.MQTT.User != "", l.config.MQTT.User
	hello.PasswordFlag, hello.Password = l.config.MQTT.Password != "", []byte(l.config.MQTT.Password)
	_ = nc.SetDeadline(time.Now().Add(mqttPatient))
	if err := hello.Write(nc); err != nil {
		return err
	}
	answer, err := packets.ReadPacket(r)
	if err != nil {
		return err
	}
	if ack, ok := answer.(*packets.ConnackPacket); !ok || ack.ReturnCode != packets.Accepted {
		return errors.New("broker refused: check user and password")
	}
	here := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	here.TopicName, here.Payload = online, []byte(`{"online":true}`)
	if err := here.Write(nc); err != nil {
		return err
	}
	return nc.SetDeadline(time.Time{})
}

// read settles what the broker acknowledges.
func (l *mqttLink) read(r io.Reader, state *reader) {
	defer close(state.ended)
	for {
		p, err := packets.ReadPacket(r)
		if err != nil {
			state.err = err
			return
		}
		ack, ok := p.(*packets.PubackPacket)
		if !ok {
			continue
		}
		if m, ok := l.box.settle(ack.MessageID); ok {
			l.ledger.settled(m)
		}
	}
}

// write sends what waits until the connection ends or ctx is done.
func (l *mqttLink) write(ctx context.Context, nc net.Conn, lost <-chan struct{}) error {
	w := bufio.NewWriterSize(nc, 2048)
	ping := time.NewTicker(mqttPing)
	defer ping.Stop()
	var key uint16
	var acked uint64 // messages settled at the last ping
	var waited bool  // and whether some were in flight then
	for {
		_ = nc.SetWriteDeadline(time.Now().Add(mqttPatient))
		if err := l.publish(w, &key); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return packets.NewControlPacket(packets.Disconnect).Write(nc)
		case <-lost:
			return nil
		case <-l.box.ready:
			if l.box.isMuted() {
				return errMuted
			}
		case <-ping.C:
			now, flying := l.box.progress()
			if flying && waited && now == acked {
				return errors.New("broker does not acknowledge")
			}
			acked, waited = now, flying
			if err := packets.NewControlPacket(packets.Pingreq).Write(nc); err != nil {
				return err
			}
		}
	}
}

// publish writes all that waits and fits the window. A message sent again goes
// as a new packet: with a clean session the broker knows nothing of the old one.
func (l *mqttLink) publish(w *bufio.Writer, key *uint16) error {
	for {
		*key++
		if *key == 0 {
			*key = 1
		}
		p, ok := l.box.take(mqttWindow, *key)
		if !ok {
			return w.Flush()
		}
		out := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		out.Qos, out.MessageID, out.TopicName, out.Payload = 1, p.key, p.topic, p.payload
		l.ledger.out(&p)
		if err := out.Write(w); err != nil {
			return err
		}
	}
}
