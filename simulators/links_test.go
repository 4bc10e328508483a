package simulators

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/processtest"
)

// receiver is what a test's broker or listener has got, and what it acknowledged.
type receiver struct {
	mu       sync.Mutex
	got      map[key][][]byte // in the order received
	order    map[medfleet.DeviceID][]key
	acked    []Message
	received int
}

// key is a message's identity on the wire.
type key struct{ topic, id string }

func newReceiver() *receiver {
	return &receiver{got: map[key][][]byte{}, order: map[medfleet.DeviceID][]key{}}
}

// take records a message and gives how many came before it.
func (r *receiver) take(d medfleet.DeviceID, k key, payload []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got[k] == nil {
		r.order[d] = append(r.order[d], k)
	}
	r.got[k] = append(r.got[k], slices.Clone(payload))
	r.received++
	return r.received - 1
}

func (r *receiver) settled(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = append(r.acked, m)
}

func (r *receiver) ackedSoFar() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// check is what must hold after a run with cuts: what is sent again is the same
// to the byte, what a device saw acknowledged was received, once each, and a
// device's messages came in their order.
func (r *receiver) check(t *testing.T, keyOf func(Message) key) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	again := 0
	for k, payloads := range r.got {
		for _, p := range payloads[1:] {
			again++
			require.Equal(t, payloads[0], p, "%v sent again is another message", k)
		}
	}
	require.Positive(t, again, "nothing was sent again: the test tests nothing")
	seen := map[key]bool{}
	for _, m := range r.acked {
		k := keyOf(m)
		require.Contains(t, r.got, k, "acknowledged and never received")
		require.False(t, seen[k], "acknowledged twice")
		seen[k] = true
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(seen)), slices.Collect(maps.Keys(r.got)), "all was acknowledged in the end")
	for d, keys := range r.order {
		byDevice := slices.IndexFunc(r.acked, func(m Message) bool { return m.Device == d })
		require.GreaterOrEqual(t, byDevice, 0)
		ids := make([]string, len(keys))
		for i, k := range keys {
			ids[i] = k.id
		}
		require.True(t, slices.IsSorted(ids), "%s: %v", d, ids)
	}
}

// truths is a ground truth that may be read while it is written.
type truths struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (f *truths) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all.Write(p)
}

func (f *truths) lines(t *testing.T) []Truth {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	list, err := ReadTruth(bytes.NewReader(f.all.Bytes()))
	require.NoError(t, err)
	return list
}

// start runs a fleet; the function given back ends it and gives Run's error.
func start(t testing.TB, f *Fleet) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// soon waits for what must come, however slow the machine.
func soon(t testing.TB, holds func() bool, what string) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, 5*time.Millisecond, what)
}

func TestAFleetWithNobodyThereEndsAtOnce(t *testing.T) {
	f, err := New(Config{
		Devices: 8, Interval: 20 * time.Millisecond, Scenario: "calm", Queue: 5, Drain: 20 * time.Millisecond,
		MQTT: Broker{URL: "tcp://" + processtest.FreeAddress(t)}, HL7: processtest.FreeAddress(t),
	})
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return f.Counts().Reconnects > 0 && f.Counts().Dropped > 0 }, "full queues")
	require.NoError(t, stop())
	c := f.Counts()
	require.Zero(t, c.Acked)
	require.LessOrEqual(t, c.Made-c.Dropped, uint64(8*5))
	require.ErrorContains(t, f.Run(t.Context()), "make a new one")
}

// BenchmarkAcknowledged is how fast a ward of 50 gets messages over loopback and
// acknowledged by receivers that store nothing.
func BenchmarkAcknowledged(b *testing.B) {
	sink := &sinkReceiver{}
	f, err := New(Config{
		Scenario: "calm", Interval: time.Hour, Steady: Steady{Rate: 100_000}, Queue: 100,
		MQTT: Broker{URL: "tcp://" + brokertest.StartMochi(b, &brokerHook{sink: true}).Address(), User: "fleet", Password: "secret"},
		HL7:  listen(b, sink),
	})
	require.NoError(b, err)
	stop := start(b, f)
	soon(b, func() bool { return f.Counts().Acked > 1000 }, "a start")
	b.ResetTimer()
	for from := f.Counts().Acked; f.Counts().Acked-from < uint64(b.N); {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	require.NoError(b, stop())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
