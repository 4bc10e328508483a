package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"medfleet"
)

// Config is the section `gateway` of the configuration file.
type Config struct {
	ID      string        `yaml:"id"`       // its name, as the collector knows it
	Site    string        `yaml:"site"`     // the hospital or building it stands in
	DataDir string        `yaml:"data_dir"` // its spools
	MQTT    MQTTConfig    `yaml:"mqtt"`
	HL7     HL7Config     `yaml:"hl7"`
	Uplink  UplinkConfig  `yaml:"uplink"`
	Spool   SpoolConfig   `yaml:"spool"`
	Metrics MetricsConfig `yaml:"metrics"`
	Beat    time.Duration `yaml:"beat"`
}

// UplinkConfig is where records go.
type UplinkConfig struct {
	URL       string `yaml:"url"`
	Token     string `yaml:"token"`
	TokenFile string `yaml:"token_file"`
	Insecure  bool   `yaml:"insecure"` // allow plain text beyond loopback
}

// SpoolConfig bounds what waits on disk while the collector is away.
type SpoolConfig struct {
	MaxBytes int64         `yaml:"max_bytes"`
	MaxAge   time.Duration `yaml:"max_age"`
}

// MetricsConfig is where the gateway's own metrics are read.
type MetricsConfig struct {
	Listen   string `yaml:"listen"`
	Insecure bool   `yaml:"insecure"` // allow plain text beyond loopback
}

// Check says what is wrong with the configuration, all at once.
func (c *Config) Check() error {
	var errs []error
	if id, err := medfleet.CleanDeviceID(c.ID); err != nil || string(id) != c.ID {
		errs = append(errs, fmt.Errorf("gateway.id: %q is no name: want letters, digits, dot, underscore, hyphen, at most 64", c.ID))
	}
	if c.Site == "" {
		errs = append(errs, errors.New("gateway.site: missing: name the hospital or building this gateway stands in"))
	}
	if !siteName(c.Site) {
		errs = append(errs, fmt.Errorf("gateway.site: %q is no name: want at most 64 letters, digits, blanks and . _ - / #; the collector would refuse every record", c.Site))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("gateway.data_dir: missing: name the folder for its spools"))
	}
	if c.Uplink.URL == "" {
		errs = append(errs, errors.New("gateway.uplink.url: missing: give the collector's address, such as http://127.0.0.1:8080"))
	}
	errs = append(errs, c.MQTT.Check(c.ID), c.HL7.Check())
	if c.MQTT.Listen == "" && !c.HL7.On() && len(c.MQTT.Brokers)+len(c.MQTT.Sparkplug) == 0 {
		errs = append(errs, errors.New("gateway: nothing to listen to: set mqtt.listen, mqtt.brokers, mqtt.sparkplug or hl7.listen"))
	}
	if c.Beat > Beat {
		errs = append(errs, fmt.Errorf("gateway.beat: %s is too long: the collector takes a gateway for gone after three of %s", c.Beat, Beat))
	}
	return errors.Join(errs...)
}

// siteName tells whether a name passes the collector's write door.
func siteName(s string) bool {
	return utf8.RuneCountInString(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !strings.ContainsRune("0123456789 ._-/#", r)
	})
}
