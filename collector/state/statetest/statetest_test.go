package statetest_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state/statetest"
)

func TestEachRunsOnBothDatabases(t *testing.T) {
	var versions []string
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		var version string
		if db.QueryRow(`SELECT sqlite_version()`).Scan(&version) != nil {
			require.NoError(t, db.QueryRow(`SELECT version()`).Scan(&version))
		}
		versions = append(versions, version)
	})
	require.NotEmpty(t, versions)
	require.Regexp(t, `^3\.`, versions[0])
	if len(versions) > 1 {
		require.Regexp(t, `^PostgreSQL`, versions[1])
	}
}

func TestEveryDatabaseIsNew(t *testing.T) {
	for range 2 {
		statetest.Each(t, func(t *testing.T, db *sql.DB) {
			var n int
			require.NoError(t, db.QueryRow(`SELECT COUNT(*) FROM positions`).Scan(&n))
			require.Zero(t, n)
			_, err := db.Exec(`INSERT INTO positions (reader, sequence) VALUES ('watch', 1)`)
			require.NoError(t, err)
		})
	}
}
