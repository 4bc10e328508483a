// Package tlsfiles makes TLS configurations of certificates, keys and authorities
// that lie in files in PEM form. Renewed files are used from the next connection
// on, without a restart; a renewed file that is broken leaves the old one in use.
//
// Errors name the key of the configuration and the file, never what it holds.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Server is the section `tls` of a listener. With ClientCAFile a client has to
// show a certificate that one of these authorities has signed (mutual TLS).
type Server struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"` // empty asks clients for none
}

// On reports whether TLS is configured at all.
func (s Server) On() bool { return s != Server{} }

// Check says what is wrong with the section and the files that it names. section
// is where it stands, such as gateway.mqtt.tls.
func (s Server) Check(section string) error {
	if !s.On() {
		return nil
	}
	if s.CertFile == "" || s.KeyFile == "" {
		return fmt.Errorf("%s: cert_file and key_file are both needed: a listener without a certificate cannot speak TLS", section)
	}
	_, err := s.load(section)
	return err
}

// Config gives the configuration for a listener (TLS 1.2 or newer), nil without
// TLS.
func (s Server) Config(section string) (*tls.Config, error) {
	if !s.On() {
		return nil, nil
	}
	if err := s.Check(section); err != nil {
		return nil, err
	}
	c := &cached{load: func() (*tls.Config, error) { return s.load(section) }, files: []string{s.CertFile, s.KeyFile, s.ClientCAFile}}
	if _, err := c.get(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.get() },
	}, nil
}

func (s Server) load(section string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	pair, err := pair(section, s.CertFile, s.KeyFile)
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{pair}
	if s.ClientCAFile != "" {
		if c.ClientCAs, err = authorities(section+".client_ca_file", s.ClientCAFile); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Client is how a connection of ours speaks TLS: its keys stand in the section of
// the connection itself.
type Client struct {
	CAFile     string `yaml:"ca_file"`     // empty trusts the system's authorities
	CertFile   string `yaml:"cert_file"`   // our certificate, for servers that ask for one
	KeyFile    string `yaml:"key_file"`    // its key
	ServerName string `yaml:"server_name"` // what the server's certificate says, where the address says otherwise
}

// On reports whether anything of TLS is configured.
func (c Client) On() bool { return c != Client{} }

// Check says what is wrong with the keys and the files that they name.
func (c Client) Check(section string) error {
	_, err := c.Config(section, "")
	return err
}

// Config reads the files and gives the configuration for one connection to host
// (TLS 1.2 or newer).
func (c Client) Config(section, host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.ServerName != "" {
		config.ServerName = c.ServerName
	}
	var err error
	if c.CAFile != "" {
		if config.RootCAs, err = authorities(section+".ca_file", c.CAFile); err != nil {
			return nil, err
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, fmt.Errorf("%s: cert_file and key_file go together: set both or none", section)
	}
	if c.CertFile != "" {
		pair, err := pair(section, c.CertFile, c.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func authorities(key, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: name a file in PEM form that this program may read", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM form: name the file of the authority's certificate", key, file)
	}
	return pool, nil
}

func pair(section, cert, key string) (tls.Certificate, error) {
	for _, f := range [][2]string{{"cert_file", cert}, {"key_file", key}} {
		if _, err := os.Stat(f[1]); err != nil {
			return tls.Certificate{}, fmt.Errorf("%s.%s: %w: name a file in PEM form that this program may read", section, f[0], err)
		}
	}
	p, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s.cert_file: %s and %s are no certificate and its key in PEM form: name two that belong together: %w", section, cert, key, err)
	}
	return p, nil
}

// cached is a configuration that is read again when one of its files is another
// one than before. All connections between two changes share it, and with it the
// keys of their session tickets.
type cached struct {
	load  func() (*tls.Config, error)
	files []string

	mu     sync.Mutex
	config *tls.Config
	seen   []stamp
}

// stamp tells one version of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

var errNoFile = errors.New("no certificate could be read")

func (c *cached) get() (*tls.Config, error) {
	now := stamps(c.files)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config != nil && same(c.seen, now) {
		return c.config, nil
	}
	config, err := c.load()
	switch {
	case err == nil:
		c.config, c.seen = config, now
	case c.config == nil:
		return nil, errors.Join(errNoFile, err)
	}
	return c.config, nil
}

func stamps(files []string) []stamp {
	list := make([]stamp, len(files))
	for i, f := range files {
		if info, err := os.Stat(f); err == nil {
			list[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return list
}

func same(a, b []stamp) bool {
	for i := range a {
		if a[i].size != b[i].size || !a[i].at.Equal(b[i].at) {
			return false
		}
	}
	return len(a) == len(b)
}
