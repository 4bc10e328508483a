package stream

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gorilla/websocket"
)

// sink is a connection and a response writer that keep what is written.
type sink struct {
	net.Conn
	httptest.ResponseRecorder
	wire bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error)      { return s.wire.Write(b) }
func (s *sink) SetDeadline(time.Time) error      { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return s, bufio.NewReadWriter(bufio.NewReader(s), bufio.NewWriter(s)), nil
}

// text is a frame's payload as it goes over the wire (RFC 6455, 5.2).
func (f *frame) text() []byte {
	s := &sink{}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="},
	}
	up := websocket.Upgrader{}
	conn, err := up.Upgrade(s, r, nil)
	if err != nil {
		return nil
	}
	s.wire.Reset()
	if conn.WritePreparedMessage(f.message) != nil {
		return nil
	}
	b := s.wire.Bytes()
	return b[len(b)-f.size:]
}
