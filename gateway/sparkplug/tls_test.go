package sparkplug

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/simulators/edgenode"
)

// guardedBed is an edge node with a pump that knows how to come in there.
func guardedBed(t *testing.T, m *brokertest.Mosquitto, ours *tlstest.Authority) (*edgenode.Link, *edgenode.Device) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ours.Issue("bed7"))
	require.NoError(t, err)
	conn, err := tls.Dial("tcp", m.Address(), &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true})
	require.NoError(t, err)
	n := edgenode.New("ICU", "bed7")
	pump := n.Add("pump1")
	pump.Set("Battery/Charge", edgenode.Double(71))
	l, err := edgenode.Open(conn, n, edgenode.Options{User: "bed7", Password: brokertest.Password("bed7"), PrimaryHost: "medfleet-edge-1"})
	require.NoError(t, err)
	t.Cleanup(l.Kill)
	return l, pump
}

func TestAHostComesInWithItsCertificateAndPasswordOnly(t *testing.T) {
	ours, other := tlstest.New(t), tlstest.New(t)
	m := brokertest.StartMosquitto(t, brokertest.Options{Authority: ours, Users: []string{"gateway", "bed7"}})
	for name, c := range map[string]struct {
		trust, shows *tlstest.Authority
		password     string
		want         string // empty when it comes in
	}{
		"right":                 {ours, ours, brokertest.Password("gateway"), ""},
		"no certificate":        {ours, nil, brokertest.Password("gateway"), "gateway.mqtt.sparkplug[0].cert_file and key_file"},
		"another's certificate": {ours, other, brokertest.Password("gateway"), "gateway.mqtt.sparkplug[0].cert_file and key_file"},
		"another's broker":      {other, ours, brokertest.Password("gateway"), "set gateway.mqtt.sparkplug[0].ca_file to the authority that signed"},
		"wrong password":        {ours, ours, "guess", "hold user, password_file and cert_file of gateway.mqtt.sparkplug[0] against the broker's own list"},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, m.Address(), func(o *ClientOptions) {
				o.URL, o.CAFile, o.User, o.Password = "mqtts://"+m.Address(), c.trust.CA(), "gateway", c.password
				if c.shows != nil {
					o.CertFile, o.KeyFile = c.shows.Issue("gateway")
				}
			})
			if c.want != "" {
				require.Eventually(t, func() bool {
					err := h.Err()
					return err != nil && strings.Contains(err.Error(), c.want)
				}, soon, time.Millisecond)
				require.Never(t, h.Up, 200*time.Millisecond, time.Millisecond)
				require.ErrorContains(t, h.Err(), "connect to MQTT broker "+m.Address())
				require.NotContains(t, h.Err().Error(), "guess")
				return
			}
			h.isUp(t)
			l, pump := guardedBed(t, m, ours)
			h.has(t, "bed7-pump1 battery_charge 71")
			charge(t, l, pump, 70, true)
			charge(t, l, pump, 69, false)
			require.Eventually(t, func() bool { return l.Rebirths.Load() == 1 }, soon, time.Millisecond, "it is asked over TLS")
			h.has(t, "bed7-pump1 battery_charge 69")
			h.stop()
			require.Eventually(t, func() bool {
				select {
				case <-l.Done():
					return true
				default:
					return false
				}
			}, soon, time.Millisecond, "the node leaves when its host says that it goes")
		})
	}
}
