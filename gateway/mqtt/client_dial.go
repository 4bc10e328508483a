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
)

// connectTime bounds a connection's making, up to the broker's CONNACK.
const connectTime = 10 * time.Second

// dial opens the way to the broker, up to the end of the TLS handshake.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	config, err := c.server.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := c.options.Dial(ctx, "tcp", c.server.address)
	if err != nil {
		return nil, c.explain(err)
	}
	if config == nil {
		return conn, nil
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(c.explain(err), conn.Close())
	}
	return secure, nil
}

// explain adds what a person can do about a connection that does not come about.
func (c *Client) explain(err error) error {
	return fmt.Errorf("connect to MQTT broker %s: %w: %s", c.server.address, err, c.remedy(err))
}

func (c *Client) remedy(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var op *net.OpError
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return "the broker does not let us in: hold gateway.mqtt.broker.user, password_file and cert_file against the broker's own list"
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return "the broker does not like our name: set gateway.mqtt.broker.client_id to one that it allows"
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return "let the broker speak MQTT 3.1.1"
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return "look at the broker's log"
	case errors.As(err, &authority):
		return "set gateway.mqtt.broker.ca_file to the authority that signed the broker's certificate"
	case errors.As(err, &name):
		return "let gateway.mqtt.broker.url name the broker as its certificate does"
	case errors.As(err, &op) && op.Op == "remote error":
		return "the broker ended the TLS handshake: set gateway.mqtt.broker.cert_file and key_file to a certificate that it knows"
	}
	if c.server.tls && c.server.config.CertFile == "" {
		return "look whether the broker runs, and whether it asks for a certificate of ours: that is gateway.mqtt.broker.cert_file and key_file"
	}
	return "look whether the broker runs, whether gateway.mqtt.broker.url is right, and whether the network lets us through"
}
