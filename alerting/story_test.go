package alerting_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/alerting"
	"medfleet/collector/state"
	"medfleet/profiles"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// ownRules is a pack of three: one that pages, one that the board shows only,
// and one that only a person ends.
const ownRules = `
class: any
rules:
- {alert: Fails, expr: 'active("device_failure")', for: 1m, hold: 1m, priority: now, page: true, summary: "{{device}} fails", action: Swap it}
- {alert: Low, expr: battery_charge < 20, priority: round, summary: "{{device}} is at {{battery_charge}} %"}
- {alert: Latched, expr: 'active("battery_fault")', clear: manual, priority: today, page: true, summary: "{{device}} has a battery fault"}
`

// story is an engine with a database and a journal in memory.
type story struct {
	t       require.TestingT
	db      *sql.DB
	o       alerting.Options
	e       *alerting.Engine
	begin   medfleet.Millis
	number  uint64
	journal []func(*alerting.Engine)
	saved   bytes.Buffer // the last snapshot, made after saves records
	saves   int
	mu      sync.Mutex
	changes []medfleet.Change
}

func ruleFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func newStory(t testing.TB, db *sql.DB) *story {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	s := &story{t: t, db: db, begin: medfleet.AsMillis(time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC))}
	s.o = alerting.Options{
		Config:   alerting.Config{Rules: []string{ruleFile(t, ownRules)}, Timezone: "UTC"},
		Profiles: set, DB: db, Audit: audit, Console: &bytes.Buffer{}, Changed: s.changed,
	}
	s.start()
	return s
}

// audit joins the book and the audit log, as the collector does.
func audit(ctx context.Context, tx *sql.Tx, who, action, object, detail, site string) error {
	return state.Audit(ctx, tx, state.Entry{Who: who, Action: action, Object: object, Detail: detail, Site: site})
}

func (s *story) start() {
	e, err := alerting.New(s.o)
	require.NoError(s.t, err)
	s.e = e
}

func (s *story) changed(c medfleet.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, c)
}

// told gives the ids of what Changed was told of since it was last asked.
func (s *story) told(kind medfleet.ChangeKind) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, c := range s.changes {
		if c.Kind == kind {
			ids = append(ids, c.ID)
		}
	}
	s.changes = nil
	return ids
}

// says plays one report of a device: its charge and what it complains of.
func (s *story) says(at time.Duration, id medfleet.DeviceID, charge float64, active ...string) {
	s.number++
	n, time := s.number, s.begin.Add(at)
	d := medfleet.Device{
		ID: id, Class: "ventilator", Site: "main", Unit: "ICU", State: medfleet.InUse, InService: true,
		Readings: map[string]float64{"battery_charge": charge}, Active: active,
	}
	s.play(func(e *alerting.Engine) {
		e.See(&medfleet.Sighting{Sequence: n, At: time, Device: &d, Live: true})
	})
}

func (s *story) tick(at time.Duration) {
	s.number++
	n, time := s.number, s.begin.Add(at)
	s.play(func(e *alerting.Engine) { e.Tick(time, n) })
}

func (s *story) play(record func(*alerting.Engine)) {
	s.journal = append(s.journal, record)
	record(s.e)
}

// flush runs Flush in a transaction and commits it, or fails before the commit.
func (s *story) flush(behind, fails bool) {
	tx, err := s.db.BeginTx(context.Background(), nil)
	require.NoError(s.t, err)
	require.NoError(s.t, s.e.Flush(context.Background(), tx, behind))
	if fails {
		require.NoError(s.t, tx.Rollback())
		return
	}
	require.NoError(s.t, tx.Commit())
	s.e.Committed()
}

func (s *story) commit() { s.flush(false, false) }

func (s *story) save() {
	s.saved.Reset()
	require.NoError(s.t, s.e.Snapshot(&s.saved))
	s.saves = len(s.journal)
}

// restart begins anew as the watch does: snapshot, replay up to what SQL has,
// resume. Everything played must have been committed.
func (s *story) restart() {
	s.start()
	if s.saved.Len() > 0 {
		require.NoError(s.t, s.e.Restore(bytes.NewReader(s.saved.Bytes())))
	}
	for _, record := range s.journal[s.saves:] {
		record(s.e)
		s.e.Forget()
	}
	require.NoError(s.t, s.e.Resume(context.Background()))
}

func (s *story) count(query string, args ...any) int {
	var n int
	require.NoError(s.t, s.db.QueryRow(query, args...).Scan(&n))
	return n
}

// rows gives the first columns of a query, joined.
func (s *story) rows(query string) []string {
	rows, err := s.db.Query(query)
	require.NoError(s.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(s.t, err)
	list := []string{}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(s.t, rows.Scan(values...))
		text := ""
		for i, v := range values {
			if i > 0 {
				text += " "
			}
			text += fmt.Sprint(*v.(*any))
		}
		list = append(list, text)
	}
	require.NoError(s.t, rows.Err())
	return list
}

const (
	allPages       = `SELECT device, rule, about FROM pages ORDER BY id`
	allTransitions = `SELECT a.device, a.rule, t.state FROM alarm_transitions t JOIN alarms a ON a.id = t.alarm ORDER BY t.at, a.device, a.rule, t.number`
)

func technician() context.Context {
	return medfleet.WithPrincipal(context.Background(), medfleet.Principal{Name: "ada", Role: medfleet.RoleBMET})
}
