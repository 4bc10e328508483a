package roster_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

func ctx() context.Context { return context.Background() }

const (
	min1 = time.Minute
	sec  = time.Second
)

// watched lets time pass with a beat and a clock record every ten seconds.
func (w *ward) watched(from, to time.Duration) {
	for d := from; d <= to; d += 10 * sec {
		w.hear(beat(after(d), 0), clock(after(d)))
	}
}

func TestAPumpIsInUseWhenItSaysSo(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "standby"), observed("p1", after(min1), "infusing"), observed("p1", after(2*min1), "paused"))
	d := w.device("p1")
	require.Equal(t, medfleet.Idle, d.State)
	require.Equal(t, "paused", d.Native)
	require.True(t, d.Occupied, "a pause leaves it occupied")
	require.Equal(t, after(2*min1), d.Since)
	require.Equal(t, after(2*min1)+1000, d.LastSeen)
	require.Equal(t, "idle 0-1, in_use 1-2, idle 2-", w.states("p1"))
	require.Equal(t, []bool{true, true, true}, w.live)
}

func TestASilentDeviceIsUnheardSinceItWasLastSeen(t *testing.T) {
	w := newWard(t)
	w.watched(0, 30*sec)
	w.hear(observed("p1", after(30*sec), "infusing"))
	w.watched(40*sec, 150*sec)
	require.Equal(t, medfleet.InUse, w.device("p1").State, "two minutes are its profile's own")
	w.watched(160*sec, 200*sec)
	d := w.device("p1")
	require.Equal(t, medfleet.Unheard, d.State)
	require.Equal(t, after(31*sec), d.Since, "not since we noticed")
	require.Equal(t, []string{"p1"}, w.quiet, "the engine is told once")
	w.hear(observed("p1", after(5*min1), ""))
	require.Equal(t, medfleet.InUse, w.device("p1").State, "as it was before")
	require.Equal(t, "unheard 0.5-5, in_use 5-", w.states("p1"))
}

func TestSilenceIsToldInTheSameOrderEachTime(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon))
	for i := range 30 {
		w.apply(observed(fmt.Sprintf("p%02d", i*7%30), noon, "infusing"))
	}
	w.watched(0, 3*min1)
	require.Len(t, w.quiet, 30)
	require.IsIncreasing(t, w.quiet, "a replay must judge as the first time")
}

func TestADeviceBehindADeadGatewayIsNotToBlame(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), beat(noon, 0))
	w.watched(0, min1)
	for d := min1; d <= 5*min1; d += 5 * sec { // the gateway is gone, we are here
		w.hear(clock(after(d)))
	}
	require.Equal(t, medfleet.Blind, w.device("p1").State)
	require.False(t, w.r.Gateways()[0].Up)
	require.Equal(t, after(50*sec), w.device("p1").Since, "since the gateway was last heard")

	w.hear(beat(after(6*min1), 4*min1), clock(after(6*min1)))
	require.True(t, w.r.Gateways()[0].Up)
	require.Equal(t, medfleet.Blind, w.device("p1").State, "the device itself was not heard yet")
	w.hear(observed("p1", after(2*min1), "paused"), observed("p1", after(6*min1), "paused"))
	require.Equal(t, "in_use 0-0.8, blind 0.8-2, idle 2-", w.states("p1"), "the backlog fills in what happened")
}

func TestADeviceThatDoesNotComeBackWithItsGatewayIsUnheard(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), beat(noon, 0))
	for d := 5 * sec; d <= 5*min1; d += 5 * sec {
		w.hear(clock(after(d)))
	}
	require.Equal(t, medfleet.Blind, w.device("p1").State)
	w.watched(5*min1, 8*min1)
	d := w.device("p1")
	require.Equal(t, medfleet.Unheard, d.State)
	require.GreaterOrEqual(t, d.Since, after(5*min1-10*sec), "the time we were blind stays blind")
}

// A gateway's spool of readings drains slower than that of events, in which its
// heartbeat travels.
func TestABacklogIsNotTakenForSilence(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"))
	for d := 10 * sec; d <= 30*min1; d += 10 * sec { // telemetry stands still
		w.hear(beat(after(d), d), clock(after(d)))
	}
	require.Equal(t, medfleet.InUse, w.device("p1").State, "the gateway has readings that we have not")
	require.Empty(t, w.quiet)
	w.watched(30*min1, 31*min1) // now it has drained, and nothing was of this pump
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
	require.Equal(t, after(sec), w.device("p1").Since)
}

func TestAGatewaysClockThatIsOffMakesNobodySilent(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, -10 * min1, 4 * min1, 2 * time.Hour, 365 * 24 * time.Hour} {
		w := newWard(t)
		w.hear(begin(noon))
		for d := time.Duration(0); d <= 20*min1; d += 10 * sec {
			w.hear(observed("p1", after(d+off), "infusing"), beat(after(d+off), 0), clock(after(d)))
		}
		require.Empty(t, w.quiet, "%s", off)
		for d := 20 * min1; d <= 24*min1; d += 10 * sec {
			w.hear(beat(after(d+off), 0), clock(after(d)))
		}
		require.Equal(t, []string{"p1"}, w.quiet, "%s: and true silence is noticed", off)
	}
}

func TestWhatTheCollectorMissedIsNobodysSilence(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), observed("p2", noon, "off"), observed("p3", noon, "service"))
	w.watched(0, min1)
	w.hear(begin(after(61*min1)), observed("p1", after(61*min1), "infusing"))
	require.Equal(t, "in_use 0-1, blind 1-61, in_use 61-", w.states("p1"))
	require.Equal(t, medfleet.Off, w.device("p2").State, "what was off stays off")
	require.Equal(t, medfleet.OutOfService, w.device("p3").State)
	w.watched(61*min1, 62*min1)
	require.Empty(t, w.quiet)
}

func TestAShortRestartIsNoBlindness(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), clock(after(10*sec)), begin(after(30*sec)), clock(after(35*sec)))
	require.Equal(t, "in_use 0-", w.states("p1"))
}

func TestACollectorThatStoodStillWasBlindToo(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), clock(after(10*sec)), clock(after(2*time.Hour)), clock(after(2*time.Hour+5*sec)))
	require.Equal(t, medfleet.Blind, w.device("p1").State, "a laptop that slept")
	require.Empty(t, w.quiet, "and nothing is said of the pump")
}

func TestAClockThatWasInTheFutureHidesNoSilence(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, 365 * 24 * time.Hour} {
		w := newWard(t)
		w.hear(begin(noon), observed("p1", noon, "infusing"))
		w.watched(0, min1)
		w.hear(clock(after(step)), observed("p1", after(min1), "infusing"), clock(after(step+5*sec))) // the step
		w.hear(observed("p1", after(step+10*sec), "infusing"))
		w.hear(clock(after(70*sec)), observed("p1", after(70*sec), "infusing")) // and back
		require.Equal(t, after(70*sec), w.r.Clock())
		w.watched(80*sec, 5*min1)
		require.Equal(t, medfleet.Unheard, w.device("p1").State, "%s", step)
		w.hear(observed("p1", after(6*min1), "paused"))
		require.Equal(t, "paused", w.device("p1").Native, "and it is judged again")
	}
}

func TestASmallStepBackChangesNothing(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), clock(after(20*sec)), clock(after(18*sec)), clock(after(23*sec)))
	require.Equal(t, after(23*sec), w.r.Clock())
	require.Equal(t, "in_use 0-", w.states("p1"))
}

func TestAReportedPowerOffStaysOff(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), happened("p1", after(min1), "e1", "powered_off", medfleet.Instant))
	w.watched(min1, 30*min1)
	require.Equal(t, medfleet.Off, w.device("p1").State)
	require.Equal(t, "in_use 0-1, off 1-", w.states("p1"))
	for d := 30 * min1; d <= 35*min1; d += 5 * sec { // its gateway dies too
		w.hear(clock(after(d)))
	}
	require.Equal(t, medfleet.Off, w.device("p1").State)
	w.hear(observed("p1", after(40*min1), "standby"))
	require.Equal(t, medfleet.Idle, w.device("p1").State)
}

func TestWhatItObservedBeforeItWasSwitchedOffDoesNotSwitchItOn(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), happened("p1", after(2*min1), "e1", "powered_off", medfleet.Start), observed("p1", after(min1), "infusing"))
	require.Equal(t, medfleet.Off, w.device("p1").State, "events have a stream of their own and may overtake")
	require.Equal(t, []bool{true, true, false}, w.live)
}

func TestLateDataIsKeptAndJudgesNothing(t *testing.T) {
	w := newWard(t)
	charge := func(v float64) func(*medfleet.Observation, *record.Envelope) {
		return func(o *medfleet.Observation, _ *record.Envelope) {
			o.Readings = append(o.Readings, medfleet.Reading{Metric: "battery_charge", Value: v})
		}
	}
	w.hear(begin(noon), observed("p1", after(4*min1), "infusing", charge(50)))
	before := w.device("p1")
	w.hear(observed("p1", after(2*min1), "off", charge(10), func(o *medfleet.Observation, _ *record.Envelope) { o.Unit = "4W" }))
	got := w.device("p1")
	require.Equal(t, before, got)
	require.Equal(t, []bool{true, false}, w.live, "the engine may count it")
	require.Equal(t, uint64(1), w.r.Counts().Late)
	require.Equal(t, "in_use 4-", w.states("p1"))
}

func TestWhatIsNotAboutNowJudgesNothing(t *testing.T) {
	for name, flag := range map[string]record.Flags{"retained": record.Retained, "historical": record.Historical, "not in service": record.NotInService, "suspect": record.DuplicateSuspect} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			flagged := func(_ *medfleet.Observation, e *record.Envelope) { e.Flags |= flag }
			w.hear(begin(noon), observed("p1", noon, "infusing"), observed("p1", after(min1), "off", flagged), happened("p1", after(min1), "e1", "battery_low", medfleet.Start, flag))
			d := w.device("p1")
			require.Equal(t, medfleet.InUse, d.State)
			require.Empty(t, d.Active)
			require.Equal(t, []bool{true, false, false}, w.live)
			require.Equal(t, 1, w.count(`SELECT count(*) FROM events`), "an event is kept all the same")
			seen := flag != record.Retained && flag != record.Historical
			require.Equal(t, seen, d.LastSeen > noon+1000, "whether it is a sign of life")
			require.Equal(t, flag != record.NotInService, d.InService)
		})
	}
}

func TestADeviceOfWhichOnlyAnOldMessageTellsWasNeverHeard(t *testing.T) {
	for name, flag := range map[string]record.Flags{"retained": record.Retained, "historical": record.Historical} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.hear(begin(noon), observed("p1", noon, "infusing", func(_ *medfleet.Observation, e *record.Envelope) { e.Flags |= flag }))
			require.Zero(t, w.device("p1").LastSeen, "nobody knows how old that is")
			require.NotZero(t, w.device("p1").FirstSeen, "but that there is such a device")
			w.watched(0, 5*min1)
			require.Equal(t, medfleet.Unheard, w.device("p1").State)
			require.Zero(t, w.device("p1").LastSeen)
			w.hear(observed("p1", after(6*min1), "infusing"))
			require.Equal(t, medfleet.InUse, w.device("p1").State)
			require.Greater(t, w.device("p1").LastSeen, after(6*min1))
		})
	}
}

func TestADeviceInServiceModeIsHeardToo(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"))
	w.watched(0, 5*min1)
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
	w.hear(observed("p1", after(6*min1), "standby", func(_ *medfleet.Observation, e *record.Envelope) { e.Flags |= record.NotInService }))
	require.Equal(t, medfleet.InUse, w.device("p1").State, "it is not silent, whatever it is doing")
	require.False(t, w.device("p1").InService)
}

func TestAnEventIsASignOfLife(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"))
	w.watched(0, 5*min1)
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
	w.hear(happened("p1", after(6*min1), "e1", "door_open", medfleet.Start))
	require.Equal(t, medfleet.InUse, w.device("p1").State)
}

func TestAnOldEventIsNoSignOfLife(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"))
	w.watched(0, 5*min1)
	w.hear(happened("p1", noon-5000, "e1", "door_open", medfleet.Start))
	require.Equal(t, medfleet.Unheard, w.device("p1").State)
}

func TestConditionsBeginAndEndInAnyOrder(t *testing.T) {
	start, end := medfleet.Start, medfleet.End
	type step struct {
		at    time.Duration
		id    string
		phase medfleet.Phase
	}
	for name, c := range map[string]struct {
		steps []step
		on    bool
		rows  int
	}{
		"it begins":                        {[]step{{0, "a", start}}, true, 1},
		"it begins and ends":               {[]step{{0, "a", start}, {min1, "b", end}}, false, 2},
		"its end overtakes its beginning":  {[]step{{min1, "b", end}, {0, "a", start}}, false, 2},
		"it comes back":                    {[]step{{0, "a", start}, {min1, "b", end}, {2 * min1, "c", start}}, true, 3},
		"an old end comes late":            {[]step{{0, "a", start}, {min1, "b", start}, {30 * sec, "c", end}}, true, 3},
		"the beginning comes again":        {[]step{{0, "a", start}, {min1, "b", end}, {0, "a", start}}, false, 2},
		"it goes on":                       {[]step{{0, "a", medfleet.Continue}}, true, 1},
		"it was but a moment":              {[]step{{0, "a", medfleet.Instant}}, false, 1},
		"two within a millisecond, on off": {[]step{{0, "a", start}, {0, "b", end}}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.hear(begin(noon))
			for _, s := range c.steps {
				w.hear(happened("p1", after(s.at), s.id, "battery_low", s.phase))
			}
			require.Equal(t, c.on, len(w.device("p1").Active) == 1, "%v", w.device("p1").Active)
			require.Equal(t, c.rows, w.count(`SELECT count(*) FROM events`))
		})
	}
}

func TestAnEventThatComesAgainDoesNothing(t *testing.T) {
	w := newWard(t)
	e := happened("p1", noon, "e1", "battery_low", medfleet.Start)
	w.hear(begin(noon), e)
	before := picture(w.r)
	w.hear(e)
	require.Equal(t, before, picture(w.r))
	require.Len(t, w.live, 1, "the engine is not told again")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM events`))
	require.Equal(t, uint64(1), w.r.Counts().Repeated)
}

func TestConditionsOfOneDeviceAreBounded(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon))
	names := []string{}
	for _, c := range set().Conditions() {
		names = append(names, c.Name)
	}
	for i := range 200 {
		w.apply(happened("p1", after(time.Duration(i)*sec), "", names[i%len(names)]+string(rune('a'+i/len(names))), medfleet.Start))
	}
	require.Len(t, w.device("p1").Active, 64)
}

func TestADeviceThatMovesIsFoundWhereItIs(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"))
	w.hear(observed("p1", after(min1), "infusing", func(o *medfleet.Observation, e *record.Envelope) {
		o.Unit, o.Model, e.Gateway = "4W", "Alpha", []byte("edge-2")
	}))
	d := w.device("p1")
	require.Equal(t, []string{"4W", "Alpha", "edge-2"}, []string{string(d.Unit), d.Model, d.Gateway})
	require.Equal(t, 1, w.count(`SELECT count(*) FROM devices WHERE unit = '4W' AND gateway = 'edge-2'`))
	require.Equal(t, "in_use 0-", w.states("p1"), "it was in use all the way")
	w.hear(observed("p1", after(2*min1), "infusing", func(o *medfleet.Observation, _ *record.Envelope) { o.Unit, o.Model = "", "" }))
	require.Equal(t, medfleet.CareUnit("4W"), w.device("p1").Unit, "not saying where is not moving")
}

func TestAnotherClassUnderTheSameIDIsAnotherDevice(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "kvo"))
	w.hear(observed("p1", after(min1), "", func(o *medfleet.Observation, _ *record.Envelope) {
		o.Class = "ventilator"
		o.Readings = []medfleet.Reading{{Metric: "battery_charge", Value: 5}}
	}))
	d := w.device("p1")
	require.Equal(t, medfleet.Class("ventilator"), d.Class)
	require.Equal(t, map[string]float64{"battery_charge": 5}, d.Readings)
	require.Equal(t, medfleet.Idle, d.State, "what the pump was doing says nothing of it")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM devices WHERE class = 'ventilator'`))
}

func TestAGatewaySpeaksForItselfOnly(t *testing.T) {
	w := newWard(t)
	other := beat(after(sec), 40*sec)
	other.envelope.Gateway = []byte("edge-2")
	w.hear(begin(noon), beat(noon, 0), other)
	gateways := w.r.Gateways()
	require.Len(t, gateways, 2)
	require.Zero(t, gateways[0].OldestSeconds)
	require.Equal(t, 40.0, gateways[1].OldestSeconds)
}

func TestTimesBeyondReasonAreNotBelieved(t *testing.T) {
	w := newWard(t)
	far := medfleet.Millis(1 << 60)
	w.hear(begin(noon), observed("p1", far, "infusing"), happened("p1", far, "e1", "battery_low", medfleet.Start),
		observed("p2", -far, "infusing"), beat(far, 1e9*time.Second))
	require.Equal(t, noon, w.device("p1").Since)
	w.hear(observed("p1", after(min1), "paused"), happened("p1", after(min1), "e2", "battery_low", medfleet.End))
	require.Equal(t, "paused", w.device("p1").Native, "what follows is judged")
	require.Empty(t, w.device("p1").Active)
	require.Equal(t, picture(w.r), picture(copied(t, w.r)), "and it can be written down")
	require.Zero(t, w.count(`SELECT count(*) FROM events WHERE at > 2000000000000`))
}

func TestADeclaredLossIsKept(t *testing.T) {
	w := newWard(t)
	gap := medfleet.Gap{Gateway: "edge-1", Site: "north", Stream: "telemetry", Epoch: 1 << 63, First: 5, Last: 9, Count: 5, From: noon, To: after(min1), Reason: "expired"}
	var encoder record.Encoder
	s := say{record.Envelope{Kind: record.Gap, Gateway: []byte("edge-1"), Stream: []byte("telemetry"), Line: encoder.Gap(nil, &gap)}}
	w.hear(begin(noon), s, s)
	require.Equal(t, 1, w.count(`SELECT count(*) FROM gaps WHERE first = 5 AND last = 9 AND count = 5 AND reason = 'expired' AND epoch = '8000000000000000'`))
	w.r.Lost(medfleet.Gap{Site: "north", Stream: "journal", First: 1, Last: 2, Count: 2})
	w.flush()
	require.Equal(t, 2, w.count(`SELECT count(*) FROM gaps`))
}

func TestADamagedSnapshotLeavesTheRosterAsItWas(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "infusing"), observed("p2", noon, "off"), beat(noon, 0))
	var b bytes.Buffer
	require.NoError(t, w.r.Snapshot(&b))
	other := newWard(t)
	other.hear(begin(noon), observed("p9", noon, "kvo"))
	before := picture(other.r)
	for n := 0; n < b.Len()-1; n += 7 {
		require.Error(t, other.r.Restore(bytes.NewReader(b.Bytes()[:n])), "cut at %d", n)
		require.Equal(t, before, picture(other.r))
	}
	require.NoError(t, other.r.Restore(&b))
	require.Equal(t, picture(w.r), picture(other.r))
}

func TestWhatTheDatabaseKnowsIsRecalled(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "standby"), observed("p1", after(min1), "infusing"), observed("p2", noon, "off"), beat(noon, 0))
	w.r = newRoster()
	require.NoError(t, w.r.Recall(ctx(), w.db))
	require.Equal(t, medfleet.InUse, w.device("p1").State)
	require.Equal(t, after(min1), w.device("p1").Since)
	require.True(t, w.device("p1").Occupied)
	require.Equal(t, "ICU", string(w.device("p1").Unit))
	require.Equal(t, medfleet.Off, w.device("p2").State)
	w.hear(begin(after(2 * min1)))
	for d := 2 * min1; d < 6*min1; d += 10 * sec {
		w.hear(beat(after(d), 0), clock(after(d)))
	}
	require.Equal(t, medfleet.Unheard, w.device("p1").State, "a device that died meanwhile is missed")
	require.Equal(t, medfleet.Off, w.device("p2").State)
	require.Equal(t, 2, w.count(`SELECT count(*) FROM state_intervals WHERE to_ms IS NULL`))
}

func TestTheDatabaseIsRewrittenWhenItIsOlder(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("p1", noon, "standby"))
	w.apply(observed("p1", after(min1), "infusing"))
	w.apply(observed("p2", after(min1), "off"))
	w.r.Forget() // written to a database that is gone
	w.r.Rewrite()
	w.flush()
	require.Equal(t, "idle 0-1, in_use 1-", w.states("p1"))
	require.Equal(t, "off 1-", w.states("p2"))
	require.Equal(t, 2, w.count(`SELECT count(*) FROM devices`))
}
