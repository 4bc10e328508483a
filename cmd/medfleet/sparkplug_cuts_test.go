package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/processtest"
	"medfleet/record"
	"medfleet/spool"
)

// In Sparkplug nothing is acknowledged: what is said while the gateway, the broker or
// the network is away is lost, and what a device is doing is known again from a birth.
// Each of them is killed or cut under load, over and over; each time the collector has
// to come to the truth about every device. What the gateway had on its disk arrives,
// once.

func TestTheTruthOfSparkplugDevicesIsKnownAgainWhenTheGatewayIsKilled(t *testing.T) {
	h := newSparkHospital(t)
	h.missOften(t, kills, func(int) (back func()) {
		h.gateway.kill(t)
		return func() { h.gateway.restart(t) }
	})
	h.requireWhole(t)
}

func TestTheTruthOfSparkplugDevicesIsKnownAgainWhenTheBrokerIsKilled(t *testing.T) {
	h := newSparkHospital(t)
	h.missOften(t, kills, func(int) (back func()) {
		h.broker.Kill()
		return h.broker.Restart
	})
	h.requireWhole(t)
}

func TestTheTruthOfSparkplugDevicesIsKnownAgainWhenTheNetworkIsCut(t *testing.T) {
	h := newSparkHospital(t)
	h.missOften(t, cuts, func(i int) (back func()) {
		cut := [][]*proxy{{h.ofGateway}, {h.ofNodes}, {h.ofGateway, h.ofNodes}}[i%3]
		for _, p := range cut {
			p.cut(true)
		}
		return func() {
			for _, p := range cut {
				p.up()
			}
		}
	})
	var asked int
	fmt.Sscan(metric(h.edgeMetrics, `medfleet_sparkplug_rebirths_total{feed="sparkplug ward"}`), &asked)
	require.LessOrEqual(t, asked, cuts*len(h.nodes), "no node is asked twice for one cut")
	h.requireWhole(t)
}

// The control: a gateway that its broker lets ask nobody for a rebirth. The nodes stay
// connected and have no reason to say anew what they have said.
func TestAHostThatAsksForNoRebirthIsCaught(t *testing.T) {
	h := newSparkHospital(t, "topic deny spBv1.0/+/NCMD/#", "topic readwrite #")
	h.waitForData(t, 40)
	h.ofGateway.cut(true)
	h.change(0)
	h.ofGateway.up()
	for name, least := range map[string]int{"rebirths": len(h.nodes), "unborn_messages": 100} {
		eventually(t, name, func() bool {
			return atLeast(metric(h.edgeMetrics, "medfleet_sparkplug_"+name+`_total{feed="sparkplug ward"}`), least)
		})
	}
	require.NotEmpty(t, h.wrong(), "the tests cannot see a host that asks for no rebirth")
}

// sparkHospital is a gateway and a collector in processes of their own, a real broker,
// and edge nodes with pumps behind networks that can be cut.
type sparkHospital struct {
	*hospital
	broker             *brokertest.Mosquitto
	ofGateway, ofNodes *proxy // to the broker
	nodes              []*wardNode
	round              int
}

func newSparkHospital(t *testing.T, access ...string) *sparkHospital {
	t.Helper()
	t.Parallel()
	h := &sparkHospital{
		hospital: &hospital{folder: t.TempDir(), web: processtest.FreeAddress(t), edgeMetrics: processtest.FreeAddress(t)},
		broker:   brokertest.StartMosquitto(t, brokertest.Options{Access: access}),
	}
	h.ofGateway, h.ofNodes = newProxy(t, h.broker.Address(), nil), newProxy(t, h.broker.Address(), nil)
	h.toCollector = newProxy(t, h.web, nil)
	config := filepath.Join(h.folder, configFile)
	h.write(t, config, fmt.Sprintf(`sparkplug: [{name: ward, url: "mqtt://%s", mappings: [%s]}]`, h.ofGateway.address(), wardMapping))
	h.postAuditor(t)
	h.collector = start(t, "on", filepath.Join(h.folder, "collector.log"), arguments("on", "collector", config)...)
	h.gateway = start(t, inAHurry, filepath.Join(h.folder, "gateway.log"), arguments(inAHurry, "gateway", config)...)
	eventually(t, "the gateway does not come to its broker", func() bool { return metric(h.edgeMetrics, `medfleet_feed_up{feed="sparkplug ward"}`) == "1" })
	for i := range 4 {
		h.nodes = append(h.nodes, startNode(t, h.ofNodes.address(), i))
	}
	h.requireTruth(t)
	return h
}

// missOften has something happen at each device while something is away, over and over:
// the devices speak, away takes it and gives what brings it back.
func (h *sparkHospital) missOften(t *testing.T, times int, away func(i int) (back func())) {
	t.Helper()
	for i := range times {
		h.waitForData(t, 30+13*(i%5))
		back := away(i)
		h.change(i)
		back()
		h.requireTruth(t)
	}
}

// waitForData returns when the gateway has kept so many more messages.
func (h *sparkHospital) waitForData(t *testing.T, n int) {
	t.Helper()
	kept := func() (v int) {
		fmt.Sscan(metric(h.edgeMetrics, "medfleet_gateway_kept_messages_total"), &v)
		return v
	}
	was := kept()
	require.Eventually(t, func() bool { return kept() >= was+n }, 60*time.Second, 5*time.Millisecond, "the gateway keeps nothing")
}

// change has something new be so at each device, that no later message but a birth
// tells.
func (h *sparkHospital) change(round int) {
	h.round++
	for _, n := range h.nodes {
		n.change(round)
	}
}

// requireTruth waits until the collector knows what the nodes said once, which none of
// them says again by itself; then it holds everything against the truth while
// nothing changes.
func (h *sparkHospital) requireTruth(t *testing.T) {
	t.Helper()
	told := func(d *medfleet.Device, p *wardPump) bool { return d.Readings["operating_hours"] == p.hours }
	require.Eventually(t, func() bool { return len(h.differs(told)) == 0 }, 2*time.Minute, 50*time.Millisecond,
		"round %d: what was said while nobody heard it is not known", h.round)
	for _, n := range h.nodes {
		n.rest(true)
		defer n.rest(false)
	}
	if !eventuallyNothing(h.wrong) {
		require.Empty(t, h.wrong(), "round %d: the collector does not come to the truth", h.round)
	}
}

func eventuallyNothing(wrong func() []string) bool {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if len(wrong()) == 0 {
			return true
		}
		<-time.After(50 * time.Millisecond)
	}
	return false
}

// wrong lists the devices of which the collector has another idea than the truth.
func (h *sparkHospital) wrong() []string {
	return h.differs(func(d *medfleet.Device, p *wardPump) bool { return p.isKnown(d) })
}

func (h *sparkHospital) differs(same func(*medfleet.Device, *wardPump) bool) (list []string) {
	known := map[medfleet.DeviceID]medfleet.Device{}
	for _, d := range (&ward{web: h.web}).devices() {
		known[d.ID] = d
	}
	for _, n := range h.nodes {
		for _, p := range n.truth() {
			if d, ok := known[p.id]; !ok || !same(&d, &p) {
				list = append(list, fmt.Sprintf("%+v, and is taken for %+v", p, d))
			}
		}
	}
	return list
}

// requireWhole waits until the gateway has handed everything on, stops both, and looks
// for each record of the gateway's in the journal, once, and for each event in the
// table, once.
func (h *sparkHospital) requireWhole(t *testing.T) {
	t.Helper()
	for _, n := range h.nodes {
		n.stop()
	}
	h.waitUntilDrained(t)
	h.gateway.stop(t)
	h.collector.stop(t)
	streams, events := map[string]map[uint64]int{}, map[string]bool{}
	decoder, line := record.NewDecoder(), record.Line{}
	h.eachRecord(t, func(e *record.Envelope) {
		name := string(e.Stream)
		if streams[name] == nil {
			streams[name] = map[uint64]int{}
		}
		streams[name][e.Sequence]++
		require.NoError(t, decoder.Decode(e.Line, &line))
		if e.Kind == record.Event {
			events[line.Event().ID] = true
		}
	})
	for _, name := range []string{"events", "telemetry"} {
		log, err := spool.Open(filepath.Join(h.folder, "edge", name), spool.Options{})
		require.NoError(t, err)
		newest := log.Stats().Newest
		require.NoError(t, log.Close())
		require.Greater(t, newest, uint64(kills*10), "too little traffic to mean anything")
		for i := uint64(1); i <= newest; i++ {
			require.Equal(t, 1, streams[name][i], "record %d of %s", i, name)
		}
		require.Len(t, streams[name], int(newest), "records that the gateway never had")
	}
	h.requireEvents(t, events)
}

func (h *sparkHospital) requireEvents(t *testing.T, want map[string]bool) {
	t.Helper()
	db, err := state.Open(t.Context(), filepath.Join(h.folder, "center"), "")
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT id FROM events`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		require.True(t, want[id], "an event that no gateway told, or one twice")
		delete(want, id)
	}
	require.NoError(t, rows.Err())
	require.Empty(t, want, "events that are not in the table")
}
