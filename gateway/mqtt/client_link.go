package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	readBuffer = 64 << 10
	writeTime  = 10 * time.Second
	// What a broker sends beside PUBLISH is a few bytes.
	maxControl  = 4 << 10
	typePublish = 3
	typeSuback  = 9
)

// link is the connection to the broker as the library sees it. The library bounds
// nothing that it reads; the link knows where packets begin (MQTT 3.1.1, 2.2) and
// lets a message through only while there is room for it. Until then TCP holds the
// broker back.
//
// A message over the limit is passed on without its payload: refused, the broker
// would send it for ever and nothing behind it.
type link struct {
	net.Conn
	client *Client
	room   *room
	in     *bufio.Reader
	buffer []byte // holds head
	head   []byte // of the packet at hand: what the library has not read yet
	body   int    // of the packet at hand: bytes still to come through unchanged
	skip   int    // bytes still to be dropped

	end   sync.Once
	ended chan struct{}
	cause error // read after ended
}

func newLink(conn net.Conn, c *Client) *link {
	return &link{
		Conn: conn, client: c, ended: make(chan struct{}),
		in:   bufio.NewReaderSize(conn, readBuffer),
		room: &room{messages: c.options.Window, bytes: c.options.WindowBytes, freed: make(chan struct{}, 1)},
	}
}

// Read gives packets, one after the other.
func (l *link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(l.head) == 0 && l.body == 0 {
		if err := l.next(); err != nil {
			return 0, l.why(err)
		}
	}
	if len(l.head) > 0 {
		n := copy(p, l.head)
		l.head = l.head[n:]
		return n, nil
	}
	n, err := l.in.Read(p[:min(len(p), l.body)])
	l.body -= n
	return n, l.why(err)
}

// Write gives up on a broker that does not read: the library sets no time.
func (l *link) Write(p []byte) (int, error) {
	if err := l.Conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, l.why(err)
	}
	n, err := l.Conn.Write(p)
	return n, l.why(err)
}

// acknowledge writes packets of our own between those of the library and reports
// whether they have left. A connection that does not take them is at its end.
func (l *link) acknowledge(packets []byte) bool {
	if l.gone() {
		return false
	}
	if len(packets) == 0 {
		return true
	}
	_, err := l.Write(packets)
	if err != nil {
		l.cut(err)
	}
	return err == nil
}

// Close ends the connection.
func (l *link) Close() error {
	l.cut(net.ErrClosed)
	return nil
}

// cut ends the connection for a reason, which the library is given: it takes a
// connection that was closed for no other for its own doing, and goes on waiting.
func (l *link) cut(cause error) {
	l.end.Do(func() {
		l.cause = cause
		close(l.ended)
	})
	l.Conn.Close()
}

func (l *link) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *link) why(err error) error {
	if err != nil && l.gone() {
		return l.cause
	}
	return err
}

// next begins a packet.
func (l *link) next() error {
	if l.skip > 0 {
		n, err := l.in.Discard(l.skip)
		l.skip -= n
		if err != nil {
			return err
		}
	}
	first, err := l.in.ReadByte()
	if err != nil {
		return err
	}
	length, err := readLength(l.in)
	if err != nil {
		return err
	}
	switch {
	case first>>4 != typePublish && length > l.most(first>>4):
		return fmt.Errorf("the broker sent a packet of type %d with %d bytes: is it an MQTT broker?", first>>4, length)
	case first>>4 == typePublish && length > maxPacket:
		return l.shorten(first, length)
	case first>>4 == typePublish:
		if err := l.admit(length); err != nil {
			return err
		}
	}
	l.buffer = appendHeader(l.buffer[:0], first, length)
	l.head, l.body = l.buffer, length
	return nil
}

// most is how long a packet beside PUBLISH may be. The library breaks down at an
// answer for more filters than it has asked for.
func (l *link) most(kind byte) int {
	if kind == typeSuback {
		return 2 + len(l.client.options.filters())
	}
	return maxControl
}

// shorten makes of a PUBLISH (3.3) one with its topic and packet identifier alone.
func (l *link) shorten(first byte, length int) error {
	var size [2]byte
	if _, err := io.ReadFull(l.in, size[:]); err != nil {
		return err
	}
	rest := int(binary.BigEndian.Uint16(size[:]))
	if first&0x06 != 0 {
		rest += 2
	}
	if err := l.admit(2 + rest); err != nil {
		return err
	}
	l.client.counts.Shortened.Add(1)
	l.buffer = append(appendHeader(l.buffer[:0], first, 2+rest), size[:]...)
	start := len(l.buffer)
	l.buffer = append(l.buffer, make([]byte, rest)...)
	if _, err := io.ReadFull(l.in, l.buffer[start:]); err != nil {
		return err
	}
	l.head, l.skip = l.buffer, length-2-rest
	return nil
}

// admit waits until there is room for a message.
func (l *link) admit(cost int) error {
	if l.room.take(cost) {
		return nil
	}
	limit := time.NewTimer(l.client.options.Patience)
	defer limit.Stop()
	for {
		select {
		case <-l.room.freed:
			if l.room.take(cost) {
				return nil
			}
		case <-l.ended:
			return l.cause
		case <-limit.C:
			l.client.counts.Full.Add(1)
			l.cut(errFull)
			return errFull
		}
	}
}

var errLength = errors.New("the broker sent a length of more than four bytes: is it an MQTT broker?")

// readLength reads a remaining length (2.2.3).
func readLength(in io.ByteReader) (length int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, errLength
}

func appendHeader(b []byte, first byte, length int) []byte {
	return binary.AppendUvarint(append(b, first), uint64(length)) // the same form as 2.2.3
}

// cost is what a message was admitted for: the length of its packet.
func cost(m paho.Message) int {
	n := 2 + len(m.Topic()) + len(m.Payload())
	if m.Qos() > 0 {
		n += 2
	}
	return n
}

// room is for the messages between the broker and the disk.
type room struct {
	mu              sync.Mutex
	messages, bytes int           // left
	freed           chan struct{} // one for all that was given back since it was read
}

// take reports whether there was room. One message alone always has it.
func (r *room) take(cost int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.messages == 0 || r.bytes <= 0 {
		return false
	}
	r.messages--
	r.bytes -= cost
	return true
}

func (r *room) give(messages, bytes int) {
	r.mu.Lock()
	r.messages += messages
	r.bytes += bytes
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}
