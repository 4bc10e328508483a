package edgenode

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const patience = 10 * time.Second

// Link is a node's connection to a broker. It answers commands for a rebirth. It
// works on packets so that it can vanish without a DISCONNECT, and its will is
// published.
type Link struct {
	Rebirths atomic.Uint64 // asked for and answered

	mu   sync.Mutex
	node *Node
	conn net.Conn
	out  *bufio.Writer
	done chan struct{} // closed when the reader has ended
}

// Dial connects a node, with a clean session and its death as the will, subscribes
// to its commands and says its births.
func Dial(address string, n *Node) (*Link, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	l := &Link{node: n, conn: conn, out: bufio.NewWriter(conn), done: make(chan struct{})}
	in := bufio.NewReader(conn)
	if err := l.greet(in); err != nil {
		return nil, errors.Join(fmt.Errorf("connect edge node: %w", err), conn.Close())
	}
	go l.read(in)
	return l, nil
}

func (l *Link) greet(in *bufio.Reader) error {
	will := l.node.Connect()
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.Keepalive = "MQTT", 4, true, 60
	hello.ClientIdentifier = l.node.Group + "-" + l.node.Edge
	hello.WillFlag, hello.WillQos, hello.WillTopic, hello.WillMessage = true, 1, will.Topic, will.Payload
	ask := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	ask.MessageID, ask.Qoss = 1, []byte{1}
	ask.Topics = []string{"spBv1.0/" + l.node.Group + "/NCMD/" + l.node.Edge}
	_ = l.conn.SetDeadline(time.Now().Add(patience))
	for _, p := range []packets.ControlPacket{hello, ask} {
		if err := p.Write(l.conn); err != nil {
			return err
		}
		answer, err := packets.ReadPacket(in)
		if err != nil {
			return err
		}
		if a, ok := answer.(*packets.ConnackPacket); ok && a.ReturnCode != packets.Accepted {
			return packets.ConnErrors[a.ReturnCode]
		}
	}
	if err := l.Send(l.node.Births()...); err != nil {
		return err
	}
	return l.conn.SetDeadline(time.Time{})
}

// read answers commands until the connection ends.
func (l *Link) read(in *bufio.Reader) {
	defer close(l.done)
	for {
		p, err := packets.ReadPacket(in)
		if err != nil {
			return
		}
		if m, ok := p.(*packets.PublishPacket); ok && strings.Contains(m.TopicName, "/NCMD/") && IsRebirth(m.Payload) {
			_ = l.Do(func(n *Node) []Message { return n.Births() })
			l.Rebirths.Add(1)
		}
	}
}

// Do makes messages with the node and sends them. It is the only way to use a node
// that is connected.
func (l *Link) Do(make func(n *Node) []Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Send(make(l.node)...)
}

// Send publishes messages with QoS 0. Use Do but for messages that are no node's.
func (l *Link) Send(list ...Message) error {
	for _, m := range list {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = m.Topic, m.Payload
		if err := p.Write(l.out); err != nil {
			return err
		}
	}
	return l.out.Flush()
}

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
	err := l.Do(func(n *Node) []Message { return []Message{n.Death()} })
	if err == nil {
		err = packets.NewControlPacket(packets.Disconnect).Write(l.conn)
	}
	l.conn.Close()
	<-l.done
	return err
}
