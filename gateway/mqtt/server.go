package mqtt

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"medfleet/gateway/tlsfiles"
)

// ServerConfig says where an MQTT broker is and how to be let in there.
type ServerConfig struct {
	URL             string `yaml:"url"`       // mqtts://broker.example:8883, or mqtt://127.0.0.1:1883
	ClientID        string `yaml:"client_id"` // the name of the session in which the broker keeps messages for us; never shared, never changed
	User            string `yaml:"user"`
	Password        string `yaml:"password"`
	PasswordFile    string `yaml:"password_file"`
	Insecure        bool   `yaml:"insecure"` // allow plain text beyond loopback
	tlsfiles.Client `yaml:",inline"`

	Section string `yaml:"-"` // where this stands in the configuration, for errors; empty is gateway.mqtt.brokers
}

func (c *ServerConfig) section() string {
	if c.Section == "" {
		return "gateway.mqtt.brokers"
	}
	return c.Section
}

// Check says what is wrong with the configuration, all at once.
func (c *ServerConfig) Check() error {
	var errs []error
	s, err := parseServer(*c)
	switch {
	case err != nil:
		errs = append(errs, err)
	case !s.tls && !s.loopback() && !c.Insecure:
		errs = append(errs, fmt.Errorf("%s.url: %s would carry messages and password in plain text: use mqtts://, or set insecure: true", c.section(), s.address))
	case !s.tls && c.Client.On():
		errs = append(errs, fmt.Errorf("%s.url: certificates are of no use without TLS: use mqtts://", c.section()))
	}
	if c.ClientID == "" || len(c.ClientID) > 128 {
		errs = append(errs, fmt.Errorf("%s.client_id: want 1 to 128 characters that no other client of the broker uses", c.section()))
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, fmt.Errorf("%s.user: missing: MQTT 3.1.1 takes no password without a name", c.section()))
	}
	return errors.Join(append(errs, c.Client.Check(c.section()))...)
}

// server is where the broker is and how it is told from others.
type server struct {
	config  ServerConfig
	host    string
	address string // host:port
	tls     bool
}

func parseServer(c ServerConfig) (server, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" {
		return server{}, fmt.Errorf("%s.url: want mqtts://host:8883, or mqtt://127.0.0.1:1883 on this machine", c.section())
	}
	if u.User != nil {
		return server{}, fmt.Errorf("%s.url: put the name into user and the password into password_file, not into the address", c.section())
	}
	s := server{config: c, host: u.Hostname()}
	port := "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "tls", "ssl":
		s.tls, port = true, "8883"
	default:
		return server{}, fmt.Errorf("%s.url: %q is no way to a broker: use mqtts, or mqtt on this machine", c.section(), u.Scheme)
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
