package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state"
	"medfleet/processtest"
	"medfleet/record"
	"medfleet/simulators"
	"medfleet/spool"
)

// What a device was told is kept must be kept, whoever is killed and when. A
// hospital of two processes is put under 500 messages a second, one of the two is
// killed with SIGKILL over and over, and at the end every acknowledged message is
// looked for in the journal and in the table of events.

const (
	kills        = 20
	controlKills = 5
	killRate     = 500
)

func TestNothingAcknowledgedIsLostWhenTheGatewayIsKilled(t *testing.T) {
	h := newHospital(t, "on", "on")
	h.killOften(t, h.gateway, kills)
	h.requireWhole(t)
}

func TestNothingAcknowledgedIsLostWhenTheCollectorIsKilled(t *testing.T) {
	h := newHospital(t, "on", "on")
	h.killOften(t, h.collector, kills)
	h.requireWhole(t)
}

// The controls: a process that acknowledges before it appends must be caught.

func TestAGatewayThatAcknowledgesTooEarlyIsCaught(t *testing.T) {
	h := newHospital(t, withFault, "on")
	h.killOften(t, h.gateway, controlKills)
	lost, _ := h.account(t)
	require.NotZero(t, lost, "the kill test cannot see a gateway that acknowledges before it appends")
}

func TestACollectorThatAcknowledgesTooEarlyIsCaught(t *testing.T) {
	h := newHospital(t, "on", withFault)
	h.killOften(t, h.collector, controlKills)
	lost, _ := h.account(t)
	require.NotZero(t, lost, "the kill test cannot see a collector that acknowledges before it appends")
}

// hospital is a gateway and a collector in processes of their own, and a ward.
type hospital struct {
	folder             string
	web, edgeMetrics   string
	gateway, collector *program
	toGateway          []*proxy // the network of the devices: MQTT, HL7
	toCollector        *proxy
	fleet              *simulators.Fleet
	ended              chan error
	stopWard           context.CancelFunc

	mu    sync.Mutex
	acked []simulators.Message
}

func newHospital(t *testing.T, gatewayMode, collectorMode string) *hospital {
	t.Helper()
	t.Parallel()
	h := &hospital{folder: t.TempDir(), web: processtest.FreeAddress(t), edgeMetrics: processtest.FreeAddress(t), ended: make(chan error, 1)}
	mqtt, hl7 := processtest.FreeAddress(t), processtest.FreeAddress(t)
	config := filepath.Join(h.folder, configFile)
	h.toCollector = newProxy(t, h.web, nil)
	h.toGateway = []*proxy{newProxy(t, mqtt, nil), newProxy(t, hl7, nil)}
	h.writeConfig(t, config, mqtt, hl7)
	h.postAuditor(t)
	h.collector = start(t, collectorMode, filepath.Join(h.folder, "collector.log"), arguments(collectorMode, "collector", config)...)
	h.gateway = start(t, gatewayMode, filepath.Join(h.folder, "gateway.log"), arguments(gatewayMode, "gateway", config)...)
	var err error
	h.fleet, err = simulators.New(simulators.Config{
		Devices: 50, Site: "north", MQTT: simulators.Broker{URL: "tcp://" + h.toGateway[0].address()}, HL7: h.toGateway[1].address(), Scenario: "calm",
		Steady: simulators.Steady{Rate: killRate, Events: 0.5}, Drain: 20 * time.Second, Queue: 20_000,
		Acked: func(m simulators.Message) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.acked = append(h.acked, m)
		},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	h.stopWard = cancel
	go func() { h.ended <- h.fleet.Run(ctx) }()
	return h
}

const auditor = "auditor"

// postAuditor makes a reader of the journal that commits nothing, so that the
// journal keeps every record for it.
func (h *hospital) postAuditor(t *testing.T) {
	t.Helper()
	log, err := spool.Open(h.journal(), spool.Options{})
	require.NoError(t, err)
	_, err = log.Reader(auditor)
	require.NoError(t, err)
	require.NoError(t, log.Close())
}

func (h *hospital) journal() string { return filepath.Join(h.folder, "center", "journal") }

// arguments calls the program as a user does; the faulty one is simpler.
func arguments(mode, command, config string) []string {
	if mode == withFault || mode == inAHurry {
		return []string{command, config}
	}
	return []string{command, "--config.file", config}
}

func (h *hospital) writeConfig(t *testing.T, name, mqtt, hl7 string) {
	t.Helper()
	h.write(t, name, fmt.Sprintf(`listen: "%s"`, mqtt), fmt.Sprintf(`hl7: {listen: "%s"}`, hl7))
}

// write writes a configuration with what devices speak to: the keys of mqtt, and lines
// of the gateway beside.
func (h *hospital) write(t *testing.T, name, mqtt string, beside ...string) {
	t.Helper()
	text := fmt.Sprintf(`
gateway:
  id: edge-1
  site: north
  data_dir: %[1]s/edge
  mqtt: {%[2]s}
  %[3]s
  uplink: {url: "http://%[6]s", token: "0123456789abcdef-edge-1"}
  metrics: {listen: "%[5]s"}
collector:
  site: north
  data_dir: %[1]s/center
  clock: 1s
api:
  listen: "%[4]s"
  gateways: [{name: edge-1, token: "0123456789abcdef-edge-1"}]
`, h.folder, mqtt, strings.Join(beside, "\n  "), h.web, h.edgeMetrics, h.toCollector.address())
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// killOften kills and starts a process while messages are acknowledged in
// between, each time at another moment. A collector is killed when it has taken
// records since it started: the gateway acknowledges without it, and to kill what
// does not work yet would show nothing.
func (h *hospital) killOften(t *testing.T, victim *program, times int) {
	t.Helper()
	for i := range times {
		h.waitForAcks(t, 100+37*(i%5))
		if victim == h.collector {
			require.Eventually(t, func() bool { return atLeast(metric(h.web, "medfleet_ingest_records_total"), 20+11*(i%5)) },
				60*time.Second, 2*time.Millisecond, "the collector takes no records")
		}
		victim.kill(t)
		victim.restart(t)
	}
	h.endWard(t)
}

// endWard lets the ward send some more and stops it.
func (h *hospital) endWard(t *testing.T) {
	t.Helper()
	h.waitForAcks(t, 200)
	h.stopWard()
	require.NoError(t, <-h.ended)
}

// atLeast compares a metric's value as it was exposed.
func atLeast(value string, n int) bool {
	v, err := strconv.ParseFloat(value, 64)
	return err == nil && v >= float64(n)
}

// waitForAcks returns when the ward has seen n more messages acknowledged.
func (h *hospital) waitForAcks(t *testing.T, n int) {
	t.Helper()
	until := h.count() + n
	require.Eventually(t, func() bool { return h.count() >= until }, 60*time.Second, 2*time.Millisecond,
		"messages are no longer acknowledged")
}

func (h *hospital) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acked)
}

func (h *hospital) requireWhole(t *testing.T) {
	t.Helper()
	lost, doubled := h.account(t)
	require.Zero(t, lost, "acknowledged messages that are in no journal")
	require.Zero(t, doubled, "records that are there more than once")
	require.Greater(t, h.count(), kills*100, "too little traffic to mean anything")
}

// account waits until the gateway has handed everything on and the watch has it,
// stops both, and looks for every acknowledged message: events in their table,
// each once; observations in the journal by device and time; and no sequence of
// the gateway's twice.
func (h *hospital) account(t *testing.T) (lost, doubled int) {
	t.Helper()
	h.waitUntilDrained(t)
	h.gateway.stop(t)
	h.collector.stop(t)
	points, twice := h.readJournal(t)
	events, again := h.readEvents(t)
	doubled = twice + again
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.acked {
		m := &h.acked[i]
		there := points[key{m.Device, m.Time}]
		if m.Event() {
			there = events[key{m.Device, m.Time}]
		}
		if there == 0 {
			lost++
			t.Logf("lost: %+v", *m)
		}
	}
	t.Logf("%d messages acknowledged, %d observations and %d events found, %d lost, %d doubled",
		len(h.acked), len(points), len(events), lost, doubled)
	return lost, doubled
}

// key is how a message of a device is found again: no two share a time.
type key struct {
	device medfleet.DeviceID
	time   medfleet.Millis
}

// waitUntilDrained returns when nothing waits in the gateway's spools, the
// collector has taken nothing more for two seconds and its watch, which starts
// again from its snapshot after each kill, has come to the present: it follows the
// journal's clock, which ticks each second.
func (h *hospital) waitUntilDrained(t *testing.T) {
	t.Helper()
	quiet, last := 0, ""
	require.Eventually(t, func() bool {
		events := metric(h.edgeMetrics, `medfleet_log_pending_records{log="events",reader="uplink"}`)
		telemetry := metric(h.edgeMetrics, `medfleet_log_pending_records{log="telemetry",reader="uplink"}`)
		lag := metric(h.web, "medfleet_watch_lag_seconds")
		now := metric(h.web, "medfleet_ingest_records_total")
		if events == "0" && telemetry == "0" && lag == "0" && now != "" && now == last {
			quiet++
		} else {
			quiet, last = 0, now
		}
		return quiet >= 8
	}, 150*time.Second, 250*time.Millisecond, "gateway and collector do not come to rest")
}

// metric reads one metric of a process, empty when it does not answer.
func metric(address, name string) string {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	return sample(answer.Body, name)
}

// readJournal reads the collector's journal from its beginning.
func (h *hospital) readJournal(t *testing.T) (points map[key]int, doubled int) {
	t.Helper()
	points = map[key]int{}
	sequences := map[string]int{}
	decoder, line := record.NewDecoder(), record.Line{}
	h.eachRecord(t, func(e *record.Envelope) {
		name := fmt.Sprintf("%s/%s/%x/%d", e.Gateway, e.Stream, e.Epoch, e.Sequence)
		if sequences[name]++; sequences[name] > 1 {
			doubled++
		}
		if e.Kind == record.Observation {
			require.NoError(t, decoder.Decode(e.Line, &line))
			points[key{medfleet.DeviceID(line.Tag("device")), line.Time}]++
		}
	})
	return points, doubled
}

// eachRecord calls see with each record in the journal that is a gateway's.
func (h *hospital) eachRecord(t *testing.T, see func(e *record.Envelope)) {
	t.Helper()
	log, err := spool.Open(h.journal(), spool.Options{})
	require.NoError(t, err)
	defer log.Close()
	reader, err := log.Reader(auditor)
	require.NoError(t, err)
	for at, newest := uint64(0), log.Stats().Newest; at < newest; {
		records, gap, err := reader.Read(t.Context(), 1000, 1<<20)
		require.NoError(t, err)
		require.Nil(t, gap, "the journal lost records")
		for _, r := range records {
			at = r.Sequence
			e, err := record.Parse(r.Payload)
			require.NoError(t, err)
			if len(e.Gateway) > 0 {
				see(&e)
			}
		}
	}
}

// readEvents reads the table of events, but for those that a broker tells of a
// device whose connection ended.
func (h *hospital) readEvents(t *testing.T) (events map[key]int, doubled int) {
	t.Helper()
	db, err := state.Open(t.Context(), filepath.Join(h.folder, "center"), "")
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT device, at FROM events WHERE condition <> 'offline'`)
	require.NoError(t, err)
	defer rows.Close()
	events = map[key]int{}
	for rows.Next() {
		var k key
		require.NoError(t, rows.Scan(&k.device, &k.time))
		if events[k]++; events[k] > 1 {
			doubled++
		}
	}
	require.NoError(t, rows.Err())
	return events, doubled
}
