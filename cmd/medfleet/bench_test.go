package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/brokertest"
	"medfleet/processtest"
)

// What the gateway costs: a gateway process of its own, as users run it, with
// real sockets and a spool on disk that is synced; this process is the load. CPU
// time is user and system time of the gateway's process alone.
//
//	go test -run xxx -bench Gateway -benchtime 5s ./cmd/medfleet
//
// flood is as much as it takes, with one message in flight per device. steady is
// 3 000 messages a second at random moments: few of them would share a sync if none
// waited for others. to=spool is without a collector, to=collector with one that has
// to have everything in the end, to=nothing is the floor: the way in alone, the
// broker's library or our own client of a broker, with a taker that keeps nothing.
// To see where the time goes, while it runs:
//
//	perf record -g -p $(pgrep -f 'gateway --config.file') sleep 5

const (
	benchDevices = 1000
	steadyRate   = 3000
)

func BenchmarkGatewayMQTT(b *testing.B) {
	for _, connections := range []int{benchDevices, 20} {
		for _, to := range []string{"nothing", "spool", "collector"} {
			for _, how := range []string{"flood", "steady"} {
				b.Run(fmt.Sprintf("connections=%d/%s/to=%s", connections, how, to), func(b *testing.B) {
					s := newStand(b, to, "mqtt")
					w := newMQTTWard(b, s.mqtt, connections)
					s.measure(b, how, w)
				})
			}
		}
	}
}

// BenchmarkGatewayMosquitto is the same with the hospital's own broker between.
func BenchmarkGatewayMosquitto(b *testing.B) {
	for _, to := range []string{"nothing", "spool", "collector"} {
		for _, how := range []string{"flood", "steady"} {
			b.Run(how+"/to="+to, func(b *testing.B) {
				s := newStand(b, to, "mosquitto")
				w := newMQTTWard(b, s.mqtt, 20)
				s.measure(b, how, w)
			})
		}
	}
}

func BenchmarkGatewayHL7(b *testing.B) {
	for _, connections := range []int{1, 32} {
		for _, to := range []string{"spool", "collector"} {
			b.Run(fmt.Sprintf("connections=%d/to=%s", connections, to), func(b *testing.B) {
				s := newStand(b, to, "hl7")
				w := newHL7Ward(b, s.hl7, connections)
				s.measure(b, "flood", w)
			})
		}
	}
}

// BenchmarkGatewayIdle tells the memory of a gateway with 1 000 senders at rest,
// each of which has sent one message. RSS counts the pages of the program's file
// too, and the test binary's is larger:
//
//	go build -o /tmp/medfleet ./cmd/medfleet
//	MEDFLEET_BENCH_PROGRAM=/tmp/medfleet go test -run xxx -bench GatewayIdle ./cmd/medfleet
func BenchmarkGatewayIdle(b *testing.B) {
	s := newStand(b, "spool", "hl7")
	empty := s.usage(b)
	w := newHL7Ward(b, s.hl7, 1000)
	require.NoError(b, w.flood(1000))
	time.Sleep(6 * time.Second) // buffers are let go of after 5 s
	busy := s.usage(b)
	time.Sleep(150 * time.Second) // and given back by the collection that comes after two minutes at rest
	b.ReportMetric(s.usage(b).rss, "RSS-MB")
	b.ReportMetric(busy.rss, "RSS-MB-after-6s")
	b.ReportMetric(empty.rss, "RSS-MB-before")
	b.ReportMetric(busy.anonymous, "anonymous-MB-after-6s")
	b.ReportMetric(busy.stacks-empty.stacks, "stack-MB-after-6s")
	b.ReportMetric(busy.heap-empty.heap, "heap-MB-after-6s")
	b.ReportMetric(0, "ns/op")
}

// load is what sends messages and returns when each has its acknowledgement.
type load interface {
	flood(n int) error
	steady(n, rate int) (latencies []time.Duration, err error)
}

// stand is a gateway to be measured, and what stands around it.
type stand struct {
	folder         string
	to             string
	mqtt, hl7, web string
	metrics        string
	gateway        *program
}

func newStand(b *testing.B, to, way string) *stand {
	b.Helper()
	s := &stand{folder: b.TempDir(), to: to, hl7: processtest.FreeAddress(b), mqtt: processtest.FreeAddress(b), web: processtest.FreeAddress(b), metrics: processtest.FreeAddress(b)}
	if way == "mosquitto" {
		s.mqtt = brokertest.StartMosquitto(b, brokertest.Options{Settings: []string{"set_tcp_nodelay true", "max_queued_messages 0"}}).Address()
	}
	config := filepath.Join(s.folder, configFile)
	s.writeConfig(b, config, way)
	if to == "collector" {
		start(b, "on", filepath.Join(s.folder, "collector.log"), "collector", "--config.file", config)
	}
	mode := "on"
	if to == "nothing" {
		mode = asFloor
	}
	s.gateway = start(b, mode, filepath.Join(s.folder, "gateway.log"), "gateway", "--config.file", config)
	require.Eventually(b, func() bool { return metric(s.metrics, keptMetric) != "" }, 20*time.Second, 10*time.Millisecond, "the gateway does not start")
	return s
}

func (s *stand) writeConfig(b *testing.B, name, way string) {
	b.Helper()
	source := map[string]string{
		"mqtt":      fmt.Sprintf(`mqtt: {listen: "%s"}`, s.mqtt),
		"mosquitto": fmt.Sprintf(`mqtt: {brokers: [{url: "mqtt://%s"}]}`, s.mqtt),
		"hl7":       fmt.Sprintf(`hl7: {listen: "%s"}`, s.hl7),
	}[way]
	text := fmt.Sprintf(`
gateway:
  id: edge-1
  site: north
  data_dir: %[1]s/edge
  %[2]s
  uplink: {url: "http://%[3]s", token: "0123456789abcdef-edge-1"}
  metrics: {listen: "%[4]s"}
collector:
  site: north
  data_dir: %[1]s/center
api:
  listen: "%[3]s"
  gateways: [{name: edge-1, token: "0123456789abcdef-edge-1"}]
`, s.folder, source, s.web, s.metrics)
	require.NoError(b, os.WriteFile(name, []byte(text), 0o600))
}

const keptMetric = "medfleet_gateway_kept_messages_total"

// measure sends b.N messages and tells what they cost the gateway.
func (s *stand) measure(b *testing.B, how string, w load) {
	b.Helper()
	require.NoError(b, w.flood(benchDevices)) // buffers grow, devices become known
	s.settle(b, benchDevices)
	before := s.usage(b)
	b.ResetTimer()
	if how == "steady" {
		latencies, err := w.steady(b.N, steadyRate)
		require.NoError(b, err)
		b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds())/1000, "median-ms")
		b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds())/1000, "p99-ms")
	} else {
		require.NoError(b, w.flood(b.N))
	}
	s.settle(b, benchDevices+b.N)
	b.StopTimer()
	after := s.usage(b)
	n := float64(b.N)
	b.ReportMetric((after.cpu-before.cpu).Seconds()/n*1e6, "cpu-s/Mmsg")
	b.ReportMetric((after.system-before.system).Seconds()/n*1e6, "sys-s/Mmsg")
	b.ReportMetric(n/b.Elapsed().Seconds(), "msg/s")
	if syncs := after.syncs - before.syncs; syncs > 0 {
		b.ReportMetric(n/syncs, "msg/sync")
	}
	b.ReportMetric((after.allocs-before.allocs)/n, "allocs/msg")
	b.ReportMetric(after.rss, "RSS-MB")
	b.ReportMetric(0, "ns/op")
}

// settle waits until n messages are where they shall be; most were acknowledged
// then, and none is a dead letter.
func (s *stand) settle(b *testing.B, n int) {
	b.Helper()
	name := keptMetric
	if s.to == "collector" {
		name = `medfleet_uplink_records_total{stream="telemetry"}`
	}
	require.Eventually(b, func() bool { return atLeast(metric(s.metrics, name), n) }, 5*time.Minute, 50*time.Millisecond, "%s does not come to %d", name, n)
}

// usage is what the gateway's process has used so far.
type usage struct {
	cpu, system   time.Duration
	rss           float64 // MB; the part that is not the program's file is anonymous
	anonymous     float64
	stacks, heap  float64 // MB in use
	syncs, allocs float64
}

func (s *stand) usage(b *testing.B) (u usage) {
	b.Helper()
	proc := fmt.Sprintf("/proc/%d/", s.gateway.exec.Process.Pid)
	stat, err := os.ReadFile(proc + "stat")
	require.NoError(b, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // proc(5): utime and stime are fields 14 and 15
	const tick = 10 * time.Millisecond
	ticks := func(s string) time.Duration { n, _ := strconv.ParseInt(s, 10, 64); return time.Duration(n) * tick }
	u.system = ticks(fields[12])
	u.cpu = ticks(fields[11]) + u.system
	memory, err := os.ReadFile(proc + "status")
	require.NoError(b, err)
	megabytes := func(name string) float64 {
		_, rest, _ := strings.Cut(string(memory), name)
		kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		require.NoError(b, err)
		return kib / 1024
	}
	u.rss, u.anonymous = megabytes("VmRSS:"), megabytes("RssAnon:")
	u.syncs, _ = strconv.ParseFloat(metric(s.metrics, `medfleet_log_syncs_total{log="telemetry"}`), 64)
	u.allocs, _ = strconv.ParseFloat(metric(s.metrics, "go_memstats_mallocs_total"), 64)
	u.stacks, _ = strconv.ParseFloat(metric(s.metrics, "go_memstats_stack_inuse_bytes"), 64)
	u.heap, _ = strconv.ParseFloat(metric(s.metrics, "go_memstats_heap_inuse_bytes"), 64)
	u.stacks, u.heap = u.stacks/(1<<20), u.heap/(1<<20)
	return u
}
