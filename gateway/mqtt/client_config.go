package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ClientConfig is one of `gateway.mqtt.brokers`: an MQTT broker of the hospital.
type ClientConfig struct {
	Name         string `yaml:"name"` // of the feed; empty is the broker's host
	ServerConfig `yaml:",inline"`
	Subscribe    []Filter `yaml:"subscribe"` // empty is the contract and all mapped topics
}

// Filter is a subscription: topics, and the quality of service at which we ask for
// them. In YAML it is a mapping, or the topic filter alone.
//
// With QoS 1 and 2 the broker keeps a message until it is durable here. QoS 2
// costs two packets more and gains nothing: a message that comes twice changes
// nothing. With QoS 0 what is on its way when a connection ends is lost.
type Filter struct {
	Topic string `yaml:"topic"`
	QoS   byte   `yaml:"qos"` // 1 unless it is given
}

// UnmarshalYAML reads both forms.
func (f *Filter) UnmarshalYAML(unmarshal func(any) error) error {
	f.QoS = 1
	if err := unmarshal(&f.Topic); err == nil {
		return nil
	}
	type plain Filter
	return unmarshal((*plain)(f))
}

// Check says what is wrong with the configuration, all at once.
func (c *ClientConfig) Check() error {
	errs := []error{c.ServerConfig.Check()}
	if !feedName(c.Feed()) {
		errs = append(errs, fmt.Errorf("%s.name: %q is no name of a feed: want at most 48 letters, digits, blanks and . _ - : /", c.section(), c.Feed()))
	}
	for i, f := range c.Subscribe {
		key := fmt.Sprintf("%s.subscribe[%d]", c.section(), i)
		if !validFilter(f.Topic) {
			errs = append(errs, fmt.Errorf("%s: %q is no topic filter: + stands for one whole level, # for all the last ones, as in %s", key, f.Topic, Subscription))
		}
		if f.QoS > 2 {
			errs = append(errs, fmt.Errorf("%s.qos: %d: MQTT knows 0, 1 and 2; want 1", key, f.QoS))
		}
	}
	return errors.Join(errs...)
}

// Feed gives the name under which people know the broker.
func (c *ClientConfig) Feed() string {
	if c.Name != "" {
		return c.Name
	}
	if s, err := parseServer(c.ServerConfig); err == nil {
		return s.host
	}
	return "broker"
}

// feedName tells names that every record can carry: the collector takes no other.
func feedName(s string) bool {
	return utf8.RuneCountInString(s) <= 48 && !strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && (r < '0' || r > '9') && !strings.ContainsRune(" ._-:/", r)
	})
}

// filters gives what to subscribe to and with which QoS.
func (c *ClientConfig) filters() []Filter {
	if len(c.Subscribe) == 0 {
		return []Filter{{Topic: Subscription, QoS: 1}}
	}
	return c.Subscribe
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
