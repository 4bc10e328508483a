package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	keepAlive = 30 * time.Second
	// PingEvery is how often Ping is to be called.
	PingEvery = 20 * time.Second
	// answerTime bounds the broker's letting us in, its answer to a ping, and a write.
	answerTime = 10 * time.Second
	// partTime is how long saying goodbye may take.
	partTime = time.Second
)

var (
	errSilent = errors.New("it does not answer")
	errEnded  = errors.New("connection ended")
)

// Conn is a connection to a broker. One goroutine reads; any may write.
type Conn struct {
	*Reader
	conn    net.Conn
	raw     syscall.RawConn // of its socket; nil where it has none
	until   time.Time       // by when the broker has to have let us in
	stopped atomic.Bool

	turn  chan struct{} // of who may write
	end   sync.Once
	ended chan struct{}
	cause error // read after ended
}

// NewConn begins with a connection that is open. Messages over most bytes come
// without their payload.
func NewConn(conn net.Conn, most int) *Conn {
	c := &Conn{conn: conn, raw: rawConn(conn), turn: make(chan struct{}, 1), ended: make(chan struct{})}
	c.Reader = NewReader(socket{c}, most)
	return c
}

// Open says CONNECT and returns when the broker has let us in; an error that it
// gives is one of packets.ConnErrors. What it keeps for us may come at once.
func (c *Conn) Open(hello *packets.ConnectPacket) error {
	hello.ProtocolName, hello.ProtocolVersion = "MQTT", 4
	hello.Keepalive = uint16(keepAlive / time.Second)
	c.until = time.Now().Add(answerTime)
	defer func() { c.until = time.Time{} }()
	if err := c.Send(hello); err != nil {
		return err
	}
	p, err := c.Next()
	switch {
	case err != nil:
		return err
	case p.Kind != packets.Connack || len(p.Codes) != 2:
		return ErrMalformed
	case p.Codes[1] == packets.Accepted:
		return nil
	}
	if err := packets.ConnErrors[p.Codes[1]]; err != nil {
		return err
	}
	return fmt.Errorf("refused with code %d", p.Codes[1])
}

// Send writes a packet.
func (c *Conn) Send(p packets.ControlPacket) error {
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	return c.Write(b.Bytes())
}

// Write writes packets. A broker that does not take them in 10 s ends the connection.
func (c *Conn) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return c.why(c.writeUntil(b, time.Now().Add(answerTime)))
}

func (c *Conn) writeUntil(b []byte, at time.Time) error {
	err := c.conn.SetWriteDeadline(at)
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if err != nil {
		c.Cut(err)
	}
	return err
}

// Ping asks the broker for a sign of life. Called each PingEvery, Next fails when
// none comes.
func (c *Conn) Ping() error { return c.Send(packets.NewControlPacket(packets.Pingreq)) }

// Stop has Next return an error now, or when it has given what came before. What is
// due to the broker can still be written.
func (c *Conn) Stop() {
	c.stopped.Store(true)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // it fails on a connection that has ended
}

// Watch reads on after Stop and drops what comes, until the connection has ended: by
// that alone it is noticed.
func (c *Conn) Watch() {
	c.stopped.Store(false)
	_, _ = io.Copy(io.Discard, socket{c}) // Cause tells
}

// Part says DISCONNECT and ends the connection: the broker forgets its last will.
func (c *Conn) Part() {
	var b bytes.Buffer
	_ = packets.NewControlPacket(packets.Disconnect).Write(&b) // a buffer takes everything
	// What is being written does not get more time than this either.
	_ = c.conn.SetWriteDeadline(time.Now().Add(partTime))
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	_ = c.writeUntil(b.Bytes(), time.Now().Add(partTime)) // nobody is left to be told
	c.Cut(errEnded)
}

// Cut ends the connection. Next and Write give the first cause from then on.
func (c *Conn) Cut(cause error) {
	c.end.Do(func() {
		c.cause = cause
		close(c.ended)
	})
	c.conn.Close()
}

// Ended is closed when the connection has been cut.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Cause is why it was cut; only after Ended.
func (c *Conn) Cause() error { return c.cause }

func (c *Conn) why(err error) error {
	select {
	case <-c.ended:
		if err != nil {
			return c.cause
		}
	default:
	}
	return err
}

// socket is the connection as its reader sees it.
type socket struct{ *Conn }

// Read gives up on a broker that has not answered our last ping.
func (s socket) Read(p []byte) (n int, err error) {
	c := s.Conn
	at := c.until
	if at.IsZero() {
		at = time.Now().Add(PingEvery + answerTime)
	}
	if err = c.conn.SetReadDeadline(at); err == nil {
		if c.stopped.Load() {
			return 0, errEnded
		}
		n, err = c.conn.Read(p)
	}
	if err == nil {
		return n, nil
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		if c.stopped.Load() {
			return n, errEnded
		}
		err = errSilent
	}
	c.Cut(err)
	return n, c.cause
}
