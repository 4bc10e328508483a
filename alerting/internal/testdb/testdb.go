// Package testdb opens SQLite databases with medfleet's tables for the tests of
// the packages under alerting, also such as need not survive a power cut and are
// quick for it. Tests on every database use statetest.
package testdb

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// SQLite opens a new database in a file, as the collector does.
func SQLite(t testing.TB) *sql.DB {
	t.Helper()
	return Open(t, filepath.Join(t.TempDir(), "state.db"), "FULL")
}

// Open opens a database file with the given setting of `synchronous`, and makes
// the tables when the file is new.
func Open(t testing.TB, file, synchronous string) *sql.DB {
	t.Helper()
	_, missing := os.Stat(file)
	options := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(" + synchronous + ")", "busy_timeout(5000)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+file+"?"+options.Encode())
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	if missing != nil {
		create(t, db)
	}
	return db
}

// create runs the first half of the real migration.
func create(t testing.TB, db *sql.DB) {
	t.Helper()
	text, err := os.ReadFile(migration(t))
	require.NoError(t, err)
	up, _, found := strings.Cut(string(text), "-- +goose Down")
	require.True(t, found)
	_, err = db.Exec(up)
	require.NoError(t, err)
}

// migration finds the file from whichever package's folder the test runs in.
func migration(t testing.TB) string {
	t.Helper()
	const file = "collector/state/migrations/00001_spine.sql"
	for _, up := range []string{"..", "../..", "../../.."} {
		if name := filepath.Join(up, file); exists(name) {
			return name
		}
	}
	t.Fatalf("%s not found above this folder", file)
	return ""
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
