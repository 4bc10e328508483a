package roster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

// slow is a device whose clock is behind the gateway's.
func slow(by time.Duration) func(*medfleet.Observation, *record.Envelope) {
	return func(o *medfleet.Observation, _ *record.Envelope) { o.Time = o.Time.Add(-by) }
}

func TestADeviceThatIsToldToBeOfflineIsUnheardAtOnce(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), observed("p2", noon, "infusing"))
	w.hear(happened("p1", after(min1), "e1", "offline", medfleet.Start))
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
	require.Equal(t, medfleet.InUse, w.device("p2").State)
	require.Equal(t, []string{"offline"}, w.device("p1").Active)
	require.Equal(t, "in_use 0-1, unheard 1-", w.states("p1"))

	w.hear(observed("p1", after(30*sec), "paused"))
	require.Equal(t, medfleet.Unheard, w.device("p1").State, "it said so before, and events may overtake")

	w.hear(happened("p1", after(3*min1), "e2", "offline", medfleet.End))
	require.Equal(t, medfleet.Idle, w.device("p1").State, "it is as it said last")
	require.Empty(t, w.device("p1").Active)
	w.hear(happened("p1", after(2*min1), "e3", "offline", medfleet.Start))
	require.Equal(t, medfleet.Idle, w.device("p1").State, "that is old")
}

func TestADeviceThatIsHeardAgainIsNotOfflineForLong(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing", slow(10*min1)))
	w.hear(happened("p1", after(min1), "e1", "offline", medfleet.Start))
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
	w.hear(observed("p1", after(2*min1), "paused", slow(10*min1)))
	require.Equal(t, medfleet.Idle, w.device("p1").State, "its own clock does not hide it")
}

func TestADeviceThatIsOffStaysOffThoughItIsOffline(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"),
		happened("p1", after(min1), "e1", "powered_off", medfleet.Instant), happened("p1", after(min1+sec), "e2", "offline", medfleet.Start))
	require.Equal(t, medfleet.Off, w.device("p1").State)
}

func TestWhatIsNotAboutNowTakesNobodyOffline(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), happened("p1", after(min1), "e1", "offline", medfleet.Start, record.Historical))
	require.Equal(t, medfleet.InUse, w.device("p1").State)
}
