package mqtt_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

// sender is a device that says one thing after the other and says again, on a new
// connection, what was not acknowledged.
type sender struct {
	t       *testing.T
	address string
	name    string
	qos     byte

	mu    sync.Mutex
	acked []string
}

func (s *sender) run(until <-chan struct{}) {
	for n := 1; ; {
		lost := make(chan struct{})
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.address).SetClientID(s.name).SetCleanSession(true).
			SetAutoReconnect(false).SetConnectTimeout(soon).SetWriteTimeout(time.Second).
			SetConnectionLostHandler(func(paho.Client, error) { close(lost) }))
		connected := c.Connect()
		connected.Wait()
		for connected.Error() == nil {
			said := fmt.Sprint(s.name, " ", n)
			token := c.Publish("medfleet/v1/north/edge-1/"+s.name+"/status", s.qos, false, said)
			select {
			case <-token.Done():
			case <-lost:
			}
			if token.Error() != nil || !c.IsConnected() {
				break // it may have been kept or not: it is said again
			}
			s.mu.Lock()
			s.acked = append(s.acked, said)
			s.mu.Unlock()
			n++
			if ended(until) {
				c.Disconnect(50)
				return
			}
		}
		c.Disconnect(0)
		if ended(until) {
			return
		}
	}
}

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// cutsAtOurBroker cuts devices off ten times under load, each time with a power cut
// of the disk while messages wait for it, and gives how many of those acknowledged
// are not there.
func cutsAtOurBroker(t *testing.T, qos byte, lying bool) (acked, lost int) {
	d := newDisk()
	d.lying = lying
	s := serve(t, mqtt.BrokerOptions{Taker: d})
	network := newProxy(t, s.addr)
	until := make(chan struct{})
	var devices []*sender
	var wait sync.WaitGroup
	for i := range 5 {
		device := &sender{t: t, address: network.Addr().String(), name: fmt.Sprint("pump-", i), qos: qos}
		devices = append(devices, device)
		wait.Go(func() { device.run(until) })
	}
	total := func() (n int) {
		for _, s := range devices {
			n += s.count()
		}
		return n
	}
	least := 1
	if lying {
		least = 4 * len(devices) // more than are said without an acknowledgement
	}
	for range 10 {
		before := total()
		require.Eventually(t, func() bool { return total() > before+20 }, soon, time.Millisecond)
		d.stop()
		require.Eventually(t, func() bool { return d.waiting() >= least }, soon, time.Millisecond)
		d.cutPower()
		network.cut(false)
		d.start()
	}
	close(until)
	wait.Wait()
	have := map[string]bool{}
	for _, p := range d.payloads() {
		have[p] = true
	}
	for _, device := range devices {
		for _, said := range device.acked {
			if !have[said] {
				lost++
			}
		}
	}
	return total(), lost
}

func TestNothingThatOurBrokerAcknowledgedIsLostWhenDevicesAreCutOff(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			acked, lost := cutsAtOurBroker(t, qos, false)
			require.Greater(t, acked, 200)
			require.Zero(t, lost)
		})
	}
}

// The control: with a disk that says durable too early the same test loses.
func TestABrokerOfOursThatAcknowledgesTooEarlyIsCaught(t *testing.T) {
	_, lost := cutsAtOurBroker(t, 1, true)
	require.NotZero(t, lost)
}
