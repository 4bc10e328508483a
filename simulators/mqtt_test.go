package simulators

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/processtest"
)

// brokerHook records what is published. Where cut says so, the connection ends
// instead of an acknowledgement.
type brokerHook struct {
	broker.HookBase
	*receiver
	cut    func(n int) bool
	online chan string // what is published on the topics "online"
	sink   bool        // look at nothing
}

func (h *brokerHook) ID() string { return "test" }

func (h *brokerHook) Provides(b byte) bool {
	return b == broker.OnPublish || b == broker.OnWillSent || b == broker.OnConnectAuthenticate || b == broker.OnACLCheck
}

func (h *brokerHook) OnConnectAuthenticate(_ *broker.Client, pk packets.Packet) bool {
	return string(pk.Connect.Username) == "fleet" && string(pk.Connect.Password) == "secret"
}

func (h *brokerHook) OnACLCheck(*broker.Client, string, bool) bool { return true }

func (h *brokerHook) OnWillSent(_ *broker.Client, pk packets.Packet) {
	if !h.sink {
		h.online <- string(pk.Payload)
	}
}

func (h *brokerHook) OnPublish(cl *broker.Client, pk packets.Packet) (packets.Packet, error) {
	if h.sink {
		return pk, nil
	}
	if strings.HasSuffix(pk.TopicName, "/online") {
		select {
		case h.online <- string(pk.Payload):
		default:
		}
		return pk, nil
	}
	if pk.FixedHeader.Qos != 1 || pk.FixedHeader.Retain {
		return pk, errors.New("want QoS 1, not retained")
	}
	var body struct{ Seq uint64 }
	if err := json.Unmarshal(pk.Payload, &body); err != nil {
		return pk, err
	}
	device := medfleet.DeviceID(strings.Split(pk.TopicName, "/")[4])
	n := h.take(device, key{"", string(device) + " " + strconv.FormatUint(body.Seq, 10)}, append([]byte(pk.TopicName), pk.Payload...))
	if h.cut != nil && h.cut(n) {
		cl.Stop(errors.New("cut"))
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

func brokerKey(m Message) key { return key{"", string(m.Device) + " " + m.ID} }

func TestPumpsOverACutBroker(t *testing.T) {
	got := newReceiver()
	hook := &brokerHook{receiver: got, online: make(chan string, 1000), cut: func(n int) bool { return n%23 == 22 }}
	f, err := New(Config{
		Devices: 6, Interval: 15 * time.Millisecond, Scenario: "calm", Drain: time.Minute,
		MQTT: Broker{URL: "tcp://" + brokertest.StartMochi(t, hook).Address(), User: "fleet", Password: "secret"}, Acked: got.settled,
	})
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return got.ackedSoFar() > 300 }, "300 acknowledgements")
	require.NoError(t, stop())
	got.check(t, brokerKey)
	c := f.Counts()
	require.Zero(t, c.Dropped)
	require.Equal(t, c.Made, c.Acked)
	require.Positive(t, c.Resent)
	require.Positive(t, c.Reconnects)
	require.Equal(t, c.Made, c.Sent-c.Resent)
}

func TestPumpsWaitForTheirBroker(t *testing.T) {
	address := processtest.FreeAddress(t)
	f, err := New(Config{Devices: 3, Interval: 20 * time.Millisecond, Scenario: "calm", MQTT: Broker{URL: "tcp://" + address, User: "fleet", Password: "secret"}})
	require.NoError(t, err)
	start(t, f)
	soon(t, func() bool { return f.Counts().Reconnects >= 3 && f.Counts().Made > 30 }, "devices that try")
	require.Zero(t, f.Counts().Acked)
	brokertest.StartMochiAt(t, address, &brokerHook{receiver: newReceiver(), online: make(chan string, 1000)})
	soon(t, func() bool { return f.Counts().Acked > 60 }, "messages that had to wait")
}

// A silence that a slow machine sleeps through is no silence: then a longer one tells.
func TestASilentPumpVanishesAndComesBack(t *testing.T) {
	want := []string{`{"online":true}`, `{"online":false}`, `{"online":true}`}
	for quiet := 300 * time.Millisecond; ; quiet *= 4 {
		said := silentPump(t, quiet)
		if slices.Equal(want, said) {
			return
		}
		require.Less(t, quiet, 10*time.Second, "%q", said)
	}
}

// silentPump has a pump fall silent once and gives what it said on its topic "online".
func silentPump(t *testing.T, quiet time.Duration) (said []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "quiet.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "faults: [{fault: silence, class: infusion_pump, after: %s, for: %s}]", 2*quiet, quiet), 0o600))
	hook := &brokerHook{receiver: newReceiver(), online: make(chan string, 10)}
	truth := new(truths)
	f, err := New(Config{
		Devices: 1, Interval: 20 * time.Millisecond, Scenario: file, Seed: quickStart(t), Truth: truth,
		MQTT: Broker{URL: "tcp://" + brokertest.StartMochi(t, hook).Address(), User: "fleet", Password: "secret"},
	})
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return len(truth.lines(t)) == 2 }, "the end of the silence")
	behind := f.Counts().Acked
	soon(t, func() bool { return f.Counts().Acked > behind+3 }, "reports behind the silence")
	require.NoError(t, stop())
	require.Zero(t, f.Counts().Reconnects, "a silence is no lost connection")
	for len(hook.online) > 0 {
		said = append(said, <-hook.online)
	}
	return said
}

// quickStart gives a seed with which a single device reports within 300 ms.
func quickStart(t *testing.T) uint64 {
	for seed := range uint64(100) {
		f, err := New(Config{Devices: 1, Seed: seed, Interval: time.Second, MQTT: Broker{URL: "tcp://localhost"}})
		require.NoError(t, err)
		now := time.Now()
		devices, err := f.build(now)
		require.NoError(t, err)
		if devices[0].report.Sub(now) < 300*time.Millisecond {
			return seed
		}
	}
	t.Fatal("no such seed")
	return 0
}
