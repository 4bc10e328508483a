package tlsfiles_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
)

// handshake joins both sides and gives the server's certificate as the client saw
// it, and what went wrong on the side of the server.
func handshake(t *testing.T, server, client *tls.Config) (serial string, ours, theirs error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			err = tls.Server(c, server).Handshake()
		}
		done <- err
	}()
	c, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	secure := tls.Client(c, client)
	if ours = secure.Handshake(); ours == nil {
		serial = secure.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	return serial, ours, <-done
}

func TestOnlyACertificateOfTheAuthorityComesIn(t *testing.T) {
	hospital, other := tlstest.New(t), tlstest.New(t)
	cert, key := hospital.Issue("gateway")
	server, err := tlsfiles.Server{CertFile: cert, KeyFile: key, ClientCAFile: hospital.CA()}.Config("gateway.mqtt.tls")
	require.NoError(t, err)
	client := func(a *tlstest.Authority, trust string) tlsfiles.Client {
		c := tlsfiles.Client{CAFile: trust}
		if a != nil {
			c.CertFile, c.KeyFile = a.Issue("pump")
		}
		return c
	}
	for name, c := range map[string]struct {
		client tlsfiles.Client
		host   string
		in     bool
	}{
		"right":                     {client(hospital, hospital.CA()), "localhost", true},
		"no certificate":            {client(nil, hospital.CA()), "localhost", false},
		"another's certificate":     {client(other, hospital.CA()), "localhost", false},
		"the server is another's":   {client(hospital, other.CA()), "localhost", false},
		"the server's name differs": {client(hospital, hospital.CA()), "gateway.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := c.client.Config("gateway.hl7", c.host)
			require.NoError(t, err)
			_, ours, theirs := handshake(t, server, config)
			require.Equal(t, c.in, ours == nil && theirs == nil, "%v %v", ours, theirs)
		})
	}
	named := client(hospital, hospital.CA())
	named.ServerName = "localhost"
	config, err := named.Config("gateway.hl7", "gateway.example")
	require.NoError(t, err)
	_, ours, theirs := handshake(t, server, config)
	require.NoError(t, ours, "server_name says what its certificate says")
	require.NoError(t, theirs)
}

func TestARenewedCertificateIsUsedAndABrokenOneIsNot(t *testing.T) {
	a := tlstest.New(t)
	cert, key := a.Issue("gateway")
	server, err := tlsfiles.Server{CertFile: cert, KeyFile: key}.Config("api.tls")
	require.NoError(t, err)
	client, err := tlsfiles.Client{CAFile: a.CA()}.Config("x", "localhost")
	require.NoError(t, err)
	first, ours, _ := handshake(t, server, client)
	require.NoError(t, ours)

	require.NoError(t, os.WriteFile(cert, []byte("half a file"), 0o600))
	broken, ours, _ := handshake(t, server, client)
	require.NoError(t, ours)
	require.Equal(t, first, broken)

	a.Issue("gateway")
	require.NoError(t, os.Chtimes(cert, time.Now(), time.Now().Add(time.Minute)))
	second, ours, _ := handshake(t, server, client)
	require.NoError(t, ours)
	require.NotEqual(t, first, second)
}

func TestEachMistakeNamesItsKey(t *testing.T) {
	a := tlstest.New(t)
	cert, key := a.Issue("gateway")
	_, otherKey := a.Issue("other")
	text := filepath.Join(t.TempDir(), "text.pem")
	require.NoError(t, os.WriteFile(text, []byte("secret words"), 0o600))
	for name, c := range map[string]struct {
		server *tlsfiles.Server
		client *tlsfiles.Client
		want   string
	}{
		"no key":               {&tlsfiles.Server{CertFile: cert}, nil, "s: cert_file and key_file are both needed"},
		"only an authority":    {&tlsfiles.Server{ClientCAFile: a.CA()}, nil, "s: cert_file and key_file are both needed"},
		"no such certificate":  {&tlsfiles.Server{CertFile: "/none", KeyFile: key}, nil, "s.cert_file: "},
		"no such key":          {&tlsfiles.Server{CertFile: cert, KeyFile: "/none"}, nil, "s.key_file: "},
		"another's key":        {&tlsfiles.Server{CertFile: cert, KeyFile: otherKey}, nil, "s.cert_file: "},
		"no authority in it":   {&tlsfiles.Server{CertFile: cert, KeyFile: key, ClientCAFile: text}, nil, "s.client_ca_file: "},
		"client without a key": {nil, &tlsfiles.Client{CertFile: cert}, "s: cert_file and key_file go together"},
		"client's authority":   {nil, &tlsfiles.Client{CAFile: text}, "s.ca_file: "},
		"client's certificate": {nil, &tlsfiles.Client{CertFile: text, KeyFile: key}, "s.cert_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if c.server != nil {
				err = c.server.Check("s")
				_, again := c.server.Config("s")
				require.Equal(t, err, again)
			} else {
				err = c.client.Check("s")
			}
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret words")
		})
	}
	config, err := tlsfiles.Server{}.Config("s")
	require.NoError(t, err)
	require.Nil(t, config, "without files no TLS")
}
