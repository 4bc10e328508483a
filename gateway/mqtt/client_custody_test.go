package mqtt_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/tlsfiles/tlstest"
)

// secureMosquitto lets in who shows a certificate, and the ward's devices at an
// address of their own.
func secureMosquitto(t *testing.T, a *tlstest.Authority) (broker *mosquitto, devices string) {
	cert, key := a.Issue("broker")
	devices = freeAddress(t)
	_, port, err := net.SplitHostPort(devices)
	require.NoError(t, err)
	return newMosquitto(t, "cafile "+a.CA(), "certfile "+cert, "keyfile "+key, "require_certificate true",
		"listener "+port+" 127.0.0.1", "allow_anonymous true"), devices
}

func TestNothingIsLostWhenAnEncryptedConnectionIsCutUnderLoad(t *testing.T) {
	a := tlstest.New(t)
	broker, devices := secureMosquitto(t, a)
	network := newProxy(t, broker.address)
	d := newDisk()
	o := quick(d, network.Addr().String())
	o.URL, o.CAFile = "mqtts://"+network.Addr().String(), a.CA()
	o.CertFile, o.KeyFile = a.Issue("edge-1")
	inOrder(t, cutBetweenMessageAndAnswer(t, o, devices, network, 1))
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
	broker := newMosquitto(t)
	network := newProxy(t, broker.address)
	o := quick(newDisk(), network.Addr().String())
	o.Subscribe = []mqtt.Filter{{Topic: mqtt.Subscription, QoS: 2}}
	inOrder(t, cutBetweenMessageAndAnswer(t, o, broker.address, network, 2))
}

// Each subscription has its own quality: what is asked for with QoS 0 is not kept
// by the broker while nobody is there, and holds nothing up.
func TestEachSubscriptionHasItsOwnQuality(t *testing.T) {
	broker := newMosquitto(t)
	d := newDisk()
	o := quick(d, broker.address)
	o.Subscribe = []mqtt.Filter{{Topic: "nought/+"}, {Topic: "one/+", QoS: 1}, {Topic: "two/+", QoS: 2}}
	c, end := running(t, o)
	isUp(t, c)
	w := newWard(t, broker.address)
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
	broker := newMosquitto(t)
	d := newDisk()
	d.stop()
	o := quick(d, broker.address)
	o.RetryMin = 300 * time.Millisecond // so that the other gets a word in
	c, _ := running(t, o)
	isUp(t, c)
	w := newWard(t, broker.address)
	w.publishes(100)
	require.Eventually(t, func() bool { return d.waiting() > 0 }, soon, time.Millisecond)
	took := make(chan string, 1000)
	thief := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker.address).SetClientID("medfleet-edge-1").SetCleanSession(false).
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
	here, gone := newMosquitto(t), newMosquitto(t)
	near, far := newDisk(), newDisk()
	a, _ := running(t, quick(near, here.address))
	b, _ := running(t, quick(far, gone.address))
	isUp(t, a)
	isUp(t, b)
	gone.kill()
	require.Eventually(t, func() bool { return !b.Up() }, soon, time.Millisecond)
	w := newWard(t, here.address)
	w.publishes(100)
	require.Eventually(t, func() bool { return len(w.lost(near)) == 0 }, soon, time.Millisecond)
	require.True(t, a.Up())
	gone.start(mosquittoCommand(t))
	isUp(t, b)
	other := newWard(t, gone.address)
	other.publishes(5)
	require.Eventually(t, func() bool { return len(other.lost(far)) == 0 }, soon, time.Millisecond, fmt.Sprint(other.sent))
}
