package gateway

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

const manyLetters = 500

// floodOfNonsense sends messages that nobody understands, all at once, and waits
// until each has its PUBACK.
func floodOfNonsense(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetDeadline(time.Now().Add(2*soon)))
	var all []byte
	topic := topicOf("pump-17", "status")
	for id := range uint16(manyLetters) {
		body := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
		body = append(binary.BigEndian.AppendUint16(body, id+1), "nonsense"...)
		all = append(append(all, 0x32, byte(len(body))), body...)
	}
	_, err := c.Write(all)
	require.NoError(t, err)
	acks := make([]byte, 4*manyLetters)
	_, err = io.ReadFull(c, acks)
	require.NoError(t, err)
	for id := range uint16(manyLetters) {
		require.Equal(t, []byte{0x40, 2}, acks[4*id:4*id+2])
		require.Equal(t, id+1, binary.BigEndian.Uint16(acks[4*id+2:]))
	}
}

// shareSyncs requires that the letters are on disk and cost few syncs.
func (e *edge) shareSyncs() {
	e.t.Helper()
	s := e.dead.log.Stats()
	require.Equal(e.t, uint64(manyLetters), s.Newest)
	require.Less(e.t, s.Fsyncs, uint64(manyLetters/2))
	require.Equal(e.t, uint64(manyLetters), e.dead.count.Load())
	require.Equal(e.t, uint64(manyLetters), e.Counts().NotUnderstood.Load())
	require.Len(e.t, e.letters(), manyLetters)
}

func TestAFloodThatNobodyUnderstandsSharesItsSyncs(t *testing.T) {
	t.Run("of a device at our broker", func(t *testing.T) {
		e := startEdge(t, newCentre(t), t.TempDir())
		c, err := net.Dial("tcp", e.mqtt)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d")) // CONNECT as d
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 4))
		require.NoError(t, err)
		floodOfNonsense(t, c)
		e.shareSyncs()
	})
	t.Run("from the hospital's broker", func(t *testing.T) {
		l := listen(t)
		e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) {
			o.MQTT.Brokers = []mqtt.ClientConfig{{Name: "ward", ServerConfig: mqtt.ServerConfig{URL: "mqtt://" + l.Addr().String(), ClientID: "edge-1"}}}
		})
		c, err := l.Accept()
		require.NoError(t, err)
		defer c.Close()
		for _, answer := range [][]byte{{0x20, 2, 0, 0}, {0x90, 3, 0, 1, 1}} { // CONNACK, SUBACK
			_, err = packets.ReadPacket(c)
			require.NoError(t, err)
			_, err = c.Write(answer)
			require.NoError(t, err)
		}
		floodOfNonsense(t, c)
		e.shareSyncs()
	})
}

// TestALetterThatFindsNoRoomIsKeptWhenThereIs: the queue of the disk is full when the
// message comes, and it is not acknowledged for that before its letter is durable.
func TestALetterThatFindsNoRoomIsKeptWhenThereIs(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	p := posted{letters: e.dead, letter: DeadLetter{Source: "mqtt", Reason: "nonsense"}} // it has not set out
	require.NoError(t, p.Wait(t.Context()))
	require.Equal(t, uint64(1), e.dead.log.Stats().Newest)
	require.Equal(t, uint64(1), e.dead.count.Load())
}
