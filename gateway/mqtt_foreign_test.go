package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/record"
)

const pumpGateway = `
- name: pump gateway
  topic: hospital/{site}/{unit}/{device}/telemetry
  class: infusion_pump
  time: {path: ts, form: unix_ms}
  metrics:
    battery.level: {metric: battery_charge}
    hours: {metric: operating_hours}
  conditions:
    battery.low: {condition: battery_low}
- name: rack
  topic: racks/{unit}
  each: pumps
  device_from: sn
  class: infusion_pump
  metrics: {h: {metric: operating_hours}}
- name: connection
  topic: hospital/{site}/{unit}/{device}/LWT
  class: infusion_pump
  payload: text
  conditions: {$: {condition: offline, while: [Offline]}}
`

func mapped(t *testing.T, text string) (list []foreign.Mapping) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(text), &list, yaml.Strict()))
	return list
}

func telemetry(i int, low bool) string {
	return fmt.Sprintf(`{"ts":%d,"battery":{"level":80,"low":%v},"hours":%d,"patient":{"name":"Quintero"}}`, time.Now().UnixMilli()+int64(i), low, i)
}

func TestOtherMakersMessagesArriveByTheirMapping(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) { o.MQTT.Mappings = mapped(t, pumpGateway) })
	client := pump(t, e, "gateway-of-pumps")
	const topic = "hospital/north/ICU 2/P-17/"
	for i := range 10 {
		require.True(t, publish(t, client, topic+"telemetry", telemetry(i, i >= 5)))
	}
	require.True(t, publish(t, client, topic+"LWT", "Offline"))
	require.True(t, publish(t, client, "racks/4W", `{"pumps":[{"sn":"R-1","h":7},{"sn":"Quintero","h":8},{"sn":"R-2","h":"----"}]}`))
	require.True(t, publish(t, client, topicOf("pump-18", "status"), status(1)), "our own contract beside it")
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 13 && len(c.of(record.Event)) == 3 }, soon, time.Millisecond)
	hours := 0
	for _, l := range c.of(record.Observation) {
		if l.Tag("device") == "P-17" {
			require.Equal(t, float64(hours), l.Number("operating_hours"), "in order")
			require.Equal(t, "ICU 2", l.Tag("unit"))
			hours++
		}
	}
	require.Equal(t, 10, hours)
	var said []string
	for _, l := range c.of(record.Event) {
		said = append(said, l.Tag("condition")+" "+l.Tag("phase"))
	}
	require.Equal(t, []string{"battery_low end", "battery_low start", "offline start"}, said)
	require.Equal(t, uint64(10+1), e.Counts().Dropped.Load())
	require.Equal(t, uint64(1), e.Counts().Implausible.Load())
	letters := e.letters()
	require.Len(t, letters, 1)
	require.Contains(t, letters[0], "1 entries of the message: the first: no device")
	require.NotContains(t, string(e.written()), "Quintero")
}

func TestATopicThatNobodyMappedIsRefusedByOurBrokerAndALetterFromAnothers(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) { o.MQTT.Mappings = mapped(t, pumpGateway) })
	require.False(t, publish(t, pump(t, e, "stranger"), "hospital/Quintero", "x"))
	k := e.newMQTTKeeper("mqtt ward", &Options{Config: e.config, Profiles: set()}, compiled(t))
	for _, m := range []mqtt.Message{
		{Topic: "hospital/Quintero", Payload: []byte(`{"Quintero":1}`)}, {Topic: "racks/4W", Payload: []byte("Quintero")},
		{Topic: "hospital/north/ICU/Quintero/telemetry", Payload: []byte(`{"ts":1}`)},
	} {
		require.NoError(t, k.Take(m, now()).Wait(t.Context()), "it would come for ever")
	}
	letters := e.letters()
	require.Len(t, letters, 3)
	for i, reason := range []string{"topic fits no mapping", "payload is not JSON", "no device"} {
		require.Contains(t, letters[i], reason)
	}
	require.NotContains(t, string(e.written()), "Quintero")
}

func compiled(t *testing.T) *foreign.Set {
	c := MQTTConfig{Mappings: mapped(t, pumpGateway)}
	others, err := c.mappings(set(), "edge-1")
	require.NoError(t, err)
	return others
}

// stuckCustody is a spool whose disk can stop taking.
type stuckCustody struct {
	Custody
	fails *atomic.Bool
}

func (f stuckCustody) WaitDurable(ctx context.Context, sequence uint64) error {
	if f.fails.Load() {
		return errors.New("disk full")
	}
	return f.Custody.WaitDurable(ctx, sequence)
}

// A condition is told when it changes. A change whose message was not acknowledged
// has to come with the message when that comes again.
func TestAChangeThatWasNotKeptIsToldAgain(t *testing.T) {
	var full atomic.Bool
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		o.MQTT.Mappings = mapped(t, pumpGateway)
		o.Fault = func(c Custody) Custody { return stuckCustody{c, &full} }
	})
	k := e.newMQTTKeeper("mqtt ward", &Options{Config: e.config, Profiles: set()}, compiled(t))
	m := mqtt.Message{Topic: "hospital/north/ICU/P-17/telemetry", Payload: []byte(telemetry(0, true))}
	full.Store(true)
	require.Error(t, k.Take(m, now()).Wait(t.Context()))
	full.Store(false)
	before := e.Spool(Events).Newest
	receipt := k.Take(m, now())
	require.NoError(t, receipt.Wait(t.Context()))
	require.Positive(t, receipt.(*foreignReceipt).all.(*mqttReceipt).record.events, "the event is there again")
	require.Greater(t, e.Spool(Events).Newest, before)
	receipt = k.Take(m, now())
	require.NoError(t, receipt.Wait(t.Context()))
	require.Zero(t, receipt.(*foreignReceipt).all.(*mqttReceipt).record.events, "and then no more")
}

func TestALastWillOfADeviceThatWasHeardIsSilence(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	client := pump(t, e, "pump-17")
	require.True(t, publish(t, client, topicOf("pump-99", "online"), `{"online":false}`), "a device that never said anything")
	require.True(t, publish(t, client, topicOf("pump-17", "status"), status(1)))
	require.True(t, publish(t, client, topicOf("pump-17", "online"), `{"online":false}`))
	require.True(t, publish(t, client, topicOf("pump-17", "online"), `{"online":true}`))
	require.Eventually(t, func() bool { return len(c.of(record.Event)) == 2 }, soon, time.Millisecond)
	for i, phase := range []string{"start", "end"} {
		l := c.of(record.Event)[i]
		require.Equal(t, []string{"pump-17", "infusion_pump", "offline", phase}, []string{l.Tag("device"), l.Tag("class"), l.Tag("condition"), l.Tag("phase")})
		require.Equal(t, "advisory", l.Text("kind"))
	}
	require.Equal(t, uint64(1), e.Counts().Nothing.Load())
}

func TestMappingsAndSubscriptionsThatMissEachOtherAreTold(t *testing.T) {
	c := MQTTConfig{Mappings: mapped(t, pumpGateway), Brokers: []mqtt.ClientConfig{at("mqtts://ward.example")}}
	require.NoError(t, c.CheckMappings(set()), "a broker subscribes to all of them by itself")
	c.Brokers[0].Subscribe = []mqtt.Filter{{Topic: "$share/edges/racks/+", QoS: 1}, {Topic: "laboratory/#", QoS: 1}, {Topic: "medfleet/#"}}
	err := c.CheckMappings(set())
	require.ErrorContains(t, err, "gateway.mqtt.brokers[0].subscribe[1]: nobody reads what it gives")
	require.ErrorContains(t, err, "gateway.mqtt.mappings[0].topic: no message ever comes to it: no broker's subscribe")
	require.ErrorContains(t, err, "gateway.mqtt.mappings[2].topic")
	require.NotContains(t, err.Error(), "mappings[1]")
	require.NotContains(t, err.Error(), "subscribe[2]")
	c.Listen = "127.0.0.1:1883"
	require.NotContains(t, c.CheckMappings(set()).Error(), "mappings[0]", "devices can come to our own broker")
	c.Mappings[0].Class = "pump"
	require.ErrorContains(t, c.CheckMappings(set()), `gateway.mqtt.mappings[0].class: "pump"`)
}
