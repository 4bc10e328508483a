package sparkplug

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet/simulators/edgenode"
)

// publishPacket is PUBLISH with QoS 0.
func publishPacket(topic string, payload []byte) []byte {
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
	return append(binary.AppendUvarint([]byte{packets.Publish << 4}, uint64(len(body)+len(payload))), append(body, payload...)...)
}

// falseBroker lets a client in as it is told to, and then sends it bytes.
func falseBroker(t *testing.T, connack byte, suback []byte, then []byte) string {
	return listeningBroker(t, func(packets.ControlPacket) {}, connack, suback, then)
}

// listeningBroker is told of the client's first packets, CONNECT, SUBSCRIBE and one
// behind them.
func listeningBroker(t *testing.T, hears func(packets.ControlPacket), connack byte, suback []byte, then []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(soon))
				for _, answer := range [][]byte{
					{packets.Connack << 4, 2, 0, connack},
					append(append([]byte{packets.Suback << 4, byte(2 + len(suback)), 0, 1}, suback...), then...),
					nil,
				} {
					p, err := packets.ReadPacket(c)
					if err != nil {
						return
					}
					hears(p)
					if word, ok := p.(*packets.PublishPacket); ok && connack == 0 {
						answer = publishPacket(word.TopicName, word.Payload)
					}
					_, _ = c.Write(answer)
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	return l.Addr().String()
}

func TestWhatABrokerRefusesIsToldWithItsRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		connack byte
		suback  []byte
		then    []byte
		says    string
	}{
		"us":                   {packets.ErrRefusedNotAuthorised, nil, nil, "does not let us in"},
		"with an unknown code": {99, nil, nil, "code 99"},
		"our own topic":        {0, []byte{0x80, 1}, nil, "spBv1.0/STATE/medfleet-edge-1 refused"},
		"a group":              {0, []byte{1, 0x80}, nil, "spBv1.0/ICU/# refused"},
		"an answer too few":    {0, []byte{1}, nil, "access list"},
		"and is none":          {0, []byte{1, 1}, []byte{packets.Publish << 4, 1, 0}, "is it an MQTT broker"},
		"and goes on for ever": {0, []byte{1, 1}, []byte{0xd0, 0xff, 0xff, 0xff, 0xff, 0xff}, "is it an MQTT broker"},
		"with a giant answer":  {0, []byte{1, 1}, []byte{0xd0, 0xff, 0xff, 0xff, 0x7f}, "is it an MQTT broker"},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, falseBroker(t, c.connack, c.suback, c.then))
			require.Eventually(t, func() bool {
				err := h.Err()
				return err != nil && bytes.Contains([]byte(err.Error()), []byte(c.says))
			}, soon, time.Millisecond, "%v", h.Err())
		})
	}
}

// TestWhatAHostSaysFirst holds the first packets against the specification (Sparkplug
// 3.0, 5.3): a clean session, a will of the same time as the birth, and no word of
// ours before the subscriptions are granted.
func TestWhatAHostSaysFirst(t *testing.T) {
	heard := make(chan packets.ControlPacket, 100)
	address := listeningBroker(t, func(p packets.ControlPacket) { heard <- p }, 0, []byte{1, 1}, nil)
	h := startHost(t, address, func(o *ClientOptions) { o.User, o.Password = "medfleet", "secret" })
	hello := (<-heard).(*packets.ConnectPacket)
	require.True(t, hello.CleanSession)
	require.Equal(t, "medfleet-edge-1-sparkplug", hello.ClientIdentifier)
	require.Equal(t, "medfleet", hello.Username)
	require.Equal(t, "secret", string(hello.Password))
	require.Equal(t, "spBv1.0/STATE/medfleet-edge-1", hello.WillTopic)
	require.True(t, hello.WillFlag && hello.WillRetain && hello.WillQos == 1)
	ask := (<-heard).(*packets.SubscribePacket)
	require.Equal(t, []string{"spBv1.0/STATE/medfleet-edge-1", "spBv1.0/ICU/#"}, ask.Topics)
	word := (<-heard).(*packets.PublishPacket)
	require.Equal(t, hello.WillTopic, word.TopicName)
	require.True(t, word.Retain && word.Qos == 1)
	require.Equal(t, bytes.Replace(hello.WillMessage, []byte("false"), []byte("true"), 1), word.Payload)
	h.isUp(t)
}

func TestAMessageOverTheLimitIsPutAsideAndCostsARebirth(t *testing.T) {
	n := edgenode.New("ICU", "bed7")
	d := n.Add("pump1")
	d.Set("Battery/Charge", edgenode.Double(7))
	var wire []byte
	for _, m := range n.Births() {
		wire = append(wire, publishPacket(m.Topic, m.Payload)...)
	}
	wire = append(wire, publishPacket("spBv1.0/ICU/DDATA/bed7/pump1", bytes.Repeat([]byte("Quintero"), maxPacket/8))...)
	for _, m := range n.Births() {
		wire = append(wire, publishPacket(m.Topic, m.Payload)...)
	}
	d.Set("Battery/Charge", edgenode.Double(8))
	m := n.Data(d)
	wire = append(wire, publishPacket(m.Topic, m.Payload)...)
	h := startHost(t, falseBroker(t, 0, []byte{1, 1}, wire))
	h.has(t, "bed7-pump1 battery_charge 8")
	h.has(t, errLarge.Error())
	require.GreaterOrEqual(t, h.Counts().Shortened.Load(), uint64(1))
	require.GreaterOrEqual(t, h.Nodes().Gaps.Load(), uint64(1))
	require.GreaterOrEqual(t, h.Nodes().Rebirths.Load(), uint64(1))
}

// TestABrokerThatKeepsOurWordToItselfIsBorne: a broker without rights for STATE is
// tried twice, since the subscriptions may be worth nothing, and then borne.
func TestABrokerThatKeepsOurWordToItselfIsBorne(t *testing.T) {
	n := edgenode.New("ICU", "bed7")
	n.Add("pump1").Set("Battery/Charge", edgenode.Double(7))
	var wire []byte
	for _, m := range n.Births() {
		wire = append(wire, publishPacket(m.Topic, m.Payload)...)
	}
	connections, told := make(chan struct{}, 100), make(chan struct{})
	hears := func(p packets.ControlPacket) {
		switch m := p.(type) {
		case *packets.ConnectPacket:
			if connections <- struct{}{}; len(connections) > 1 {
				<-told
			}
		case *packets.PublishPacket:
			m.TopicName = "nobody/hears" // instead of coming back
		}
	}
	h := startHost(t, listeningBroker(t, hears, 0, []byte{1, 1}, wire), func(o *ClientOptions) { o.Answer = 20 * time.Millisecond })
	require.Eventually(t, func() bool {
		return h.Err() != nil && bytes.Contains([]byte(h.Err().Error()), []byte("does not come back"))
	}, soon, time.Millisecond)
	close(told)
	h.isUp(t)
	h.has(t, "bed7-pump1 battery_charge 7")
	require.Len(t, connections, 2)
}

func TestAFloodThatNobodyUnderstandsDoesNotHoldUpTheOthers(t *testing.T) {
	n := edgenode.New("ICU", "bed7")
	n.Add("pump1").Set("Battery/Charge", edgenode.Double(7))
	wire := bytes.Repeat(publishPacket("spBv1.0/ICU/Quintero/x", []byte("Quintero")), 2000)
	for _, m := range n.Births() {
		wire = append(wire, publishPacket(m.Topic, m.Payload)...)
	}
	h := startHost(t, falseBroker(t, 0, []byte{1, 1}, wire))
	h.has(t, "bed7-pump1 battery_charge 7")
	put := uint64(h.count(errTopic.Error()))
	require.GreaterOrEqual(t, put, uint64(lettersMost))
	require.Equal(t, uint64(2000), put+h.Counts().Unlettered.Load())
}
