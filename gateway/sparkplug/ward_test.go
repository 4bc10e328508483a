package sparkplug

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
	"medfleet/simulators/edgenode"
)

var set = sync.OnceValue(func() *profiles.Set {
	s, err := profiles.Load("")
	if err != nil {
		panic(err)
	}
	return s
})

// pumps is a mapping of infusion pumps.
func pumps() Mapping {
	return Mapping{
		Class: "infusion_pump", ModelFrom: "Properties/Model", Unit: "{group}",
		Metrics: map[string]mapping.Metric{
			"Battery/Charge":  {Metric: "battery_charge"},
			"Battery/Runtime": {Metric: "battery_runtime", Unit: "h"},
			"State":           {Metric: "state", Words: map[string]string{"0": "standby", "1": "infusing"}},
			"Mains":           {Metric: "on_mains"},
			"Hours":           {Metric: "operating_hours"},
		},
		Conditions: map[string]mapping.Condition{"Battery/Low": {Condition: "battery_low"}},
		Codes:      map[string]mapping.Codes{"Error": {"0": "", "17": "battery_fault", "18": "device_failure"}},
	}
}

// ward is a host, an edge node with a pump, and the time.
type ward struct {
	t    *testing.T
	host *Host
	said Said
	now  time.Time
	node *edgenode.Node
	pump *edgenode.Device
	errs []error
}

func newWard(t *testing.T, change ...func(*HostOptions)) *ward {
	t.Helper()
	o := HostOptions{Mappings: []Mapping{pumps()}, Profiles: set(), Gateway: "edge-1", Site: "north"}
	for _, c := range change {
		c(&o)
	}
	host, err := NewHost(o)
	require.NoError(t, err)
	w := &ward{t: t, host: host, now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), node: edgenode.New("ICU", "bed7")}
	w.node.Now = func() time.Time { return w.now }
	w.node.Connect()
	w.pump = w.node.Add("pump1")
	w.pump.Set("Battery/Charge", edgenode.Double(71))
	w.pump.Set("State", edgenode.Int32(1))
	w.pump.Set("Battery/Low", edgenode.Bool(false))
	w.pump.Set("Patient/Name", edgenode.Text("Quintero"))
	return w
}

// take gives the host messages and forgets what was said before.
func (w *ward) take(list ...edgenode.Message) *Said {
	w.said.Reset()
	for _, m := range list {
		if err := w.host.Take(&w.said, Message{Topic: m.Topic, Payload: m.Payload}, w.now); err != nil {
			w.errs = append(w.errs, err)
		}
	}
	return &w.said
}

// pass lets time go by; what is due is done in its time.
func (w *ward) pass(d time.Duration) *Said {
	w.said.Reset()
	for end := w.now.Add(d); ; {
		due := w.host.Due(w.now)
		if due.After(end) {
			w.now = end
			return &w.said
		}
		w.now = due
		w.host.Tick(&w.said, w.now)
	}
}

func (w *ward) born() { w.take(w.node.Births()...) }

// reading gives the value that an observation of what was said has, the last one.
func (w *ward) reading(metric string) (float64, bool) {
	for i := len(w.said.Observations) - 1; i >= 0; i-- {
		if v, ok := w.said.Observations[i].Reading(metric); ok {
			return v, true
		}
	}
	return 0, false
}

func (w *ward) says(metric string, want float64) {
	w.t.Helper()
	got, ok := w.reading(metric)
	require.True(w.t, ok, "%s is not said", metric)
	require.Equal(w.t, want, got, metric)
}

// events gives what happened: "condition phase".
func (w *ward) events() (list []string) {
	for _, e := range w.said.Events {
		list = append(list, e.Condition+" "+string(e.Phase))
	}
	return list
}

var bed7 = Node{Group: "ICU", Edge: "bed7"}

const pumpID medfleet.DeviceID = "bed7-pump1"
