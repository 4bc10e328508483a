package paging

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"medfleet"
)

// The kinds of channel.
const (
	Webhook = "webhook"
	Console = "console"
)

const maxChannels = 16

// ChannelConfig declares one channel.
type ChannelConfig struct {
	// Name is how pages name the channel; it must stay the same for pages that
	// wait to find it after a restart.
	Name string `yaml:"name"`
	// Kind is webhook or console.
	Kind string `yaml:"kind"`
	// URL is where a webhook posts to. It often holds a secret: URLFile names a
	// file to read it from instead.
	URL     Secret `yaml:"url,omitempty"`
	URLFile string `yaml:"url_file,omitempty"`
	// Priorities are those of the alarms to carry; empty means all.
	Priorities []medfleet.Priority `yaml:"priorities,omitempty"`
	// Insecure allows plain http to another machine.
	Insecure bool `yaml:"insecure,omitempty"`
}

// Secret is text that does not show itself when it is printed.
type Secret string

// String gives stars.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString gives stars.
func (s Secret) GoString() string { return s.String() }

// MarshalText gives stars, so that a configuration that is shown shows none.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Means is what channels are built with.
type Means struct {
	Console     io.Writer    // where console channels write
	Client      *http.Client // what webhooks post with; nil for one with sane limits
	ExternalURL string       // where people reach the board, for links; may be empty
}

// carrier is a channel with its name and the priorities it takes.
type carrier struct {
	name       string
	priorities []medfleet.Priority
	channel    Channel
}

func (c *carrier) takes(p medfleet.Priority) bool {
	return len(c.priorities) == 0 || slices.Contains(c.priorities, p)
}

// build makes the channels. Without any declared there is one, on the console.
func build(configs []ChannelConfig, m Means) ([]*carrier, error) {
	if len(configs) == 0 && m.Console != nil {
		configs = []ChannelConfig{{Name: Console, Kind: Console}}
	}
	if len(configs) > maxChannels {
		return nil, fmt.Errorf("%d channels: at most %d are allowed", len(configs), maxChannels)
	}
	var list []*carrier
	var wrong []error
	for _, c := range configs {
		k, err := c.build(m)
		if err == nil && slices.ContainsFunc(list, func(other *carrier) bool { return other.name == k.name }) {
			err = errors.New("the name is taken by another channel")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("channel %q: %w", c.Name, err))
			continue
		}
		list = append(list, k)
	}
	return list, errors.Join(wrong...)
}

var channelName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func (c *ChannelConfig) build(m Means) (*carrier, error) {
	if !channelName.MatchString(c.Name) {
		return nil, errors.New("want a name of at most 32 lower-case letters, digits and hyphens")
	}
	for _, p := range c.Priorities {
		if p.Rank() > medfleet.Round.Rank() {
			return nil, fmt.Errorf("priority %q: want now, today or round", p)
		}
	}
	k := &carrier{name: c.Name, priorities: c.Priorities}
	switch c.Kind {
	case Console:
		if m.Console == nil {
			return nil, errors.New("there is no console here: want kind webhook")
		}
		k.channel = newConsole(m.Console)
		return k, nil
	case Webhook:
		u, err := c.target()
		if err != nil {
			return nil, err
		}
		k.channel = newWebhook(c.Name, u, m)
		return k, nil
	}
	return nil, fmt.Errorf("kind %q: want webhook or console", c.Kind)
}

// target gives a webhook's address. No error quotes it: it may hold a secret.
func (c *ChannelConfig) target() (string, error) {
	text := string(c.URL)
	if c.URLFile != "" {
		if text != "" {
			return "", errors.New("url and url_file: want one of them")
		}
		b, err := os.ReadFile(c.URLFile)
		if err != nil {
			return "", fmt.Errorf("read url_file: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("url: want an address such as https://pager.example.org/hook")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) && !c.Insecure {
		return "", errors.New("url: plain http to another machine is refused: use https, or set insecure: true")
	}
	return u.String(), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
