package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"medfleet/gateway/pcd"
	"medfleet/gateway/tlsfiles"
	"medfleet/profiles"
)

// HL7Config is where devices and central stations speak HL7 over MLLP.
type HL7Config struct {
	HL7Listener  `yaml:",inline"`
	Listeners    []HL7Listener `yaml:"listeners"`     // further addresses, such as one with TLS beside one without
	Dial         []HL7Station  `yaml:"dial"`          // stations that send when they are called
	Poll         []HL7Monitor  `yaml:"poll"`          // monitors that send when they are asked
	MaxFrame     int           `yaml:"max_frame"`     // bytes of one message
	FrameTimeout time.Duration `yaml:"frame_timeout"` // from a message's first byte to its last
	pcd.Config   `yaml:",inline"`
}

// HL7Listener is one address at which senders connect.
type HL7Listener struct {
	Name           string          `yaml:"name"`     // of a further one, for logs and the heartbeat
	Listen         string          `yaml:"listen"`   // address; 2575 is the usual port
	Allow          []netip.Prefix  `yaml:"allow"`    // networks that may connect; empty for all
	Insecure       bool            `yaml:"insecure"` // allow plain text beyond loopback
	TLS            tlsfiles.Server `yaml:"tls"`
	MaxConnections int             `yaml:"max_connections"`
	Release2       bool            `yaml:"release_2"` // MLLP release 2: a commit frame before each answer
}

// HL7Remote is the other end of a connection that the gateway makes.
type HL7Remote struct {
	Name     string          `yaml:"name"`
	Address  string          `yaml:"address"`  // host:port
	Insecure bool            `yaml:"insecure"` // allow plain text beyond loopback
	TLS      tlsfiles.Client `yaml:"tls"`      // any of its keys switches TLS on
}

// HL7Station is a station, such as a central station, that takes a connection and
// then sends by itself.
type HL7Station struct {
	HL7Remote `yaml:",inline"`
	Release2  bool `yaml:"release_2"`
}

// HL7Monitor is a bedside monitor that sends what it is asked for. A monitor has
// places for few such connections, and one may be the central station's.
type HL7Monitor struct {
	HL7Remote `yaml:",inline"`
	Query     HL7Query `yaml:"query"`
}

// What can be asked of a monitor.
const (
	AskParameters    = "parameters"
	AskPhysiological = "physiological_alarms"
	AskTechnical     = "technical_alarms"
)

// HL7Query is what a monitor is asked for.
type HL7Query struct {
	Ask        []string      `yaml:"ask"`        // empty: parameters and technical_alarms
	Parameters []int         `yaml:"parameters"` // the maker's numbers; empty: all
	Every      time.Duration `yaml:"every"`      // 0: 60 s
}

// HL7Socket is an address of the configuration with the section where it stands.
type HL7Socket struct {
	Section, Address string
	Plain            bool // in plain text, and nobody said that this may leave the machine
}

// Sockets are the addresses to listen at: Options.HL7At is for the first, HL7More
// for the others.
func (c *HL7Config) Sockets() []HL7Socket {
	list := []HL7Socket{{"gateway.hl7", c.Listen, c.plain()}}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		list = append(list, HL7Socket{fmt.Sprintf("gateway.hl7.listeners[%d]", i), l.Listen, l.plain()})
	}
	return list
}

// Remotes are the addresses to connect to.
func (c *HL7Config) Remotes() (list []HL7Socket) {
	for section, r := range c.remotes() {
		list = append(list, HL7Socket{section, r.Address, !r.TLS.On() && !r.Insecure})
	}
	return list
}

func (l *HL7Listener) plain() bool { return !l.TLS.On() && !l.Insecure }

// remotes yields the ends to connect to, with the sections where they stand.
func (c *HL7Config) remotes() func(yield func(string, *HL7Remote) bool) {
	return func(yield func(string, *HL7Remote) bool) {
		for i := range c.Dial {
			if !yield(fmt.Sprintf("gateway.hl7.dial[%d]", i), &c.Dial[i].HL7Remote) {
				return
			}
		}
		for i := range c.Poll {
			if !yield(fmt.Sprintf("gateway.hl7.poll[%d]", i), &c.Poll[i].HL7Remote) {
				return
			}
		}
	}
}

// On says that there is a way in for HL7 at all.
func (c *HL7Config) On() bool {
	return c.Listen != "" || len(c.Listeners)+len(c.Dial)+len(c.Poll) > 0
}

// Check says what is wrong with the ways in, their files included. Who sends is
// checked by CheckSenders.
func (c *HL7Config) Check() error {
	errs := []error{c.checkNames(), c.TLS.Check("gateway.hl7.tls")}
	for i, l := range c.Listeners {
		section := fmt.Sprintf("gateway.hl7.listeners[%d]", i)
		if l.Listen == "" {
			errs = append(errs, fmt.Errorf("%s.listen: missing: give an address such as 127.0.0.1:2576", section))
		}
		errs = append(errs, l.TLS.Check(section+".tls"))
	}
	for section, r := range c.remotes() {
		errs = append(errs, checkRemote(section+".address", r.Address), r.TLS.Check(section+".tls"))
	}
	for i := range c.Poll {
		errs = append(errs, c.Poll[i].Query.check(fmt.Sprintf("gateway.hl7.poll[%d].query", i)))
	}
	if c.FrameTimeout < 0 {
		errs = append(errs, fmt.Errorf("gateway.hl7.frame_timeout: %s is no time to wait: leave it out for 30s", c.FrameTimeout))
	}
	return errors.Join(errs...)
}

// checkNames wants a name of its own for every way in: logs, metrics and the
// heartbeat speak of them by it.
func (c *HL7Config) checkNames() error {
	var errs []error
	taken := map[string]string{c.Name: "gateway.hl7"}
	check := func(section, name string) {
		switch {
		case name == "":
			errs = append(errs, fmt.Errorf("%s.name: missing: give it a short name for logs and the heartbeat", section))
		case taken[name] != "":
			errs = append(errs, fmt.Errorf("%s.name: %q is the name of %s too: give each its own", section, name, taken[name]))
		default:
			taken[name] = section
		}
	}
	for i := range c.Listeners {
		check(fmt.Sprintf("gateway.hl7.listeners[%d]", i), c.Listeners[i].Name)
	}
	for section, r := range c.remotes() {
		check(section, r.Name)
	}
	return errors.Join(errs...)
}

func checkRemote(key, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || host == "" {
		return fmt.Errorf("%s: %q is no address to connect to: want host:port such as station.example:2575", key, address)
	}
	return nil
}

func (q *HL7Query) check(key string) error {
	var errs []error
	for _, a := range q.Ask {
		if _, ok := askTypes[a]; !ok {
			errs = append(errs, fmt.Errorf("%s.ask: %q is not known: use %s", key, a, strings.Join(askWords, ", ")))
		}
	}
	if slices.ContainsFunc(q.Parameters, func(n int) bool { return n <= 0 }) {
		errs = append(errs, fmt.Errorf("%s.parameters: use the maker's numbers, which are above 0", key))
	}
	if q.Every != 0 && q.Every < time.Second {
		errs = append(errs, fmt.Errorf("%s.every: %s is too often: want at least 1s, or leave it out for 60s", key, q.Every))
	}
	return errors.Join(errs...)
}

// CheckSenders says everything that is wrong with the senders, without using them.
func (c *HL7Config) CheckSenders(set *profiles.Set) error {
	if _, err := pcd.New(pcd.Options{Config: c.Config, Profiles: set}); err != nil {
		return fmt.Errorf("gateway.hl7: %w", err)
	}
	return nil
}
