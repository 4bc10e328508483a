package brokertest

import (
	"log/slog"
	"net"
	"sync"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet/processtest"
)

// Mochi is a broker of the embedded library's, in this process. It forgets what it knows when it is killed. A client that comes back under
// its name while its old connection ends may be forgotten: what is about coming back
// needs a real broker.
type Mochi struct {
	t        testing.TB
	address  string
	hooks    []mochi.Hook
	server   *mochi.Server
	listener net.Listener
	wait     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // nil when it has been killed
}

// StartMochi starts a broker that ends with the test. Without hooks it lets everybody
// do everything.
func StartMochi(t testing.TB, hooks ...mochi.Hook) *Mochi {
	t.Helper()
	return StartMochiAt(t, processtest.FreeAddress(t), hooks...)
}

// StartMochiAt starts a broker at an address of the test's own.
func StartMochiAt(t testing.TB, address string, hooks ...mochi.Hook) *Mochi {
	t.Helper()
	if len(hooks) == 0 {
		hooks = []mochi.Hook{new(everybody)}
	}
	m := &Mochi{t: t, address: address, hooks: hooks}
	m.Restart()
	t.Cleanup(m.Kill)
	return m
}

// Publish says something to the clients.
func (m *Mochi) Publish(topic string, payload []byte, retain bool, qos byte) {
	m.t.Helper()
	require.NoError(m.t, m.server.Publish(topic, payload, retain, qos))
}

// Address is where the broker listens, as host:port; it is the same after Restart.
func (m *Mochi) Address() string { return m.address }

// Restart starts the broker again when it has been killed.
func (m *Mochi) Restart() {
	m.t.Helper()
	m.server = mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler), InlineClient: true})
	for _, h := range m.hooks {
		require.NoError(m.t, m.server.AddHook(h, nil))
	}
	require.NoError(m.t, m.server.Serve())
	l, err := net.Listen("tcp", m.address)
	require.NoError(m.t, err)
	m.listener, m.conns = l, []net.Conn{}
	m.wait.Go(m.accept)
}

// accept serves whoever comes. The library's own listeners cannot be ended while a
// client comes or goes.
func (m *Mochi) accept() {
	for {
		c, err := m.listener.Accept()
		if err != nil {
			return
		}
		if !m.opens(c) {
			c.Close()
			return
		}
		m.wait.Go(func() {
			defer c.Close()
			_ = m.server.EstablishConnection("mqtt", c)
		})
	}
}

func (m *Mochi) opens(c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conns == nil {
		return false
	}
	m.conns = append(m.conns, c)
	return true
}

// Kill ends the broker and all its connections.
func (m *Mochi) Kill() {
	if m.server == nil {
		return
	}
	m.listener.Close()
	m.mu.Lock()
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
	m.mu.Unlock()
	m.wait.Wait()
	_ = m.server.Close()
	m.server = nil
}

// everybody lets everybody do everything.
type everybody struct{ mochi.HookBase }

func (*everybody) Provides(hook byte) bool {
	return hook == mochi.OnConnectAuthenticate || hook == mochi.OnACLCheck
}
func (*everybody) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*everybody) OnACLCheck(*mochi.Client, string, bool) bool              { return true }
