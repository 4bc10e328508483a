package mllp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is a small report with a control id, as a pump's gateway sends it.
func message(id string) string {
	return "MSH|^~\\&|PUMPLINK|NORDMED|medfleet||20260124124738+0100||ORU^R01^ORU_R01|" + id + "|P|2.6|||AL|NE\r" +
		"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.1|41||||||R\r"
}

func ack(id string) string { return "MSH|^~\\&|medfleet||||||ACK|1|P|2.6\rMSA|CA|" + id + "\r" }

func framed(message string) string { return "\x0b" + message + "\x1c\r" }

// pipes is a net.Listener whose connections are pipes, for bubbles of fake time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// recorder is a handler that keeps what it was given. What it answers can be replaced.
type recorder struct {
	mu      sync.Mutex
	frames  []string
	refused []string // reason and head
	peers   map[uint64]Peer
	accept  func(ctx context.Context, frame string) Receipt
	refuse  func(reason Reason, head string) Answer
}

func (r *recorder) Accept(ctx context.Context, from Peer, frame []byte) Receipt {
	r.mu.Lock()
	r.frames = append(r.frames, string(frame))
	if r.peers == nil {
		r.peers = map[uint64]Peer{}
	}
	r.peers[from.Conn] = from
	r.mu.Unlock()
	if r.accept != nil {
		return r.accept(ctx, string(frame))
	}
	return Answer{Frame: []byte(ack(string(controlID(frame))))}
}

func (r *recorder) Refuse(_ context.Context, _ Peer, reason Reason, head []byte) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, fmt.Sprintf("%v: %.40q", reason, head))
	if r.refuse != nil {
		return r.refuse(reason, string(head))
	}
	return Answer{Frame: []byte("refused: " + reason.String())}
}

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.frames...)
}

func (r *recorder) turnedAway() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.refused...)
}

// run starts a listener; the function it gives stops it and waits.
func run(t testing.TB, l *Listener, ln net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, ln) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, l.Counters().Open.Load())
		require.Zero(t, l.budget.used.Load(), "every buffer was given back")
	}
}

func listen(t testing.TB) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

func dialTCP(t testing.TB, ln net.Listener) *net.TCPConn {
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	return nc.(*net.TCPConn)
}

func send(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	_, err := nc.Write([]byte(text))
	require.NoError(t, err)
}

// answer reads one framed answer.
func answer(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString(endFrame)
	for err == nil && !strings.HasSuffix(text, "\x1c\r") {
		var more string
		more, err = r.ReadString(endFrame)
		text += more
	}
	require.NoError(t, err)
	require.Equal(t, byte(startBlock), text[0])
	return text[1 : len(text)-2]
}
