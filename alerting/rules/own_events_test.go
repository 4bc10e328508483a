package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting/rules"
)

// What the collector adds of its own is for the next round: nobody is called for
// it, neither by day nor by night.
func TestWhatTheCollectorAddsIsABoardItemAndNoPage(t *testing.T) {
	set, err := rules.Load(nil, loadProfiles(t))
	require.NoError(t, err)
	begin := medfleet.AsMillis(time.Date(2026, 11, 2, 2, 0, 0, 0, time.UTC))
	for _, class := range []medfleet.Class{"infusion_pump", "ventilator", "patient_monitor", "syringe_pump"} {
		t.Run(string(class), func(t *testing.T) {
			v := rules.NewEvaluator(set, 1)
			d := medfleet.Device{ID: "D-1", Class: class, Site: "main", State: medfleet.Idle, InService: true, Readings: map[string]float64{}}
			see := func(after time.Duration, e *medfleet.Event) []rules.Change {
				v.Drop()
				at := begin.Add(after)
				if e != nil {
					e.Time = at
				}
				v.See(&medfleet.Sighting{Sequence: uint64(after), At: at, Device: &d, Event: e, Live: true})
				return v.Changes()
			}
			require.Empty(t, see(0, nil))
			raised := see(time.Minute, &medfleet.Event{Condition: "new_code", Phase: medfleet.Instant, Code: "E9"})
			require.Len(t, raised, 1)
			require.Equal(t, []any{"NewErrorCode", medfleet.Round, false}, []any{raised[0].Alarm.Rule, raised[0].Alarm.Priority, raised[0].Page})
			require.Empty(t, see(2*24*time.Hour, nil), "it stands over a weekend")
			cleared := see(4*24*time.Hour, nil)
			require.Len(t, cleared, 1)
			require.Equal(t, rules.Cleared, cleared[0].What)

			d.Active = []string{"identity_conflict"}
			raised = see(5*24*time.Hour, &medfleet.Event{Condition: "identity_conflict", Phase: medfleet.Start})
			raised = raised[len(raised)-1:]
			require.Equal(t, []any{"IdentityConflict", medfleet.Round, false}, []any{raised[0].Alarm.Rule, raised[0].Alarm.Priority, raised[0].Page})
			d.Active = nil
			require.Equal(t, rules.Cleared, see(6*24*time.Hour, &medfleet.Event{Condition: "identity_conflict", Phase: medfleet.End})[0].What)
		})
	}
}
