package alerting_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting"
	"medfleet/alerting/alarms"
	"medfleet/alerting/internal/testdb"
	"medfleet/alerting/paging"
	"medfleet/collector/state"
	"medfleet/collector/state/statetest"
)

// stories are told on each database.
func stories() map[string]func(t *testing.T, s *story) {
	return map[string]func(t *testing.T, s *story){
		"from failure to all clear":                            fromFailureToAllClear,
		"a chattering signal is one episode and one page":      aChatteringSignalIsOneEpisodeAndOnePage,
		"a failed commit is repeated and writes each row once": aFailedCommitIsRepeatedAndWritesEachRowOnce,
		"a backlog pages only what is still true":              aBacklogPagesOnlyWhatIsStillTrue,
		"acknowledging":                       acknowledging,
		"many clicks are one acknowledgement": manyClicksAreOneAcknowledgement,
		"the list of alarms":                  theListOfAlarms,
		"resuming with other rules":           resumingWithOtherRules,
	}
}

func TestStories(t *testing.T) {
	for name, tell := range stories() {
		t.Run(name, func(t *testing.T) {
			statetest.Each(t, func(t *testing.T, db *sql.DB) {
				tell(t, newStory(t, db))
				require.NoError(t, state.CheckAudit(t.Context(), db))
			})
		})
	}
}

func fromFailureToAllClear(t *testing.T, s *story) {
	s.tick(0)
	s.says(0, "VENT-1", 50, "device_failure")
	s.commit()
	require.Empty(t, s.rows(allPages))
	s.tick(time.Minute)
	s.commit()
	require.Equal(t, []string{"VENT-1 Fails raised"}, s.rows(allPages))
	require.Equal(t, []string{"VENT-1 Fails active"}, s.rows(allTransitions))

	s.says(70*time.Second, "VENT-1", 50)
	s.commit()
	items, _, err := s.e.Alarms(t.Context(), alarms.Filter{})
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.Equal(t, medfleet.Cleared, items[0].State)
	require.Equal(t, s.begin.Add(70*time.Second), items[0].ClearedAt)
	require.True(t, items[0].Paged)
	require.Len(t, s.rows(allPages), 1, "it may come back: nobody is told yet")

	s.tick(100 * time.Second)
	s.tick(130 * time.Second)
	s.commit()
	require.Equal(t, []string{"VENT-1 Fails raised", "VENT-1 Fails cleared"}, s.rows(allPages))
	pages, next, err := s.e.Pages(t.Context(), 1, "")
	require.NoError(t, err)
	require.Equal(t, "CLEARED ICU: VENT-1 fails. Over since 2026-11-02 08:01, lasted 70 s", pages[0].Text)
	pages, next, err = s.e.Pages(t.Context(), 1, next)
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, "GO NOW ICU: VENT-1 fails. Since 2026-11-02 08:00. Swap it", pages[0].Text)
	require.Equal(t, []string{"medfleet alarm.raised", "medfleet page.queued", "medfleet alarm.cleared", "medfleet page.queued"},
		s.rows(`SELECT who, action FROM audit ORDER BY number`))
}

func aChatteringSignalIsOneEpisodeAndOnePage(t *testing.T, s *story) {
	for i := range 10 {
		at := time.Duration(i) * 100 * time.Second
		s.says(at, "VENT-1", 50, "device_failure")
		s.says(at+30*time.Second, "VENT-1", 50, "device_failure")
		s.says(at+60*time.Second, "VENT-1", 50, "device_failure")
		s.commit()
		s.says(at+70*time.Second, "VENT-1", 50)
		s.commit()
	}
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarms WHERE reopened = 9 AND state = 'cleared'`))
	require.Equal(t, []string{"VENT-1 Fails raised"}, s.rows(allPages))
	require.Len(t, s.rows(allTransitions), 20)
}

func aFailedCommitIsRepeatedAndWritesEachRowOnce(t *testing.T, s *story) {
	s.says(0, "VENT-1", 10, "battery_fault")
	s.flush(false, true)
	require.Zero(t, s.count(`SELECT COUNT(*) FROM alarms`))
	require.Empty(t, s.told(medfleet.AlarmChanged), "nothing has happened yet")
	s.says(time.Second, "VENT-1", 50, "battery_fault")
	s.flush(false, true)
	require.Equal(t, 4, s.e.Collected(), "raised, raised, cleared, settled")

	// The commit succeeds, but its answer is lost: everything is written again.
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.e.Flush(t.Context(), tx, false))
	require.NoError(t, tx.Commit())
	s.commit()
	require.Zero(t, s.e.Collected())
	s.commit()
	require.Equal(t, []string{"VENT-1 Latched raised"}, s.rows(allPages))
	require.Equal(t, []string{"VENT-1 Latched active", "VENT-1 Low active", "VENT-1 Low cleared"}, s.rows(allTransitions))
	require.Equal(t, 4, s.count(`SELECT COUNT(*) FROM audit`))
	require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM alarms`))
}

func TestAnAuditLogThatFailsStopsTheTransition(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	broken := errors.New("no paper")
	s.o.Audit = func(context.Context, *sql.Tx, string, string, string, string, string) error { return broken }
	s.start()
	s.says(0, "VENT-1", 10)
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.ErrorIs(t, s.e.Flush(t.Context(), tx, false), broken)
	require.NoError(t, tx.Rollback())
}

func aBacklogPagesOnlyWhatIsStillTrue(t *testing.T, s *story) {
	s.says(0, "VENT-1", 50, "device_failure")
	s.says(0, "VENT-2", 50, "device_failure")
	s.says(time.Minute, "VENT-1", 50, "device_failure")
	s.says(time.Minute, "VENT-2", 50, "device_failure")
	s.flush(true, false)
	require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM alarms WHERE state = 'active'`))
	s.says(80*time.Second, "VENT-1", 50)
	s.flush(true, false)
	require.Empty(t, s.rows(allPages), "nobody is called while the watch catches up")
	s.commit()
	require.Equal(t, []string{"VENT-2 Fails raised"}, s.rows(allPages))
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM pages WHERE text LIKE '%Since 2026-11-02 08:00%'`), "its true beginning")
	s.tick(10 * time.Hour)
	s.tick(10*time.Hour + time.Minute)
	s.tick(10*time.Hour + 2*time.Minute)
	s.commit()
	require.Len(t, s.rows(allPages), 1, "the other was never told of, neither is its end")
}

func TestAnEndInTheBacklogIsToldAfterIt(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "device_failure")
	s.says(time.Minute, "VENT-1", 50, "device_failure")
	s.commit()
	s.says(70*time.Second, "VENT-1", 50)
	s.says(130*time.Second, "VENT-1", 50)
	s.flush(true, false)
	require.Equal(t, []string{"VENT-1 Fails raised"}, s.rows(allPages))
	s.commit()
	require.Equal(t, []string{"VENT-1 Fails raised", "VENT-1 Fails cleared"}, s.rows(allPages))
}

func acknowledging(t *testing.T, s *story) {
	s.says(0, "VENT-1", 10)
	s.commit()
	id := s.told(medfleet.AlarmChanged)[0]

	_, err := s.e.Acknowledge(t.Context(), id, "")
	require.ErrorIs(t, err, alarms.ErrNobody)
	_, err = s.e.Acknowledge(technician(), "01ARZ3NDEKTSV4RRFFQ69G5FAV", "")
	require.ErrorIs(t, err, alarms.ErrUnknown)

	a, err := s.e.Acknowledge(technician(), id, " on my\nway\x1b ")
	require.NoError(t, err)
	require.Equal(t, medfleet.Acknowledged, a.State)
	require.Equal(t, "ada", a.AcknowledgedBy)
	require.Equal(t, "on my way", a.Note)
	require.Equal(t, []string{id}, s.told(medfleet.AlarmChanged))
	again, err := s.e.Acknowledge(medfleet.WithPrincipal(t.Context(), medfleet.Principal{Name: "bob"}), id, "me too")
	require.NoError(t, err)
	require.Equal(t, a, again, "the second click answers what the first did")
	require.Empty(t, s.told(medfleet.AlarmChanged))

	s.says(time.Minute, "VENT-1", 50)
	s.commit()
	_, err = s.e.Acknowledge(technician(), id, "")
	var over *alarms.StateError
	require.ErrorAs(t, err, &over)
	require.Equal(t, medfleet.Cleared, over.State)
	found, steps, err := s.e.Alarm(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "ada", found.AcknowledgedBy)
	var states []medfleet.AlarmState
	for _, step := range steps {
		states = append(states, step.State)
	}
	require.Equal(t, []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged, medfleet.Cleared}, states)
	require.Equal(t, "on my way", steps[1].Note)
}

func manyClicksAreOneAcknowledgement(t *testing.T, s *story) {
	s.says(0, "VENT-1", 10)
	s.commit()
	id := s.told(medfleet.AlarmChanged)[0]
	names := make([]string, 12)
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			ctx := medfleet.WithPrincipal(context.Background(), medfleet.Principal{Name: fmt.Sprint("technician ", i)})
			a, err := s.e.Acknowledge(ctx, id, "")
			if err == nil {
				names[i] = a.AcknowledgedBy
			}
		})
	}
	all.Wait()
	for _, n := range names {
		require.Equal(t, names[0], n, "everybody learns who was first")
		require.NotEmpty(t, n)
	}
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarm_transitions WHERE state = 'acknowledged'`))
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM audit WHERE action = 'alarm.acknowledged'`))
}

func TestWhoHasSeenItOnTheBoardIsNotPaged(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "battery_fault")
	s.flush(true, false)
	_, err := s.e.Acknowledge(technician(), s.told(medfleet.AlarmChanged)[0], "")
	require.NoError(t, err)
	s.commit()
	require.Empty(t, s.rows(allPages))
}

func TestAReturnWithinHoldStaysWithItsPerson(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "device_failure")
	s.says(time.Minute, "VENT-1", 50, "device_failure")
	s.commit()
	id := s.told(medfleet.AlarmChanged)[0]
	_, err := s.e.Acknowledge(technician(), id, "")
	require.NoError(t, err)
	s.says(70*time.Second, "VENT-1", 50)
	s.says(80*time.Second, "VENT-1", 50, "device_failure")
	s.says(140*time.Second, "VENT-1", 50, "device_failure")
	s.commit()
	a, steps, err := s.e.Alarm(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, medfleet.Acknowledged, a.State)
	require.Equal(t, 1, a.Reopened)
	require.Equal(t, "came back", steps[3].Note)
	require.Zero(t, a.ClearedAt)
}

func theListOfAlarms(t *testing.T, s *story) {
	for i := range 5 {
		s.says(time.Duration(i)*time.Second, medfleet.DeviceID(fmt.Sprint("VENT-", i)), 10)
	}
	s.says(6*time.Second, "VENT-0", 50, "battery_fault")
	s.commit()
	ids := func(f alarms.Filter) []string {
		var list []string
		for {
			items, next, err := s.e.Alarms(t.Context(), f)
			require.NoError(t, err)
			for _, a := range items {
				list = append(list, string(a.Device)+" "+a.Rule)
			}
			if f.Cursor = next; next == "" {
				return list
			}
		}
	}
	all := []string{"VENT-0 Latched", "VENT-4 Low", "VENT-3 Low", "VENT-2 Low", "VENT-1 Low", "VENT-0 Low"}
	require.Equal(t, all, ids(alarms.Filter{}))
	require.Equal(t, all, ids(alarms.Filter{Limit: 2}), "page by page it is the same")
	require.Equal(t, all[5:], ids(alarms.Filter{States: []medfleet.AlarmState{medfleet.Cleared, medfleet.Closed}}))
	require.Equal(t, []string{all[0], all[5]}, ids(alarms.Filter{Device: "VENT-0"}))
	require.Equal(t, all[:1], ids(alarms.Filter{Priority: medfleet.Today, Unit: "ICU", Class: "ventilator"}))
	require.Empty(t, ids(alarms.Filter{Unit: "ED"}))
}

func resumingWithOtherRules(t *testing.T, s *story) {
	s.says(0, "VENT-1", 10, "battery_fault")
	s.commit()
	s.o.Rules = []string{ruleFile(t, "class: any\nrules:\n- {alert: Latched, expr: 'active(\"battery_fault\")', priority: today, page: true, summary: x}\n")}
	s.restart()
	require.Equal(t, []string{"VENT-1 Latched active", "VENT-1 Low active"}, s.rows(`SELECT a.device, a.rule, t.state FROM alarm_transitions t JOIN alarms a ON a.id = t.alarm WHERE t.state = 'active' ORDER BY a.rule`))
	require.Equal(t, []string{"Low withdrawn class ventilator has no rule Low any more"}, s.rows(`SELECT a.rule, a.state, t.note FROM alarms a JOIN alarm_transitions t ON t.alarm = a.id WHERE t.number = 2`))
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM audit WHERE action = 'alarm.withdrawn'`))
	s.says(time.Minute, "VENT-1", 10)
	s.commit()
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarms WHERE rule = 'Latched' AND state = 'cleared'`), "the alarm that stayed is still watched")
	s.restart()
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM audit WHERE action = 'alarm.withdrawn'`))
}

func TestResumingWithoutASnapshot(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "device_failure")
	s.says(time.Minute, "VENT-1", 50, "device_failure")
	s.says(time.Minute, "VENT-2", 10)
	s.commit()
	s.says(70*time.Second, "VENT-1", 50)
	s.commit()
	s.journal = nil // and the journal has moved on
	s.restart()
	s.says(200*time.Second, "VENT-2", 50)
	s.commit()
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarms WHERE rule = 'Low' AND state = 'cleared'`))
	require.Equal(t, []string{"VENT-1 Fails raised", "VENT-1 Fails cleared"}, s.rows(allPages), "who was called learns of the end")
	s.says(210*time.Second, "VENT-1", 50, "device_failure")
	s.says(270*time.Second, "VENT-1", 50, "device_failure")
	s.commit()
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM pages WHERE text LIKE '%(2nd/30d)%'`))
}

func TestWhatAPersonClosedIsOver(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "battery_fault")
	s.commit()
	s.save()
	_, err := s.db.Exec(`UPDATE alarms SET state = 'closed'`)
	require.NoError(t, err)
	s.restart()
	s.commit()
	require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarms`))
	s.says(time.Minute, "VENT-1", 50, "battery_fault")
	s.commit()
	require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM alarms`), "the fault is still reported: a new episode")
}

func TestWhatIsWrongIsSaidBeforeAnythingStarts(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.o.Rules = []string{ruleFile(t, "class: toaster\nrules:\n- {alert: A, expr: 'true', priority: now, summary: x}\n")}
	s.o.Timezone = "Mars/Olympus"
	s.o.Channels = []paging.ChannelConfig{{Name: "pager", Kind: "pigeon"}}
	_, err := alerting.New(s.o)
	for _, part := range []string{`timezone "Mars/Olympus"`, `channel "pager"`, `"pigeon"`} {
		require.ErrorContains(t, err, part)
	}
	require.ErrorContains(t, err, `unknown class "toaster"`)
	s.o.Audit = nil
	_, err = alerting.New(s.o)
	require.ErrorContains(t, err, "audit log")
}

func TestMetricsAreNamedWell(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	s.says(0, "VENT-1", 50, "battery_fault")
	s.commit()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s.e.Collectors()...)
	problems, err := testutil.GatherAndLint(r)
	require.NoError(t, err)
	require.Empty(t, problems)
	n, err := testutil.GatherAndCount(r, "medfleet_alarms_transitions_total")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
