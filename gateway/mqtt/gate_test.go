package mqtt_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
)

// greeted is a connection of the device named by these bytes.
func greeted(t *testing.T, s station, name ...byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	id := fmt.Sprintf("%02x", name)
	_, err = c.Write(packet(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(id))}, id...)))
	require.NoError(t, err)
	hears(t, c, 0x20, 2, 0, 0)
	return c
}

// hears requires that the next bytes are these.
func hears(t *testing.T, c net.Conn, want ...byte) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// publishes gives messages with QoS 1 and the identifiers 1, 2, 3, …
func publishes(payloads ...string) (b []byte) {
	for i, payload := range payloads {
		body := publishBody(statusTopic, 1, []byte(payload))
		body[len(body)-len(payload)-1] = byte(i + 1)
		b = append(b, packet(0x32, body)...)
	}
	return b
}

func TestADeviceThatDoesNotWaitIsAcknowledgedInOrderWhenEachIsKept(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := greeted(t, s)
	_, err := c.Write(append(publishes("one", "two"), 0xc0, 0)) // and PINGREQ
	require.NoError(t, err)
	require.Equal(t, statusTopic+" one", k.wasAsked(t))
	require.Equal(t, statusTopic+" two", k.wasAsked(t), "before the first is kept: one sync is for both")
	k.answer(t, nil)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	n, _ := c.Read(make([]byte, 1))
	require.Zero(t, n, "acknowledged before it was kept")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
	k.answer(t, nil)
	hears(t, c, 0x40, 2, 0, 1, 0x40, 2, 0, 2, 0xd0, 0)
	require.Equal(t, uint64(2), s.broker.Counts().Messages.Load())
	_, err = c.Write([]byte{0xc0, 0})
	require.NoError(t, err)
	hears(t, c, 0xd0, 0)
}

func TestAfterAMessageThatIsNotKeptNothingIsAnswered(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := greeted(t, s)
	_, err := c.Write(append(publishes("one", "two", "three"), 0xc0, 0))
	require.NoError(t, err)
	for range 3 {
		k.wasAsked(t)
	}
	k.answer(t, nil)
	k.answer(t, errors.New("disk full"))
	rest, err := io.ReadAll(c)
	require.NoError(t, err, "the connection ends by itself")
	require.Equal(t, []byte{0x40, 2, 0, 1}, rest)
	require.Equal(t, uint64(1), s.broker.Counts().Messages.Load())
	require.Equal(t, uint64(2), s.broker.Counts().Refused.Load())
}

func TestWhatADeviceSaysBeforeItsGoodbyeIsKept(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c := greeted(t, s)
	_, err := c.Write(append(packet(0x30, publishBody(statusTopic, 0, []byte("last"))), 0xe0, 0)) // and DISCONNECT
	require.NoError(t, err)
	require.Equal(t, statusTopic+" last", k.wasAsked(t))
	k.answer(t, nil)
	require.Eventually(t, func() bool { return s.broker.Counts().Messages.Load() == 1 }, soon, time.Millisecond)
}

// standing is a disk that does not move until it is closed.
type standing struct {
	moves chan struct{}
	taken atomic.Int64
}

func (d *standing) Take(mqtt.Message, medfleet.Millis) mqtt.Receipt {
	d.taken.Add(1)
	return waiting(d.moves)
}

// However many devices do not wait, what is between them and a disk that stands
// still is bounded, and all of it is acknowledged in the end.
func TestManyDevicesThatDoNotWaitFillABoundedRoom(t *testing.T) {
	const devices, each = 200, 60
	d := &standing{moves: make(chan struct{})}
	s := serve(t, mqtt.BrokerOptions{Taker: d})
	said := publishes(slices.Repeat([]string{"x"}, each)...)
	require.Greater(t, devices*each, mqtt.MaxDue+devices)
	var all []net.Conn
	for i := range devices {
		c := greeted(t, s, byte(i))
		_, err := c.Write(said)
		require.NoError(t, err)
		all = append(all, c)
	}
	require.Eventually(t, func() bool { return d.taken.Load() > mqtt.MaxDue }, soon, time.Millisecond)
	require.Never(t, func() bool { return d.taken.Load() > mqtt.MaxDue+devices }, 50*time.Millisecond, 5*time.Millisecond)
	close(d.moves)
	for _, c := range all {
		_, err := io.ReadFull(c, make([]byte, 4*each))
		require.NoError(t, err)
	}
	require.Equal(t, uint64(devices*each), s.broker.Counts().Messages.Load())
}

// deadlines is a connection that remembers what deadlines were set.
type deadlines struct {
	net.Conn
	set []time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestADeadlineIsSetOnceASecondAndNeverTooEarly(t *testing.T) {
	d := &deadlines{}
	g := mqtt.NewGate(d)
	began := time.Now()
	for i := range 100 { // a packet each 100 ms, keep-alive 1 s
		asked := began.Add(time.Duration(i)*100*time.Millisecond + 1500*time.Millisecond)
		require.NoError(t, g.SetDeadline(asked))
		require.False(t, d.set[len(d.set)-1].Before(asked))
		require.LessOrEqual(t, d.set[len(d.set)-1].Sub(asked), time.Second)
	}
	require.LessOrEqual(t, len(d.set), 10)
	require.NoError(t, g.SetDeadline(began))
	require.Equal(t, began, d.set[len(d.set)-1].Add(-time.Second), "an earlier one counts")
	require.NoError(t, g.SetDeadline(time.Time{}))
	require.NoError(t, g.SetDeadline(time.Time{}))
	require.Zero(t, d.set[len(d.set)-1])
	require.LessOrEqual(t, len(d.set), 12)
}
