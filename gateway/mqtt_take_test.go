package gateway

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt"
)

// overheard remembers what is handed over.
type overheard struct {
	Custody
	all *[]string
}

func (o overheard) EnqueuePatient(payloads ...[]byte) (uint64, error) {
	for _, p := range payloads {
		*o.all = append(*o.all, string(p))
	}
	return o.Custody.EnqueuePatient(payloads...)
}

// TestTakeUsesNothingOfAMessageAfterwards: whoever reads messages from a connection
// reads the next into the same memory.
func TestTakeUsesNothingOfAMessageAfterwards(t *testing.T) {
	var messages []mqtt.Message
	for i := range 20 {
		messages = append(messages,
			mqtt.Message{Topic: topicOf("pump-17", "status"), Payload: []byte(status(i))},
			mqtt.Message{Topic: topicOf("pump-18", "event"), Payload: []byte(happening(i))},
			mqtt.Message{Topic: topicOf("pump-17", "online"), Payload: []byte(`{"online":false,"class":"infusion_pump"}`)},
			mqtt.Message{Topic: "hospital/north/ICU/P-17/telemetry", Payload: []byte(telemetry(i, i%3 == 0))})
	}
	at := now()
	taken := func(memory func([]byte) []byte, used func([]byte)) (all []string) {
		e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) {
			o.MQTT.Mappings = mapped(t, pumpGateway)
			o.Fault = func(c Custody) Custody { return overheard{c, &all} }
		})
		k := e.newMQTTKeeper("mqtt ward", &Options{Config: e.config, Profiles: set()}, compiled(t))
		for i, m := range messages {
			m.Payload = memory(m.Payload)
			receipt := k.Take(m, at)
			used(m.Payload)
			require.NoError(t, receipt.Wait(t.Context()), "message %d", i)
		}
		e.stop()
		return slices.Clone(all)
	}
	var buffer []byte
	want := taken(bytes.Clone, func([]byte) {})
	got := taken(
		func(b []byte) []byte { buffer = append(buffer[:0], b...); return buffer },
		func(b []byte) { copy(b, bytes.Repeat([]byte("Z"), len(b))) })
	require.Greater(t, len(want), 2*20)
	require.Equal(t, want, got)
}
