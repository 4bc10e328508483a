// Package statetest runs tests on every database that can hold medfleet's state:
// SQLite, and a real PostgreSQL that it starts for them. Only tests use it.
package statetest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state"
	"medfleet/processtest"
)

// Each runs a test as a subtest on each database. Every run has a new database
// with the tables, opened as the collector opens it.
func Each(t *testing.T, test func(t *testing.T, db *sql.DB)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, PostgreSQL(t)) })
}

// SQLite opens a new database in a temporary folder.
func SQLite(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, t.TempDir(), "")
}

// PostgreSQL opens a new database on the server that this process's tests share.
// Where PostgreSQL is not installed the test is skipped.
func PostgreSQL(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, "", URL(t, ""))
}

func open(t testing.TB, folder, url string) *sql.DB {
	t.Helper()
	db, err := state.Open(t.Context(), folder, url)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// URL gives the URL of a new and empty database on the shared server. Options
// are what may follow CREATE DATABASE and its name.
func URL(t testing.TB, options string) string {
	t.Helper()
	s, err := shared()
	if s == nil && err != nil {
		processtest.Missing(t, err.Error())
	}
	require.NoError(t, err)
	url, err := s.database(t.Context(), options)
	require.NoError(t, err)
	return url
}
