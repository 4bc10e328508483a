// Package edgenode is a Sparkplug B 3.0 edge node with devices, as it is met in the
// field: births, deaths, aliases, sequence numbers, rebirths when it is asked for
// one, a primary host that it waits for. It can be made to lose messages, to fall
// silent and to die.
//
// Node makes the messages; Link carries them over MQTT.
package edgenode

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"medfleet/gateway/sparkplug/payload"
)

// Message is one PUBLISH.
type Message struct {
	Topic   string
	Payload []byte
}

// Node is an edge node. It is for one goroutine.
type Node struct {
	Group, Edge string
	Plain       bool // metrics are sent by name, without aliases
	Now         func() time.Time

	own     *Device
	devices []*Device
	seq     uint8 // of the next message
	session uint64
	aliases uint64
}

// Device is a device behind a node, or the node itself.
type Device struct {
	Away bool // not connected to the node: left out of its births

	name    string
	metrics []*payload.Metric // with name, alias, type and value
}

// New gives a node without devices that was never connected.
func New(group, edge string) *Node {
	n := &Node{Group: group, Edge: edge, Now: time.Now, own: &Device{}}
	n.own.Set("Node Control/Rebirth", Bool(false))
	return n
}

// Own is the node's own metrics.
func (n *Node) Own() *Device { return n.own }

// Add puts a device behind the node.
func (n *Node) Add(device string) *Device {
	d := &Device{name: device}
	n.devices = append(n.devices, d)
	return d
}

// Value is a metric's value with its type; its name is Set's to give.
type Value = payload.Metric

// Set gives a metric its value, from the next message on.
func (d *Device) Set(name string, v *Value) {
	v.Name = proto.String(name)
	for i, m := range d.metrics {
		if m.GetName() == name {
			v.Alias = m.Alias
			d.metrics[i] = v
			return
		}
	}
	d.metrics = append(d.metrics, v)
}

// Named gives a value its metric's name.
func Named(name string, v *Value) *Value {
	v.Name = proto.String(name)
	return v
}

// Int32 is a whole number; it travels as two's complement.
func Int32(v int32) *Value {
	return &Value{Datatype: typed(payload.DataType_Int32), Value: &payload.Metric_IntValue{IntValue: uint32(v)}}
}

// Int64 is a long one; likewise.
func Int64(v int64) *Value {
	return &Value{Datatype: typed(payload.DataType_Int64), Value: &payload.Metric_LongValue{LongValue: uint64(v)}}
}

// Double is a number.
func Double(v float64) *Value {
	return &Value{Datatype: typed(payload.DataType_Double), Value: &payload.Metric_DoubleValue{DoubleValue: v}}
}

// Bool is true or false.
func Bool(v bool) *Value {
	return &Value{Datatype: typed(payload.DataType_Boolean), Value: &payload.Metric_BooleanValue{BooleanValue: v}}
}

// Text is a string.
func Text(v string) *Value {
	return &Value{Datatype: typed(payload.DataType_String), Value: &payload.Metric_StringValue{StringValue: v}}
}

func typed(t payload.DataType) *uint32 { return proto.Uint32(uint32(t)) }

// Connect begins a new session and gives its will. The number of a session goes from 0
// to 255 and again.
func (n *Node) Connect() Message {
	n.session = (n.session + 1) % 256
	return n.Death()
}

// Death is NDEATH of the session.
func (n *Node) Death() Message {
	return n.message("NDEATH", "", &payload.Payload{Timestamp: n.stamp(), Metrics: []*payload.Metric{n.bdSeq()}})
}

func (n *Node) bdSeq() *payload.Metric {
	m := Int64(int64(n.session))
	m.Name = proto.String("bdSeq")
	return m
}

// Births says everything: the node's birth, then those of its devices.
func (n *Node) Births() []Message {
	n.seq = 0
	list := []Message{n.birth("NBIRTH", n.own)}
	for _, d := range n.devices {
		if !d.Away {
			list = append(list, n.birth("DBIRTH", d))
		}
	}
	return list
}

// DeviceBirth says everything of a device.
func (n *Node) DeviceBirth(d *Device) Message { return n.birth("DBIRTH", d) }

func (n *Node) birth(kind string, d *Device) Message {
	p := &payload.Payload{Timestamp: n.stamp(), Seq: n.number()}
	if d == n.own {
		p.Metrics = append(p.Metrics, n.bdSeq())
	}
	for _, m := range d.metrics {
		if m.Alias == nil && !n.Plain {
			n.aliases++
			m.Alias = proto.Uint64(n.aliases)
		}
		p.Metrics = append(p.Metrics, m)
	}
	return n.message(kind, d.name, p)
}

// Data says the metrics of these names, or all.
func (n *Node) Data(d *Device, names ...string) Message {
	p := &payload.Payload{Timestamp: n.stamp(), Seq: n.number()}
	for _, m := range d.metrics {
		if len(names) > 0 && !slices.Contains(names, m.GetName()) {
			continue
		}
		m = proto.Clone(m).(*payload.Metric)
		if m.Alias != nil {
			m.Name, m.Datatype = nil, nil
		}
		p.Metrics = append(p.Metrics, m)
	}
	kind := "DDATA"
	if d == n.own {
		kind = "NDATA"
	}
	return n.message(kind, d.name, p)
}

// DeviceDeath says that a device is not connected to the node any more.
func (n *Node) DeviceDeath(d *Device) Message {
	return n.message("DDEATH", d.name, &payload.Payload{Timestamp: n.stamp(), Seq: n.number()})
}

// Seq is the number of the next message.
func (n *Node) Seq() uint8 { return n.seq }

// Session is the number of the session.
func (n *Node) Session() uint64 { return n.session }

func (n *Node) stamp() *uint64 { return proto.Uint64(uint64(n.Now().UnixMilli())) }

func (n *Node) number() *uint64 {
	n.seq++
	return proto.Uint64(uint64(n.seq - 1))
}

func (n *Node) message(kind, device string, p *payload.Payload) Message {
	b, err := proto.Marshal(p)
	if err != nil {
		panic(err) // our own values always have a form
	}
	topic := "spBv1.0/" + n.Group + "/" + kind + "/" + n.Edge
	if device != "" {
		topic += "/" + device
	}
	return Message{topic, b}
}

// IsRebirth reports whether a command asks for a rebirth.
func IsRebirth(message []byte) bool {
	var p payload.Payload
	if proto.Unmarshal(message, &p) != nil {
		return false
	}
	return slices.ContainsFunc(p.GetMetrics(), func(m *payload.Metric) bool {
		return m.GetName() == "Node Control/Rebirth" && m.GetBooleanValue()
	})
}
