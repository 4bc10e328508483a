package sparkplug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/simulators/edgenode"
)

// soon is in the time that a slow machine takes.
const soon = 20 * time.Second

// kept is what a client has handed over.
type kept struct {
	mu     sync.Mutex
	values []string // "device metric value"
	turns  []string // "device condition phase"
	aside  []string
	full   bool
	stuck  bool
}

func (k *kept) Keep(ctx context.Context, said *Said, _ medfleet.Millis) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	if k.full {
		return errors.New("disk full")
	}
	for _, e := range said.Events {
		k.turns = append(k.turns, fmt.Sprintf("%s %s %s", e.Device, e.Condition, e.Phase))
	}
	for _, o := range said.Observations {
		for _, r := range o.Readings {
			k.values = append(k.values, fmt.Sprintf("%s %s %g", o.Device, r.Metric, r.Value))
		}
	}
	return nil
}

func (k *kept) PutAside(_ context.Context, reason error, _ int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.aside = append(k.aside, reason.Error())
	return nil
}

func (k *kept) set(full, stuck bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full, k.stuck = full, stuck
}

// has waits for a line among values and turns.
func (k *kept) has(t *testing.T, line string) {
	t.Helper()
	require.Eventually(t, func() bool { return k.count(line) > 0 }, soon, 2*time.Millisecond, "%s is not kept", line)
}

func (k *kept) count(line string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range slices.Concat(k.values, k.turns, k.aside) {
		if l == line {
			n++
		}
	}
	return n
}

// hosting is a client at work.
type hosting struct {
	*Client
	*kept
	stop func()
}

func startHost(t *testing.T, address string, change ...func(*ClientOptions)) *hosting {
	t.Helper()
	k := &kept{}
	o := ClientOptions{
		Config:   Config{ServerConfig: mqtt.ServerConfig{URL: "mqtt://" + address}, Groups: []string{"ICU"}, Mappings: []Mapping{pumps()}},
		Profiles: set(), Gateway: "edge-1", Site: "north", Taker: k,
		Reorder: 50 * time.Millisecond, Answer: soon / 2, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
	o.Complete("gateway.mqtt.sparkplug[0]", "edge-1")
	for _, c := range change {
		c(&o)
	}
	c, err := NewClient(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	h := &hosting{c, k, nil}
	h.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(2 * soon):
			t.Error("the client does not end")
		}
	})
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *hosting) isUp(t *testing.T) {
	t.Helper()
	require.Eventually(t, h.Up, soon, time.Millisecond, "%v", h.Err())
}

// bed is an edge node with a pump, connected.
func bed(t *testing.T, address string) (*edgenode.Link, *edgenode.Device) {
	t.Helper()
	n := edgenode.New("ICU", "bed7")
	pump := n.Add("pump1")
	pump.Set("Battery/Charge", edgenode.Double(71))
	pump.Set("Battery/Low", edgenode.Bool(false))
	pump.Set("Patient/Name", edgenode.Text("Quintero"))
	l, err := edgenode.Dial(address, n)
	require.NoError(t, err)
	t.Cleanup(l.Kill)
	return l, pump
}

// charge says a new value; with lose the message does not go out.
func charge(t *testing.T, l *edgenode.Link, pump *edgenode.Device, v float64, lose bool) {
	t.Helper()
	require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message {
		pump.Set("Battery/Charge", edgenode.Double(v))
		m := n.Data(pump, "Battery/Charge")
		if lose {
			return nil
		}
		return []edgenode.Message{m}
	}))
}

// watcher reads and writes a host's STATE as an edge node would.
type watcher struct {
	client paho.Client
	mu     sync.Mutex
	said   []string
}

func watch(t *testing.T, address string) *watcher {
	t.Helper()
	w := &watcher{}
	w.client = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + address).SetClientID("watcher").SetAutoReconnect(false))
	token := w.client.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.NoError(t, token.Error())
	t.Cleanup(func() { w.client.Disconnect(0) })
	token = w.client.Subscribe("spBv1.0/STATE/medfleet-edge-1", 1, func(_ paho.Client, m paho.Message) {
		var s struct {
			Online    bool  `json:"online"`
			Timestamp int64 `json:"timestamp"`
		}
		line := "odd"
		if json.Unmarshal(m.Payload(), &s) == nil && s.Timestamp > 0 {
			line = fmt.Sprint(s.Online)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, line)
	})
	require.True(t, token.WaitTimeout(soon))
	return w
}

func (w *watcher) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

// count gives how often a word was said.
func (w *watcher) count(word string) (n int) {
	for _, said := range w.all() {
		if said == word {
			n++
		}
	}
	return n
}

// hears waits until a word was said so often. A broker may hand two words of two
// clients to a third in either order.
func (w *watcher) hears(t *testing.T, word string, times int) {
	t.Helper()
	require.Eventually(t, func() bool { return w.count(word) >= times }, soon, 2*time.Millisecond, "the host does not say %s", word)
}

func TestAnEdgeNodeIsHeardAndAnswersWhatItIsAsked(t *testing.T) {
	s := brokertest.StartMosquitto(t, brokertest.Options{})
	h := startHost(t, s.Address())
	h.isUp(t)
	l, pump := bed(t, s.Address())
	h.has(t, "bed7-pump1 offline end")
	h.has(t, "bed7-pump1 battery_charge 71")
	charge(t, l, pump, 70, false)
	h.has(t, "bed7-pump1 battery_charge 70")
	charge(t, l, pump, 69, true)
	charge(t, l, pump, 68, false)
	require.Eventually(t, func() bool { return l.Rebirths.Load() == 1 }, soon, time.Millisecond, "it is not asked")
	h.has(t, "bed7-pump1 battery_charge 68")
	require.Equal(t, uint64(1), h.Nodes().Gaps.Load())
	for i := range 300 { // the number wraps round
		charge(t, l, pump, float64(i%100), false)
	}
	charge(t, l, pump, 33.5, false)
	h.has(t, "bed7-pump1 battery_charge 33.5")
	require.Equal(t, uint64(1), h.Nodes().Gaps.Load())
	require.WithinDuration(t, time.Now(), h.Heard(), time.Minute)
	l.Kill()
	h.has(t, "bed7-pump1 offline start")
	l, _ = bed(t, s.Address())
	require.Eventually(t, func() bool { return h.count("bed7-pump1 offline end") == 2 }, soon, time.Millisecond)
	require.NoError(t, l.Close())
	require.Eventually(t, func() bool { return h.count("bed7-pump1 offline start") == 2 }, soon, time.Millisecond)
}

func TestAHostThatComesLaterAsksForTheBirthsItMissed(t *testing.T) {
	s := brokertest.StartMosquitto(t, brokertest.Options{})
	first := startHost(t, s.Address())
	first.isUp(t)
	l, pump := bed(t, s.Address())
	first.has(t, "bed7-pump1 battery_charge 71") // the births are over
	first.stop()
	for round := range 2 {
		h := startHost(t, s.Address())
		h.isUp(t)
		charge(t, l, pump, float64(round), false)
		require.Eventually(t, func() bool { return l.Rebirths.Load() == uint64(round+1) }, soon, time.Millisecond)
		h.has(t, fmt.Sprintf("bed7-pump1 battery_charge %d", round))
		h.stop()
	}
}

func TestABrokerThatIsKilledIsFoundAgain(t *testing.T) {
	s := brokertest.StartMosquitto(t, brokertest.Options{})
	h := startHost(t, s.Address())
	h.isUp(t)
	l, _ := bed(t, s.Address())
	h.has(t, "bed7-pump1 battery_charge 71")
	s.Kill()
	require.Eventually(t, func() bool { return !h.Up() }, soon, time.Millisecond)
	require.ErrorContains(t, h.Err(), "broker "+s.Address())
	s.Restart()
	h.isUp(t)
	l.Kill()
	l, pump := bed(t, s.Address())
	charge(t, l, pump, 12, false)
	h.has(t, "bed7-pump1 battery_charge 12")
	require.Equal(t, 1, h.count("bed7-pump1 offline end")-h.count("bed7-pump1 offline start"), "it is told once that it is there")
}

func TestAHostSaysWhetherItIsThere(t *testing.T) {
	s := brokertest.StartMosquitto(t, brokertest.Options{})
	w := watch(t, s.Address())
	h := startHost(t, s.Address())
	w.hears(t, "true", 1)
	h.isUp(t)
	token := w.client.Publish("spBv1.0/STATE/medfleet-edge-1", 1, true, fmt.Sprintf(`{"online":false,"timestamp":%d}`, time.Now().Add(-time.Minute).UnixMilli()))
	require.True(t, token.WaitTimeout(soon))
	w.hears(t, "true", 2)
	require.Equal(t, uint64(1), h.Counts().Connected.Load(), "an old will is contradicted")
	token = w.client.Publish("spBv1.0/STATE/medfleet-edge-1", 1, true, fmt.Sprintf(`{"online":false,"timestamp":%d}`, time.Now().Add(time.Hour).UnixMilli()))
	require.True(t, token.WaitTimeout(soon))
	require.Eventually(t, func() bool { return h.Counts().Connected.Load() == 2 }, soon, time.Millisecond, "a newer one wants a newer connection")
	w.hears(t, "true", 3)
	offline := w.count("false")
	h.stop()
	w.hears(t, "false", offline+1)
	online := w.count("true")
	h2 := startHost(t, s.Address())
	h2.isUp(t)
	w.hears(t, "true", online+1)
	require.NotContains(t, w.all(), "odd")
}

func TestAHostThatDiesIsSaidToBeOfflineByItsWill(t *testing.T) {
	s := brokertest.StartMosquitto(t, brokertest.Options{})
	w := watch(t, s.Address())
	dead := startHost(t, s.Address())
	w.hears(t, "true", 1)
	// Another one of the same client id throws it out: the broker publishes its will.
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.Address()).SetClientID("medfleet-edge-1-sparkplug").SetAutoReconnect(false))
	token := c.Connect()
	require.True(t, token.WaitTimeout(soon))
	w.hears(t, "false", 1)
	w.hears(t, "true", 2)
	require.Eventually(t, func() bool { return dead.Counts().Connected.Load() >= 2 }, soon, time.Millisecond)
	c.Disconnect(0)
}

func TestWhatTheDiskDoesNotTakeIsCountedAndAskedForAgain(t *testing.T) {
	for name, stuck := range map[string]bool{"full": false, "stuck": true} {
		t.Run(name, func(t *testing.T) {
			s := brokertest.StartMosquitto(t, brokertest.Options{})
			h := startHost(t, s.Address(), func(o *ClientOptions) { o.Patience = 20 * time.Millisecond })
			h.isUp(t)
			h.set(true, stuck)
			l, pump := bed(t, s.Address())
			require.Eventually(t, func() bool { return h.Counts().NotKept.Load() > 0 }, soon, time.Millisecond)
			require.Eventually(t, func() bool { return l.Rebirths.Load() == 1 }, soon, time.Millisecond)
			require.Eventually(t, func() bool { return !h.Up() }, soon, time.Millisecond)
			require.ErrorContains(t, h.Err(), "data folder")
			h.set(false, false)
			require.NoError(t, l.Do(func(n *edgenode.Node) []edgenode.Message { return n.Births() }))
			h.has(t, "bed7-pump1 offline end")
			charge(t, l, pump, 5, false)
			h.has(t, "bed7-pump1 battery_charge 5")
			h.isUp(t)
		})
	}
}

func TestAWrongConfigurationIsToldWithItsPlace(t *testing.T) {
	_, err := NewClient(ClientOptions{Config: Config{HostID: "a/b"}})
	require.ErrorContains(t, err, "host_id")
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"a host's name":  {func(c *Config) { c.HostID = "a#" }, "host_id"},
		"a group's name": {func(c *Config) { c.Groups = []string{"a+"} }, "groups[0]"},
		"STATE":          {func(c *Config) { c.Groups = []string{"STATE"} }, "groups[0]"},
		"no address":     {func(c *Config) { c.URL = "" }, "url"},
		"plain text":     {func(c *Config) { c.URL = "mqtt://broker.example" }, "insecure"},
		"no mapping":     {func(c *Config) { c.Mappings = nil }, "mappings"},
		"a long name":    {func(c *Config) { c.Name = string(make([]byte, 65)) }, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{ServerConfig: mqtt.ServerConfig{URL: "mqtt://127.0.0.1:1"}, Mappings: []Mapping{pumps()}}
			config.Complete("gateway.mqtt.sparkplug[3]", "edge-1")
			c.change(&config)
			_, err := NewClient(ClientOptions{Config: config, Profiles: set()})
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "gateway.mqtt.sparkplug[3]")
		})
	}
}
