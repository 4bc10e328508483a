package roster_test

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state/statetest"
	"medfleet/record"
)

const day1 = 24 * time.Hour

// reported is a technical code of a model, received a second later.
func reported(device, model, code string, at medfleet.Millis, change ...func(*medfleet.Event, *record.Envelope)) say {
	ev := medfleet.Event{
		Equipment: medfleet.Equipment{Device: medfleet.DeviceID(device), Class: "infusion_pump", Model: model, Site: "north", Unit: "ICU"},
		ID:        fmt.Sprint(device, code, int64(at)), Time: at, Condition: "device_failure", Phase: medfleet.Start, Code: code, Kind: medfleet.Technical, Gateway: "edge-1",
	}
	e := record.Envelope{Kind: record.Event, Received: at + 1000, Gateway: []byte("edge-1"), Stream: []byte("events")}
	for _, c := range change {
		c(&ev, &e)
	}
	var encoder record.Encoder
	e.Line = encoder.Event(nil, &ev)
	return say{e}
}

// news gives the codes that were told as never seen, with their devices.
func (w *ward) news() (list []string) {
	for _, told := range w.told {
		var device, code string
		if n, _ := fmt.Sscanf(told, "%s new_code instant %s", &device, &code); n == 2 {
			list = append(list, device+" "+code)
		}
	}
	return list
}

func TestACodeThatAModelNeverReportedIsToldOnce(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		at := func(days int) medfleet.Millis { return after(time.Duration(days) * day1) }
		w.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(at(3)), reported("p2", "Alpha", "E2", at(3)))
		require.Empty(t, w.news(), "in its first week all of a model is new")
		w.hear(clock(at(8)), reported("p3", "Alpha", "E1", at(8)), reported("p3", "Alpha", "E3", at(8)))
		require.Equal(t, []string{"p3 E3"}, w.news(), "E1 was reported by another")
		w.hear(reported("p4", "Alpha", "E3", at(8)+1), reported("p3", "Alpha", "E3", at(9)))
		require.Equal(t, []string{"p3 E3"}, w.news(), "and now it is known")
		w.hear(reported("q1", "Beta", "E3", at(9)))
		require.Equal(t, []string{"p3 E3"}, w.news(), "another model begins its own week")
		w.hear(clock(at(20)), reported("q1", "Beta", "E1", at(20)))
		require.Equal(t, []string{"p3 E3", "q1 E1"}, w.news(), "what one model reported says nothing of another")

		list := w.allEvents("p3", 10)
		i := slices.IndexFunc(list, func(e medfleet.Event) bool { return e.Condition == "new_code" })
		require.Equal(t, medfleet.Advisory, list[i].Kind)
		require.Equal(t, []string{"E3", "Alpha", "instant"}, []string{list[i].Code, list[i].Model, string(list[i].Phase)})
		require.Equal(t, 2, w.count(`SELECT COUNT(*) FROM events WHERE condition = 'new_code'`))
		require.Empty(t, w.device("p3").Active[1:], "it is a moment, not a condition that lasts")
	})
}

func TestWhatIsNoNewsOfACode(t *testing.T) {
	for name, change := range map[string]func(*medfleet.Event, *record.Envelope){
		"of a patient":          func(e *medfleet.Event, _ *record.Envelope) { e.Kind, e.Condition = medfleet.Clinical, "occlusion" },
		"without a code":        func(e *medfleet.Event, _ *record.Envelope) { e.Code = "" },
		"its end":               func(e *medfleet.Event, _ *record.Envelope) { e.Phase = medfleet.End },
		"in service":            func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.NotInService },
		"from long ago":         func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.Historical },
		"of unknown time":       func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.Retained },
		"with a key seen twice": func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.DuplicateSuspect },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			then := after(10 * day1)
			w.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(then), reported("p1", "Alpha", "E9", then, change))
			require.Empty(t, w.news())
		})
	}
	t.Run("of no model", func(t *testing.T) {
		w := newWard(t)
		then := after(10 * day1)
		w.hear(begin(noon), reported("p1", "", "E1", noon), clock(then), reported("p1", "", "E9", then))
		require.Empty(t, w.news())
	})
	t.Run("but a maker's code that no table has is", func(t *testing.T) {
		w := newWard(t)
		then := after(10 * day1)
		w.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(then), reported("p1", "Alpha", "E9", then, func(e *medfleet.Event, _ *record.Envelope) {
			e.Kind, e.Condition, e.Phase = medfleet.Advisory, "unknown_code", medfleet.Instant
		}))
		require.Equal(t, []string{"p1 E9"}, w.news())
	})
	t.Run("control", func(t *testing.T) {
		w := newWard(t)
		then := after(10 * day1)
		w.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(then), reported("p1", "Alpha", "E9", then))
		require.Equal(t, []string{"p1 E9"}, w.news())
	})
}

func TestNoRestartTellsACodeTwice(t *testing.T) {
	then := after(10 * day1)
	start := func() *ward {
		w := newWard(t)
		w.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(then), reported("p1", "Alpha", "E9", then))
		return w
	}
	for name, restart := range map[string]func(*ward){
		"from the snapshot": func(w *ward) {
			w.r = copied(t, w.r)
			require.NoError(t, w.r.Recall(ctx(), w.db))
		},
		"from the database alone": func(w *ward) {
			w.r = newRoster()
			require.NoError(t, w.r.Recall(ctx(), w.db))
			w.hear(begin(then))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start()
			restart(w)
			require.False(t, w.r.Waits())
			w.hear(reported("p2", "Alpha", "E9", then+5), reported("p2", "Alpha", "E1", then+5))
			require.Equal(t, []string{"p1 E9"}, w.news())
			w.hear(reported("p2", "Alpha", "E10", then+6))
			require.Equal(t, []string{"p1 E9", "p2 E10"}, w.news(), "and it goes on telling")
		})
	}
	t.Run("a record that is applied again", func(t *testing.T) {
		w := start()
		again := newWard(t)
		again.db = w.db
		again.hear(begin(noon), reported("p1", "Alpha", "E1", noon), clock(then), reported("p1", "Alpha", "E9", then))
		require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM events WHERE condition = 'new_code'`))
	})
}

func TestCodesOfAModelAreBounded(t *testing.T) {
	w := newWard(t)
	then := after(10 * day1)
	w.hear(begin(noon), reported("p1", "Alpha", "E0", noon), clock(then))
	for i := range 3000 {
		w.apply(reported("p1", "Alpha", fmt.Sprint("E", i), then+medfleet.Millis(i)))
	}
	require.Len(t, w.news(), 2047)
	require.Equal(t, uint64(3000-2048), w.r.Counts().Overflow)
}
