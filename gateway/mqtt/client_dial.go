package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet/gateway/mqtt/wire"
)

// connectTime bounds a connection's making: ours up to the end of the TLS handshake, a
// device's up to the end of its CONNECT.
const connectTime = 10 * time.Second

// Dialer opens connections to one broker, over TLS where its address says so.
type Dialer struct {
	server server
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewDialer checks the configuration, the certificates' files among it, and
// connects to nothing.
func NewDialer(c ServerConfig) (*Dialer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s, err := parseServer(c)
	if err != nil {
		return nil, err
	}
	return &Dialer{server: s, dial: new(net.Dialer).DialContext}, nil
}

// Address is the broker's host:port.
func (d *Dialer) Address() string { return d.server.address }

// Dial opens the way to the broker, up to the end of the TLS handshake, within
// 10 s. It reads the certificates' files anew: one that was renewed is used
// without a restart. Its errors say what a person can do.
func (d *Dialer) Dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var config *tls.Config
	if d.server.tls {
		c := &d.server.config
		var err error
		if config, err = c.Client.Config(c.section(), d.server.host); err != nil {
			return nil, err
		}
	}
	conn, err := d.dial(ctx, "tcp", d.server.address)
	if err != nil {
		return nil, d.Explain(err)
	}
	if config == nil {
		return conn, nil
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(d.Explain(err), conn.Close())
	}
	return secure, nil
}

// Connect opens a connection and is let in: hello says what is more than our name
// and password. Messages over most bytes come without their payload.
func (d *Dialer) Connect(ctx context.Context, hello *packets.ConnectPacket, most int) (*wire.Conn, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	config := &d.server.config
	hello.ClientIdentifier = config.ClientID
	hello.UsernameFlag, hello.Username = config.User != "", config.User
	hello.PasswordFlag, hello.Password = config.Password != "", []byte(config.Password)
	c := wire.NewConn(conn, most)
	release := context.AfterFunc(ctx, func() { c.Cut(context.Cause(ctx)) })
	err = c.Open(hello)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Cut(err)
		return nil, d.Explain(err)
	}
	return c, nil
}

// Subscribe asks for messages: one SUBSCRIBE (MQTT 3.1.1, 3.8), with identifier 1.
func (d *Dialer) Subscribe(c *wire.Conn, filters []Filter) error {
	ask := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	ask.MessageID = 1
	for _, f := range filters {
		ask.Topics, ask.Qoss = append(ask.Topics, f.Topic), append(ask.Qoss, f.QoS)
	}
	return c.Send(ask)
}

// Granted holds the broker's answer (3.9.3) against what was asked for.
func (d *Dialer) Granted(codes []byte, filters []Filter) error {
	if len(codes) > len(filters) {
		return wire.ErrMalformed
	}
	for i, f := range filters {
		if i >= len(codes) || codes[i] >= 0x80 {
			return fmt.Errorf("%s refused: let the broker's access list allow %q to read it", f.Topic, d.server.config.ClientID)
		}
	}
	return nil
}

// Explain adds what a person can do about a connection that does not come about;
// err may also be the one for a CONNACK that refuses us.
func (d *Dialer) Explain(err error) error {
	return fmt.Errorf("connect to MQTT broker %s: %w: %s", d.server.address, err, d.remedy(err))
}

func (d *Dialer) remedy(err error) string {
	section := d.server.config.section()
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var op *net.OpError
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return "the broker does not let us in: hold user, password_file and cert_file of " + section + " against the broker's own list"
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return "the broker does not like our name: set " + section + ".client_id to one that it allows"
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return "let the broker speak MQTT 3.1.1"
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return "look at the broker's log"
	case errors.As(err, &authority):
		return "set " + section + ".ca_file to the authority that signed the broker's certificate"
	case errors.As(err, &name):
		return "let " + section + ".url name the broker as its certificate does, or say that name in server_name"
	case errors.As(err, &op) && op.Op == "remote error":
		return "the broker ended the TLS handshake: set " + section + ".cert_file and key_file to a certificate that it knows"
	}
	if d.server.tls && d.server.config.CertFile != "" { // its word about our certificate may be lost with the connection
		return "look whether the broker runs, whether " + section + ".url is right, and whether it knows the certificate of " + section + ".cert_file and key_file"
	}
	if d.server.tls {
		return "look whether the broker runs, and whether it asks for a certificate of ours: that is " + section + ".cert_file and key_file"
	}
	return "look whether the broker runs, whether " + section + ".url is right, and whether the network lets us through"
}
