package roster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

// from puts an observation behind a gateway and into a unit.
func from(gateway, unit string) func(*medfleet.Observation, *record.Envelope) {
	return func(o *medfleet.Observation, e *record.Envelope) {
		o.Gateway, o.Unit = gateway, medfleet.CareUnit(unit)
		e.Gateway = []byte(gateway)
	}
}

func TestOneDeviceOverTwoGatewaysIsOneDevice(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour)))
	for i := range 20 {
		at := after(time.Duration(i) * 30 * sec)
		w.hear(observed("p1", at, "infusing", from([]string{"edge-1", "edge-2"}[i%2], "ICU")))
		w.hear(observed("p1", at+100, "infusing", from([]string{"edge-2", "edge-1"}[i%2], "ICU")))
	}
	require.Equal(t, 1, w.r.Size())
	require.Equal(t, "in_use 0-", w.states("p1"))
	require.Empty(t, w.device("p1").Active, "told twice from one place is no conflict")
	require.Empty(t, w.told)
}

func TestADeviceThatIsOneWardFurtherIsNoConflict(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour)))
	for i := range 30 {
		unit := []string{"ICU", "4W", "ICU"}[i/10]
		w.hear(observed("p1", after(time.Duration(i)*30*sec), "infusing", from("edge-1", unit)))
		require.Equal(t, medfleet.CareUnit(unit), w.device("p1").Unit)
	}
	require.Empty(t, w.told)
}

func TestABacklogFromTheOldWardIsNoConflict(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(3 * time.Hour)))
	w.hear(observed("p1", noon, "infusing", from("edge-1", "ICU")))
	for i := range 20 { // its old gateway's link was down, and delivers now what it has from before
		w.hear(observed("p1", after(time.Hour+time.Duration(i)*30*sec), "infusing", from("edge-2", "4W")))
		w.hear(observed("p1", after(min1+time.Duration(i)*30*sec), "paused", from("edge-1", "ICU")))
	}
	require.Empty(t, w.told)
	require.Equal(t, medfleet.CareUnit("4W"), w.device("p1").Unit)
	require.Equal(t, medfleet.InUse, w.device("p1").State)
}

// Two pumps with one id, each in its ward, each telling once a minute.
func TestTwoDevicesThatClaimOneIDAreKeptAndTold(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(10 * time.Hour)))
	minute := func(i int, rival bool) {
		w.hear(observed("p1", after(time.Duration(i)*min1), "infusing", from("edge-1", "ICU")))
		if rival {
			w.hear(observed("p1", after(time.Duration(i)*min1+20*sec), "off", from("edge-2", "4W")))
		}
	}
	for i := range 30 {
		minute(i, true)
	}
	require.Equal(t, []string{"p1 identity_conflict start "}, w.told, "once, not with each report")
	d := w.device("p1")
	require.Equal(t, []string{"identity_conflict"}, d.Active)
	require.Equal(t, medfleet.CareUnit("ICU"), d.Unit)
	require.Equal(t, medfleet.InUse, d.State)
	require.LessOrEqual(t, w.count(`SELECT COUNT(*) FROM state_intervals`), 6, "it does not flap")
	require.Len(t, w.live, 61, "and each report is a sighting")
	require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM events WHERE condition = 'identity_conflict'`))
	events := w.allEvents("p1", 10)
	require.Contains(t, events[0].Text, "4W", "it says where the other is")

	w.hear(happenedIn("p1", "4W", after(31*min1), "x", "battery_low"), happenedIn("p1", "ICU", after(31*min1), "y", "door_open"))
	require.ElementsMatch(t, []string{"identity_conflict", "door_open"}, w.device("p1").Active, "what happens to the other is kept and not its own")
	require.Equal(t, 3, w.count(`SELECT COUNT(*) FROM events`))

	restarted := copied(t, w.r)
	require.Equal(t, picture(w.r), picture(restarted))
	w.r = restarted
	for i := 32; i < 120; i++ { // the other has its own id now
		minute(i, false)
	}
	require.True(t, slices.Contains(w.told, "p1 identity_conflict end "))
	require.Equal(t, []string{"door_open"}, w.device("p1").Active)
}

func happenedIn(device, unit string, at medfleet.Millis, id, condition string) say {
	s := happened(device, at, id, condition, medfleet.Start)
	var line record.Line
	if err := record.NewDecoder().Decode(s.envelope.Line, &line); err != nil {
		panic(err)
	}
	ev := line.Event()
	ev.Unit = medfleet.CareUnit(unit)
	var encoder record.Encoder
	s.envelope.Line = encoder.Event(nil, &ev)
	return s
}

func TestTheOtherDeviceHasTheIDWhenTheFirstIsSilent(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(10 * time.Hour)))
	for i := range 60 {
		if i < 20 {
			w.hear(observed("p1", after(time.Duration(i)*min1), "infusing", from("edge-1", "ICU")))
		}
		w.hear(observed("p1", after(time.Duration(i)*min1+20*sec), "paused", from("edge-2", "4W")))
	}
	require.Equal(t, []string{"p1 identity_conflict start ", "p1 identity_conflict end "}, w.told)
	require.Equal(t, medfleet.CareUnit("4W"), w.device("p1").Unit)
	require.Equal(t, "paused", w.device("p1").Native)
}

// The bed is a place, the device is what has the number: two pumps that follow one
// another at a bed stay two.
func TestADeviceSwappedBehindTheSameBedIsAnother(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour)), observed("p1", noon, "infusing", from("edge-1", "ICU-12")))
	w.hear(happened("p1", after(sec), "a", "battery_low", medfleet.Start))
	w.hear(observed("p2", after(5*min1), "infusing", from("edge-1", "ICU-12")))
	require.Equal(t, 2, w.r.Size())
	require.Equal(t, []string{"battery_low"}, w.device("p1").Active)
	require.Empty(t, w.device("p2").Active, "nothing of the one is said of the other")
	require.Equal(t, after(5*min1), w.device("p2").FirstSeen-1000)
}

func TestTwoEventsOfOneConditionInOneSecond(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), happened("p1", after(sec), "a", "battery_low", medfleet.Start), happened("p1", after(sec), "b", "battery_low", medfleet.End))
	require.Empty(t, w.device("p1").Active)
	w.hear(happened("p1", after(sec), "c", "battery_low", medfleet.Start))
	require.Equal(t, []string{"battery_low"}, w.device("p1").Active, "in one second the later record counts")
	require.Equal(t, 3, w.count(`SELECT COUNT(*) FROM events`), "and all are kept")
}
