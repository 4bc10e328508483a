package state_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state"
	"medfleet/collector/state/statetest"
)

func openPostgres(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := state.Open(t.Context(), "", url)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestOpeningPostgreSQLAgainKeepsWhatIsThere(t *testing.T) {
	url := statetest.URL(t, "")
	first := openPostgres(t, url)
	inTx(t, first, func(tx *sql.Tx) error { return state.Move(t.Context(), tx, "watch", 42) })
	require.NoError(t, first.Close())
	db := openPostgres(t, url)
	position, err := state.Position(t.Context(), db, "watch")
	require.NoError(t, err)
	require.Equal(t, uint64(42), position)

	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, TRUE)`)
	require.NoError(t, err)
	_, err = state.Open(t.Context(), "", url)
	require.ErrorContains(t, err, "newer medfleet")
}

func TestAConnectionKeepsWhatItCommits(t *testing.T) {
	url := statetest.URL(t, "")
	for option, expected := range map[string]string{"": "on", "off": "on", "remote_apply": "remote_apply"} {
		at := url
		if option != "" {
			at += "&synchronous_commit=" + option
		}
		db := openPostgres(t, at)
		var commit, lock, idle string
		require.NoError(t, db.QueryRow(`SELECT current_setting('synchronous_commit'), current_setting('lock_timeout'),
			current_setting('idle_in_transaction_session_timeout')`).Scan(&commit, &lock, &idle))
		require.Equal(t, []string{expected, "5s", "15s"}, []string{commit, lock, idle})
	}
}

func TestTheServersDefaultIsolationDoesNotMatter(t *testing.T) {
	db := openPostgres(t, statetest.URL(t, "")+"&default_transaction_isolation=serializable")
	first, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- appendOne(db) }()
	require.NoError(t, state.Audit(t.Context(), first, state.Entry{Who: "w", Action: "a"}))
	require.NoError(t, first.Commit())
	require.NoError(t, <-done)
	require.NoError(t, state.CheckAudit(t.Context(), db))
}

func TestAConnectionThatWasCutIsReplaced(t *testing.T) {
	db := openPostgres(t, statetest.URL(t, ""))
	held, err := db.Conn(t.Context())
	require.NoError(t, err)
	tx, err := held.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	require.NoError(t, err)
	require.Error(t, state.Move(t.Context(), tx, "watch", 1))
	_ = tx.Rollback() // there is nothing left to take back
	require.NoError(t, held.Close())
	require.NoError(t, appendOne(db), "what it had locked is free")
}

func TestADatabaseThatCannotKeepEveryNameIsRefused(t *testing.T) {
	url := statetest.URL(t, "ENCODING 'LATIN1' TEMPLATE template0")
	_, err := state.Open(t.Context(), "", url)
	require.ErrorContains(t, err, "LATIN1")
	require.ErrorContains(t, err, "--encoding=UTF8")
}

func TestAWrongURLIsToldWithItsRemedyAndWithoutItsPassword(t *testing.T) {
	const password = "s3cr"
	for url, says := range map[string]string{
		"host=db password=s3cr":                                                     "write postgres://",
		"mysql://medfleet:s3cr@db/medfleet":                                         "write postgres://",
		"postgres://medfleet:s3cr@db:port/medfleet":                                 "check port",
		"postgres://medfleet:s3cr%zz@db/medfleet":                                   "hexadecimal",
		"postgres://medfleet:s3cr@x:70000000/medfleet":                              "check port",
		"postgres://medfleet:s3cr@db/medfleet?sslmode=perhaps":                      "sslmode",
		"postgres://medfleet:s3cr#1@db/medfleet":                                    "plain text",
		"postgres://medfleet:s3cr/1@db/medfleet":                                    "hexadecimal",
		"postgres://medfleet:5432/s3cr@db/medfleet":                                 "hexadecimal",
		"postgres://medfleet:s3cr@db/m?password=s3cr%zz":                            "hexadecimal",
		"postgres://medfleet:s3cr@db/m?sslrootcert=/nowhere/ca&sslmode=verify-full": "/nowhere/ca",
		"postgres://medfleet:s3cr@db/medfleet":                                      "?sslmode=verify-full",
		"postgres://medfleet:s3cr@192.0.2.1/medfleet":                               "?sslmode=disable",
		"postgres://medfleet:s3cr@127.0.0.1,db/m?sslmode=prefer":                    "host",
	} {
		err := state.CheckPostgres(url)
		require.ErrorContains(t, err, says, url)
		require.NotContains(t, err.Error(), password)
		_, err = state.Open(t.Context(), "", url)
		require.ErrorContains(t, err, says, url)
	}
	for _, url := range []string{
		"postgres://medfleet:s3cr@127.0.0.1/medfleet", "postgresql://medfleet@[::1]:5433/medfleet", "postgres://localhost/medfleet",
		"postgres:///medfleet?host=/var/run/postgresql", "postgres://medfleet:s3cr@db/medfleet?sslmode=require",
		"postgres://medfleet@db/medfleet?sslmode=disable",
	} {
		require.NoError(t, state.CheckPostgres(url), url)
	}
}

func TestAServerThatRefusesIsToldWithItsRemedyAndWithoutThePassword(t *testing.T) {
	url := statetest.URL(t, "")
	before, options, _ := strings.Cut(url, "?")
	server := before[:strings.LastIndex(before, "/")]
	for name, c := range map[string]struct{ url, says string }{
		"nobody listens": {"postgres://medfleet:s3cr@127.0.0.1:1/medfleet", "check that PostgreSQL runs there"},
		"no such user":   {strings.Replace(url, "medfleet@", "nobody:s3cr@", 1), "check user, password"},
		"no such base":   {server + "/none?password=s3cr&" + options, "createdb --owner"},
		"not the owner":  {server + "/postgres?password=s3cr&" + options, "make the user the database's owner"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := state.Open(t.Context(), "", c.url)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "s3cr")
			t.Log(err)
		})
	}
}
