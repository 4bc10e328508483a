package gateway

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/record"
)

// hospitalBroker is a real mosquitto that wants a certificate, a name and a
// password.
type hospitalBroker struct {
	t       *testing.T
	dir     string
	address string
	command *exec.Cmd
	log     bytes.Buffer
}

func newHospitalBroker(t *testing.T, a *tlstest.Authority) *hospitalBroker {
	t.Helper()
	b := &hospitalBroker{t: t, dir: t.TempDir()}
	l := listen(t)
	b.address = l.Addr().String()
	_, port, err := net.SplitHostPort(b.address)
	require.NoError(t, err)
	l.Close()
	cert, key := a.Issue("broker")
	passwords := filepath.Join(b.dir, "passwords")
	for _, name := range []string{"gateway", "pump"} {
		out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords+name, name, "s3cret-"+name).CombinedOutput()
		require.NoError(t, err, "%s", out)
		line, err := os.ReadFile(passwords + name)
		require.NoError(t, err)
		file, err := os.OpenFile(passwords, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = file.Write(line)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), []byte(strings.Join([]string{
		"user root", "persistence true", "persistence_location " + b.dir + "/", "autosave_interval 1",
		"max_inflight_messages 1000", "max_queued_messages 100000", "listener " + port + " 127.0.0.1",
		"cafile " + a.CA(), "certfile " + cert, "keyfile " + key, "require_certificate true",
		"allow_anonymous false", "password_file " + passwords,
	}, "\n")+"\n"), 0o600))
	b.start()
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

// program finds a program that a real server needs.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("MEDFLEET_NOTHING_SKIPPED") != "" {
		t.Fatal(name + " is not installed: apt-get install mosquitto")
	}
	t.Skip(name + " is not installed: apt-get install mosquitto")
	return ""
}

func (b *hospitalBroker) start() {
	b.t.Helper()
	b.command = exec.Command(program(b.t, "mosquitto"), "-c", filepath.Join(b.dir, "mosquitto.conf"))
	b.command.Stdout, b.command.Stderr = &b.log, &b.log
	require.NoError(b.t, b.command.Start())
	require.Eventually(b.t, func() bool {
		c, err := net.Dial("tcp", b.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, soon, time.Millisecond)
}

// stop ends it as its service does: it saves what it has acknowledged.
func (b *hospitalBroker) stop() {
	_ = b.command.Process.Signal(os.Interrupt)
	_ = b.command.Wait()
}

// device connects a device of the ward to the broker.
func (b *hospitalBroker) device(a *tlstest.Authority) paho.Client {
	b.t.Helper()
	secure := tlsfiles.Client{CAFile: a.CA()}
	secure.CertFile, secure.KeyFile = a.Issue("pump")
	config, err := secure.Config("test", "localhost")
	require.NoError(b.t, err)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + b.address).SetTLSConfig(config).SetClientID("pumps").
		SetUsername("pump").SetPassword("s3cret-pump").SetAutoReconnect(false).SetConnectTimeout(soon))
	token := c.Connect()
	require.True(b.t, token.WaitTimeout(soon))
	require.NoError(b.t, token.Error())
	b.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// From the hospital's own broker, over TLS with a certificate and a password, to
// the collector: our contract and other makers' JSON, while the broker restarts and
// while the gateway is away.
func TestAHospitalsBrokerIsReadWhateverRestarts(t *testing.T) {
	a := tlstest.New(t)
	b := newHospitalBroker(t, a)
	c, folder := newCentre(t), t.TempDir()
	var broker mqtt.ClientConfig
	broker.Name, broker.URL = "ward", "mqtts://"+b.address
	broker.User, broker.Password, broker.CAFile = "gateway", "s3cret-gateway", a.CA()
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
	say(b.device(a))
	require.Eventually(t, arrived, 2*soon, time.Millisecond)
	b.stop()
	require.Eventually(t, func() bool { return !e.source("mqtt ward").up() }, soon, time.Millisecond)
	b.start()
	client := b.device(a)
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
