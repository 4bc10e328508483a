package sparkplug

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/simulators/edgenode"
)

// FuzzTake: whatever comes, what is said is about devices of the mapping, with
// metrics of the profile, and never holds a text that came in.
func FuzzTake(f *testing.F) {
	n := edgenode.New("ICU", "bed7")
	d := n.Add("pump1")
	d.Set("Battery/Charge", edgenode.Double(50))
	d.Set("State", edgenode.Int32(1))
	d.Set("Battery/Low", edgenode.Bool(true))
	d.Set("Properties/Model", edgenode.Text("Agilia"))
	for _, m := range append(n.Births(), n.Data(d), n.DeviceDeath(d), n.Death()) {
		f.Add(m.Topic, m.Payload)
	}
	f.Add("spBv1.0/ICU/DDATA/bed7/pump1", bytes.Repeat([]byte{2<<3 | 2, 0}, 100))
	f.Add("spBv1.0/STATE/x", []byte("{}"))
	f.Fuzz(func(t *testing.T, topic string, message []byte) {
		h, err := NewHost(HostOptions{Mappings: []Mapping{pumps()}, Profiles: set(), Gateway: "edge-1", Site: "north"})
		require.NoError(t, err)
		var said Said
		at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
		births := edgenode.New("ICU", "bed7")
		births.Add("pump1").Set("Battery/Charge", edgenode.Double(50))
		for _, m := range births.Births() {
			require.NoError(t, h.Take(&said, Message{Topic: m.Topic, Payload: m.Payload}, at))
		}
		_ = h.Take(&said, Message{Topic: topic, Payload: message}, at)
		h.Tick(&said, at.Add(3*time.Second))
		p, _ := set().Class("infusion_pump")
		for _, o := range said.Observations {
			require.True(t, o.Device.Valid())
			require.Equal(t, p.Class, o.Class)
			for _, r := range o.Readings {
				m, ok := p.Metric(r.Metric)
				require.True(t, ok)
				require.True(t, m.Plausible(r.Value))
			}
		}
		for _, e := range said.Events {
			_, ok := set().Condition(e.Condition)
			require.True(t, ok)
			require.Contains(t, []string{"", "17", "18"}, e.Code)
		}
		require.LessOrEqual(t, len(h.nodes), 2)
	})
}
