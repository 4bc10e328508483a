package sparkplug

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/simulators/edgenode"
)

// BenchmarkData is a pump's message with eight metrics, four of them ours.
func BenchmarkData(b *testing.B) {
	h, err := NewHost(HostOptions{Mappings: []Mapping{pumps()}, Profiles: set(), Gateway: "edge-1", Site: "north"})
	require.NoError(b, err)
	n := edgenode.New("ICU", "bed7")
	d := n.Add("pump1")
	for name, v := range map[string]*edgenode.Value{
		"Battery/Charge": edgenode.Double(50), "State": edgenode.Int32(1), "Hours": edgenode.Int64(1000), "Mains": edgenode.Bool(true),
		"Rate": edgenode.Double(5), "Volume": edgenode.Double(100), "Pressure": edgenode.Int32(7), "Drug": edgenode.Text("x"),
	} {
		d.Set(name, v)
	}
	var said Said
	at := time.Now()
	for _, m := range n.Births() {
		require.NoError(b, h.Take(&said, Message{Topic: m.Topic, Payload: m.Payload}, at))
	}
	var list []Message
	for range 256 {
		m := n.Data(d)
		list = append(list, Message{Topic: m.Topic, Payload: m.Payload})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		said.Reset()
		if err := h.Take(&said, list[i%256], at); err != nil || len(said.Observations) != 1 {
			b.Fatal(err, len(said.Observations))
		}
	}
}
