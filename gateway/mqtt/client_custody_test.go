package mqtt_test

import (
	"fmt"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/tlsfiles/tlstest"
)

func TestNothingIsLostWhenAnEncryptedConnectionIsCutUnderLoad(t *testing.T) {
	a := tlstest.New(t)
	broker := brokertest.StartMosquitto(t, brokertest.Options{Authority: a, Inside: true})
	network := newProxy(t, broker.Address())
	d := newDisk()
	o := quick(d, network.Addr().String())
	o.URL, o.CAFile = "mqtts://"+network.Addr().String(), a.CA()
	o.CertFile, o.KeyFile = a.Issue("edge-1")
	inOrder(t, cutBetweenMessageAndAnswer(t, o, broker.Inside(), network, 1))
}

// cutBetweenMessageAndAnswer cuts the network ten times while messages are on their
// way to the disk, and requires that none is missing in the end.
func cutBetweenMessageAndAnswer(t *testing.T, o mqtt.ClientOptions, devices string, network *proxy, qos byte) *disk {
	d := o.Taker.(*disk)
	c, end := running(t, o)
	isUp(t, c)
	w := newWard(t, devices)
	w.qos = qos
	for cuts := uint64(1); cuts <= 10; cuts++ {
		w.publishes(50)
		d.stop()
		w.publishes(50)
		require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
		network.cut(false)
		d.start()
		require.Eventually(t, func() bool { return c.Counts().Connected.Load() > cuts }, 2*soon, time.Millisecond)
	}
	w.publishes(wardDevices)
	require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, 10*time.Millisecond, "%d lost", len(w.lost(d)))
	end()
	require.Len(t, w.sent, 1005)
	return d
}

// With QoS 2 custody begins at PUBREC. A message may come twice all the same: only
// what it becomes is known to be the same.
func TestNothingIsLostWithQoS2(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	network := newProxy(t, broker.Address())
	o := quick(newDisk(), network.Addr().String())
	o.Subscribe = []mqtt.Filter{{Topic: mqtt.Subscription, QoS: 2}}
	inOrder(t, cutBetweenMessageAndAnswer(t, o, broker.Address(), network, 2))
}

// Each subscription has its own quality: what is asked for with QoS 0 is not kept
// by the broker while nobody is there, and holds nothing up.
func TestEachSubscriptionHasItsOwnQuality(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	d := newDisk()
	o := quick(d, broker.Address())
	o.Subscribe = []mqtt.Filter{{Topic: "nought/+"}, {Topic: "one/+", QoS: 1}, {Topic: "two/+", QoS: 2}}
	c, end := running(t, o)
	isUp(t, c)
	w := newWard(t, broker.Address())
	say := func(round string) {
		for _, topic := range []string{"nought/a", "one/a", "two/a", "three/a"} {
			token := w.c.Publish(topic, 2, false, round+topic)
			require.True(t, token.WaitTimeout(soon))
			require.NoError(t, token.Error())
		}
	}
	say("here ")
	require.Eventually(t, func() bool { return len(d.durable()) == 3 }, soon, time.Millisecond)
	end()
	say("away ")
	c, _ = running(t, o)
	isUp(t, c)
	said := func() map[string]bool { // once or twice
		said := map[string]bool{}
		for _, p := range d.payloads() {
			said[p] = true
		}
		return said
	}
	require.Eventually(t, func() bool { return said()["away two/a"] }, soon, time.Millisecond)
	require.Equal(t, map[string]bool{
		"here nought/a": true, "here one/a": true, "here two/a": true, "away one/a": true, "away two/a": true,
	}, said())
}

// Another client under our name throws us out and gets what is ours; it does not
// acknowledge, so all of it comes to us when we are back.
func TestWhatAnotherUnderOurNameTookComesWhenItHasGone(t *testing.T) {
	broker := brokertest.StartMosquitto(t, brokertest.Options{})
	d := newDisk()
	d.stop()
	o := quick(d, broker.Address())
	o.RetryMin = 300 * time.Millisecond // so that the other gets a word in
	c, _ := running(t, o)
	isUp(t, c)
	w := newWard(t, broker.Address())
	w.publishes(100)
	require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
	took := make(chan string, 1000)
	thief := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker.Address()).SetClientID("medfleet-edge-1").SetCleanSession(false).
		SetAutoAckDisabled(true).SetMaxReconnectInterval(10 * time.Millisecond).SetConnectTimeout(soon).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { took <- string(m.Payload()) }))
	token := thief.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.NoError(t, token.Error())
	w.publishes(100)
	d.start()
	require.Eventually(t, func() bool { return len(took) > 0 }, 2*soon, time.Millisecond, "the other gets our messages")
	thief.Disconnect(250) // by us it may have been thrown out already: each throws out the other
	w.publishes(wardDevices)
	require.Eventually(t, func() bool { return len(w.lost(d)) == 0 }, 2*soon, time.Millisecond)
	isUp(t, c)
	require.GreaterOrEqual(t, c.Counts().Connected.Load(), uint64(2))
	inOrder(t, d)
}

// Two brokers of the hospital: one that is away holds up nothing of the other.
func TestABrokerThatIsAwayHoldsUpNoOther(t *testing.T) {
	here, gone := brokertest.StartMosquitto(t, brokertest.Options{}), brokertest.StartMosquitto(t, brokertest.Options{})
	near, far := newDisk(), newDisk()
	a, _ := running(t, quick(near, here.Address()))
	b, _ := running(t, quick(far, gone.Address()))
	isUp(t, a)
	isUp(t, b)
	gone.Kill()
	require.Eventually(t, func() bool { return !b.Up() }, soon, time.Millisecond)
	w := newWard(t, here.Address())
	w.publishes(100)
	require.Eventually(t, func() bool { return len(w.lost(near)) == 0 }, soon, time.Millisecond)
	require.True(t, a.Up())
	gone.Restart()
	isUp(t, b)
	other := newWard(t, gone.Address())
	other.publishes(5)
	require.Eventually(t, func() bool { return len(other.lost(far)) == 0 }, soon, time.Millisecond, fmt.Sprint(other.sent))
}
