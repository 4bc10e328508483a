package state_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/collector/state"
	"medfleet/collector/state/statetest"
)

func open(t *testing.T, folder string) *sql.DB {
	t.Helper()
	db, err := state.Open(t.Context(), folder, "")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func inTx(t *testing.T, db *sql.DB, do func(*sql.Tx) error) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, do(tx))
	require.NoError(t, tx.Commit())
}

func TestOpeningAgainKeepsWhatIsThere(t *testing.T) {
	folder := t.TempDir()
	db := open(t, folder)
	inTx(t, db, func(tx *sql.Tx) error { return state.Move(t.Context(), tx, "watch", 42) })
	require.NoError(t, db.Close())
	position, err := state.Position(t.Context(), open(t, folder), "watch")
	require.NoError(t, err)
	require.Equal(t, uint64(42), position)
}

func TestANewReaderStartsAtNothingAndMoves(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		for _, expected := range []uint64{0, 7, 1 << 62, 5} {
			if expected > 0 {
				inTx(t, db, func(tx *sql.Tx) error { return state.Move(t.Context(), tx, "watch", expected) })
			}
			position, err := state.Position(t.Context(), db, "watch")
			require.NoError(t, err)
			require.Equal(t, expected, position)
		}
	})
}

func TestEveryTableHasASite(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		for _, table := range []string{"devices", "device_aliases", "attachments", "state_intervals", "events", "gateways", "gaps", "alarms", "alarm_transitions", "pages", "audit"} {
			rows, err := db.Query(`SELECT site FROM ` + table)
			require.NoError(t, err)
			require.NoError(t, rows.Close())
		}
	})
}

func TestAPositionMovesOnlyWithItsTransaction(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, state.Move(t.Context(), tx, "watch", 7))
		require.NoError(t, tx.Rollback())
		position, err := state.Position(t.Context(), db, "watch")
		require.NoError(t, err)
		require.Zero(t, position)
	})
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	folder := t.TempDir()
	db := open(t, folder)
	_, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = state.Open(t.Context(), folder, "")
	require.ErrorContains(t, err, "version 99")
	require.ErrorContains(t, err, "newer medfleet")
	require.ErrorContains(t, err, folder)
}

func TestTheAuditLogShowsATamperedEntry(t *testing.T) {
	for name, tamper := range map[string]string{
		"changed":   `UPDATE audit SET who = 'nobody' WHERE number = 2`,
		"taken out": `DELETE FROM audit WHERE number = 2`,
	} {
		t.Run(name, func(t *testing.T) {
			statetest.Each(t, func(t *testing.T, db *sql.DB) {
				for _, who := range []string{"ann", "bob", "eve"} {
					inTx(t, db, func(tx *sql.Tx) error {
						return state.Audit(t.Context(), tx, state.Entry{Who: who, Action: "acknowledge", Object: "alarm 1"})
					})
				}
				require.NoError(t, state.CheckAudit(t.Context(), db))
				_, err := db.Exec(tamper)
				require.NoError(t, err)
				require.ErrorContains(t, state.CheckAudit(t.Context(), db), "entry")
			})
		})
	}
}

func TestTheAuditLogTakesAnyBytes(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		inTx(t, db, func(tx *sql.Tx) error {
			return state.Audit(t.Context(), tx, state.Entry{Who: "m\xfcller", Action: "a", Object: "\x00", Detail: "50 µg/h ≥ '; DROP"})
		})
		require.NoError(t, state.CheckAudit(t.Context(), db))
		var who, object, detail string
		require.NoError(t, db.QueryRow(`SELECT who, object, detail FROM audit`).Scan(&who, &object, &detail))
		require.Equal(t, []string{"m\uFFFDller", "\uFFFD", "50 µg/h ≥ '; DROP"}, []string{who, object, detail})
	})
}

func TestWritersWaitForEachOther(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					if err := appendOne(db); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		require.NoError(t, state.CheckAudit(t.Context(), db))
		var n int
		require.NoError(t, db.QueryRow(`SELECT count(*) FROM audit`).Scan(&n))
		require.Equal(t, 80, n)
	})
}

func appendOne(db *sql.DB) error {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := state.Audit(context.Background(), tx, state.Entry{Who: "w", Action: "a"}); err != nil {
		return err
	}
	return tx.Commit()
}

func TestAWriterThatWaitsInVainGivesUp(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		first, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = db.BeginTx(ctx, nil)
		require.Error(t, err)
		require.NoError(t, state.Move(t.Context(), first, "watch", 1), "the first does not notice")
		require.NoError(t, first.Commit())
		require.NoError(t, appendOne(db), "nor is anything left locked")
	})
}

func TestReadersDoNotWaitForAWriter(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, state.Move(t.Context(), tx, "watch", 1))
		position, err := state.Position(t.Context(), db, "watch")
		require.NoError(t, err)
		require.Zero(t, position, "nor do they see what is not committed")
		require.NoError(t, tx.Commit())
	})
}
