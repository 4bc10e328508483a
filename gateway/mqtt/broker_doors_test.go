package mqtt_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
)

// ready is a keeper that takes everything at once.
type ready struct {
	mu   sync.Mutex
	kept []string
}

func (k *ready) Take(m mqtt.Message, _ medfleet.Millis) mqtt.Receipt {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, m.Topic+" "+string(m.Payload))
	return instant{}
}

func (k *ready) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{}, k.kept...)
}

func TestOnlyADeviceWithACertificateOfTheHospitalComesIn(t *testing.T) {
	hospital, other := tlstest.New(t), tlstest.New(t)
	cert, key := hospital.Issue("edge-1")
	secure, err := tlsfiles.Server{CertFile: cert, KeyFile: key, ClientCAFile: hospital.CA()}.Config("gateway.mqtt.tls")
	require.NoError(t, err)
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k, TLS: secure})
	for name, c := range map[string]struct {
		shows *tlstest.Authority
		plain bool
		in    bool
	}{
		"right":                 {hospital, false, true},
		"another's certificate": {other, false, false},
		"no certificate":        {nil, false, false},
		"plain text":            {nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options("pump")
			if !c.plain {
				client := tlsfiles.Client{CAFile: hospital.CA()}
				if c.shows != nil {
					client.CertFile, client.KeyFile = c.shows.Issue("pump")
				}
				config, err := client.Config("test", "localhost")
				require.NoError(t, err)
				o = s.secure("pump").SetTLSConfig(config)
			}
			client := paho.NewClient(o)
			token := client.Connect()
			require.True(t, token.WaitTimeout(soon))
			defer client.Disconnect(0)
			require.Equal(t, c.in, token.Error() == nil, "%v", token.Error())
			if c.in {
				sent := client.Publish(statusTopic, 1, false, "one")
				require.True(t, sent.WaitTimeout(soon))
				require.NoError(t, sent.Error())
			}
		})
	}
	require.Equal(t, []string{statusTopic + " one"}, k.all())
}

func (s station) secure(id string) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("ssl://" + s.addr).SetClientID(id).SetConnectTimeout(soon).
		SetAutoReconnect(false).SetConnectRetry(false).SetWriteTimeout(soon)
}

// A device that finds no room is told at once, and the others go on.
func TestThereIsRoomForSoManyConnectionsOnly(t *testing.T) {
	s := serve(t, mqtt.BrokerOptions{Taker: &ready{}, Limits: mqtt.Limits{MaxClients: 1}})
	first := connect(t, s.options("first"))
	second := paho.NewClient(s.options("second"))
	token := second.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.ErrorContains(t, token.Error(), "server Unavailable")
	for s.broker.Counts().Crowded.Load() == 0 { // connections that say nothing at all
		c, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		defer c.Close()
	}
	sent := first.Publish(statusTopic, 1, false, "one")
	require.True(t, sent.WaitTimeout(soon))
	require.NoError(t, sent.Error())
}

func TestTheLimitOfAPacketIsConfigured(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k, Limits: mqtt.Limits{MaxPacket: 1000}})
	c := connect(t, s.options("chatty"))
	require.True(t, c.Publish(statusTopic, 1, false, make([]byte, 900)).WaitTimeout(soon))
	c.Publish(statusTopic, 1, false, make([]byte, 1000))
	require.Eventually(t, func() bool { return !c.IsConnected() }, soon, time.Millisecond)
	require.Len(t, k.all(), 1)
	require.ErrorContains(t, mqtt.Limits{MaxPacket: -1, MaxInFlight: 1 << 20}.Check("l"), "l.max_packet: -1: want 1 to")
	require.ErrorContains(t, mqtt.Limits{MaxPacket: -1, MaxInFlight: 1 << 20}.Check("l"), "l.max_in_flight: 1048576")
}

// QoS 2 takes custody before PUBREC, and its second half changes nothing.
func TestEveryQualityOfServiceIsKeptOnce(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := connect(t, s.options("pump-17"))
	for qos := byte(0); qos <= 2; qos++ {
		token := c.Publish(statusTopic, qos, false, string('0'+rune(qos)))
		require.Equal(t, statusTopic+" "+string('0'+rune(qos)), k.wasAsked(t))
		if qos > 0 {
			require.False(t, token.WaitTimeout(20*time.Millisecond), "QoS %d acknowledged before it was kept", qos)
		}
		k.answer(t, nil)
		require.True(t, token.WaitTimeout(soon))
		require.NoError(t, token.Error())
	}
	require.Len(t, k.all(), 3)
}

const onlineTopic = "medfleet/v1/north/edge-1/pump-17/online"

// abandon ends a device's connection without a goodbye.
func abandon(t *testing.T, s station, o *paho.ClientOptions) {
	network := newProxy(t, s.addr)
	o.Servers = nil
	connect(t, o.AddBroker("tcp://"+network.Addr().String()))
	network.cut(true)
}

func TestALastWillIsKeptWhenItsDeviceIsLost(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	abandon(t, s, s.options("pump-17").SetWill(onlineTopic, `{"online":false}`, 1, true))
	require.Eventually(t, func() bool { return s.broker.Counts().Wills.Load() == 1 }, soon, time.Millisecond)
	require.Equal(t, []string{onlineTopic + ` {"online":false}`}, k.all())
	require.Zero(t, s.broker.Retained())
}

// Whoever says goodbye, or is here again, is not lost; and what a device may not
// say living it may not say dead.
func TestALastWillThatIsNotDueIsNotKept(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	connect(t, s.options("polite").SetWill(onlineTopic, "polite", 1, false)).Disconnect(uint(soon.Milliseconds()))
	abandon(t, s, s.options("stranger").SetWill("hospital/doors/17", "open", 1, false))
	first := connect(t, s.options("pump-17").SetWill(onlineTopic, "taken over", 1, false))
	connect(t, s.options("pump-17"))
	require.Eventually(t, func() bool { return !first.IsConnected() && s.broker.Clients() == 1 }, soon, time.Millisecond)
	abandon(t, s, s.options("last").SetWill(onlineTopic, "last", 1, false))
	require.Eventually(t, func() bool { return len(k.all()) > 0 }, soon, time.Millisecond)
	require.Equal(t, []string{onlineTopic + " last"}, k.all())
}

// A machine that has used up its file descriptors has some again later: the broker
// must not have stopped listening by then.
func TestTheBrokerListensOnAfterTheMachineRanOutOfFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := mqtt.NewBroker(mqtt.BrokerOptions{Taker: &ready{}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, &poor{Listener: l}) }()
	connect(t, station{broker: b, addr: l.Addr().String()}.options("late")).Disconnect(0)
	cancel()
	require.NoError(t, <-ended)
}

// poor is a listener whose first connections fail for want of file descriptors.
type poor struct {
	net.Listener
	failed int // Accept is called by one goroutine
}

func (p *poor) Accept() (net.Conn, error) {
	if p.failed++; p.failed <= 3 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return p.Listener.Accept()
}

// A gateway that is to end does not wait for those who say nothing.
func TestABrokerEndsThoughADeviceHasNotSaidWhoItIs(t *testing.T) {
	s, end := serveUntil(t, mqtt.BrokerOptions{Taker: &ready{}})
	for _, said := range []string{"", "\x10", "\x10\x0d\x00\x04MQTT"} {
		c, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte(said))
		require.NoError(t, err)
	}
	connect(t, s.options("pump-17")) // those before it are let in
	end()
}

// Nobody holds a place without saying who he is; whoever has said so may be silent.
func TestADeviceThatDoesNotSayWhoItIsIsPutOut(t *testing.T) {
	s := serve(t, mqtt.BrokerOptions{Taker: &ready{}, Greeting: time.Millisecond})
	known := connect(t, s.options("pump-17").SetKeepAlive(0))
	for _, said := range []string{"", "\x10", "\x10\x0d\x00\x04MQTT"} {
		c, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte(said))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	require.True(t, known.IsConnected())
}

// deaf is a listener that is broken.
type deaf struct{ net.Listener }

func (deaf) Accept() (net.Conn, error) { return nil, syscall.EBADF }

func TestABrokerThatCannotListenSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	b := mqtt.NewBroker(mqtt.BrokerOptions{Taker: &ready{}, Log: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, b.Run(t.Context(), deaf{l}), syscall.EBADF)
	require.False(t, b.Up())
}
