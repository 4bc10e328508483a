package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/sparkplug"
	"medfleet/gateway/sparkplug/payload"
	"medfleet/simulators/edgenode"

	_ "unsafe" // for the control, which reaches past the filter's package
)

//go:linkname sparkplugUnfiltered medfleet/gateway/sparkplug.unfiltered
var sparkplugUnfiltered bool

// sparkplugContract is what the mappings below let through: names where an id or a
// care unit is made of them, and a model, by shape.
var sparkplugContract = map[string]*regexp.Regexp{
	"sparkplug: node that names":   regexp.MustCompile(`.`), // cleaned to the letters of a device id
	"sparkplug: device that names": regexp.MustCompile(`.`),
	"sparkplug: group that places": regexp.MustCompile(`^[\p{L}0-9 ._/#-]{1,32}$`),
	"sparkplug: Model":             regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._+/()-]{0,39}$`),
}

// sparkplugFeed reads three kinds of edge nodes: those whose names and whose devices'
// names make an id, those whose group is the care unit, and all others, of which no
// name is taken that has not the shape of a pump's.
func sparkplugFeed(address string) sparkplug.Config {
	m := sparkplug.Mapping{
		ClassFrom: &sparkplug.ClassFrom{Metric: "Type", Words: map[string]medfleet.Class{"LVP": "infusion_pump", "SYR": "syringe_pump"}}, ModelFrom: "Model",
		Metrics: map[string]mapping.Metric{
			"Charge": {Metric: "battery_charge"}, "Hours": {Metric: "operating_hours"},
			"State": {Metric: "state", Words: map[string]string{"RUN": "infusing"}},
		},
		Conditions: map[string]mapping.Condition{"Low": {Condition: "battery_low"}, "Failed": {Condition: "self_test_failed"}},
		Codes:      map[string]mapping.Codes{"Error": {"E17": "battery_fault"}},
	}
	named, placed, other := m, m, m
	named.Match.Group = "ICU"
	placed.Match.Node, placed.Named, placed.Unit = "place*", "{node}-{device}", "{group}"
	other.Named, other.Pattern = "{device}", "pump[0-9]+"
	return sparkplug.Config{
		Name: "ward", ServerConfig: mqtt.ServerConfig{URL: "mqtt://" + address}, Mappings: []sparkplug.Mapping{named, placed, other},
	}
}

// edgeNodes makes the messages of edge nodes with tokens in them.
type edgeNodes struct {
	g    *garden
	way  *way
	list []edgenode.Message
}

// sparkplug gives Sparkplug messages with tokens in each name of a topic, each part of
// a metric and each part of a payload, and such as are no Sparkplug.
func (g *garden) sparkplug() []edgenode.Message {
	e := &edgeNodes{g: g}
	names := []string{"plain", "a person's name", "a name in brackets", "a number", "Latin letters", "Latin-1", "Chinese", "base64"}
	if sparkplugUnfiltered {
		names = names[:3]
	}
	for _, name := range names {
		e.way = wayNamed(name)
		if utf8.ValidString(e.way.wire(e.way.text(0))) { // else no broker takes it
			e.inTopics()
		}
		e.inValues()
		e.inMetrics()
		e.inPayloads()
		e.inNothing()
	}
	return e.list
}

func (e *edgeNodes) token(where string) string {
	return e.g.plant(planting{where: "sparkplug: " + where, way: e.way, segment: "MQTT"})
}

// level gives a token for a level of a topic.
func (e *edgeNodes) level(where string) string {
	return strings.NewReplacer("/", "_", "+", "_", "#", "_").Replace(e.token(where))
}

// born adds the messages of an edge node with a pump, both changed by change: births,
// data, and death.
func (e *edgeNodes) born(group, edge, device string, change func(n *edgenode.Node, d *edgenode.Device)) {
	n := edgenode.New(group, edge)
	d := n.Add(device)
	for name, v := range map[string]*edgenode.Value{
		"Type": edgenode.Text("LVP"), "Model": edgenode.Text("Halden HP-3"), "Charge": edgenode.Double(50), "Hours": edgenode.Double(12),
		"State": edgenode.Text("RUN"), "Low": edgenode.Bool(false), "Failed": edgenode.Bool(true), "Error": edgenode.Text("E17"),
	} {
		d.Set(name, v)
	}
	if change != nil {
		change(n, d)
	}
	will := n.Connect()
	e.list = append(append(e.list, n.Births()...), n.Data(d), n.Data(n.Own()), n.DeviceDeath(d), will)
}

func (e *edgeNodes) inTopics() {
	e.born("ICU", e.level("node that names"), "pump1", nil)
	e.born("ICU", "bed1", e.level("device that names"), nil)
	e.born(e.level("group that places"), "place1", "pump1", nil)
	e.born(e.level("group"), "x1", "pump2", nil)
	e.born("OR", e.level("node"), "pump3", nil)
	e.born("OR", "x2", e.level("device"), nil)
	for _, topic := range []string{"ICU/%/bed1", "ICU/DDATA/bed1/pump1/%", "ICU/NBIRTH/bed1/%", "%", "STATE/%", "ICU/NCMD/%", "ICU/DCMD/bed1/%"} {
		e.list = append(e.list, edgenode.Message{Topic: "spBv1.0/" + strings.Replace(topic, "%", e.level("topic "+topic), 1)})
	}
}

// inValues plants the values of metrics that are mapped and of some that are not.
func (e *edgeNodes) inValues() {
	for _, name := range []string{"Type", "Model", "Charge", "State", "Low", "Error", "Patient/Name"} {
		e.born("ICU", "bed1", "pump1", func(n *edgenode.Node, d *edgenode.Device) {
			d.Set(name, edgenode.Text(e.token(name)))
			n.Own().Set(name, edgenode.Text(e.token("node's own "+name)))
		})
	}
	of := func(t payload.DataType, text string) *edgenode.Value {
		v := &edgenode.Value{Datatype: proto.Uint32(uint32(t))}
		if t == payload.DataType_Text || t == payload.DataType_UUID || t == payload.DataType_StringArray {
			v.Value = &payload.Metric_StringValue{StringValue: text}
		} else {
			v.Value = &payload.Metric_BytesValue{BytesValue: []byte(text + "\x00")}
		}
		return v
	}
	for _, t := range []payload.DataType{
		payload.DataType_Text, payload.DataType_UUID, payload.DataType_Bytes, payload.DataType_File, payload.DataType_StringArray, payload.DataType_Int8Array,
	} {
		for _, name := range []string{"Note", "Charge", "State"} {
			e.born("ICU", "bed1", "pump1", func(_ *edgenode.Node, d *edgenode.Device) { d.Set(name, of(t, e.token(fmt.Sprint(name, " as ", t)))) })
		}
	}
	if v, err := strconv.ParseFloat(strings.TrimPrefix(e.token("a number"), "x"), 64); err == nil {
		e.born("ICU", "bed1", "pump1", func(_ *edgenode.Node, d *edgenode.Device) {
			d.Set("Rate", edgenode.Double(v))
			d.Set("Charge", edgenode.Double(v))
		})
	}
}

// field adds fields that our schema does not have to a message, one in the other.
func field[M proto.Message](m M, content string, path ...protowire.Number) M {
	b := []byte(content)
	for _, number := range slices.Backward(path) {
		b = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
	}
	m.ProtoReflect().SetUnknown(append(m.ProtoReflect().GetUnknown(), b...))
	return m
}

// inMetrics plants names, metadata, properties, DataSets, Templates and extensions
// (Sparkplug 3.0, 6.4).
func (e *edgeNodes) inMetrics() {
	parts := map[string][]protowire.Number{
		"metadata type": {8, 2}, "metadata file": {8, 5}, "metadata kind": {8, 6}, "metadata md5": {8, 7}, "metadata description": {8, 8},
		"dataset column": {17, 2}, "dataset row": {17, 4, 1, 6}, "template version": {18, 1}, "template metric": {18, 2, 1}, "template value": {18, 2, 15},
		"template parameter": {18, 3, 1}, "template parameter's value": {18, 3, 9}, "template reference": {18, 4}, "extension": {19}, "unknown field": {99},
	}
	for what, path := range parts {
		for _, name := range []string{"Charge", "Note"} {
			e.born("ICU", "bed1", "pump1", func(_ *edgenode.Node, d *edgenode.Device) {
				v := edgenode.Double(51)
				if path[0] >= 17 && path[0] < 99 {
					v = &edgenode.Value{Datatype: proto.Uint32(uint32(payload.DataType_DataSet))}
				}
				d.Set(name, field(v, e.token(what+" of "+name), path...))
			})
		}
	}
	e.born("ICU", "bed1", "pump1", func(n *edgenode.Node, d *edgenode.Device) {
		d.Set(e.token("metric name"), edgenode.Double(1))
		n.Own().Set(e.token("node's metric name"), edgenode.Double(1))
		v := edgenode.Double(52)
		v.Properties = &payload.PropertySet{Keys: []string{e.token("property key"), "set"}, Values: []*payload.PropertyValue{
			field(&payload.PropertyValue{Type: proto.Uint32(12)}, e.token("property value"), 8),
			field(&payload.PropertyValue{Type: proto.Uint32(20)}, e.token("property in a set"), 9, 1),
		}}
		d.Set("Charge", field(v, e.token("property list"), 9, 2, 10, 1, 1))
	})
}

// inPayloads plants what stands beside the metrics.
func (e *edgeNodes) inPayloads() {
	for what, number := range map[string]protowire.Number{"uuid": 4, "body": 5, "extension": 6} {
		from := len(e.list)
		e.born("ICU", "bed1", "pump1", nil)
		for i := range e.list[from:] {
			m := &e.list[from+i]
			m.Payload = protowire.AppendString(protowire.AppendTag(m.Payload, number, protowire.BytesType), e.token("payload's "+what))
		}
	}
}

// inNothing plants what is no Sparkplug, or is nobody's.
func (e *edgeNodes) inNothing() {
	say := func(topic, payload string) {
		e.list = append(e.list, edgenode.Message{Topic: "spBv1.0/" + topic, Payload: []byte(payload)})
	}
	for _, topic := range []string{"ICU/NBIRTH/bed1", "ICU/NDATA/bed1", "ICU/DBIRTH/bed1/pump1", "ICU/DDATA/bed1/pump1", "ICU/NDEATH/bed1", "ICU/NCMD/bed1", "ICU/DCMD/bed1/pump1"} {
		say(topic, e.token("no payload of "+topic))
		say(topic, "\x12\x64\x0a\x5a"+e.token("cut payload of "+topic))
		say(topic, "\x12\x02\x0a\xff\x01"+e.token("odd payload of "+topic))
		say(topic, `{"metrics":[{"name":"`+e.token("JSON of "+topic)+`"}]}`)
	}
	for _, host := range []string{"medfleet-edge-1", "other"} {
		say("STATE/"+host, e.token("STATE of "+host))
		say("STATE/"+host, `{"online":"`+e.token("STATE's word of "+host)+`","timestamp":1}`)
		say("STATE/"+host, `{"online":false,"timestamp":1,"`+e.token("STATE's key of "+host)+`":1}`)
	}
}

// lastPump is the device whose birth and failed self-test end the messages.
const lastPump = "pump9099"

// sendSparkplug sends messages through an edge node's connection, and waits until the
// collector knows the device of the last one.
func (s *system) sendSparkplug(list []edgenode.Message) {
	s.t.Helper()
	feed := s.edge.gateway.SparkplugFeeds()[0].Client
	eventually(s.t, "the gateway does not come to its Sparkplug broker", func() bool { return feed.Connected.Load() > 0 })
	link, err := edgenode.Dial(s.spark, edgenode.New("OR", "x0"))
	require.NoError(s.t, err)
	defer link.Kill()
	last := &edgeNodes{}
	last.born("ICU", "bed0", lastPump, nil)
	require.NoError(s.t, link.Send(append(list, last.list...)...))
	eventually(s.t, "the last edge node is not known", func() bool {
		return slices.ContainsFunc(s.devices(), func(d medfleet.Device) bool { return d.ID == "bed0-"+lastPump })
	})
	require.Equal(s.t, uint64(1), feed.Connected.Load(), "a message ended the connection")
}
