package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/tlsfiles/tlstest"
)

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
	broker := brokertest.StartMosquitto(t, brokertest.Options{Users: []string{"gateway"}})
	for name, c := range map[string]struct {
		user, password string
		up             bool
	}{
		"right":          {"gateway", brokertest.Password("gateway"), true},
		"wrong password": {"gateway", "guess", false},
		"wrong name":     {"someone", brokertest.Password("gateway"), false},
		"no name":        {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick(newDisk(), broker.Address())
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
	broker := brokertest.StartMosquitto(t, brokertest.Options{
		Authority: ours, Settings: []string{"allow_anonymous false", "use_identity_as_username true"},
	})
	_, port, err := net.SplitHostPort(broker.Address())
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
				return new(net.Dialer).DialContext(ctx, "tcp", broker.Address())
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
