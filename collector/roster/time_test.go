package roster_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

var timeSeeds = flag.Int("time.seeds", 60, "days of a device whose clock and way are bad")

const (
	hour = time.Hour
	year = 365 * 24 * hour
)

// filed is an observation as the gateway files it: by the device's time when that can
// be, else by its own.
func filed(device string, clock, received medfleet.Millis, state string) say {
	at, clamped := medfleet.Believe(clock, received)
	return observed(device, at, state, func(o *medfleet.Observation, e *record.Envelope) {
		e.Received = received
		if clamped {
			e.Flags |= record.Clamped
			o.DeviceTime = clock
		}
	})
}

// TestAClockThatIsSetMidwayIsFollowed: every way in which a device's clock is set
// while it works, what is shown of it is at most a few reports old.
func TestAClockThatIsSetMidwayIsFollowed(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"daylight saving begins": hour, "daylight saving ends": -hour, "an hour on": hour, "an hour back": -hour, "a year on": year, "a year back": -year,
		"to 1970": -noon.Sub(0), "a minute back": -time.Minute, "days back": -72 * hour, "a little ahead": 4 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.hear(begin(noon))
			says := func(from, to, off time.Duration, state string) {
				for d := from; d < to; d += 30 * sec {
					w.apply(filed("p1", after(d+off), after(d), state))
					w.apply(beat(after(d), 0))
					w.apply(clock(after(d)))
				}
				w.flush()
			}
			says(0, 10*min1, 0, "infusing")
			says(10*min1, 12*min1, step, "paused")
			require.Equal(t, "paused", w.device("p1").Native, "two minutes after the clock was set")
			says(12*min1, 20*min1, 0, "standby")
			require.Equal(t, "standby", w.device("p1").Native, "and after it was set right")
			require.Empty(t, w.quiet, "nobody is silent for what the time is")
			require.LessOrEqual(t, w.device("p1").Since, after(20*min1+5*min1))
		})
	}
}

// A backlog is as old as a clock that was set back, but it comes faster than it was
// made, or among what is live.
func TestWhatIsHoursLateIsNotTakenForAClockThatWasSetBack(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(5*hour)), filed("p1", after(5*hour), after(5*hour), "infusing"))
	for i := range 100 { // one each 100 ms, made each 30 s
		w.hear(filed("p1", after(time.Duration(i)*30*sec), after(5*hour+time.Duration(i)*100*time.Millisecond), "off"))
	}
	require.Equal(t, "infusing", w.device("p1").Native)
	for i := range 100 { // a relay that holds everything for an hour, beside the device itself
		d := 5*hour + time.Duration(i+1)*30*sec
		w.hear(clock(after(d)), filed("p1", after(d), after(d), "infusing"), filed("p1", after(d-hour), after(d+sec), "off"))
	}
	require.Equal(t, "infusing", w.device("p1").Native)
	require.Equal(t, uint64(200), w.r.Counts().Late)
}

// TestNoClockAndNoDelayMakesADeviceSilentOrOldNewsNew lets a device that reports all
// day have any clock, set at any time, and any delay on its way.
func TestNoClockAndNoDelayMakesADeviceSilentOrOldNewsNew(t *testing.T) {
	offs := []time.Duration{0, hour, -hour, year, -year, -noon.Sub(0), 4 * time.Minute, -61 * sec, 10 * year, -29 * 24 * hour}
	late, clamped := uint64(0), 0
	for seed := range *timeSeeds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		w := &ward{t: t, r: newRoster(), decoder: record.NewDecoder()}
		w.apply(begin(noon))
		off, held := time.Duration(0), []say(nil)
		holding := 0
		for i := range 240 { // two hours
			d := time.Duration(i) * 30 * sec
			if r.IntN(60) == 0 {
				off = offs[r.IntN(len(offs))]
			}
			if holding == 0 && r.IntN(80) == 0 {
				holding = 1 + r.IntN(100)
			}
			one := filed("p1", after(d+off), after(d), "infusing")
			if one.envelope.Flags&record.Clamped != 0 {
				clamped++
			}
			if holding > 0 { // its gateway is cut off; what it hears waits there
				if held = append(held, one); holding == 1 {
					for _, s := range held {
						w.apply(s)
					}
					held = nil
				}
				holding--
			} else {
				w.apply(one)
				w.apply(beat(after(d), 0))
			}
			w.apply(clock(after(d)))
			w.apply(clock(after(d + 15*sec)))
			dev, ok := w.r.Device("p1")
			if !ok {
				continue
			}
			require.NotEqual(t, medfleet.Unheard, dev.State, "seed %d, report %d", seed, i)
			if holding == 0 {
				require.Equal(t, medfleet.InUse, dev.State, "seed %d, report %d", seed, i)
			}
			require.LessOrEqual(t, dev.Since, after(d+5*time.Minute+sec), "seed %d: nothing begins in the future", seed)
		}
		late += w.r.Counts().Late
		w.r.Forget()
	}
	require.NotZero(t, late, "void: nothing was ever late")
	require.NotZero(t, clamped, "void: every clock was believed")
}
