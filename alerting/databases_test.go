package alerting_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting/alarms"
	"medfleet/collector/state"
	"medfleet/collector/state/statetest"
)

// People acknowledge in an order of their own while the watch writes: nobody is
// told of a failure that is the database's, and the audit log stays whole.
func TestPeopleAndTheWatchWriteAtTheSameTime(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		s := newStory(t, db)
		const devices = 40
		for i := range devices {
			s.says(0, medfleet.DeviceID(fmt.Sprint("VENT-", i)), 10)
		}
		s.commit()
		ids := s.told(medfleet.AlarmChanged)
		require.Len(t, ids, devices)
		slices.Reverse(ids)

		var all sync.WaitGroup
		defer all.Wait()
		for _, name := range []string{"ada", "bob", "eve"} {
			all.Go(func() {
				ctx := medfleet.WithPrincipal(context.Background(), medfleet.Principal{Name: name})
				for _, id := range ids {
					_, err := s.e.Acknowledge(ctx, id, "")
					var over *alarms.StateError
					if err != nil && !errors.As(err, &over) {
						t.Error(err)
					}
				}
			})
		}
		for i := range devices {
			s.says(time.Minute, medfleet.DeviceID(fmt.Sprint("VENT-", i)), 50)
			if i%10 == 9 {
				s.commit()
			}
		}
		all.Wait()
		require.Equal(t, devices, s.count(`SELECT COUNT(*) FROM alarms WHERE state = 'cleared'`))
		require.Equal(t, s.count(`SELECT COUNT(*) FROM audit WHERE action LIKE 'alarm.%'`), s.count(`SELECT COUNT(*) FROM alarm_transitions`))
		require.NoError(t, state.CheckAudit(t.Context(), db))
	})
}

// A restart after trouble in each state finds what a calm day would have left.
func TestARestartFindsEverythingOnEveryDatabase(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		s := newStory(t, db)
		s.says(0, "VENT-1", 50, "device_failure", "battery_fault")
		s.commit()
		s.save()
		s.says(time.Minute, "VENT-1", 50, "device_failure", "battery_fault")
		s.flush(false, true)
		s.commit()
		s.restart()
		s.says(70*time.Second, "VENT-1", 50, "battery_fault")
		s.commit()
		s.restart()
		s.says(130*time.Second, "VENT-1", 50, "battery_fault")
		s.commit()
		require.Equal(t, []string{"VENT-1 Latched raised", "VENT-1 Fails raised", "VENT-1 Fails cleared"}, s.rows(allPages))
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM alarms WHERE state = 'active'`))
		require.NoError(t, state.CheckAudit(t.Context(), db))
	})
}

// BenchmarkFlushOnPostgreSQL is BenchmarkFlush over a socket, without syncing too.
func BenchmarkFlushOnPostgreSQL(b *testing.B) {
	s := newStory(b, statetest.PostgreSQL(b))
	n := 0
	for b.Loop() {
		for range 100 {
			n++
			s.says(time.Duration(n)*time.Second, medfleet.DeviceID(fmt.Sprint("VENT-", n)), 50, "battery_fault")
		}
		s.commit()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/alarm")
}
