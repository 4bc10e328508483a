package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"medfleet/gateway"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/sparkplug"
	"medfleet/processtest"
	"medfleet/profiles"
)

// sample gives a metric's value from the text exposition, empty when it is not
// there.
func sample(body io.Reader, name string) string {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	return ""
}

func TestTheGatewaysMetricsAreWellNamed(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	node := func(name string) sparkplug.Config {
		return sparkplug.Config{
			Name: name, HostID: name, ServerConfig: mqtt.ServerConfig{URL: "mqtt://127.0.0.1:1"},
			Mappings: []sparkplug.Mapping{{Class: "infusion_pump"}},
		}
	}
	e, err := openEdge(t.Context(), gateway.Options{
		Profiles: set,
		Config: gateway.Config{
			ID: "edge-1", Site: "north", DataDir: t.TempDir(),
			MQTT: gateway.MQTTConfig{Listen: "127.0.0.1:0", Sparkplug: []sparkplug.Config{node("ward"), node("theatre")}},
			HL7: gateway.HL7Config{
				HL7Listener: gateway.HL7Listener{Listen: "127.0.0.1:0"},
				Poll:        []gateway.HL7Monitor{{HL7Remote: gateway.HL7Remote{Name: "bed-7", Address: "127.0.0.1:1"}}},
			},
			Uplink: gateway.UplinkConfig{URL: "http://127.0.0.1:1"},
		},
	}, keys{})
	require.NoError(t, err)
	defer e.close()
	requireWellNamed(t, gatewayMetrics(e.gateway))
}

func requireWellNamed(t *testing.T, c ...prometheus.Collector) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c[0]))
	for _, more := range c[1:] {
		require.NoError(t, registry.Register(more))
	}
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	for _, f := range families {
		require.True(t, strings.HasPrefix(f.GetName(), "medfleet_"), f.GetName())
	}
}

// A gateway and a collector, each in its own process, tell of each hop.
func TestWhatTheProcessesExposeIsWellNamed(t *testing.T) {
	t.Parallel()
	folder, web, edge := t.TempDir(), processtest.FreeAddress(t), processtest.FreeAddress(t)
	config := filepath.Join(folder, configFile)
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
gateway:
  id: edge-1
  site: north
  data_dir: %[1]s/edge
  mqtt: {listen: "%[4]s"}
  hl7: {listen: "%[5]s"}
  uplink: {url: "http://%[2]s", token: "0123456789abcdef-edge-1"}
  metrics: {listen: "%[3]s"}
collector: {site: north, data_dir: %[1]s/center}
api:
  listen: "%[2]s"
  gateways: [{name: edge-1, token: "0123456789abcdef-edge-1"}]
`, folder, web, edge, processtest.FreeAddress(t), processtest.FreeAddress(t)), 0o600))
	start(t, "on", filepath.Join(folder, "collector.log"), "collector", "--config.file", config)
	start(t, "on", filepath.Join(folder, "gateway.log"), "gateway", "--config.file", config)
	for _, one := range []struct {
		address string
		hops    []string
	}{
		{web, []string{"medfleet_ingest_records_total", "medfleet_watch_lag_seconds", `medfleet_log_sync_seconds_total{log="journal"}`, "medfleet_store_points_total"}},
		{edge, []string{"medfleet_gateway_kept_messages_total", `medfleet_log_lag_seconds{log="events",reader="uplink"}`, `medfleet_uplink_bytes_total{stream="telemetry"}`}},
	} {
		eventually(t, "nothing is exposed at "+one.address, func() bool { return metric(one.address, one.hops[0]) != "" })
		requireWellExposed(t, one.address)
		for _, name := range one.hops {
			require.NotEmpty(t, metric(one.address, name), name)
		}
	}
}

var metricName = regexp.MustCompile(`^(?:# (?:HELP|TYPE) )?((?:medfleet|go|process|promhttp|prometheus_tsdb)_[a-z0-9_]+)\b`)

// requireWellExposed reads /metrics of a process: every name is one of ours or of
// the libraries that tell of a process, ours are well formed, and no device has a
// series of its own.
func requireWellExposed(t *testing.T, address string) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	var ours bytes.Buffer
	for line := range bytes.Lines(text) {
		name := metricName.FindSubmatch(line)
		require.NotNil(t, name, "a strange metric: %s", line)
		if bytes.HasPrefix(name[1], []byte("medfleet_")) {
			ours.Write(line)
		}
	}
	problems, err := promlint.New(&ours).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Contains(t, string(text), "medfleet_build_info{")
	require.NotRegexp(t, `device="|PUMP-|VENT-|SYR-|MON-`, string(text))
}
