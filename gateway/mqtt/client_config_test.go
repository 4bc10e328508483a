package mqtt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

func TestAWrongConfigurationNamesItsPlaceAndTheRemedy(t *testing.T) {
	good := mqtt.ClientConfig{URL: "mqtts://broker.example", ClientID: "medfleet-edge-1"}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct {
		change func(*mqtt.ClientConfig)
		want   string // empty for right
	}{
		"right":                    {func(*mqtt.ClientConfig) {}, ""},
		"no address":               {func(c *mqtt.ClientConfig) { c.URL = "" }, "broker.url: want mqtts://host:8883"},
		"no host":                  {func(c *mqtt.ClientConfig) { c.URL = "broker:1883" }, "broker.url: want mqtts://host:8883"},
		"web socket":               {func(c *mqtt.ClientConfig) { c.URL = "wss://broker" }, `"wss" is no way to a broker`},
		"password in the address":  {func(c *mqtt.ClientConfig) { c.URL = "mqtts://me:secret@broker" }, "put the name into user"},
		"plain text":               {func(c *mqtt.ClientConfig) { c.URL = "mqtt://broker.example" }, "in plain text: use mqtts://, or set insecure: true"},
		"plain text, said so":      {func(c *mqtt.ClientConfig) { c.URL = "mqtt://broker.example"; c.Insecure = true }, ""},
		"plain text, this machine": {func(c *mqtt.ClientConfig) { c.URL = "tcp://127.0.0.1:1883" }, ""},
		"plain text, IPv6":         {func(c *mqtt.ClientConfig) { c.URL = "mqtt://[::1]" }, ""},
		"no client id":             {func(c *mqtt.ClientConfig) { c.ClientID = "" }, "broker.client_id: want 1 to 128"},
		"password alone":           {func(c *mqtt.ClientConfig) { c.Password = "x" }, "broker.user: missing"},
		"certificate without key":  {func(c *mqtt.ClientConfig) { c.CertFile = "x" }, "cert_file and key_file go together"},
		"no such authority":        {func(c *mqtt.ClientConfig) { c.CAFile = "/nowhere" }, "broker.ca_file: open /nowhere"},
		"empty authority":          {func(c *mqtt.ClientConfig) { c.CAFile = empty }, "holds no certificate in PEM form"},
		"no such certificate":      {func(c *mqtt.ClientConfig) { c.CertFile, c.KeyFile = "/nowhere", "/nowhere" }, "broker.cert_file: open /nowhere"},
		"filter, half a level":     {func(c *mqtt.ClientConfig) { c.Subscribe = []string{"a/b+"} }, `"a/b+" is no topic filter`},
		"filter, # in the middle":  {func(c *mqtt.ClientConfig) { c.Subscribe = []string{"a/#/b"} }, `"a/#/b" is no topic filter`},
		"filter, empty":            {func(c *mqtt.ClientConfig) { c.Subscribe = []string{""} }, `"" is no topic filter`},
		"filters":                  {func(c *mqtt.ClientConfig) { c.Subscribe = []string{"#", "+/+", "a//#", "$share/g/a"} }, ""},
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
