package mqtt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

func topics(list ...string) (filters []mqtt.Filter) {
	for _, t := range list {
		filters = append(filters, mqtt.Filter{Topic: t, QoS: 1})
	}
	return filters
}

func TestASubscriptionIsATopicOrAMapping(t *testing.T) {
	var c struct {
		Subscribe []mqtt.Filter `yaml:"subscribe"`
	}
	text := "subscribe: [medfleet/v1/+/+/+/+, {topic: ward/#, qos: 0}, {topic: lab/+}, {qos: 2, topic: x}]"
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()))
	require.Equal(t, []mqtt.Filter{{Topic: "medfleet/v1/+/+/+/+", QoS: 1}, {Topic: "ward/#"}, {Topic: "lab/+", QoS: 1}, {Topic: "x", QoS: 2}}, c.Subscribe)
	require.Error(t, yaml.Unmarshal([]byte("subscribe: [{topic: [a]}]"), &c))
}

func TestAWrongConfigurationNamesItsPlaceAndTheRemedy(t *testing.T) {
	good := mqtt.ClientConfig{ServerConfig: mqtt.ServerConfig{URL: "mqtts://broker.example", ClientID: "medfleet-edge-1"}}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct {
		change func(*mqtt.ClientConfig)
		want   string // empty for right
	}{
		"right":                    {func(*mqtt.ClientConfig) {}, ""},
		"no address":               {func(c *mqtt.ClientConfig) { c.URL = "" }, "brokers.url: want mqtts://host:8883"},
		"no host":                  {func(c *mqtt.ClientConfig) { c.URL = "broker:1883" }, "brokers.url: want mqtts://host:8883"},
		"web socket":               {func(c *mqtt.ClientConfig) { c.URL = "wss://broker" }, `"wss" is no way to a broker`},
		"password in the address":  {func(c *mqtt.ClientConfig) { c.URL = "mqtts://me:secret@broker" }, "put the name into user"},
		"plain text":               {func(c *mqtt.ClientConfig) { c.URL = "mqtt://broker.example" }, "in plain text: use mqtts://, or set insecure: true"},
		"plain text, said so":      {func(c *mqtt.ClientConfig) { c.URL = "mqtt://broker.example"; c.Insecure = true }, ""},
		"plain text, this machine": {func(c *mqtt.ClientConfig) { c.URL = "tcp://127.0.0.1:1883" }, ""},
		"plain text, IPv6":         {func(c *mqtt.ClientConfig) { c.URL = "mqtt://[::1]" }, ""},
		"no client id":             {func(c *mqtt.ClientConfig) { c.ClientID = "" }, "brokers.client_id: want 1 to 128"},
		"password alone":           {func(c *mqtt.ClientConfig) { c.Password = "x" }, "brokers.user: missing"},
		"certificate without key":  {func(c *mqtt.ClientConfig) { c.CertFile = "x" }, "cert_file and key_file go together"},
		"no such authority":        {func(c *mqtt.ClientConfig) { c.CAFile = "/nowhere" }, "brokers.ca_file: open /nowhere"},
		"empty authority":          {func(c *mqtt.ClientConfig) { c.CAFile = empty }, "holds no certificate in PEM form"},
		"no such certificate":      {func(c *mqtt.ClientConfig) { c.CertFile, c.KeyFile = "/nowhere", "/nowhere" }, "brokers.cert_file: stat /nowhere"},
		"filter, half a level":     {func(c *mqtt.ClientConfig) { c.Subscribe = topics("a/b+") }, `"a/b+" is no topic filter`},
		"filter, # in the middle":  {func(c *mqtt.ClientConfig) { c.Subscribe = topics("a/#/b") }, `"a/#/b" is no topic filter`},
		"filter, empty":            {func(c *mqtt.ClientConfig) { c.Subscribe = topics("") }, `"" is no topic filter`},
		"QoS 3":                    {func(c *mqtt.ClientConfig) { c.Subscribe = []mqtt.Filter{{Topic: "a", QoS: 3}} }, "brokers.subscribe[0].qos: 3"},
		"certificates, plain text": {func(c *mqtt.ClientConfig) { c.URL, c.CAFile = "mqtt://127.0.0.1", "/nowhere" }, "use mqtts://"},
		"a name of two lines":      {func(c *mqtt.ClientConfig) { c.Name = "a\nb" }, "brokers.name: "},
		"a long name":              {func(c *mqtt.ClientConfig) { c.Name = strings.Repeat("x", 49) }, "brokers.name: "},
		"a good name":              {func(c *mqtt.ClientConfig) { c.Name = "Süd: ward 4/broker" }, ""},
		"filters":                  {func(c *mqtt.ClientConfig) { c.Subscribe = topics("#", "+/+", "a//#", "$share/g/a") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := mqtt.NewClient(mqtt.ClientOptions{ClientConfig: config})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "gateway.mqtt.broker")
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
