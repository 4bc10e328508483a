package mqtt_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

// stream is a connection on which the broker says what it says, a few bytes at a
// time.
type stream struct {
	net.Conn
	said  *bytes.Reader
	chunk int
}

func (s *stream) Read(p []byte) (int, error)       { return s.said.Read(p[:min(len(p), s.chunk)]) }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }
func (s *stream) Close() error                     { return nil }

func packet(first byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

func publishBody(topic string, qos byte, payload []byte) []byte {
	b := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
	if qos > 0 {
		b = append(b, 0, 7)
	}
	return append(b, payload...)
}

func TestAMessageOverTheLimitComesWithoutItsPayload(t *testing.T) {
	long := make([]byte, 5<<20)
	for name, c := range map[string]struct{ in, want []byte }{
		"QoS 1":             {packet(0x32, publishBody("a/b", 1, long)), packet(0x32, publishBody("a/b", 1, nil))},
		"QoS 0, retained":   {packet(0x31, publishBody("a/b", 0, long)), packet(0x31, publishBody("a/b", 0, nil))},
		"exactly the limit": {packet(0x32, publishBody("a", 1, long[:mqtt.MaxPacket-5])), packet(0x32, publishBody("a", 1, long[:mqtt.MaxPacket-5]))},
		"one byte beyond":   {packet(0x32, publishBody("a", 1, long[:mqtt.MaxPacket-4])), packet(0x32, publishBody("a", 1, nil))},
		"longest of all topics": {
			packet(0x3a, publishBody(string(bytes.Repeat([]byte("t"), 65535)), 1, long)),
			packet(0x3a, publishBody(string(bytes.Repeat([]byte("t"), 65535)), 1, nil)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := packet(0x32, publishBody("a/b", 1, []byte("next")))
			in := append(bytes.Clone(c.in), after...)
			l := mqtt.NewLink(&stream{said: bytes.NewReader(in), chunk: 4096}, 10, 10<<20)
			got, err := io.ReadAll(l)
			require.NoError(t, err)
			require.True(t, bytes.Equal(append(bytes.Clone(c.want), after...), got), "%d bytes", len(got))
		})
	}
}

func TestWhatNoBrokerSendsEndsTheConnection(t *testing.T) {
	for name, in := range map[string][]byte{
		"length without end":        {0x32, 0xff, 0xff, 0xff, 0xff, 0x01},
		"a long answer":             packet(0x20, make([]byte, 5000)),
		"an answer for ten filters": packet(0x90, make([]byte, 12)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := io.ReadAll(mqtt.NewLink(&stream{said: bytes.NewReader(in), chunk: 3}, 10, 1<<20))
			require.ErrorContains(t, err, "is it an MQTT broker?")
		})
	}
}

// passes tells from the standard alone what the library is to read of in: packets
// as they are, their lengths in the shortest form, long messages without payload,
// and nothing from the first packet on that no broker sends.
func passes(in []byte) (out []byte) {
	for len(in) > 0 {
		length, at := 0, 1
		for shift := 0; ; shift += 7 {
			if at == len(in) || at > 4 {
				return out
			}
			length |= int(in[at]&0x7f) << shift
			at++
			if in[at-1] < 0x80 {
				break
			}
		}
		body := in[at:min(at+length, len(in))]
		switch kind := in[0] >> 4; {
		case kind == 9 && length > 3, kind != 3 && length > 4096:
			return out
		case kind == 3 && length > mqtt.MaxPacket:
			if len(body) < 2 {
				return out
			}
			keep := 2 + int(binary.BigEndian.Uint16(body))
			if in[0]&6 != 0 {
				keep += 2
			}
			if len(body) < keep {
				return out
			}
			out = append(out, packet(in[0], body[:keep])...)
		default:
			out = append(binary.AppendUvarint(append(out, in[0]), uint64(length)), body...)
		}
		in = in[at+len(body):]
	}
	return out
}

// FuzzPacketsPassUnchanged: whatever comes, and in whatever pieces, the library
// reads exactly what it should. The second packet is a message of any length.
func FuzzPacketsPassUnchanged(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0}, []byte{0xd0, 0}, uint8(1), uint32(0))
	f.Add([]byte{}, packet(0x32, publishBody("a/b", 1, []byte("{}"))), uint8(7), uint32(300<<10))
	f.Add([]byte{0x30, 0x80, 0x00}, packet(0x30, nil), uint8(200), uint32(1<<20))
	f.Add([]byte{0x90, 3, 0, 1, 1}, []byte{0x90, 4, 0, 1, 1, 1}, uint8(2), uint32(1))
	f.Fuzz(func(t *testing.T, before, after []byte, chunk uint8, pad uint32) {
		long := publishBody("medfleet/v1/a/b/c/status", 1, make([]byte, pad%(1<<20)))
		in := append(append(bytes.Clone(before), packet(0x32, long)...), after...)
		l := mqtt.NewLink(&stream{said: bytes.NewReader(in), chunk: int(chunk) + 1}, 1<<20, 1<<30)
		got, _ := io.ReadAll(l)
		want := passes(in)
		require.True(t, bytes.Equal(want, got), "%d bytes, not %d", len(got), len(want))
	})
}

// endless says one packet again and again.
type endless struct {
	stream
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

// BenchmarkLink measures what the library pays for the bounds, per message.
func BenchmarkLink(b *testing.B) {
	e := &endless{one: packet(0x32, publishBody("medfleet/v1/north/edge-1/pump-17/status", 1, make([]byte, 200)))}
	l := mqtt.NewLink(e, b.N, 1<<40)
	whole := make([]byte, len(e.one))
	b.ReportAllocs()
	b.SetBytes(int64(len(whole)))
	b.ResetTimer()
	for range b.N {
		if _, err := io.ReadFull(l, whole); err != nil {
			b.Fatal(err)
		}
	}
}
