package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

func brokers(list ...mqtt.ClientConfig) Config {
	return Config{
		ID: "edge-1", Site: "north", DataDir: "/d", Uplink: UplinkConfig{URL: "http://127.0.0.1"},
		MQTT: MQTTConfig{Brokers: list},
	}
}

func at(url string) (c mqtt.ClientConfig) {
	c.URL = url
	return c
}

func TestEachBrokerIsAFeedOfItsOwn(t *testing.T) {
	ward, lab := at("mqtts://ward.example"), at("mqtts://lab.example")
	lab.Name = "laboratory"
	c := brokers(ward, lab)
	require.NoError(t, c.Check())
	require.Equal(t, "ward.example", c.MQTT.Brokers[0].Name)
	require.Equal(t, "laboratory", c.MQTT.Brokers[1].Name)
	require.Equal(t, "medfleet-edge-1", c.MQTT.Brokers[1].ClientID)
	c.DataDir, c.HL7.Listen = t.TempDir(), ""
	g, err := New(Options{Config: c, Profiles: set()})
	require.NoError(t, err)
	t.Cleanup(func() { g.Close() })
	require.Equal(t, []string{"mqtt ward.example", "mqtt laboratory"}, []string{g.sources[0].name, g.sources[1].name})
}

func TestBrokersThatWouldDisturbEachOtherAreRefused(t *testing.T) {
	twice := brokers(at("mqtts://ward.example"), at("mqtts://ward.example"))
	require.ErrorContains(t, twice.Check(), `gateway.mqtt.brokers[1].client_id: "medfleet-edge-1" is another's at the same broker`)
	second := at("mqtts://ward.example:8884")
	named := brokers(at("mqtts://ward.example"), second)
	require.ErrorContains(t, named.Check(), `gateway.mqtt.brokers[1].name: there is another broker "ward.example"`)
	second.Name = "second"
	apart := brokers(at("mqtts://ward.example"), second)
	require.NoError(t, apart.Check())
	wrong := brokers(at("mqtts://ward.example"), at("http://x"))
	require.ErrorContains(t, wrong.Check(), "gateway.mqtt.brokers[1].url: ")
}
