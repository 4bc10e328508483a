package roster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/record"
)

func TestMain(m *testing.M) {
	// database/sql ends its own goroutine after Close has returned.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// day draws what three pumps, a gateway and the collector may go through: clocks
// that are off, backlogs, silences, restarts.
func day(rt *rapid.T) []say {
	words := []string{"off", "standby", "infusing", "kvo", "paused", "alarm", "service", ""}
	conditions := []string{"battery_low", "powered_off", "door_open"}
	phases := []medfleet.Phase{medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant}
	list := []say{begin(noon)}
	now := time.Duration(0)
	skewed := func() medfleet.Millis {
		return after(now + time.Duration(rapid.SampledFrom([]int{0, 0, 0, -1, 1, -60, 60, -3600, 200, 86400, -86400}).Draw(rt, "skew"))*sec)
	}
	for range rapid.IntRange(1, 170).Draw(rt, "records") {
		id := "p" + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "pump")
		flags := record.Flags(rapid.SampledFrom([]int{0, 0, 0, 0, int(record.Retained), int(record.NotInService), int(record.Historical), int(record.Clamped), int(record.DuplicateSuspect)}).Draw(rt, "flags"))
		switch rapid.IntRange(-3, 9).Draw(rt, "what") {
		case -3: // two devices with one id, each in its ward
			for i := range rapid.IntRange(1, 8).Draw(rt, "turns") {
				at := after(now + time.Duration(i)*sec)
				list = append(list, observed(id, at, "infusing", func(o *medfleet.Observation, _ *record.Envelope) {
					o.Unit = []medfleet.CareUnit{"4W", "ICU"}[i%2]
				}))
			}
		case -2:
			list = append(list, reported(id, "Alpha", rapid.SampledFrom([]string{"", "E1", "E2", "E3"}).Draw(rt, "code"), skewed(), func(e *medfleet.Event, in *record.Envelope) {
				e.Phase, in.Flags = rapid.SampledFrom(phases).Draw(rt, "phase"), flags
			}))
		case -1:
			parent := rapid.SampledFrom([]string{"p3", "rack"}).Draw(rt, "parent")
			if parent != id {
				list = append(list, attached(id, parent, rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "slot"), skewed(), flags))
			}
		case 0, 1, 2, 3:
			list = append(list, observed(id, skewed(), rapid.SampledFrom(words).Draw(rt, "state"), func(o *medfleet.Observation, e *record.Envelope) {
				e.Flags |= flags
				o.Unit = rapid.SampledFrom([]medfleet.CareUnit{"ICU", "ICU", "4W"}).Draw(rt, "unit")
				if rapid.IntRange(0, 9).Draw(rt, "itself") == 0 {
					o.Gateway, e.Gateway = "-", nil
				}
				o.Feed = rapid.SampledFrom([]string{"", "hl7", "mqtt", "hl7 from rack"}).Draw(rt, "feed")
			}))
		case 4:
			list = append(list, happened(id, skewed(), fmt.Sprint(rapid.IntRange(1, 20).Draw(rt, "id")), rapid.SampledFrom(conditions).Draw(rt, "condition"), rapid.SampledFrom(phases).Draw(rt, "phase"), flags))
		case 5:
			at := skewed()
			for _, feed := range []string{"hl7", "mqtt"} {
				if rapid.IntRange(0, 4).Draw(rt, "told") > 0 {
					list = append(list, tells(at, feed, rapid.Bool().Draw(rt, "up"), time.Duration(rapid.SampledFrom([]int{-1, 0, 5, 200, 4000}).Draw(rt, "silent"))*sec))
				}
			}
			list = append(list, calls(at, "hl7 from rack", rapid.Bool().Draw(rt, "there"), time.Duration(rapid.SampledFrom([]int{-1, 5}).Draw(rt, "silent"))*sec))
			list = append(list, beat(at, time.Duration(rapid.IntRange(0, 300).Draw(rt, "waits"))*sec))
		case 6, 7, 8:
			now += time.Duration(rapid.SampledFrom([]int{1, 5, 10, 30, 40, 130, 3600, -7, -3600, 8 * 86400}).Draw(rt, "passes")) * sec
			list = append(list, clock(after(now)))
		default:
			now += time.Duration(rapid.SampledFrom([]int{1, 20, 600}).Draw(rt, "away")) * sec
			list = append(list, begin(after(now)))
		}
	}
	return list
}

func (w *ward) clean(rt require.TestingT) {
	for _, table := range []string{"devices", "state_intervals", "events", "gaps", "gateways", "feeds", "attachments", "model_codes"} {
		_, err := w.db.Exec("DELETE FROM " + table)
		require.NoError(rt, err)
	}
	w.r, w.t, w.sequence, w.quiet, w.own, w.live, w.told = newRoster(), rt, 0, nil, nil, nil, nil
}

// TestTheMinutesInAllStatesSumToClockTime holds the state intervals against the
// one thing that must be true of them whatever happens: there is no hole in them
// and no overlap, and the last is where the device is now.
func TestTheMinutesInAllStatesSumToClockTime(t *testing.T) {
	w := newWard(t)
	stretches := 0
	rapid.Check(t, func(rt *rapid.T) {
		w.clean(rt)
		for _, s := range day(rt) {
			w.apply(s)
			if rapid.IntRange(0, 3).Draw(rt, "commit") == 0 {
				w.flush()
			}
		}
		w.flush()
		stretches += w.whole(rt)
	})
	require.Greater(t, stretches, 300, "void: hardly anything happened")
}

// whole holds every device's state intervals against clock time and counts them.
func (w *ward) whole(rt *rapid.T) (stretches int) {
	for _, d := range w.r.Devices() {
		rows, err := w.db.Query(`SELECT state, from_ms, COALESCE(to_ms, 0) FROM state_intervals WHERE device = $1 ORDER BY from_ms`, d.ID)
		require.NoError(rt, err)
		var state medfleet.State
		var from, to, first, sum, n int64
		for rows.Next() {
			end := to
			require.NoError(rt, rows.Scan(&state, &from, &to))
			if n == 0 {
				first = from
			} else {
				require.Equal(rt, end, from, "%s: a hole or an overlap before %d", d.ID, n)
			}
			if to != 0 {
				require.Greater(rt, to, from)
				sum += to - from
			}
			n++
		}
		require.NoError(rt, rows.Close())
		require.NotZero(rt, n, "%s has no state", d.ID)
		require.Zero(rt, to, "the last one lasts")
		require.Equal(rt, from-first, sum)
		require.Equal(rt, int64(d.FirstSeen), first)
		require.Equal(rt, int64(d.Since), from)
		require.Equal(rt, d.State, state)
		stretches += int(n)
	}
	return stretches
}

// TestASnapshotAndTheRestGiveTheSameRoster cuts the journal anywhere.
func TestASnapshotAndTheRestGiveTheSameRoster(t *testing.T) {
	told, owns := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		list := day(rt)
		cut := rapid.IntRange(0, len(list)).Draw(rt, "cut")
		whole := &ward{t: rt, r: newRoster(), decoder: record.NewDecoder()}
		half := &ward{t: rt, r: newRoster(), decoder: record.NewDecoder()}
		for i, s := range list {
			if i == cut {
				half.r = copied(rt, half.r)
			}
			whole.apply(s)
			half.apply(s)
			require.Equal(rt, picture(whole.r), picture(half.r), "record %d", i)
		}
		require.Equal(rt, whole.quiet, half.quiet)
		require.Equal(rt, whole.own, half.own)
		require.Equal(rt, whole.live, half.live, "the engine is told the same")
		require.Equal(rt, whole.told, half.told)
		told += len(whole.told)
		for _, t := range whole.told {
			for _, own := range []string{"new_code", "identity_conflict"} {
				if strings.Contains(t, own) {
					owns[own]++
				}
			}
		}
	})
	require.Greater(t, told, 100, "void: nothing happened")
	require.Len(t, owns, 2, "void: the roster had nothing to say of its own: %v", owns)
}

// TestWritingInAnyPortionsGivesTheSameDatabase: how many records go into one
// transaction is the disk's affair.
func TestWritingInAnyPortionsGivesTheSameDatabase(t *testing.T) {
	one, many := newWard(t), newWard(t)
	rapid.Check(t, func(rt *rapid.T) {
		one.clean(rt)
		many.clean(rt)
		for _, s := range day(rt) {
			one.apply(s)
			many.apply(s)
			if rapid.Bool().Draw(rt, "commit") {
				many.flush()
			}
		}
		one.flush()
		many.flush()
		for _, id := range []string{"p1", "p2", "p3"} {
			require.Equal(rt, one.states(id), many.states(id))
		}
		const events = `SELECT count(*) FROM events`
		require.Equal(rt, one.count(events), many.count(events))
	})
}

func BenchmarkApply(b *testing.B) {
	w := &ward{t: b, r: newRoster(), decoder: record.NewDecoder()}
	w.apply(begin(noon))
	one := make([]say, 1000)
	for i := range one {
		one[i] = observed(fmt.Sprint("p", i), noon, "infusing")
	}
	w.live = make([]bool, 0, 1<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.apply(one[i%len(one)])
		w.live = w.live[:0]
		if i%len(one) == 0 {
			w.r.Forget()
		}
	}
}
