package simulators

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/sparkplug"
	"medfleet/simulators/physics"
)

// sparkBroker is a broker that remembers what edge nodes say, and now and then ends
// a connection instead of taking a data message.
type sparkBroker struct {
	broker.HookBase
	*brokertest.Mochi
	cut func(n int) bool

	mu   sync.Mutex
	said []sparkplug.Message
	data int // messages of that kind so far
	lost map[*broker.Client]bool
}

func (b *sparkBroker) ID() string { return "test" }

func (b *sparkBroker) Provides(hook byte) bool {
	return slices.Contains([]byte{broker.OnPublish, broker.OnWillSent, broker.OnConnectAuthenticate, broker.OnACLCheck}, hook)
}

func (b *sparkBroker) OnConnectAuthenticate(_ *broker.Client, pk packets.Packet) bool {
	return string(pk.Connect.Username) == "fleet" && string(pk.Connect.Password) == "secret"
}

func (b *sparkBroker) OnACLCheck(*broker.Client, string, bool) bool { return true }

func (b *sparkBroker) OnWillSent(_ *broker.Client, pk packets.Packet) { b.hear(pk) }

func (b *sparkBroker) OnPublish(cl *broker.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	if b.cutOff(cl, strings.Contains(pk.TopicName, "/DDATA/")) {
		_ = cl.Net.Conn.Close() // its will is said
		return pk, packets.ErrRejectPacket
	}
	b.hear(pk)
	return pk, nil
}

// cutOff says whether a connection ends with this message, or has ended with one before.
func (b *sparkBroker) cutOff(cl *broker.Client, data bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data && !b.lost[cl] {
		b.data++
		b.lost[cl] = b.cut != nil && b.cut(b.data)
	}
	return b.lost[cl]
}

func (b *sparkBroker) hear(pk packets.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, sparkplug.Message{Topic: pk.TopicName, Payload: slices.Clone(pk.Payload)})
}

// count gives how many messages of a kind were heard, "/DBIRTH/" for instance.
func (b *sparkBroker) count(kind string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.said {
		if strings.Contains(m.Topic, kind) {
			n++
		}
	}
	return n
}

func startSparkBroker(t *testing.T) *sparkBroker {
	t.Helper()
	b := &sparkBroker{lost: map[*broker.Client]bool{}}
	b.Mochi = brokertest.StartMochi(t, b)
	return b
}

func (b *sparkBroker) config() Config {
	return Config{Interval: 15 * time.Millisecond, Scenario: "calm", Drain: time.Minute, Sparkplug: Broker{URL: "tcp://" + b.Address(), User: "fleet", Password: "secret"}}
}

// gone reports whether death is the last that was heard of so many nodes.
func (b *sparkBroker) gone(nodes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	dead := map[string]bool{}
	for _, m := range b.said {
		level := strings.Split(m.Topic, "/")
		dead[level[3]] = level[2] == "NDEATH"
	}
	for _, d := range dead {
		if !d {
			return false
		}
	}
	return len(dead) == nodes
}

// heard is what a host application makes of all that a fleet said.
func (b *sparkBroker) heard(t *testing.T, f *Fleet) (*sparkplug.Host, *sparkplug.Said) {
	t.Helper()
	soon(t, func() bool { return b.gone(len(f.edges)) }, "whoever ends says so")
	set := f.profiles
	m := sparkplug.Mapping{
		Named: "{device}", ModelFrom: "Model", Unit: "{group}",
		ClassFrom: &sparkplug.ClassFrom{Metric: "Class", Words: map[string]medfleet.Class{}},
		Metrics:   map[string]mapping.Metric{}, Conditions: map[string]mapping.Condition{},
	}
	for _, c := range physics.Classes() {
		m.ClassFrom.Words[string(c)] = c
		p, _ := set.Class(c)
		for _, metric := range p.Metrics {
			m.Metrics[metric.Name] = mapping.Metric{Metric: metric.Name}
		}
		for _, condition := range lasting(c) {
			m.Conditions[alarmPrefix+condition] = mapping.Condition{Condition: condition}
		}
	}
	h, err := sparkplug.NewHost(sparkplug.HostOptions{Mappings: []sparkplug.Mapping{m}, Profiles: set, Gateway: "edge-1", Site: "north"})
	require.NoError(t, err)
	var said sparkplug.Said
	for _, message := range b.said {
		require.NoError(t, h.Take(&said, message, time.Now()), message.Topic)
	}
	return h, &said
}

// A silence that a slow machine sleeps through is no silence: then a longer one tells.
func TestEdgeNodesAreUnderstoodOverACutBroker(t *testing.T) {
	for quiet := 700 * time.Millisecond; !understoodOverACutBroker(t, quiet); quiet *= 4 {
		require.Less(t, quiet, 10*time.Second, "no device falls silent, or none fails its self-test")
	}
}

// understoodOverACutBroker says whether what went wrong for so long was told.
func understoodOverACutBroker(t *testing.T, quiet time.Duration) bool {
	file := filepath.Join(t.TempDir(), "day.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `faults:
- {fault: self_test_failed, class: ventilator, after: %[1]s, for: %[2]s}
- {fault: silence, class: infusion_pump, after: %[1]s, for: %[2]s}
`, 3*quiet+400*time.Millisecond, quiet), 0o600))
	b := startSparkBroker(t)
	b.cut = func(n int) bool { return n%13 == 12 && n < 120 }
	c := b.config()
	truth := new(truths)
	c.Devices, c.Scenario, c.Truth = 12, file, truth
	f, err := New(c)
	require.NoError(t, err)
	stop := start(t, f)
	over := func() bool { return len(truth.lines(t)) == 4 }
	soon(t, func() bool { return b.count("/DDEATH/") > 0 || over() }, "a device that falls silent")
	back := b.count("/DBIRTH/")
	soon(t, over, "the end of the faults")
	if b.count("/DDEATH/") == 0 {
		require.NoError(t, stop())
		return false
	}
	soon(t, func() bool { return b.count("/DBIRTH/") > back }, "and speaks again")
	soon(t, func() bool { return f.Counts().Reconnects > 5 }, "cuts enough to mean anything")
	births, node := b.count("/NBIRTH/"), f.edges[0].node
	command, message, err := sparkplug.Command(sparkplug.Node{Group: node.Group, Edge: node.Edge}, medfleet.AsMillis(time.Now()))
	require.NoError(t, err)
	soon(t, func() bool {
		b.Publish(command, message, false, 0)
		return b.count("/NBIRTH/") > births+len(f.edges)
	}, "a node that does what it is asked")
	require.NoError(t, stop())

	h, said := b.heard(t, f)
	require.Zero(t, h.Counts().Gaps.Load(), "a message is missing")
	require.Zero(t, h.Counts().Unborn.Load(), "something is said before a birth")
	require.Zero(t, h.Counts().Strangers.Load()+uint64(said.Refused))
	require.NotZero(t, said.Dropped, "there is nothing of a patient in it")
	happened := map[string]int{}
	for _, e := range said.Events {
		happened[fmt.Sprint(e.Device, " ", e.Condition, " ", e.Phase)]++
	}
	for _, l := range truth.lines(t) {
		if happened[fmt.Sprint(l.Device, " self_test_failed start")] == 0 && l.Fault == string(physics.SelfTestFailed) {
			return false // its node was without a connection all the while
		}
		if l.Fault == string(physics.Silence) {
			l.Expect = "offline"
		}
		phase := map[string]string{Begin: "start", End: "end"}[l.Phase]
		require.Positive(t, happened[fmt.Sprint(l.Device, " ", l.Expect, " ", phase)], "%+v", l)
	}
	units := map[medfleet.DeviceID]Member{}
	for _, m := range f.Members() {
		units[m.ID] = m
		require.Equal(t, Sparkplug, m.Protocol)
		require.Positive(t, happened[fmt.Sprint(m.ID, " offline start")], "whoever is switched off says so")
	}
	for _, o := range said.Observations {
		m := units[o.Device]
		require.Equal(t, []any{m.Class, m.Model, m.Unit}, []any{o.Class, o.Model, o.Unit})
		delete(units, o.Device)
		if units[o.Device] = m; len(o.Readings) > 2 {
			p, _ := f.profiles.Class(m.Class)
			require.GreaterOrEqual(t, len(o.Readings), len(p.Metrics)-1, "all metrics of the class but the clock's")
		}
	}
	return true
}

func TestEdgeNodesWaitForTheirHost(t *testing.T) {
	b := startSparkBroker(t)
	c := b.config()
	c.Devices, c.SparkplugHost = 2, "medfleet-edge-1"
	state := func(online bool, at int) {
		b.Publish("spBv1.0/STATE/medfleet-edge-1", fmt.Appendf(nil, `{"online":%t,"timestamp":%d}`, online, at), true, 1)
	}
	state(false, 1000)
	f, err := New(c)
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return f.Counts().Dropped > 50 }, "devices that nobody hears")
	require.Zero(t, b.count("/"), "it says something though its host is not there")
	nodes := len(f.edges)
	state(true, 2000)
	soon(t, func() bool { return b.count("/NBIRTH/") == nodes && b.count("/DDATA/") > 10 }, "births when the host is there")
	state(false, 1500)
	last := b.count("/DDATA/")
	soon(t, func() bool { return b.count("/DDATA/") > last+10 }, "it goes on: that was the will of an earlier connection")
	require.Zero(t, b.count("/NDEATH/"))
	state(false, 2000)
	soon(t, func() bool { return b.count("/NDEATH/") == nodes }, "it leaves when its host has gone")
	soon(t, func() bool { return f.Counts().Reconnects >= uint64(nodes) }, "it comes again")
	require.Equal(t, nodes, b.count("/NBIRTH/"), "and waits")
	state(true, 3000)
	soon(t, func() bool { return b.count("/NBIRTH/") == 2*nodes }, "births when the host is there again")
	require.NoError(t, stop())
	h, _ := b.heard(t, f)
	require.Zero(t, h.Counts().Gaps.Load()+h.Counts().Unborn.Load())
}
