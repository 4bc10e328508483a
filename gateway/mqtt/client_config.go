package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// ClientConfig is the section `gateway.mqtt.broker`: the hospital's MQTT broker.
type ClientConfig struct {
	URL          string   `yaml:"url"`       // mqtts://broker.example:8883, or mqtt://127.0.0.1:1883; empty for none
	ClientID     string   `yaml:"client_id"` // the name of the session in which the broker keeps messages for us; never shared, never changed
	Subscribe    []string `yaml:"subscribe"` // topic filters; empty is medfleet/v1/+/+/+/+
	User         string   `yaml:"user"`
	Password     string   `yaml:"password"`
	PasswordFile string   `yaml:"password_file"`
	CAFile       string   `yaml:"ca_file"`   // PEM; empty trusts the system's authorities
	CertFile     string   `yaml:"cert_file"` // PEM; our certificate, for brokers that ask for one
	KeyFile      string   `yaml:"key_file"`
	Insecure     bool     `yaml:"insecure"` // allow plain text beyond loopback
}

// Check says what is wrong with the configuration, all at once.
func (c *ClientConfig) Check() error {
	var errs []error
	if s, err := parseServer(*c); err != nil {
		errs = append(errs, err)
	} else if !s.tls && !s.loopback() && !c.Insecure {
		errs = append(errs, fmt.Errorf("gateway.mqtt.broker.url: %s would carry messages and password in plain text: use mqtts://, or set insecure: true", c.URL))
	}
	if c.ClientID == "" || len(c.ClientID) > 128 {
		errs = append(errs, errors.New("gateway.mqtt.broker.client_id: want 1 to 128 characters that no other client of the broker uses"))
	}
	for _, f := range c.Subscribe {
		if !validFilter(f) {
			errs = append(errs, fmt.Errorf("gateway.mqtt.broker.subscribe: %q is no topic filter: + stands for one whole level, # for all the last ones, as in %s", f, Subscription))
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("gateway.mqtt.broker: cert_file and key_file go together: set both or none"))
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, errors.New("gateway.mqtt.broker.user: missing: MQTT 3.1.1 takes no password without a name"))
	}
	return errors.Join(errs...)
}

// filters gives what to subscribe to, with QoS 1.
func (c *ClientConfig) filters() map[string]byte {
	if len(c.Subscribe) == 0 {
		return map[string]byte{Subscription: 1}
	}
	filters := map[string]byte{}
	for _, f := range c.Subscribe {
		filters[f] = 1
	}
	return filters
}

// validFilter holds a filter against MQTT 3.1.1, 4.7.1.
func validFilter(f string) bool {
	if f == "" || len(f) > 65535 || strings.ContainsRune(f, 0) {
		return false
	}
	levels := strings.Split(f, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#") && (len(level) > 1 || level == "#" && i < len(levels)-1) {
			return false
		}
	}
	return true
}

// server is where the broker is and how it is told from others.
type server struct {
	config  ClientConfig
	host    string
	address string // host:port
	tls     bool
}

func parseServer(c ClientConfig) (server, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" {
		return server{}, errors.New("gateway.mqtt.broker.url: want mqtts://host:8883, or mqtt://127.0.0.1:1883 on this machine")
	}
	if u.User != nil {
		return server{}, errors.New("gateway.mqtt.broker.url: put the name into user and the password into password_file, not into the address")
	}
	s := server{config: c, host: u.Hostname()}
	port := "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "tls", "ssl":
		s.tls, port = true, "8883"
	default:
		return server{}, fmt.Errorf("gateway.mqtt.broker.url: %q is no way to a broker: use mqtts, or mqtt on this machine", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	s.address = net.JoinHostPort(s.host, port)
	return s, nil
}

func (s *server) loopback() bool {
	a, err := netip.ParseAddr(s.host)
	return s.host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// tlsConfig reads the files anew for each connection: a certificate that was
// renewed is used without a restart. It is nil without TLS.
func (s *server) tlsConfig() (*tls.Config, error) {
	if !s.tls {
		return nil, nil
	}
	c := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.config.CAFile != "" {
		pem, err := os.ReadFile(s.config.CAFile)
		if err != nil {
			return nil, fmt.Errorf("gateway.mqtt.broker.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("gateway.mqtt.broker.ca_file: %s holds no certificate in PEM form", s.config.CAFile)
		}
	}
	if s.config.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.config.CertFile, s.config.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("gateway.mqtt.broker.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
