package edgenode

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	patience = 10 * time.Second // for an answer, a write
	alive    = 60               // keep-alive told to the broker, in seconds
)

// Options are how a node connects.
type Options struct {
	User, Password string
	PrimaryHost    string // id of the host application without which it says nothing; "": it waits for none
}

// Link is a node's connection to a broker. It answers commands for a rebirth. It
// works on packets so that it can vanish without a DISCONNECT, and its will is
// published.
type Link struct {
	Rebirths atomic.Uint64 // asked for and answered

	options Options
	heard   atomic.Bool   // something came since the last ping
	done    chan struct{} // closed when the reader has ended
	err     error         // why it has

	mu     sync.Mutex
	node   *Node
	conn   net.Conn
	out    *bufio.Writer
	born   bool  // the births are said
	since  int64 // the newest time that STATE had
	pinged bool
}

var (
	errHost  = errors.New("the primary host application went offline")
	errQuiet = errors.New("the broker does not answer")
)

// Dial connects a node that waits for no host application.
func Dial(address string, n *Node) (*Link, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	return Open(conn, n, Options{})
}

// Open makes a link of a connection, with a clean session and the node's death as the
// will, subscribes to its commands and says its births, or waits with them for its
// primary host. When it fails the connection is closed.
func Open(conn net.Conn, n *Node, o Options) (*Link, error) {
	l := &Link{options: o, node: n, conn: conn, out: bufio.NewWriter(conn), done: make(chan struct{})}
	in := bufio.NewReader(conn)
	if err := l.greet(in); err != nil {
		return nil, errors.Join(fmt.Errorf("connect edge node: %w", err), conn.Close())
	}
	go l.read(in)
	return l, nil
}

func (l *Link) greet(in *bufio.Reader) error {
	if err := l.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := l.hello().Write(l.conn); err != nil {
		return err
	}
	answer, err := packets.ReadPacket(in)
	if err != nil {
		return err
	}
	if a, ok := answer.(*packets.ConnackPacket); !ok || a.ReturnCode != packets.Accepted {
		return errors.New("broker refused: check user and password")
	}
	if err := l.subscribe(in); err != nil {
		return err
	}
	if l.options.PrimaryHost == "" {
		if err := l.birth(); err != nil {
			return err
		}
	}
	return l.conn.SetDeadline(time.Time{})
}

func (l *Link) hello() packets.ControlPacket {
	will := l.node.Connect()
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.Keepalive = "MQTT", 4, true, alive
	hello.ClientIdentifier = l.node.Group + "-" + l.node.Edge
	hello.WillFlag, hello.WillQos, hello.WillTopic, hello.WillMessage = true, 1, will.Topic, will.Payload
	hello.UsernameFlag, hello.Username = l.options.User != "", l.options.User
	hello.PasswordFlag, hello.Password = l.options.Password != "", []byte(l.options.Password)
	return hello
}

// subscribe asks for the node's commands and its host's STATE, and takes what comes
// until that is granted.
func (l *Link) subscribe(in *bufio.Reader) error {
	ask := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	ask.MessageID, ask.Topics, ask.Qoss = 1, []string{"spBv1.0/" + l.node.Group + "/NCMD/" + l.node.Edge}, []byte{1}
	if l.options.PrimaryHost != "" {
		ask.Topics, ask.Qoss = append(ask.Topics, l.stateTopic()), append(ask.Qoss, 1)
	}
	if err := ask.Write(l.conn); err != nil {
		return err
	}
	for {
		p, err := packets.ReadPacket(in)
		if err != nil {
			return err
		}
		if _, granted := p.(*packets.SubackPacket); granted {
			return nil
		}
		if err := l.take(p); err != nil {
			return err
		}
	}
}

func (l *Link) stateTopic() string { return "spBv1.0/STATE/" + l.options.PrimaryHost }

// read takes what comes until the connection ends.
func (l *Link) read(in *bufio.Reader) {
	defer close(l.done)
	for {
		p, err := packets.ReadPacket(in)
		if err == nil {
			err = l.take(p)
		}
		if err != nil {
			l.err = err
			return
		}
	}
}

// take acknowledges a message, answers a command and follows the host.
func (l *Link) take(p packets.ControlPacket) error {
	l.heard.Store(true)
	m, ok := p.(*packets.PublishPacket)
	if !ok {
		return nil
	}
	if m.Qos > 0 {
		if err := l.acknowledge(m.MessageID); err != nil {
			return err
		}
	}
	switch {
	case m.TopicName == l.stateTopic():
		return l.follow(m.Payload)
	case strings.Contains(m.TopicName, "/NCMD/") && IsRebirth(m.Payload):
		err := l.Do(func(n *Node) []Message { return n.Births() })
		l.Rebirths.Add(1)
		return err
	}
	return nil
}

// follow hears whether the host is there. A node says its births when it is, and
// leaves when it no longer is; what is older than what was said last says nothing
// (Sparkplug 3.0, 5.4 and 5.5).
func (l *Link) follow(message []byte) error {
	var state struct {
		Online    *bool `json:"online"`
		Timestamp int64 `json:"timestamp"`
	}
	if json.Unmarshal(message, &state) != nil || state.Online == nil || state.Timestamp < l.since {
		return nil
	}
	l.since = state.Timestamp
	switch born := l.Born(); {
	case *state.Online && !born:
		return l.birth()
	case !*state.Online && born:
		return errors.Join(errHost, l.goodbye())
	}
	return nil
}

func (l *Link) birth() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.born = true
	return l.send(l.node.Births())
}

// Born reports whether the node has said its births: until then nobody hears it.
func (l *Link) Born() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.born
}

// Do makes messages with the node and sends them, but before its births. It is the
// only way to use a node that is connected.
func (l *Link) Do(make func(n *Node) []Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make(l.node)
	if !l.born {
		return nil
	}
	return l.send(list)
}

// Send publishes messages with QoS 0 that are no node's.
func (l *Link) Send(list ...Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.send(list)
}

func (l *Link) send(list []Message) error {
	for _, m := range list {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = m.Topic, m.Payload
		if err := p.Write(l.out); err != nil {
			return err
		}
	}
	return l.flush()
}

func (l *Link) flush() error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return l.out.Flush()
}

func (l *Link) acknowledge(id uint16) error {
	ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
	ack.MessageID = id
	return l.write(ack)
}

func (l *Link) write(p packets.ControlPacket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := p.Write(l.out); err != nil {
		return err
	}
	return l.flush()
}

// Ping tells the broker that the node is there; it is to be called more often than
// once a minute. It fails when nothing came since the last one.
func (l *Link) Ping() error {
	if heard := l.heard.Swap(false); l.pinged && !heard {
		return errQuiet
	}
	l.pinged = true
	return l.write(packets.NewControlPacket(packets.Pingreq))
}

// Done is closed when the connection has ended; Err says why then.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err is why the connection has ended, once Done is closed.
func (l *Link) Err() error { return l.err }

// Kill ends the connection as a power cut does: the broker publishes the will.
func (l *Link) Kill() {
	if tcp, ok := l.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	l.conn.Close()
	<-l.done
}

// Close says the node's death and ends the connection in order.
func (l *Link) Close() error {
	err := l.goodbye()
	<-l.done
	return err
}

func (l *Link) goodbye() error {
	err := l.Do(func(n *Node) []Message { return []Message{n.Death()} })
	if err == nil {
		err = l.write(packets.NewControlPacket(packets.Disconnect))
	}
	l.conn.Close()
	return err
}
