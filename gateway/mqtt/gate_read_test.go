package mqtt_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

// A device that says nothing but messages is heard, and one that falls silent is given
// up after its keep-alive and half of it, also in the middle of a message.
func TestADeviceThatOnlyPublishesIsAliveUntilItFallsSilent(t *testing.T) {
	one := publishes("one")
	for name, part := range map[string][]byte{"between messages": nil, "within a message": one[:len(one)-1]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				b := mqtt.NewBroker(mqtt.BrokerOptions{Taker: instant{}})
				ended := make(chan error, 1)
				go func() {
					ends, err := b.Converse(t.Context(), false, ours)
					ended <- errors.Join(append(ends, err)...)
				}()
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				say := func(said []byte) {
					_, err := theirs.Write(said)
					require.NoError(t, err)
				}
				say(hello(4, true))
				for range 20 {
					time.Sleep(80 * time.Second)
					say(one)
				}
				last := time.Now()
				time.Sleep(80 * time.Second)
				say(part)
				require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
				require.GreaterOrEqual(t, time.Since(last), 90*time.Second)
				require.LessOrEqual(t, time.Since(last), 91*time.Second)
				require.Equal(t, uint64(20), b.Counts().Messages.Load())
				require.NoError(t, theirs.Close())
			})
		})
	}
}

func TestAMessageThatComesWithConnectIsAnsweredAfterIt(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	_, err = c.Write(append(hello(4, true), publishes("one", "two")...))
	require.NoError(t, err)
	hears(t, c, 0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x40, 2, 0, 2)
	require.Equal(t, []string{statusTopic + " one", statusTopic + " two"}, k.all())
}

func TestAMessageBeforeConnectEndsTheConnection(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	_, err = c.Write(publishes("one"))
	require.NoError(t, err)
	told, _ := io.ReadAll(c) // it may be reset: not all that it said was read
	require.Empty(t, told)
	require.Empty(t, k.all())
}

// A device that is here again on a new connection says again what was not acknowledged
// on the old one: there the acknowledgement of what is still on its way must not come.
func TestAMessageOfAConnectionThatIsReplacedIsAcknowledgedNowhere(t *testing.T) {
	k := newKeeper()
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	old := greeted(t, s, 7)
	_, err := old.Write(publishes("one"))
	require.NoError(t, err)
	require.Equal(t, statusTopic+" one", k.wasAsked(t))
	c := greeted(t, s, 7)
	k.answer(t, nil)
	told, err := io.ReadAll(old)
	require.NoError(t, err)
	require.NotContains(t, told, byte(0x40))
	_, err = c.Write(append([]byte{0xc0, 0}, publishes("one")...))
	require.NoError(t, err)
	require.Equal(t, statusTopic+" one", k.wasAsked(t))
	k.answer(t, nil)
	hears(t, c, 0xd0, 0, 0x40, 2, 0, 1)
}

// In MQTT 5 a message can have properties, and a device that uses an alias for its topic
// though we grant none is told so.
func TestADeviceOfMQTT5(t *testing.T) {
	k := &ready{}
	s := serve(t, mqtt.BrokerOptions{Taker: k})
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	say := func(properties string, payload string) {
		body := append([]byte{byte(len(properties))}, properties+payload...)
		_, err = c.Write(packet(0x32, publishBody(statusTopic, 1, body)))
		require.NoError(t, err)
	}
	_, err = c.Write(hello(5, true))
	require.NoError(t, err)
	hears(t, c, 0x20, 6, 0, 0, 3, 0x21, 4, 0) // and how many may be in flight
	say("", "plain")
	hears(t, c, 0x40, 2, 0, 7)
	say("\x26\x00\x01k\x00\x01v", "with a word of its own")
	hears(t, c, 0x40, 2, 0, 7)
	say("\x23\x00\x01", "under an alias")
	told, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, []byte{0xe0, 0x94}, []byte{told[0], told[2]}, "topic alias invalid")
	require.Equal(t, []string{statusTopic + " plain", statusTopic + " with a word of its own"}, k.all()[:2])
}
