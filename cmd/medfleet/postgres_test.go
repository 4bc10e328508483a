package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state"
	"medfleet/collector/state/statetest"
	"medfleet/processtest"
)

// A collector on PostgreSQL takes a report, raises its alarm and pages, and after
// it was killed goes on where it was.
func TestTheCollectorRunsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	url := statetest.URL(t, "")
	db, err := state.Open(t.Context(), "", url)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	folder, web := t.TempDir(), processtest.FreeAddress(t)
	config := filepath.Join(folder, configFile)
	text := fmt.Sprintf(`
collector: {site: north, data_dir: "%[1]s/center", clock: 200ms, postgres: "%[2]s&password=hush-hush"}
api: {listen: "%[3]s", gateways: [{name: tester, token: "0123456789abcdef-tester"}]}
alerting: {rules: ["%[1]s/rules.yaml"]}
`, folder, url, web)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	rule := `
class: any
rules:
- {alert: Fails, expr: 'active("device_failure")', priority: now, page: true, summary: "{{device}} fails"}
`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "rules.yaml"), []byte(rule), 0o600))
	log := filepath.Join(folder, "collector.log")
	p := start(t, "on", log, "collector", "--config.file", config)

	happens(t, web, "VENT-1")
	until(t, db, 1, `SELECT COUNT(*) FROM pages WHERE state = 'sent'`)
	p.kill(t)
	p.restart(t)
	happens(t, web, "VENT-2")
	until(t, db, 2, `SELECT COUNT(*) FROM pages WHERE state = 'sent'`)
	p.stop(t)

	require.Equal(t, 2, number(t, db, `SELECT COUNT(*) FROM events`))
	require.Equal(t, 2, number(t, db, `SELECT COUNT(*) FROM alarms WHERE state = 'active' AND paged = 1`))
	require.Equal(t, 2, number(t, db, `SELECT COUNT(*) FROM devices`))
	require.Equal(t, 1, number(t, db, `SELECT COUNT(*) FROM positions WHERE sequence > 0`))
	require.NoError(t, state.CheckAudit(t.Context(), db))
	require.NoFileExists(t, filepath.Join(folder, "center", "state.db"))
	words, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NotContains(t, string(words), "hush")
	require.NotContains(t, string(words), "level=ERROR")
}

// happens writes an event of a device by the write door, as soon as it is open.
func happens(t *testing.T, web, device string) {
	t.Helper()
	line := fmt.Sprintf("event,device=%s,class=ventilator,site=north,condition=device_failure,phase=start kind=\"technical\" %d", device, time.Now().UnixMilli())
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+web+"/api/v2/write?precision=ms", strings.NewReader(line))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Token 0123456789abcdef-tester")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return false // it has not opened yet
		}
		defer answer.Body.Close()
		require.Equal(t, http.StatusNoContent, answer.StatusCode)
		return true
	}, 30*time.Second, 50*time.Millisecond)
}

func until(t *testing.T, db *sql.DB, n int, query string) {
	t.Helper()
	require.Eventually(t, func() bool { return number(t, db, query) == n }, 30*time.Second, 50*time.Millisecond, query)
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(query).Scan(&n))
	return n
}
