package simulators

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strings"
	"time"

	"medfleet/profiles"
)

// Config says what to simulate and whom to talk to. Zero values mean the
// defaults named; one of MQTT.URL, HL7 and Sparkplug.URL is needed, and without the
// others the devices that speak them are left out.
type Config struct {
	Devices  int           // default 50, at most MaxDevices
	Interval time.Duration // between two reports of a device, default 10 s
	Site     string        // default "main"
	Gateway  string        // second level of the MQTT topics, default "edge-1"

	MQTT Broker // whom pumps talk to
	HL7  string // host:port that ventilators and monitors talk to over MLLP

	Sparkplug     Broker // whom edge nodes with devices of every class talk to
	SparkplugHost string // id of the host application without which they say nothing; "": they wait for none

	HL7TLS      *tls.Config // nil: plain text
	HL7Release2 bool        // speak MLLP release 2, one message at a time for each station

	Scenario string  // name of an embedded scenario or path of a YAML file, default "ward"
	Seed     uint64  // the same seed gives the same fleet and the same faults
	Speed    float64 // how much faster than the clock batteries drain and things wear, default 1

	Steady Steady        // instead of reports at an interval
	Queue  int           // messages that one device keeps until they are acknowledged, default 1000
	Drain  time.Duration // how long Run waits at its end for acknowledgements still due, default 0

	Truth    io.Writer     // where to write what was really wrong, as JSON lines; nil: nowhere
	Acked    func(Message) // told of every acknowledged message, from several goroutines; may be nil
	Profiles *profiles.Set // default: the embedded ones
	Log      *slog.Logger  // default: none
}

// Broker is an MQTT broker. The scheme of its URL is tcp or mqtt, or with TLS
// ssl, tls or mqtts.
type Broker struct {
	URL      string
	User     string
	Password string
	TLS      *tls.Config // may be nil
}

// Steady makes the whole fleet send Rate messages per second in turn, whatever
// happens to the devices; what does happen to them is sent beside. Of those
// messages the share Events are events, default 0.1; the others are reports.
type Steady struct {
	Rate   float64
	Events float64
}

// MaxDevices is the largest fleet.
const MaxDevices = 250_000

func (c Config) withDefaults() Config {
	fallback(&c.Devices, 50)
	fallback(&c.Interval, 10*time.Second)
	fallback(&c.Site, "main")
	fallback(&c.Gateway, "edge-1")
	fallback(&c.Scenario, "ward")
	fallback(&c.Speed, 1)
	fallback(&c.Steady.Events, 0.1)
	fallback(&c.Queue, 1000)
	fallback(&c.Log, slog.New(slog.DiscardHandler))
	return c
}

func fallback[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (c *Config) check() error {
	finite := func(f float64) bool { return f >= 0 && f <= math.MaxInt32 }
	switch {
	case c.MQTT.URL == "" && c.HL7 == "" && c.Sparkplug.URL == "":
		return errors.New("nobody to talk to: give an MQTT or Sparkplug broker (tcp://host:1883) or an HL7 receiver (host:2575)")
	case c.Devices < 1 || c.Devices > MaxDevices:
		return fmt.Errorf("%d devices: want from 1 to %d", c.Devices, MaxDevices)
	case c.Interval < 10*time.Millisecond:
		return fmt.Errorf("interval %v: want at least 10ms", c.Interval)
	case !finite(c.Speed) || !finite(c.Steady.Rate):
		return errors.New("speed and rate: want a number that is not negative")
	case c.Steady.Events < 0 || c.Steady.Events > 1:
		return fmt.Errorf("share of events %v: want from 0 to 1", c.Steady.Events)
	case c.Queue < 1:
		return fmt.Errorf("queue of %d messages: want at least 1", c.Queue)
	}
	for _, level := range []string{c.Site, c.Gateway, c.SparkplugHost + "-"} {
		if level == "" || strings.ContainsAny(level, "/+#\x00") {
			return fmt.Errorf("site, gateway or Sparkplug host %q: want a name without / + #", level)
		}
	}
	if c.HL7 != "" {
		if _, _, err := net.SplitHostPort(c.HL7); err != nil {
			return fmt.Errorf("HL7 receiver: want host:port: %w", err)
		}
	}
	for _, b := range []Broker{c.MQTT, c.Sparkplug} {
		if _, _, err := b.address(); b.URL != "" && err != nil {
			return err
		}
	}
	return nil
}

// address gives host:port of the broker and whether it wants TLS.
func (b *Broker) address() (hostport string, secure bool, err error) {
	u, err := url.Parse(b.URL)
	if err != nil || u.Hostname() == "" {
		return "", false, fmt.Errorf("MQTT broker %q: want a URL such as tcp://host:1883", b.URL)
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "tls", "mqtts":
		port, secure = "8883", true
	default:
		return "", false, fmt.Errorf("MQTT broker %q: scheme %q is not known: want tcp, or ssl for TLS", b.URL, u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), secure, nil
}
