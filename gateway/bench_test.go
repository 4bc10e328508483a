package gateway

import (
	"context"
	"fmt"
	"testing"

	"medfleet/gateway/mqtt"
)

// atOnce is custody that costs nothing.
type atOnce struct{ sequence uint64 }

func (a *atOnce) Enqueue(payloads ...[]byte) (uint64, error) {
	a.sequence += uint64(len(payloads))
	return a.sequence, nil
}

func (a *atOnce) EnqueuePatient(payloads ...[]byte) (uint64, error) { return a.Enqueue(payloads...) }

func (a *atOnce) WaitDurable(context.Context, uint64) error { return nil }
func (a *atOnce) WaitQueue(context.Context) error           { return nil }

// BenchmarkTakeStatus is what the gateway itself does with an MQTT message of 260
// bytes between the library that brings it and the spool.
func BenchmarkTakeStatus(b *testing.B) {
	g := &Gateway{keeper: newKeeper("edge-1", &atOnce{}, &atOnce{})}
	k := g.newMQTTKeeper("mqtt", &Options{Config: Config{ID: "edge-1", Site: "north"}, Profiles: set()}, nil)
	topics, payloads := make([]string, 1000), make([][]byte, 1000)
	for i := range topics {
		topics[i] = fmt.Sprintf("medfleet/v1/north/edge-1/pump-%04d/status", i)
	}
	received := now()
	at := received.Time().UTC()
	for i := range payloads {
		payloads[i] = fmt.Appendf(nil, `{"class":"infusion_pump","time":%q,"seq":1000000,"model":"Alpha 30000","unit":"ICU 2","state":"infusing",`+
			`"battery_charge":87.5,"battery_health":91.5,"on_mains":true,"operating_hours":12043.5,"motor_current":118.25,"door_openings":%d}`, at.Format("2006-01-02T15:04:05.000Z"), 10000+i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := mqtt.Message{Topic: topics[i%1000], Payload: payloads[i%1000]}
		if err := k.Take(m, received).Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if n := k.counts.Kept.Load(); n != uint64(b.N) {
		b.Fatalf("%d of %d kept", n, b.N)
	}
}
