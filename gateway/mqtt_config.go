package gateway

import (
	"cmp"
	"errors"
	"fmt"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/gateway/sparkplug"
	"medfleet/gateway/tlsfiles"
)

// MQTTConfig is where devices speak MQTT.
type MQTTConfig struct {
	Listen       string `yaml:"listen"` // address of the gateway's own broker; empty for none
	User         string `yaml:"user"`   // name that devices give; empty lets everybody in, on loopback or with a certificate only
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	Insecure     bool   `yaml:"insecure"` // allow plain text beyond loopback

	TLS    tlsfiles.Server `yaml:"tls"`    // of the gateway's own broker
	Limits mqtt.Limits     `yaml:"limits"` // likewise

	Brokers  []mqtt.ClientConfig `yaml:"brokers"`  // the hospital's own brokers
	Mappings []foreign.Mapping   `yaml:"mappings"` // what other makers' messages are to us

	Sparkplug []sparkplug.Config `yaml:"sparkplug"` // brokers at which Sparkplug B edge nodes speak
}

// Check completes the configuration and says what is wrong with it; gateway is the
// gateway's id.
func (c *MQTTConfig) Check(gateway string) error {
	var err error
	if c.User != "" && c.Password == "" {
		err = errors.New("gateway.mqtt.password_file: missing: a user without a password keeps nobody out")
	}
	return errors.Join(err, c.TLS.Check("gateway.mqtt.tls"), c.Limits.Check("gateway.mqtt.limits"), c.checkBrokers(gateway), c.checkSparkplug(gateway))
}

// checkBrokers completes each broker's configuration and says what is wrong.
func (c *MQTTConfig) checkBrokers(gateway string) error {
	var errs []error
	names, sessions := map[string]bool{}, map[string]bool{}
	for i := range c.Brokers {
		b := &c.Brokers[i]
		b.Section = fmt.Sprintf("gateway.mqtt.brokers[%d]", i)
		b.ClientID = cmp.Or(b.ClientID, "medfleet-"+gateway)
		errs = append(errs, b.Check())
		b.Name = b.Feed()
		if session := b.URL + " " + b.ClientID; sessions[session] {
			errs = append(errs, fmt.Errorf("%s.client_id: %q is another's at the same broker, which would throw out one for the other: give each its own, or put all topics under one", b.Section, b.ClientID))
		} else if sessions[session] = true; names[b.Name] {
			errs = append(errs, fmt.Errorf("%s.name: there is another broker %q: give each a name of its own", b.Section, b.Name))
		}
		names[b.Name] = true
	}
	return errors.Join(errs...)
}
