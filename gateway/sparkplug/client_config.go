package sparkplug

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

// Config is one of `gateway.mqtt.sparkplug`: a broker at which Sparkplug B edge nodes
// speak.
type Config struct {
	Name              string `yaml:"name"` // of the feed; empty is the host's id
	mqtt.ServerConfig `yaml:",inline"`
	HostID            string    `yaml:"host_id"`  // under which we say that we are there; no other host application may have it
	Groups            []string  `yaml:"groups"`   // empty is all
	Mappings          []Mapping `yaml:"mappings"` // what devices and metrics are to us
}

// Complete fills in what is left out, for the feed that stands at section.
func (c *Config) Complete(section, gateway string) {
	c.Section = section
	c.HostID = cmp.Or(c.HostID, "medfleet-"+gateway)
	c.ClientID = cmp.Or(c.ClientID, c.HostID+"-sparkplug")
	c.Name = cmp.Or(c.Name, c.HostID)
}

// Check says what is wrong with the configuration, all at once, but for the mappings:
// they need the profiles.
func (c *Config) Check() error {
	errs := []error{c.ServerConfig.Check()}
	if !isLevel(c.HostID) {
		errs = append(errs, fmt.Errorf("%s.host_id: %q is no level of a topic: leave out + # /", c.Section, c.HostID))
	}
	for i, g := range c.Groups {
		if !isLevel(g) || g == stateLevel {
			errs = append(errs, fmt.Errorf("%s.groups[%d]: %q is no group: leave out + # /, and leave out groups for all", c.Section, i, g))
		}
	}
	if len(c.Name) > 64 || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		errs = append(errs, fmt.Errorf("%s.name: want at most 64 characters in one line", c.Section))
	}
	return errors.Join(errs...)
}

// CheckMappings says everything that is wrong with the mappings of the feed that
// stands at section, without using them.
func (c *Config) CheckMappings(section string, set *profiles.Set) error {
	if _, err := compile(c.Mappings, set); err != nil {
		return each(section+".", err)
	}
	return nil
}

func isLevel(s string) bool {
	return s != "" && len(s) <= maxLevel && !strings.ContainsAny(s, "+#/\x00")
}

const stateLevel = "STATE"

// stateTopic is where we say whether we are there (Sparkplug 3.0, 4.3).
func (c *Config) stateTopic() string { return Root + "/" + stateLevel + "/" + c.HostID }

// filters gives what to subscribe to. QoS 1 is for the wills of the edge nodes.
func (c *Config) filters() []mqtt.Filter {
	filters := []mqtt.Filter{{Topic: c.stateTopic(), QoS: 1}}
	if len(c.Groups) == 0 {
		return append(filters, mqtt.Filter{Topic: Root + "/+/#", QoS: 1})
	}
	for _, g := range c.Groups {
		filters = append(filters, mqtt.Filter{Topic: Root + "/" + g + "/#", QoS: 1})
	}
	return filters
}
