package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
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
	require.Eventually(t, func() bool { return c.Counts().Connected.Load() == 0 && c.Err().Error() != "not connected yet" }, soon, time.Millisecond)
	require.ErrorContains(t, c.Err(), want)
}

func TestABrokerThatLetsNobodySubscribeIsNoSource(t *testing.T) {
	s := serve(t, mqtt.BrokerOptions{Keeper: newKeeper()})
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
			complains(t, client, "the broker does not let us in: hold gateway.mqtt.broker.user, password_file")
			require.NotContains(t, client.Err().Error(), "guess")
		})
	}
}

// authority makes certificates, as files.
type authority struct {
	t      *testing.T
	folder string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{t: t, folder: t.TempDir(), key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hospital"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	require.NoError(t, err)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name) }

func (a *authority) write(name, kind string, der []byte) {
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(a.t, os.WriteFile(a.path(name), block, 0o600))
}

// issue writes name.pem and name.key.
func (a *authority) issue(name string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	a.write(name+".pem", "CERTIFICATE", der)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	a.write(name+".key", "EC PRIVATE KEY", private)
}

func TestTLSWithAClientCertificate(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	ours.issue("broker")
	ours.issue("gateway")
	other.issue("gateway")
	broker := newMosquitto(t, "allow_anonymous false", "cafile "+ours.path("ca.pem"), "certfile "+ours.path("broker.pem"),
		"keyfile "+ours.path("broker.key"), "require_certificate true", "use_identity_as_username true")
	_, port, err := net.SplitHostPort(broker.address)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		host  string
		trust *authority
		shows *authority
		want  string // empty when it comes in
	}{
		"right":                 {"localhost", ours, ours, ""},
		"no certificate":        {"localhost", ours, nil, "gateway.mqtt.broker.cert_file and key_file"},
		"another's certificate": {"localhost", ours, other, "connect to MQTT broker localhost"},
		"another's broker":      {"localhost", other, ours, "set gateway.mqtt.broker.ca_file to the authority that signed"},
		"another name":          {"127.0.0.1", ours, ours, "let gateway.mqtt.broker.url name the broker as its certificate does"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			o := quick(d, "")
			o.URL, o.CAFile = "mqtts://"+net.JoinHostPort(c.host, port), c.trust.path("ca.pem")
			if c.shows != nil {
				o.CertFile, o.KeyFile = c.shows.path("gateway.pem"), c.shows.path("gateway.key")
			}
			client, _ := running(t, o)
			if c.want == "" {
				isUp(t, client)
				return
			}
			complains(t, client, c.want)
		})
	}
}
