package brokertest

import (
	"log/slog"
	"net"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet/processtest"
)

// Mochi is a broker of the embedded library's, in this process. It lets everybody do
// everything and forgets what it knows when it is killed.
type Mochi struct {
	t       testing.TB
	address string
	server  *mochi.Server
}

// StartMochi starts a broker that ends with the test.
func StartMochi(t testing.TB) *Mochi {
	t.Helper()
	m := &Mochi{t: t, address: processtest.FreeAddress(t)}
	m.Restart()
	t.Cleanup(m.Kill)
	return m
}

// Address is where the broker listens, as host:port; it is the same after Restart.
func (m *Mochi) Address() string { return m.address }

// Restart starts the broker again when it has been killed.
func (m *Mochi) Restart() {
	m.t.Helper()
	m.server = mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(m.t, m.server.AddHook(new(everybody), nil))
	l, err := net.Listen("tcp", m.address)
	require.NoError(m.t, err)
	require.NoError(m.t, m.server.AddListener(listeners.NewNet("mqtt", l)))
	require.NoError(m.t, m.server.Serve())
}

// Kill ends the broker and all its connections.
func (m *Mochi) Kill() {
	if m.server != nil {
		_ = m.server.Close()
		m.server = nil
	}
}

// everybody lets everybody do everything.
type everybody struct{ mochi.HookBase }

func (*everybody) Provides(hook byte) bool {
	return hook == mochi.OnConnectAuthenticate || hook == mochi.OnACLCheck
}
func (*everybody) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*everybody) OnACLCheck(*mochi.Client, string, bool) bool              { return true }
