package mqtt_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
)

// soon is how long what must come is waited for: long, since a machine may be slow, and
// it costs nothing where it comes.
const soon = time.Minute

// keeper is a disk whose every answer the test gives.
type keeper struct {
	answers chan error
	mu      sync.Mutex
	kept    []string
	asked   chan string
}

func newKeeper() *keeper {
	return &keeper{answers: make(chan error), asked: make(chan string, 100)}
}

func (k *keeper) Take(m mqtt.Message, _ medfleet.Millis) mqtt.Receipt {
	said := m.Topic + " " + string(m.Payload)
	k.asked <- said
	return asked{k, said}
}

// asked is the receipt for one message.
type asked struct {
	*keeper
	said string
}

func (k asked) Wait(ctx context.Context) error {
	select {
	case err := <-k.answers:
		if err == nil {
			k.mu.Lock()
			k.kept = append(k.kept, k.said)
			k.mu.Unlock()
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keeper) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{}, k.kept...)
}

func (k *keeper) wasAsked(t *testing.T) string {
	t.Helper()
	select {
	case said := <-k.asked:
		return said
	case <-time.After(soon):
		t.Fatal("the keeper was not asked")
		return ""
	}
}

func (k *keeper) answer(t *testing.T, err error) {
	t.Helper()
	select {
	case k.answers <- err:
	case <-time.After(soon):
		t.Fatal("nobody waits for the keeper")
	}
}

type station struct {
	broker *mqtt.Broker
	addr   string
}

func serve(t *testing.T, o mqtt.BrokerOptions) station {
	t.Helper()
	s, _ := serveUntil(t, o)
	return s
}

// serveUntil starts a broker; the function it gives ends it, and so does the test's end.
func serveUntil(t *testing.T, o mqtt.BrokerOptions) (s station, end func()) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := mqtt.NewBroker(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, l) }()
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(soon):
			t.Error("the broker does not end")
		}
	})
	t.Cleanup(end)
	require.Eventually(t, b.Serving, soon, time.Millisecond)
	return station{b, l.Addr().String()}, end
}

func (s station) options(id string) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("tcp://" + s.addr).SetClientID(id).SetConnectTimeout(soon).
		SetAutoReconnect(false).SetConnectRetry(false).SetWriteTimeout(soon)
}

func connect(t *testing.T, o *paho.ClientOptions) paho.Client {
	t.Helper()
	c := paho.NewClient(o)
	token := c.Connect()
	require.True(t, token.WaitTimeout(soon))
	require.NoError(t, token.Error())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func TestAMessageIsAcknowledgedOnlyWhenItIsKept(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := connect(t, s.options("pump-17"))
	token := c.Publish(statusTopic, 1, false, "one")
	require.Equal(t, statusTopic+" one", k.wasAsked(t))
	require.False(t, token.WaitTimeout(50*time.Millisecond), "acknowledged before it was kept")
	k.answer(t, nil)
	require.True(t, token.WaitTimeout(soon), "not acknowledged though it was kept")
	require.NoError(t, token.Error())
	require.Equal(t, uint64(1), s.broker.Counts().Messages.Load())
}

func TestWhatCannotBeKeptIsNotAcknowledgedAndComesAgain(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	lost := make(chan struct{}, 10)
	o := s.options("pump-17").SetCleanSession(false).SetAutoReconnect(true).SetMaxReconnectInterval(10 * time.Millisecond).
		SetConnectionLostHandler(func(paho.Client, error) { lost <- struct{}{} })
	c := connect(t, o)
	token := c.Publish(statusTopic, 1, false, "one")
	k.wasAsked(t)
	k.answer(t, errors.New("disk full"))
	select {
	case <-lost:
	case <-time.After(soon):
		t.Fatal("the connection stays open, so the device never sends again")
	}
	require.Equal(t, statusTopic+" one", k.wasAsked(t), "after it has connected again")
	require.Equal(t, uint64(1), s.broker.Counts().Refused.Load())
	k.answer(t, nil)
	require.Eventually(t, func() bool { return len(k.all()) == 1 }, soon, time.Millisecond)
	require.True(t, token.WaitTimeout(soon))
}

// The bytes themselves: a client library may take a lost connection for an end.
func TestARefusedMessageGetsNotOneByteOfAnswer(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	_, err = c.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d")) // CONNECT as d
	require.NoError(t, err)
	connack := make([]byte, 4)
	_, err = io.ReadFull(c, connack)
	require.NoError(t, err)
	require.Equal(t, []byte{0x20, 2, 0, 0}, connack)
	body := append([]byte{0, byte(len(statusTopic))}, statusTopic...)
	body = append(body, 0, 7, 'x') // packet 7
	publish := append([]byte{0x32, byte(len(body))}, body...)
	_, err = c.Write(publish)
	require.NoError(t, err)
	k.wasAsked(t)
	k.answer(t, errors.New("disk full"))
	rest, err := io.ReadAll(c)
	require.NoError(t, err, "the connection ends by itself")
	require.Empty(t, rest)
}

func TestMessagesOfOneDeviceAreKeptInTheirOrder(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := connect(t, s.options("pump-17"))
	var tokens []paho.Token
	for _, payload := range []string{"one", "two", "three"} {
		tokens = append(tokens, c.Publish(statusTopic, 1, false, payload))
	}
	for _, payload := range []string{"one", "two", "three"} {
		require.Equal(t, statusTopic+" "+payload, k.wasAsked(t))
		k.answer(t, nil)
	}
	for _, token := range tokens {
		require.True(t, token.WaitTimeout(soon))
	}
}

func TestADeviceWhoseMessageWaitsHoldsUpNobody(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	connect(t, s.options("slow")).Publish(statusTopic, 1, false, "slow")
	k.wasAsked(t)
	connect(t, s.options("other")).Publish(statusTopic, 1, false, "other")
	require.Contains(t, k.wasAsked(t), "other")
	k.answer(t, nil)
	k.answer(t, nil)
}

func TestNobodyMaySubscribe(t *testing.T) {
	s := serve(t, mqtt.BrokerOptions{Taker: newKeeper()})
	c := connect(t, s.options("spy"))
	for _, filter := range []string{"#", mqtt.Subscription, statusTopic, "$SYS/#", "+/+"} {
		token := c.Subscribe(filter, 1, func(paho.Client, paho.Message) { t.Error("a message was delivered") }).(*paho.SubscribeToken)
		require.True(t, token.WaitTimeout(soon))
		require.GreaterOrEqual(t, token.Result()[filter], byte(0x80), filter)
	}
}

func TestNothingIsTakenOutsideTheContract(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	for _, name := range []string{"hospital/pump", "medfleet/v1", "medfleet/v10/a/b/c/status", "medfleet"} {
		c := connect(t, s.options("stranger"))
		token := c.Publish(name, 1, false, "x")
		require.Eventually(t, func() bool { return !c.IsConnected() }, soon, time.Millisecond, "%s", name)
		require.True(t, token.WaitTimeout(soon))
		require.Error(t, token.Error(), "%s was acknowledged", name)
	}
	require.Empty(t, k.asked)
}

func TestNothingStaysInTheBrokersMemory(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	o := s.options("pump-17").SetWill("medfleet/v1/north/edge-1/pump-17/online", "0", 1, true)
	c := connect(t, o)
	token := c.Publish(statusTopic, 1, true, "one")
	k.wasAsked(t)
	k.answer(t, nil)
	require.True(t, token.WaitTimeout(soon))
	require.Zero(t, s.broker.Retained(), "a message that asked to be retained")
	connect(t, s.options("pump-17")) // takes over: the first one's last will is due
	require.Eventually(t, func() bool { return !c.IsConnected() }, soon, time.Millisecond)
	require.Never(t, func() bool { return s.broker.Retained() > 0 }, 50*time.Millisecond, 5*time.Millisecond, "a last will")
}

func TestADeviceNamesItselfWhereNamesAreAsked(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k, User: "ward", Password: "s3cret"})
	for name, c := range map[string]struct {
		user, password string
		in             bool
	}{
		"right":          {"ward", "s3cret", true},
		"wrong password": {"ward", "s3cres", false},
		"wrong name":     {"wars", "s3cret", false},
		"no password":    {"ward", "", false},
		"nothing":        {"", "", false},
		"longer":         {"ward", "s3cret2", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options("d")
			if c.user != "" {
				o.SetUsername(c.user).SetPassword(c.password)
			}
			client := paho.NewClient(o)
			token := client.Connect()
			require.True(t, token.WaitTimeout(soon))
			defer client.Disconnect(0)
			require.Equal(t, c.in, token.Error() == nil, "%v", token.Error())
		})
	}
}

func TestAMessageOverTheLimitEndsTheConnection(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := connect(t, s.options("chatty"))
	c.Publish(statusTopic, 1, false, strings.Repeat("x", 300<<10))
	require.Eventually(t, func() bool { return !c.IsConnected() }, soon, time.Millisecond)
	require.Empty(t, k.asked)
}

func TestABrokerThatEndsAcknowledgesNothingMore(t *testing.T) {
	k := newKeeper()
	s, end := serveUntil(t, mqtt.BrokerOptions{Taker: k})
	c := connect(t, s.options("pump-17"))
	token := c.Publish(statusTopic, 1, false, "one")
	k.wasAsked(t)
	end() // while the message waits
	require.True(t, token.WaitTimeout(soon))
	require.Error(t, token.Error(), "acknowledged though it was never kept")
	require.Empty(t, k.all())
}
