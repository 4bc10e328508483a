package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/tlsfiles/tlstest"
)

// openDoor lets everybody do everything.
type openDoor struct{ mochi.HookBase }

func (openDoor) ID() string { return "open door" }
func (openDoor) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (openDoor) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (openDoor) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// newMochi starts a broker in this process and gives its address.
func newMochi(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, server.AddHook(new(openDoor), nil))
	require.NoError(t, server.AddListener(listeners.NewNet("test", l)))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// complains waits until a client says why nothing comes in.
func complains(t *testing.T, c *mqtt.Client, want string) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := c.Err()
		return err != nil && strings.Contains(err.Error(), want)
	}, soon, time.Millisecond, "want %s", want)
	require.Zero(t, c.Counts().Connected.Load())
}

func TestABrokerThatLetsNobodySubscribeIsNoSource(t *testing.T) {
	s := serve(t, mqtt.BrokerOptions{Taker: newKeeper()})
	c, _ := running(t, quick(newDisk(), s.addr))
	complains(t, c, "medfleet/v1/+/+/+/+ refused: let the broker's access list allow \"medfleet-edge-1\"")
}

func TestAWrongPasswordSaysWhereItIsSet(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "passwords")
	mosquittoCommand(t)
	out, err := exec.Command("mosquitto_passwd", "-b", "-c", file, "gateway", "s3cret").CombinedOutput()
	require.NoError(t, err, "%s", out)
	broker := newMosquitto(t, "allow_anonymous false", "password_file "+file)
	for name, c := range map[string]struct {
		user, password string
		up             bool
	}{
		"right":          {"gateway", "s3cret", true},
		"wrong password": {"gateway", "guess", false},
		"wrong name":     {"someone", "s3cret", false},
		"no name":        {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick(newDisk(), broker.address)
			o.User, o.Password = c.user, c.password
			client, _ := running(t, o)
			if c.up {
				isUp(t, client)
				return
			}
			complains(t, client, "the broker does not let us in: hold user, password_file and cert_file of gateway.mqtt.brokers")
			require.NotContains(t, fmt.Sprint(client.Err()), "guess")
		})
	}
}

func TestTLSWithAClientCertificate(t *testing.T) {
	ours, other := tlstest.New(t), tlstest.New(t)
	cert, key := ours.Issue("broker")
	broker := newMosquitto(t, "allow_anonymous false", "cafile "+ours.CA(), "certfile "+cert, "keyfile "+key,
		"require_certificate true", "use_identity_as_username true")
	_, port, err := net.SplitHostPort(broker.address)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		host  string
		trust *tlstest.Authority
		shows *tlstest.Authority
		want  string // empty when it comes in
	}{
		"right":                 {"localhost", ours, ours, ""},
		"no certificate":        {"localhost", ours, nil, "gateway.mqtt.brokers.cert_file and key_file"},
		"another's certificate": {"localhost", ours, other, "gateway.mqtt.brokers.cert_file and key_file"},
		"another's broker":      {"localhost", other, ours, "set gateway.mqtt.brokers.ca_file to the authority that signed"},
		"another name":          {"broker.example", ours, ours, "let gateway.mqtt.brokers.url name the broker as its certificate does"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			o := quick(d, "")
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", broker.address)
			}
			o.URL, o.CAFile = "mqtts://"+net.JoinHostPort(c.host, port), c.trust.CA()
			if c.shows != nil {
				o.CertFile, o.KeyFile = c.shows.Issue("gateway")
			}
			client, _ := running(t, o)
			if c.want == "" {
				isUp(t, client)
				return
			}
			complains(t, client, c.want)
			if c.host != "localhost" {
				o.ServerName = "localhost"
				client, _ = running(t, o)
				isUp(t, client)
			}
		})
	}
}
