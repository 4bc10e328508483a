package gateway

import (
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/record"
)

// wardDevice connects a device of the ward to the hospital's broker.
func wardDevice(t *testing.T, address string, a *tlstest.Authority) paho.Client {
	t.Helper()
	secure := tlsfiles.Client{CAFile: a.CA()}
	secure.CertFile, secure.KeyFile = a.Issue("pump")
	config, err := secure.Config("test", "localhost")
	require.NoError(t, err)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + address).SetTLSConfig(config).SetClientID("pumps").
		SetUsername("pump").SetPassword(brokertest.Password("pump")).SetAutoReconnect(false).SetConnectTimeout(soon))
	token := c.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.NoError(t, token.Error())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// From the hospital's own broker, over TLS with a certificate and a password, to
// the collector: our contract and other makers' JSON, while the broker restarts and
// while the gateway is away.
func TestAHospitalsBrokerIsReadWhateverRestarts(t *testing.T) {
	a := tlstest.New(t)
	b := brokertest.StartMosquitto(t, brokertest.Options{Authority: a, Users: []string{"gateway", "pump"}})
	c, folder := newCentre(t), t.TempDir()
	var broker mqtt.ClientConfig
	broker.Name, broker.URL = "ward", "mqtts://"+b.Address()
	broker.User, broker.Password, broker.CAFile = "gateway", brokertest.Password("gateway"), a.CA()
	broker.CertFile, broker.KeyFile = a.Issue("edge-1")
	start := func() *edge {
		e := startEdge(t, c, folder, func(o *Options) {
			o.MQTT.Mappings, o.MQTT.Brokers = mapped(t, pumpGateway), []mqtt.ClientConfig{broker}
		})
		require.Eventually(t, func() bool { return e.source("mqtt ward").up() }, 3*soon, time.Millisecond)
		return e
	}
	said := 0
	say := func(client paho.Client) {
		for range 20 {
			require.True(t, publish(t, client, "hospital/north/ICU/P-17/telemetry", telemetry(said, false)))
			require.True(t, publish(t, client, topicOf("pump-18", "status"), status(said)))
			said++
		}
	}
	arrived := func() bool {
		seen := map[string]bool{}
		for _, l := range c.of(record.Observation) {
			seen[l.Tag("device")+" "+time.Duration(l.Number("operating_hours")).String()] = true
		}
		return len(seen) == 2*said
	}
	e := start()
	say(wardDevice(t, b.Address(), a))
	require.Eventually(t, arrived, 2*soon, time.Millisecond)
	b.Stop()
	require.Eventually(t, func() bool { return !e.source("mqtt ward").up() }, soon, time.Millisecond)
	b.Restart()
	client := wardDevice(t, b.Address(), a)
	say(client)
	require.Eventually(t, arrived, 3*soon, time.Millisecond, "after a restart of the broker")
	e.stop()
	say(client)
	e = start()
	require.Eventually(t, arrived, 3*soon, time.Millisecond, "what was said while the gateway was away")
	require.False(t, e.source("mqtt ward").heard().IsZero())
	require.Positive(t, e.source("mqtt ward").messages())
	e.stop()
	require.NotContains(t, string(e.written()), "Quintero")
}
