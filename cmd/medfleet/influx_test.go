package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state"
	"medfleet/collector/store/influx/influxtest"
	"medfleet/processtest"
)

// A collector whose history lives in InfluxDB raises alarms while that is away,
// loses nothing of the history, and reads it back after the server was killed.
func TestTheHistoryLivesInInfluxDB(t *testing.T) {
	t.Parallel()
	influxd, folder, web := influxtest.Program(t), t.TempDir(), processtest.FreeAddress(t)
	server, err := influxtest.Start(influxd, folder+"/influx")
	require.NoError(t, err)
	t.Cleanup(func() { server.Stop() })
	config := filepath.Join(folder, configFile)
	text := fmt.Sprintf(`
collector: {site: north, data_dir: "%[1]s/center", clock: 200ms, influxdb: {url: "%[3]s", database: medfleet, token: "ann:hush-hush"}}
api: {listen: "%[2]s", gateways: [{name: tester, token: "0123456789abcdef-tester"}], people: [{name: ann, role: bmet, token: "0123456789abcdef-ann"}]}
alerting: {rules: ["%[1]s/rules.yaml"]}
`, folder, web, server.URL)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	rule := `
class: any
rules:
- {alert: Fails, expr: 'active("device_failure")', priority: now, page: true, summary: "{{device}} fails"}
`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "rules.yaml"), []byte(rule), 0o600))
	log := filepath.Join(folder, "collector.log")
	p := start(t, "on", log, "collector", "--config.file", config)

	at := time.Now().Add(-10 * time.Minute).UnixMilli()
	happens(t, web, "VENT-1")
	charge(t, web, 80, at)
	require.Eventually(t, func() bool { return len(charges(t, web)) == 1 }, 30*time.Second, 50*time.Millisecond)

	server.Stop()
	charge(t, web, 70, at+60_000)
	happens(t, web, "VENT-2")
	db, err := state.Open(t.Context(), folder+"/center", "")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	until(t, db, 2, `SELECT COUNT(*) FROM pages WHERE state = 'sent'`)

	require.NoError(t, server.Restart())
	require.Eventually(t, func() bool { return len(charges(t, web)) == 2 }, time.Minute, 50*time.Millisecond)
	require.Equal(t, []float64{80, 70}, charges(t, web))
	p.stop(t)
	require.NoDirExists(t, filepath.Join(folder, "center", "history"))
	words, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NotContains(t, string(words), "hush")
	require.Contains(t, string(words), "history not written; alarms go on")
}

// charge tells a pump's charge at a time.
func charge(t *testing.T, web string, percent float64, at int64) {
	t.Helper()
	line := fmt.Sprintf("infusion_pump,device=P-1,site=north battery_charge=%g %d", percent, at)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+web+"/api/v2/write?precision=ms", strings.NewReader(line))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Token 0123456789abcdef-tester")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
}

// charges reads them back by the API; none while the history cannot be read.
func charges(t *testing.T, web string) (percent []float64) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+web+"/api/v1/devices/P-1/history?metric=battery_charge", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Token 0123456789abcdef-ann")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var list struct {
		Samples []struct{ Value float64 } `json:"samples"`
	}
	if answer.StatusCode != http.StatusOK || json.NewDecoder(answer.Body).Decode(&list) != nil {
		return nil
	}
	for _, one := range list.Samples {
		percent = append(percent, one.Value)
	}
	return percent
}
