package sparkplug

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

const soon = 20 * time.Second

// server is a broker that can be killed and started again at its address.
type server interface {
	at() string
	kill()
	start()
}

// brokers runs a test against the embedded library's broker and against a real one.
func brokers(t *testing.T, test func(t *testing.T, s server)) {
	t.Run("mochi", func(t *testing.T) {
		m := &mochi{t: t, address: freeAddress(t)}
		m.start()
		t.Cleanup(m.kill)
		test(t, m)
	})
	t.Run("mosquitto", func(t *testing.T) {
		m := &mosquitto{t: t, command: mosquittoCommand(t), config: filepath.Join(t.TempDir(), "mosquitto.conf"), address: freeAddress(t)}
		_, port, err := net.SplitHostPort(m.address)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(m.config, []byte("listener "+port+" 127.0.0.1\nallow_anonymous true\n"), 0o600))
		m.start()
		t.Cleanup(func() {
			m.kill()
			if t.Failed() {
				t.Log(m.log.String())
			}
		})
		test(t, m)
	})
}

// everybody lets everybody do everything.
type everybody struct{ broker.HookBase }

func (*everybody) Provides(b byte) bool {
	return b == broker.OnConnectAuthenticate || b == broker.OnACLCheck
}
func (*everybody) OnConnectAuthenticate(*broker.Client, packets.Packet) bool { return true }
func (*everybody) OnACLCheck(*broker.Client, string, bool) bool              { return true }

type mochi struct {
	t       *testing.T
	address string
	server  *broker.Server
}

func (m *mochi) at() string { return m.address }

func (m *mochi) start() {
	m.server = broker.New(&broker.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(m.t, m.server.AddHook(new(everybody), nil))
	l, err := net.Listen("tcp", m.address)
	require.NoError(m.t, err)
	require.NoError(m.t, m.server.AddListener(listeners.NewNet("mqtt", l)))
	require.NoError(m.t, m.server.Serve())
}

func (m *mochi) kill() {
	if m.server != nil {
		_ = m.server.Close()
		m.server = nil
	}
}

type mosquitto struct {
	t       *testing.T
	command string
	config  string
	address string
	process *exec.Cmd
	log     bytes.Buffer
}

func (m *mosquitto) at() string { return m.address }

func (m *mosquitto) start() {
	m.process = exec.Command(m.command, "-c", m.config)
	m.process.Stdout, m.process.Stderr = &m.log, &m.log
	require.NoError(m.t, m.process.Start())
	require.Eventually(m.t, func() bool {
		c, err := net.Dial("tcp", m.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, soon, 2*time.Millisecond, "mosquitto does not listen")
}

func (m *mosquitto) kill() {
	if m.process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait()
		m.process = nil
	}
}

// nothingSkipped is set where tests with real servers must run.
const nothingSkipped = "MEDFLEET_NOTHING_SKIPPED"

func mosquittoCommand(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv(nothingSkipped) != "" {
		t.Fatal("mosquitto is not installed: apt-get install mosquitto")
	}
	t.Skip("mosquitto is not installed: apt-get install mosquitto")
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
