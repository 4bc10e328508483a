package mqtt_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
)

// proxy is a network between client and broker that can be cut.
type proxy struct {
	net.Listener
	to    string
	mu    sync.Mutex
	open  []net.Conn
	cutAt bool // refuses new ones
	wait  sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: to}
	p.wait.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.cut(true)
		p.wait.Wait()
	})
	return p
}

func (p *proxy) serve() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		p.mu.Lock()
		if err != nil || p.cutAt {
			in.Close()
			if err == nil {
				out.Close()
			}
			p.mu.Unlock()
			continue
		}
		p.open = append(p.open, in, out)
		p.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			p.wait.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				way[0].Close()
				way[1].Close()
			})
		}
	}
}

// cut ends all connections, with a reset: not a byte more comes through. With
// stay the network stays away until join.
func (p *proxy) cut(stay bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	p.open, p.cutAt = nil, stay
}

func (p *proxy) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt = false
}

// ward is devices that publish with QoS 1 and count what the broker acknowledged.
type ward struct {
	t    *testing.T
	c    paho.Client
	seq  int
	qos  byte
	sent []string // acknowledged to the device: "<device> <number>"
}

const wardDevices = 5

func newWard(t *testing.T, address string) *ward {
	o := paho.NewClientOptions().AddBroker("tcp://" + address).SetClientID("ward").SetConnectTimeout(soon).
		SetAutoReconnect(false).SetWriteTimeout(soon)
	return &ward{t: t, c: connect(t, o), qos: 1}
}

// publishes sends n messages and waits until the broker has acknowledged them.
func (w *ward) publishes(n int) {
	w.t.Helper()
	type pending struct {
		token paho.Token
		said  string
	}
	var all []pending
	for range n {
		w.seq++
		device := fmt.Sprint("pump-", w.seq%wardDevices)
		said := fmt.Sprint(device, " ", w.seq)
		all = append(all, pending{w.c.Publish("medfleet/v1/north/edge-1/"+device+"/status", w.qos, false, said), said})
	}
	for _, p := range all {
		require.True(w.t, p.token.WaitTimeout(2*soon))
		require.NoError(w.t, p.token.Error())
		w.sent = append(w.sent, p.said)
	}
}

// lost gives what the broker acknowledged to a device and the disk does not hold.
func (w *ward) lost(d *disk) (lost []string) {
	have := map[string]bool{}
	for _, p := range d.payloads() {
		have[p] = true
	}
	for _, said := range w.sent {
		if !have[said] {
			lost = append(lost, said)
		}
	}
	return lost
}

// inOrder requires that each device's messages came in its order, but for those
// that came again.
func inOrder(t *testing.T, d *disk) {
	t.Helper()
	seen, last := map[string]bool{}, map[string]int{}
	for _, p := range d.payloads() {
		if seen[p] {
			continue
		}
		seen[p] = true
		device, number, _ := strings.Cut(p, " ")
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		require.Greater(t, n, last[device], "%s", device)
		last[device] = n
	}
}

// quick are options for tests: they try again soon.
func quick(d mqtt.Taker, address string) mqtt.ClientOptions {
	o := mqtt.ClientOptions{Taker: d, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond}
	o.URL = "mqtt://" + address
	return o
}

func isUp(t *testing.T, c *mqtt.Client) {
	t.Helper()
	require.Eventually(t, c.Up, 2*soon, time.Millisecond, "%v", c.Err())
}

// killsBetweenTakeAndDisk ends the client 20 times as kill -9 does, each time while
// messages are on their way to the disk, and gives what was lost.
func killsBetweenTakeAndDisk(t *testing.T, lying bool) (*ward, *disk) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	network := newProxy(t, broker.Address())
	d := newDisk()
	d.lying = lying
	o := quick(d, network.Addr().String())
	c, end := running(t, o)
	isUp(t, c)
	w := newWard(t, broker.Address())
	for range 20 {
		w.publishes(20)
		d.stop()
		w.publishes(20)
		require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
		if lying {
			// Time for its wrong acknowledgements: one after which the broker has nothing left.
			require.Eventually(t, func() bool { return d.waiting() >= 20 }, soon, time.Millisecond)
		}
		network.cut(true)
		d.cutPower()
		end()
		d.start()
		network.join()
		c, end = running(t, o)
		isUp(t, c)
	}
	w.publishes(wardDevices) // when these are there, nothing more comes
	last := w.sent[len(w.sent)-1]
	require.Eventually(t, func() bool {
		p := d.payloads()
		return len(p) > 0 && p[len(p)-1] == last
	}, 2*soon, time.Millisecond)
	end()
	return w, d
}

func TestNothingIsLostWhenTheGatewayIsKilledBeforeTheDiskHasIt(t *testing.T) {
	w, d := killsBetweenTakeAndDisk(t, false)
	require.Len(t, w.sent, 805)
	require.Empty(t, w.lost(d))
	require.Greater(t, len(d.durable()), 805-1)
	inOrder(t, d)
}

// The control: with a disk that says durable too early the same test loses.
func TestAcknowledgingBeforeTheDiskHasItLoses(t *testing.T) {
	w, d := killsBetweenTakeAndDisk(t, true)
	require.NotEmpty(t, w.lost(d))
}

func TestNothingIsLostWhenTheConnectionIsCutUnderLoad(t *testing.T) {
	t.Run("mosquitto", func(t *testing.T) {
		inOrder(t, cutsUnderLoad(t, brokertest.StartMosquitto(t, brokertest.Options{}).Address()))
	})
	t.Run("mochi", func(t *testing.T) {
		cutsUnderLoad(t, brokertest.StartMochi(t).Address()) // it sends again in any order
	})
}

func cutsUnderLoad(t *testing.T, address string) *disk {
	network := newProxy(t, address)
	d := newDisk()
	c, end := running(t, quick(d, network.Addr().String()))
	isUp(t, c)
	w := newWard(t, address)
	for cuts := uint64(1); cuts <= 20; cuts++ {
		before := len(d.durable())
		if cuts%2 == 0 { // each second time surely between the message and PUBACK
			d.stop()
			w.publishes(100)
			require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
			network.cut(false)
			d.start()
		} else {
			w.publishes(100)
			require.Eventually(t, func() bool { return len(d.durable()) > before }, soon, time.Millisecond)
			network.cut(false)
		}
		require.Eventually(t, func() bool { return c.Counts().Connected.Load() > cuts }, 2*soon, time.Millisecond)
	}
	w.publishes(wardDevices)
	require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, 10*time.Millisecond)
	end()
	require.Len(t, w.sent, 2005)
	require.Greater(t, len(d.durable()), 2005+9, "nothing came again, so no cut was between a message and its PUBACK")
	return d
}

// A broker keeps what it has acknowledged as well as it saves; what it had saved
// when it was killed reaches the disk, also what was on its way to us.
func TestNothingThatTheBrokerSavedIsLostWhenItIsKilled(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	d := newDisk()
	c, end := running(t, quick(d, broker.Address()))
	isUp(t, c)
	w := &ward{t: t, qos: 1}
	for range 5 {
		w.c = newWard(t, broker.Address()).c
		w.publishes(50)
		d.stop()
		w.publishes(300)
		require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
		broker.Save()
		connected := c.Counts().Connected.Load()
		broker.Kill()
		w.c.Disconnect(0)
		d.start()
		broker.Restart()
		require.Eventually(t, func() bool { return c.Counts().Connected.Load() > connected }, 2*soon, time.Millisecond)
		require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, 10*time.Millisecond)
	}
	end()
	inOrder(t, d)
}

func TestTheBrokerKeepsMessagesWhileTheGatewayIsAway(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	d := newDisk()
	o := quick(d, broker.Address())
	c, end := running(t, o)
	isUp(t, c)
	end()
	w := newWard(t, broker.Address())
	w.publishes(500)
	require.Empty(t, d.durable())
	running(t, o)
	require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, time.Millisecond)
	require.Len(t, d.durable(), 500)
	inOrder(t, d)
}

func TestRetainedMessagesAreMarkedOnEachConnection(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	network := newProxy(t, broker.Address())
	w := newWard(t, broker.Address())
	require.True(t, w.c.Publish(statusTopic, 1, true, "kept").WaitTimeout(soon))
	d := newDisk()
	c, _ := running(t, quick(d, network.Addr().String()))
	count := func(payload string) (n int) { // at least: what was not acknowledged comes again
		for _, p := range d.payloads() {
			if p == payload {
				n++
			}
		}
		return n
	}
	for connection := 1; connection <= 3; connection++ {
		isUp(t, c)
		require.Eventually(t, func() bool { return count("kept") >= connection }, soon, time.Millisecond)
		require.True(t, w.c.Publish(statusTopic, 1, false, "live").WaitTimeout(soon))
		require.Eventually(t, func() bool { return count("live") >= connection }, soon, time.Millisecond)
		network.cut(false)
		require.Eventually(t, func() bool { return c.Counts().Connected.Load() > uint64(connection) }, soon, time.Millisecond)
	}
	for _, m := range d.durable() {
		require.Equal(t, string(m.Payload) == "kept", m.Retained)
		require.Equal(t, statusTopic, m.Topic)
	}
}

func TestAHugeMessageHoldsUpNobody(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	w := newWard(t, broker.Address())
	d := newDisk()
	c, _ := running(t, quick(d, broker.Address()))
	isUp(t, c)
	for _, payload := range []string{"before", strings.Repeat("x", 3<<20), "after"} {
		require.True(t, w.c.Publish(statusTopic, 1, false, payload).WaitTimeout(soon))
	}
	require.Eventually(t, func() bool { return len(d.durable()) == 3 }, 2*soon, time.Millisecond)
	require.Equal(t, []string{"before", "", "after"}, d.payloads())
	require.Equal(t, uint64(1), c.Counts().Shortened.Load())
	require.Equal(t, uint64(1), c.Counts().Connected.Load())
}

// A broker without a limit of its own sends all it has at once.
func TestABrokerWithoutALimitIsHeldBack(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{Settings: []string{"max_inflight_messages 0"}})
	d := newDisk()
	o := quick(d, broker.Address())
	o.Window = 10
	c, end := running(t, o)
	isUp(t, c)
	end()
	w := newWard(t, broker.Address())
	w.publishes(3000)
	c, _ = running(t, o)
	require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, time.Millisecond)
	isUp(t, c) // the answer to SUBSCRIBE may be read behind what the broker had kept
	require.Equal(t, uint64(1), c.Counts().Connected.Load(), "without being cut once")
	require.Len(t, d.durable(), 3000)
	inOrder(t, d)
}
