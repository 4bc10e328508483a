package wire_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/mqtt/wire"
)

const most = 256 << 10

// pieces says what it says a few bytes at a time.
type pieces struct {
	said  io.Reader
	chunk int
}

func (s *pieces) Read(p []byte) (int, error) { return s.said.Read(p[:min(len(p), s.chunk)]) }

var packet, publishBody = brokertest.Packet, brokertest.PublishBody

// read gives the packets of some bytes, with memory of their own, and why there are
// no more.
func read(in []byte, chunk int) (list []wire.Packet, err error) {
	r := wire.NewReader(&pieces{bytes.NewReader(in), chunk}, most)
	for {
		p, err := r.Next()
		if err != nil {
			return list, err
		}
		p.Topic, p.Payload, p.Codes = bytes.Clone(p.Topic), bytes.Clone(p.Payload), bytes.Clone(p.Codes)
		list = append(list, p)
	}
}

func TestAMessageOverTheLimitComesWithoutItsPayload(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 5<<20)
	topic := string(bytes.Repeat([]byte("t"), 65535))
	for name, c := range map[string]struct {
		in   []byte
		want wire.Message
		id   uint16
	}{
		"QoS 1":           {packet(0x32, publishBody("a/b", 1, long)), wire.Message{Topic: []byte("a/b"), Size: len(long), QoS: 1, Cut: true}, 7},
		"QoS 0, retained": {packet(0x31, publishBody("a/b", 0, long)), wire.Message{Topic: []byte("a/b"), Size: len(long), Retained: true, Cut: true}, 0},
		"exactly the limit": {packet(0x32, publishBody("a", 1, long[:most-5])),
			wire.Message{Topic: []byte("a"), Payload: long[:most-5], Size: most - 5, QoS: 1}, 7},
		"one byte beyond": {packet(0x34, publishBody("a", 1, long[:most-4])), wire.Message{Topic: []byte("a"), Size: most - 4, QoS: 2, Cut: true}, 7},
		"longest of all topics": {packet(0x3a, publishBody(topic, 1, long)),
			wire.Message{Topic: []byte(topic), Size: len(long), QoS: 1, Cut: true}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			in := append(bytes.Clone(c.in), packet(0x32, publishBody("a/b", 1, []byte("next")))...)
			got, err := read(in, 4096)
			require.ErrorIs(t, err, io.EOF)
			require.Len(t, got, 2)
			require.Equal(t, c.id, got[0].ID)
			m := got[0].Message
			require.True(t, bytes.Equal(c.want.Payload, m.Payload), "%d bytes", len(m.Payload))
			c.want.Payload, m.Payload = nil, nil
			require.Equal(t, c.want, m)
			require.Equal(t, "next", string(got[1].Payload))
		})
	}
}

func TestWhatNoBrokerSendsEndsTheConnection(t *testing.T) {
	for name, in := range map[string][]byte{
		"length without end":     {0x32, 0xff, 0xff, 0xff, 0xff, 0x01},
		"a long answer":          packet(0x20, make([]byte, 5000)),
		"a giant answer":         {0xd0, 0xff, 0xff, 0xff, 0x7f},
		"a message of one byte":  {0x30, 1, 0},
		"a topic beyond its end": packet(0x30, []byte{0, 9, 'a'}),
		"no room for its number": packet(0x32, []byte{0, 1, 'a', 0}),
		"QoS 3":                  packet(0x36, publishBody("a", 1, nil)),
		"an answer to nothing":   packet(0x40, []byte{0}),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(in, 3)
			require.Empty(t, got)
			require.ErrorContains(t, err, "is it an MQTT broker?")
		})
	}
}

// TestMoreTellsWhetherNextWaits: of packets that come in pieces, Next is only ever
// called without waiting where More has said so.
func TestMoreTellsWhetherNextWaits(t *testing.T) {
	one := packet(0x32, publishBody("a/b", 1, make([]byte, 300)))
	ping := []byte{packets.Pingresp << 4, 0}
	long := packet(0x32, publishBody("a/b", 1, make([]byte, 2*most)))
	in := bytes.Join([][]byte{one, ping, one, one[:200]}, nil)
	for name, c := range map[string]struct {
		in    []byte
		reads int // that do not wait, after the first
	}{
		"some and a part":        {in, 2},
		"whole":                  {in[:len(in)-200], 2},
		"a part of a header":     {bytes.Join([][]byte{ping, ping, one[:1]}, nil), 1},
		"a part of a length":     {bytes.Join([][]byte{ping, ping, one[:2]}, nil), 1},
		"what is to be left out": {bytes.Join([][]byte{long, one}, nil), 0},
		"what is wrong":          {[]byte{0xd0, 0, 0x32, 0xff, 0xff, 0xff, 0xff, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			source := &counting{said: bytes.NewReader(c.in)}
			r := wire.NewReader(source, most)
			_, err := r.Next()
			require.NoError(t, err)
			before, reads := source.reads, 0
			for r.More() {
				reads++
				if _, err := r.Next(); err != nil {
					break
				}
			}
			require.Equal(t, c.reads, reads)
			require.Equal(t, before, source.reads)
		})
	}
}

// counting counts how often it is asked.
type counting struct {
	said  io.Reader
	reads int
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads++
	return c.said.Read(p)
}

// packetsOf tells from the standard alone what is to be read of in: kinds, numbers,
// topics and payloads, up to the first packet that no broker sends or that is not
// whole.
func packetsOf(in []byte) (list []wire.Packet) {
	for len(in) > 0 {
		length, at := 0, 1
		for shift := 0; ; shift += 7 {
			if at == len(in) || at > 4 {
				return list
			}
			length |= int(in[at]&0x7f) << shift
			at++
			if in[at-1] < 0x80 {
				break
			}
		}
		p := wire.Packet{Kind: in[0] >> 4}
		body := in[at:min(at+length, len(in))]
		whole := len(body) == length
		switch {
		case p.Kind == packets.Publish:
			m := &p.Message
			m.QoS, m.Retained, m.Cut = in[0]>>1&3, in[0]&1 != 0, length > most
			head := 2
			if len(body) < 2 || m.QoS == 3 {
				return list
			}
			head += int(binary.BigEndian.Uint16(body))
			if m.QoS > 0 {
				head += 2
			}
			if len(body) < head || !whole && !m.Cut {
				return list
			}
			m.Topic, m.Payload, m.Size = body[2:2+int(binary.BigEndian.Uint16(body))], body[head:], length-head
			if m.QoS > 0 {
				p.ID = binary.BigEndian.Uint16(body[head-2:])
			}
			if m.Cut {
				m.Payload = nil
			}
		case length > 4096 || !whole:
			return list
		case p.Kind == packets.Connack:
			p.Codes = body
		case p.Kind >= packets.Puback && p.Kind <= packets.Pubcomp, p.Kind == packets.Suback:
			if length < 2 {
				return list
			}
			p.ID, p.Codes = binary.BigEndian.Uint16(body), body[2:]
		}
		list = append(list, p)
		in = in[at+len(body):]
	}
	return list
}

// FuzzReader: whatever comes, and in whatever pieces, exactly what should be is read
// of it. The second packet is a message of any length.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0}, []byte{0xd0, 0}, uint8(1), uint32(0))
	f.Add([]byte{}, packet(0x32, publishBody("a/b", 1, []byte("{}"))), uint8(7), uint32(300<<10))
	f.Add([]byte{0x30, 0x80, 0x00}, packet(0x30, nil), uint8(200), uint32(1<<20))
	f.Add([]byte{0x90, 3, 0, 1, 1}, []byte{0x90, 4, 0, 1, 1, 1}, uint8(2), uint32(1))
	f.Add([]byte{0x62, 2, 0, 9}, []byte{0x31, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, uint8(9), uint32(70<<10))
	f.Fuzz(func(t *testing.T, before, after []byte, chunk uint8, pad uint32) {
		long := publishBody("medfleet/v1/a/b/c/status", 1, make([]byte, pad%(1<<20)))
		in := append(append(bytes.Clone(before), packet(0x32, long)...), after...)
		got, err := read(in, int(chunk)+1)
		require.Error(t, err)
		want := packetsOf(in)
		require.Len(t, got, len(want))
		for i := range want {
			w, g := want[i], got[i]
			require.True(t, bytes.Equal(w.Topic, g.Topic) && bytes.Equal(w.Payload, g.Payload) && bytes.Equal(w.Codes, g.Codes), "packet %d", i)
			w.Topic, w.Payload, w.Codes, g.Topic, g.Payload, g.Codes = nil, nil, nil, nil, nil, nil
			require.Equal(t, w, g, "packet %d", i)
		}
	})
}

// endless says one packet again and again.
type endless struct {
	one []byte
	at  int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], e.one[e.at:])
		n, e.at = n+c, (e.at+c)%len(e.one)
	}
	return n, nil
}

// BenchmarkReader is what reading costs, per message.
func BenchmarkReader(b *testing.B) {
	e := &endless{one: packet(0x32, publishBody("medfleet/v1/north/edge-1/pump-17/status", 1, make([]byte, 200)))}
	r := wire.NewReader(e, most)
	b.ReportAllocs()
	b.SetBytes(int64(len(e.one)))
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
		r.More()
	}
}
