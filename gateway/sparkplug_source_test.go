package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/sparkplug"
	"medfleet/gateway/sparkplug/payload"
	"medfleet/profiles"
	"medfleet/record"
	"medfleet/simulators/edgenode"
)

// hearing makes a gateway listen to the edge nodes at a broker.
func hearing(address string) func(*Options) {
	return func(o *Options) {
		o.MQTT.Sparkplug = []sparkplug.Config{{
			Name: "ward", ServerConfig: mqtt.ServerConfig{URL: "mqtt://" + address},
			Mappings: []sparkplug.Mapping{{
				Match: sparkplug.Match{Group: "ICU", Device: "pump*"}, Class: "infusion_pump", ModelFrom: "Model", Unit: "{group}",
				Metrics: map[string]mapping.Metric{
					"Battery": {Metric: "battery_charge"}, "State": {Metric: "state", Words: map[string]string{"RUN": "infusing"}},
				},
				Conditions: map[string]mapping.Condition{"Low": {Condition: "battery_low", While: []string{"true", "LOW"}}},
				Codes:      map[string]mapping.Codes{"Error": {"E1": "battery_fault"}},
			}},
		}}
	}
}

func sparkplugEdge(t *testing.T, c *centre, folder, address string, change ...func(*Options)) *edge {
	t.Helper()
	e := startEdge(t, c, folder, append(change, hearing(address))...)
	for _, s := range e.sources {
		require.Eventually(t, s.up, soon, time.Millisecond, "%s is not up", s.name)
	}
	return e
}

func pumpNode(t *testing.T, address string) (*edgenode.Link, *edgenode.Device) {
	t.Helper()
	n := edgenode.New("ICU", "bed7")
	d := n.Add("pump1")
	d.Set("Battery", edgenode.Double(71))
	d.Set("State", edgenode.Text("RUN"))
	d.Set("Low", edgenode.Bool(false))
	d.Set("Model", edgenode.Text("Agilia VP"))
	l, err := edgenode.Dial(address, n)
	require.NoError(t, err)
	t.Cleanup(l.Kill)
	return l, d
}

func says(t *testing.T, l *edgenode.Link, d *edgenode.Device, metric string, v *edgenode.Value) {
	t.Helper()
	require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message {
		d.Set(metric, v)
		return []edgenode.Message{n.Data(d, metric)}
	}))
}

// arrived waits until the collector has a record for which this is so.
func arrived(t *testing.T, c *centre, kind record.Kind, so func(l *record.Line) bool) (found record.Line) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, l := range c.of(kind) {
			if so(&l) {
				found = l
				return true
			}
		}
		return false
	}, soon, 5*time.Millisecond)
	return found
}

func turned(condition, phase string) func(l *record.Line) bool {
	return func(l *record.Line) bool { return l.Tag("condition") == condition && l.Tag("phase") == phase }
}

func TestSparkplugDevicesReachTheCollectorThroughTheSpool(t *testing.T) {
	address, c, folder := brokertest.StartMochi(t).Address(), newCentre(t), t.TempDir()
	c.setDown(true)
	e := sparkplugEdge(t, c, folder, address)
	l, d := pumpNode(t, address)
	require.Eventually(t, func() bool { return e.waits(Telemetry) > 0 }, soon, time.Millisecond, "it waits on disk")
	says(t, l, d, "Low", edgenode.Bool(true))
	says(t, l, d, "Error", edgenode.Text("E1")) // a metric that no birth had
	require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message { return n.Births() }))
	c.setDown(false)
	o := arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == 71 })
	q := o.Equipment()
	require.Equal(t, "bed7-pump1", string(q.Device))
	require.Equal(t, "Agilia VP", q.Model)
	require.Equal(t, "north", q.Site)
	require.Equal(t, "ICU", string(q.Unit))
	require.Equal(t, 2.0, o.Number("state"))
	arrived(t, c, record.Event, turned("offline", "end"))
	low := arrived(t, c, record.Event, turned("battery_low", "start"))
	require.Equal(t, "technical", low.Text("kind"))
	fault := arrived(t, c, record.Event, turned("battery_fault", "start"))
	require.Equal(t, "E1", fault.Tag("code"))
	old := edgenode.Double(3)
	old.IsHistorical, old.Timestamp = proto.Bool(true), proto.Uint64(uint64(time.Now().Add(-time.Hour).UnixMilli()))
	says(t, l, d, "Battery", old)
	arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == 3 })
	require.Equal(t, 1, c.flagged(record.Historical))
	l.Kill()
	gone := arrived(t, c, record.Event, turned("offline", "start"))
	require.Equal(t, "advisory", gone.Text("kind"))
	require.NotZero(t, e.Counts().Kept.Load())

	e.stop()
	e = sparkplugEdge(t, c, folder, address)
	_, _ = pumpNode(t, address)
	require.Eventually(t, func() bool { return e.Counts().Kept.Load() > 0 }, soon, time.Millisecond, "after a restart")
}

// TestASparkplugDeviceWhoseClockIsOffSaysSo: an edge node's clock is judged by the time
// of its messages, not by those of the values in them.
func TestASparkplugDeviceWhoseClockIsOffSaysSo(t *testing.T) {
	address, c := brokertest.StartMochi(t).Address(), newCentre(t)
	e := sparkplugEdge(t, c, t.TempDir(), address)
	n := edgenode.New("ICU", "bed7")
	n.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
	d := n.Add("pump1")
	d.Set("Battery", edgenode.Double(71))
	l, err := edgenode.Dial(address, n)
	require.NoError(t, err)
	t.Cleanup(l.Kill)
	skewOf := func(charge float64) (skew float64, told bool) {
		line := arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == charge })
		var o medfleet.Observation
		line.Observation(&o)
		return o.Reading(profiles.SkewMetric)
	}
	skew, told := skewOf(71)
	require.True(t, told)
	require.InDelta(t, -600, skew, 60)
	old := edgenode.Double(70)
	old.Timestamp = proto.Uint64(uint64(time.Now().Add(-time.Hour).UnixMilli()))
	says(t, l, d, "Battery", old)
	skew, told = skewOf(70)
	require.True(t, told)
	require.InDelta(t, -600, skew, 60, "though the value is older")
	history := edgenode.Double(69)
	history.IsHistorical = proto.Bool(true)
	says(t, l, d, "Battery", history)
	_, told = skewOf(69)
	require.False(t, told, "what is history may have waited anywhere")
	require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message { n.Now = time.Now; return nil }))
	says(t, l, d, "Battery", edgenode.Double(68))
	skew, told = skewOf(68)
	require.True(t, told, "when it is right again")
	require.InDelta(t, 0, skew, 60)
	says(t, l, d, "Battery", edgenode.Double(67))
	_, told = skewOf(67)
	require.False(t, told, "once")
	require.Zero(t, e.Counts().NotKept.Load())
}

// flagged counts the observations with a flag.
func (c *centre) flagged(f record.Flags) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.taken {
		if e.Kind == record.Observation && e.Flags&f != 0 {
			n++
		}
	}
	return n
}

func TestWhatTheSpoolDoesNotTakeOfSparkplugComesAgainWithARebirth(t *testing.T) {
	address, c := brokertest.StartMochi(t).Address(), newCentre(t)
	c.setDown(true)
	e := sparkplugEdge(t, c, t.TempDir(), address, func(o *Options) { o.Spool.MaxBytes = 64 << 10 })
	l, d := pumpNode(t, address)
	taken := &e.SparkplugFeeds()[0].Client.Messages
	require.Eventually(t, func() bool { return taken.Load() == 2 }, soon, time.Millisecond, "the births")
	for i := 0; e.Counts().NotKept.Load() == 0; i++ {
		require.Less(t, i, 5000, "it is never full")
		says(t, l, d, "Low", edgenode.Bool(i%2 == 0))
		if i%10 == 9 { // a broker drops what comes faster than it is taken
			require.Eventually(t, func() bool { return taken.Load() >= uint64(i+3) }, soon, time.Millisecond)
		}
	}
	require.Eventually(t, func() bool { return l.Rebirths.Load() > 0 }, soon, time.Millisecond, "the node is asked")
	c.setDown(false)
	e.carries(Events)
	d.Set("Low", edgenode.Bool(true))
	d.Set("Battery", edgenode.Double(17))
	require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message { return n.Births() }))
	arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == 17 })
	require.Eventually(t, func() bool {
		events := c.of(record.Event)
		for i := len(events) - 1; i >= 0; i-- {
			if events[i].Tag("condition") == "battery_low" {
				return events[i].Tag("phase") == "start"
			}
		}
		return false
	}, soon, 5*time.Millisecond, "what holds is known again")
}

// planter gives a token for each place, and knows where it put it.
type planter struct{ places []string }

func (p *planter) token(place string) string {
	p.places = append(p.places, place)
	return fmt.Sprintf("Qz%03dQuintero", len(p.places)-1)
}

// raw adds a field that our schema does not have.
func raw[M proto.Message](m M, field protowire.Number, content string) M {
	m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), content))
	return m
}

func TestNothingOfAPatientsComesThroughSparkplug(t *testing.T) {
	address, c := brokertest.StartMochi(t).Address(), newCentre(t)
	e := sparkplugEdge(t, c, t.TempDir(), address)
	var p planter
	n := edgenode.New("ICU", "bed7")
	d := n.Add("pump1")
	text := func(place string) *edgenode.Value { return edgenode.Text(p.token(place)) }
	d.Set("Battery", edgenode.Double(50))
	d.Set("State", text("a state that no word is for"))
	d.Set("Low", text("a condition's value"))
	d.Set("Error", text("a code"))
	d.Set("Model", edgenode.Text("Agilia survivor"))
	d.Set(p.token("a metric's name"), edgenode.Double(1))
	d.Set("Patient/Name", text("a string"))
	d.Set("Note", &edgenode.Value{Datatype: proto.Uint32(14), Value: &payload.Metric_StringValue{StringValue: p.token("a text")}})
	d.Set("UUID", &edgenode.Value{Datatype: proto.Uint32(15), Value: &payload.Metric_StringValue{StringValue: p.token("a UUID")}})
	d.Set("Bytes", &edgenode.Value{Datatype: proto.Uint32(17), Value: &payload.Metric_BytesValue{BytesValue: []byte(p.token("bytes"))}})
	d.Set("File", &edgenode.Value{Datatype: proto.Uint32(18), Value: &payload.Metric_BytesValue{BytesValue: []byte(p.token("a file"))}})
	d.Set("Array", &edgenode.Value{Datatype: proto.Uint32(33), Value: &payload.Metric_BytesValue{BytesValue: []byte(p.token("an array") + "\x00")}})
	d.Set("DataSet", raw(&edgenode.Value{Datatype: proto.Uint32(16)}, 17, p.token("a DataSet")))
	d.Set("Template", raw(&edgenode.Value{Datatype: proto.Uint32(19)}, 18, p.token("a Template")))
	described := raw(edgenode.Double(51), 8, p.token("metadata"))
	described.Properties = &payload.PropertySet{Keys: []string{p.token("a property's key")}, Values: []*payload.PropertyValue{
		raw(&payload.PropertyValue{Type: proto.Uint32(12)}, 8, p.token("a property's value")),
	}}
	d.Set("Battery", described)
	other := n.Add(p.token("a device that nobody has mapped"))
	other.Set("Battery", edgenode.Double(1))
	l, err := edgenode.Dial(address, n)
	require.NoError(t, err)
	t.Cleanup(l.Kill)
	require.NoError(t, l.Send(
		edgenode.Message{Topic: "spBv1.0/" + p.token("a group") + "/NBIRTH/x"},
		edgenode.Message{Topic: "spBv1.0/OR/NBIRTH/" + p.token("a node")},
		edgenode.Message{Topic: "spBv1.0/ICU/" + p.token("a type") + "/x"},
		edgenode.Message{Topic: "spBv1.0/ICU/DDATA/bed7/pump1/" + p.token("a level too many")},
		edgenode.Message{Topic: "spBv1.0/STATE/" + p.token("a host"), Payload: []byte(p.token("a state"))},
		edgenode.Message{Topic: "spBv1.0/STATE/medfleet-edge-1", Payload: []byte(p.token("our state"))},
		edgenode.Message{Topic: "spBv1.0/ICU/NDATA/bed7", Payload: []byte(p.token("a payload that is none"))},
		edgenode.Message{Topic: "spBv1.0/ICU/DDATA/bed7/pump1", Payload: append([]byte{2<<3 | 2, 100, 1<<3 | 2, 90}, p.token("a payload that is cut")...)},
		edgenode.Message{Topic: "spBv1.0/ICU/NCMD/bed8", Payload: []byte(p.token("a command"))},
		edgenode.Message{Topic: "spBv1.0/ICU/NBIRTH/bed9", Payload: protowire.AppendString(protowire.AppendTag([]byte{3 << 3, 0}, 4, protowire.BytesType), p.token("a payload's uuid"))},
	))
	last := edgenode.New("ICU", "bed99")
	last.Add("pump9").Set("Battery", edgenode.Double(99))
	require.NoError(t, l.Send(last.Births()...), "on the same connection, so that it comes behind all that")
	arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == 51 })
	arrived(t, c, record.Observation, func(l *record.Line) bool { return l.Number("battery_charge") == 99 })
	require.NotZero(t, e.Counts().Dropped.Load())
	require.NotZero(t, e.Counts().Implausible.Load())
	require.NotZero(t, e.Counts().UnknownCodes.Load())
	letters := strings.Join(e.letters(), "\n")
	require.Contains(t, letters, "no protobuf message")
	require.Contains(t, letters, "topic is not")
	written := string(e.written())
	require.Contains(t, written, "bed7-pump1", "the search finds what is there")
	require.Contains(t, written, "survivor", "a text that has the shape of a model, where the mapping names it")
	require.GreaterOrEqual(t, len(p.places), 25)
	for i, place := range p.places {
		require.NotContains(t, written, fmt.Sprintf("Qz%03d", i), place)
	}
	require.NotContains(t, written, "Quintero")
}

func TestSparkplugFeedsThatWouldDisturbEachOtherAreRefused(t *testing.T) {
	var o Options
	hearing("127.0.0.1:1")(&o)
	o.ID, o.Site, o.DataDir, o.Uplink.URL = "edge-1", "north", "x", "http://127.0.0.1:1"
	require.NoError(t, o.Check())
	require.Equal(t, "medfleet-edge-1", o.MQTT.Sparkplug[0].HostID)
	require.NoError(t, o.MQTT.CheckSparkplugMappings(set()))
	second := o.MQTT.Sparkplug[0]
	o.MQTT.Sparkplug = append(o.MQTT.Sparkplug, second)
	require.ErrorContains(t, o.Check(), "gateway.mqtt.sparkplug[1].client_id")
	o.MQTT.Sparkplug[1].ClientID = "other"
	require.ErrorContains(t, o.Check(), "gateway.mqtt.sparkplug[1].name")
	o.MQTT.Sparkplug[1].Name = "other"
	require.NoError(t, o.Check())
	o.MQTT.Sparkplug[1].Mappings = []sparkplug.Mapping{{Class: "toaster"}, {Of: "ward", Class: "kettle"}}
	err := o.MQTT.CheckSparkplugMappings(set())
	require.ErrorContains(t, err, `gateway.mqtt.sparkplug[1].mappings[0]: class "toaster"`)
	require.ErrorContains(t, err, `gateway.mqtt.sparkplug[1].mappings[1]: of: "ward"`)
	require.ErrorContains(t, err, `gateway.mqtt.sparkplug[1].mappings[1]: class "kettle"`)
	o.MQTT.Sparkplug[1].Mappings = nil
	require.ErrorContains(t, o.MQTT.CheckSparkplugMappings(set()), "gateway.mqtt.sparkplug[1].mappings")
}
