package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/record"
)

func pump(t *testing.T, e *edge, id string) paho.Client {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + e.mqtt).SetClientID(id).SetAutoReconnect(false).SetConnectTimeout(soon))
	token := c.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.NoError(t, token.Error())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func topicOf(device, leaf string) string { return "medfleet/v1/north/edge-1/" + device + "/" + leaf }

// publish tells whether a message was acknowledged.
func publish(t *testing.T, c paho.Client, topic, payload string) bool {
	t.Helper()
	token := c.Publish(topic, 1, false, payload)
	require.True(t, token.WaitTimeout(soon))
	return token.Error() == nil
}

func status(i int) string {
	return fmt.Sprintf(`{"class":"infusion_pump","time":%q,"seq":%d,"operating_hours":%d,"patient":"Quintero"}`, time.Now().UTC().Format(time.RFC3339Nano), i, i)
}

func happening(i int) string {
	return fmt.Sprintf(`{"class":"infusion_pump","time":%q,"seq":%d,"condition":"battery_low","phase":"start","text":"Quintero"}`, time.Now().UTC().Format(time.RFC3339Nano), i)
}

// TestEverythingAcknowledgedArrivesAfterOutageAndRestart is what custody means.
func TestEverythingAcknowledgedArrivesAfterOutageAndRestart(t *testing.T) {
	c, folder := newCentre(t), t.TempDir()
	acknowledged := 0
	for round := range 3 {
		c.setDown(round < 2)
		e := startEdge(t, c, folder)
		client := pump(t, e, "pump-17")
		for range 20 {
			require.True(t, publish(t, client, topicOf("pump-17", "status"), status(acknowledged)))
			require.True(t, publish(t, client, topicOf("pump-17", "event"), happening(acknowledged)))
			acknowledged++
		}
		require.Equal(t, uint64(40), e.Counts().Kept.Load())
		require.Equal(t, uint64(40), e.Counts().Dropped.Load(), "the patient's name is dropped and counted")
		if round < 2 {
			require.GreaterOrEqual(t, e.waits(Telemetry), uint64(acknowledged), "it waits on disk")
		} else {
			require.Eventually(t, func() bool { return len(c.of(record.Event)) >= acknowledged }, soon, 5*time.Millisecond)
			require.Eventually(t, func() bool { return len(c.of(record.Observation)) >= acknowledged }, soon, 5*time.Millisecond)
			require.Eventually(t, func() bool { return e.waits(Telemetry) == 0 }, soon, 5*time.Millisecond, "and the spool lets go of it")
		}
		e.stop()
		require.NotContains(t, string(e.written()), "Quintero")
	}
	for i, l := range c.of(record.Observation) {
		require.Equal(t, float64(i), l.Number("operating_hours"), "in order, each once")
	}
	require.Len(t, c.of(record.Observation), acknowledged)
	require.Len(t, c.of(record.Event), acknowledged)
}

func TestAHeartbeatSaysWhatWaits(t *testing.T) {
	c := newCentre(t)
	c.setDown(true)
	e := startEdge(t, c, t.TempDir())
	client := pump(t, e, "pump-17")
	for i := range 5 {
		require.True(t, publish(t, client, topicOf("pump-17", "status"), status(i)))
	}
	waits := time.Now()
	require.Eventually(t, func() bool { return time.Since(waits) > 30*time.Millisecond }, soon, time.Millisecond)
	before := e.Spool(Events).Newest
	require.Eventually(t, func() bool { return e.Spool(Events).Newest > before+6 }, soon, time.Millisecond, "a heartbeat that began behind them")
	c.setDown(false)
	told := func(depth uint64) func() bool {
		return func() bool {
			return slices.ContainsFunc(c.beats(record.HeartbeatMeasurement), func(l record.Line) bool {
				h := l.Heartbeat()
				return h.TelemetryDepth == depth && h.EventsDepth > 0
			})
		}
	}
	require.Eventually(t, told(5), soon, 5*time.Millisecond, "no heartbeat told of the five that waited")
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(c.beats(record.HeartbeatMeasurement), func(l record.Line) bool { return l.Heartbeat().OldestSeconds > 0.02 })
	}, soon, 5*time.Millisecond, "nor how long the oldest did")
	require.Eventually(t, func() bool {
		beats := c.beats(record.HeartbeatMeasurement)
		h := beats[len(beats)-1].Heartbeat()
		return h.TelemetryDepth == 0 && h.OldestSeconds < 1
	}, soon, 5*time.Millisecond, "after the outage nothing waits")
	first := c.beats(record.HeartbeatMeasurement)[0].Heartbeat()
	require.Equal(t, "edge-1", first.Gateway)
	require.Equal(t, "north", first.Site)
	require.Equal(t, uint64(2), first.FeedsConfigured)
	require.Equal(t, uint64(2), first.FeedsUp)
	require.WithinDuration(t, time.Now(), first.Time.Time(), 5*soon)
}

func TestAFullEventsSpoolAcknowledgesNothingAndTelemetryGoesOn(t *testing.T) {
	c := newCentre(t)
	c.setDown(true)
	e := startEdge(t, c, t.TempDir(), func(o *Options) { o.Spool.MaxBytes = 64 << 10 })
	acknowledged := 0
	for client := pump(t, e, "pump-17"); publish(t, client, topicOf("pump-17", "event"), happening(acknowledged)); acknowledged++ {
		require.Less(t, acknowledged, 5000, "it is never full")
	}
	require.NotZero(t, e.Counts().NotKept.Load())
	other := pump(t, e, "pump-18")
	for i := range 500 {
		require.True(t, publish(t, other, topicOf("pump-18", "status"), status(i)), "readings are not held up by events")
	}
	c.setDown(false)
	require.Eventually(t, func() bool { return len(c.of(record.Event)) == acknowledged }, soon, 5*time.Millisecond, "all that were acknowledged, and no other")
	e.carries(Events)
	require.Eventually(t, func() bool {
		return publish(t, pump(t, e, "pump-17"), topicOf("pump-17", "event"), happening(acknowledged))
	}, soon, 20*time.Millisecond, "and then there is room again")
}

func TestWhatIsNotUnderstoodIsAcknowledgedAndKeptWithoutItsContent(t *testing.T) {
	for name, m := range map[string][2]string{
		"no JSON":           {topicOf("pump-17", "status"), "Quintero"},
		"no class":          {topicOf("pump-17", "status"), `{"patient":"Quintero"}`},
		"no condition":      {topicOf("pump-17", "event"), strings.Replace(happening(1), "battery_low", "Quintero", 1)},
		"another leaf":      {topicOf("pump-17", "Quintero"), status(1)},
		"no usable device":  {topicOf("%%%", "status"), status(1)},
		"a leaf too many":   {topicOf("pump-17", "status/Quintero"), status(1)},
		"a time in words":   {topicOf("pump-17", "status"), `{"class":"infusion_pump","time":"Quintero"}`},
		"deep nesting":      {topicOf("pump-17", "status"), strings.Repeat(`{"Quintero":`, 500)},
		"nothing at all":    {topicOf("pump-17", "status"), ``},
		"an unknown class":  {topicOf("pump-17", "status"), `{"class":"Quintero"}`},
		"bytes of any kind": {topicOf("pump-17", "status"), "\x00\xff\xfeQuintero\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCentre(t)
			e := startEdge(t, c, t.TempDir())
			require.True(t, publish(t, pump(t, e, "pump-17"), m[0], m[1]), "the device would send it for ever")
			require.Equal(t, uint64(1), e.Counts().NotUnderstood.Load())
			letters := e.letters()
			require.Len(t, letters, 1)
			var l DeadLetter
			require.NoError(t, json.Unmarshal([]byte(letters[0]), &l))
			require.Equal(t, "mqtt", l.Source)
			require.NotEmpty(t, l.Reason)
			require.Equal(t, len(m[1]), l.Bytes)
			require.NotContains(t, string(e.written()), "Quintero")
			require.Empty(t, c.of(record.Observation))
		})
	}
}

func TestADeviceWithoutAReadableSiteIsFiledUnderTheGateways(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	require.True(t, publish(t, pump(t, e, "pump-17"), "medfleet/v1/@@@/edge-1/pump-17/status", status(1)))
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 1 }, soon, time.Millisecond)
	require.Equal(t, "north", c.of(record.Observation)[0].Tag("site"))
}

func TestARecordTheCollectorRefusesIsPutAside(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	s := &stream{name: Events, dead: e.dead}
	require.NoError(t, s.Reject(42, []byte("Quintero"), "nothing is taken: record 1: field is not in the schema"))
	letters := e.letters()
	require.Len(t, letters, 1)
	require.Contains(t, letters[0], "record 42")
	require.Contains(t, letters[0], "not in the schema")
	require.NotContains(t, letters[0], "Quintero")
}

func TestASecondGatewayOnTheSameFolderIsRefused(t *testing.T) {
	c, folder := newCentre(t), t.TempDir()
	e := startEdge(t, c, folder)
	_, err := New(Options{Config: e.config, Profiles: set()})
	require.ErrorContains(t, err, "in use")
	require.ErrorContains(t, err, folder)
}

func TestAWrongConfigurationIsToldAllAtOnce(t *testing.T) {
	good := Config{ID: "edge-1", Site: "Süd 2", DataDir: "x", MQTT: MQTTConfig{Listen: ":1883"}, Uplink: UplinkConfig{URL: "http://127.0.0.1:8080"}}
	require.NoError(t, good.Check())
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no id":                {func(c *Config) { c.ID = "" }, "gateway.id"},
		"an id of words":       {func(c *Config) { c.ID = "my gateway" }, "gateway.id"},
		"no site":              {func(c *Config) { c.Site = "" }, "gateway.site"},
		"a site of any shape":  {func(c *Config) { c.Site = "north\nsouth" }, "gateway.site"},
		"no folder":            {func(c *Config) { c.DataDir = "" }, "gateway.data_dir"},
		"no collector":         {func(c *Config) { c.Uplink.URL = "" }, "gateway.uplink.url"},
		"nothing to listen to": {func(c *Config) { c.MQTT.Listen = "" }, "listen"},
		"a slow heartbeat":     {func(c *Config) { c.Beat = time.Minute }, "gateway.beat"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			require.ErrorContains(t, config.Check(), c.says)
		})
	}
	var none Config
	err := none.Check()
	for _, key := range []string{"gateway.id", "gateway.site", "gateway.data_dir", "gateway.uplink.url"} {
		require.ErrorContains(t, err, key)
	}
}

func TestAnUplinkAddressThatIsNoneIsRefusedAndNothingStaysOpen(t *testing.T) {
	config := Config{ID: "edge-1", Site: "north", DataDir: t.TempDir(), MQTT: MQTTConfig{Listen: ":1"}, Uplink: UplinkConfig{URL: "collector"}}
	_, err := New(Options{Config: config, Profiles: set()})
	require.ErrorContains(t, err, "http://host:port")
	config.Uplink.URL = "http://127.0.0.1:1"
	g, err := New(Options{Config: config, Profiles: set()})
	require.NoError(t, err, "the folder is free again")
	require.NoError(t, g.Close())
}
