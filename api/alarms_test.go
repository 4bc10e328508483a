package api

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func book() *ward {
	w := newWard()
	add := func(id string, state medfleet.AlarmState, unit medfleet.CareUnit, p medfleet.Priority) {
		w.alarms = append(w.alarms, medfleet.Alarm{ID: id, State: state, Unit: unit, Priority: p, Device: "pump-1", Class: "infusion_pump"})
		w.steps[id] = []Transition{{ID: id + "-1", Time: 1000, State: medfleet.Active}}
	}
	add("A5", medfleet.Active, "4W", medfleet.Now)
	add("A4", medfleet.Acknowledged, "4W", medfleet.Today)
	add("A3", medfleet.Cleared, "ICU", medfleet.Today)
	add("A2", medfleet.Closed, "ICU", medfleet.Round)
	add("A1", medfleet.Withdrawn, "ICU", medfleet.Round)
	return w
}

func TestAlarmsFilters(t *testing.T) {
	s := serve(t, testOptions(t, book()))
	for query, want := range map[string]string{
		"":                                "A5 A4 A3 A2 A1",
		"state=open":                      "A5 A4",
		"state=active":                    "A5",
		"state=active,cleared":            "A5 A3",
		"state=cleared&state=open":        "A5 A4 A3",
		"state=open,active":               "A5 A4",
		"state=withdrawn":                 "A1",
		"unit=ICU&priority=round":         "A2 A1",
		"priority=now":                    "A5",
		"device=pump-2":                   "",
		"class=infusion_pump&state=open":  "A5 A4",
		"class=ventilator&state=open":     "",
		"device=pump-1&state=open&unit=X": "",
	} {
		var ids []string
		for _, a := range read[list[medfleet.Alarm]](t, s.get("/api/v1/alarms?"+query)).Items {
			ids = append(ids, a.ID)
		}
		require.Equal(t, want, strings.Join(ids, " "), query)
	}
	first := read[list[medfleet.Alarm]](t, s.get("/api/v1/alarms?limit=2"))
	second := read[list[medfleet.Alarm]](t, s.get("/api/v1/alarms?limit=2&cursor="+first.Next))
	require.Equal(t, "A3", second.Items[0].ID)
}

func TestAlarmWithItsTransitions(t *testing.T) {
	s := serve(t, testOptions(t, book()))
	d := read[AlarmDetail](t, s.get("/api/v1/alarms/A5"))
	require.Equal(t, medfleet.Active, d.State)
	require.Equal(t, []Transition{{ID: "A5-1", Time: 1000, State: medfleet.Active}}, d.Transitions)
	p := problemOf(t, s.get("/api/v1/alarms/A9"), kindUnknownAlarm)
	require.Contains(t, p.Detail, `"A9"`)
}

func TestAcknowledgeNamesWhoAndIsOnce(t *testing.T) {
	w := book()
	s := serve(t, testOptions(t, w))
	kim := []string{"Authorization", "Bearer " + secretOf(medfleet.RoleBMET)}
	a := read[medfleet.Alarm](t, s.do("POST", "/api/v1/alarms/A5/ack", `{"note":" on my\r\nway\u0000 "}`, kim...))
	require.Equal(t, medfleet.Acknowledged, a.State)
	require.Equal(t, "the-bmet", a.AcknowledgedBy)
	require.Equal(t, "on my way", a.Note, "one line")

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			again := s.do("POST", "/alarms/A5/ack", `{"note":"me too"}`)
			require.Equal(t, http.StatusOK, again.status)
			require.Contains(t, string(again.body), `"acknowledged_by":"the-bmet"`)
		})
	}
	all.Wait()
	require.Len(t, w.steps["A5"], 2, "one transition")
}

func TestAcknowledgeWithoutABody(t *testing.T) {
	s := serve(t, testOptions(t, book()))
	a := read[medfleet.Alarm](t, s.do("POST", "/api/v1/alarms/A5/ack", ""))
	require.Equal(t, "demo", a.AcknowledgedBy)
	require.Empty(t, a.Note)
}

func TestAcknowledgeWhatCannotBe(t *testing.T) {
	s := serve(t, testOptions(t, book()))
	problemOf(t, s.do("POST", "/api/v1/alarms/A9/ack", "{}"), kindUnknownAlarm)
	for id, state := range map[string]string{"A3": "cleared", "A2": "closed", "A1": "withdrawn"} {
		p := problemOf(t, s.do("POST", "/api/v1/alarms/"+id+"/ack", "{}"), kindAlarmNotOpen)
		require.Contains(t, p.Detail, state)
		require.Contains(t, p.Detail, id)
	}
	problemOf(t, s.do("POST", "/api/v1/alarms/A5/ack", "{"), kindMalformed)
	problemOf(t, s.do("POST", "/api/v1/alarms/A5/ack", `{"comment":"x"}`), kindInvalid)
	problemOf(t, s.do("POST", "/api/v1/alarms/A5/ack", "note=x", "Content-Type", "application/x-www-form-urlencoded"), kindMediaType)
}

// A note ends in pages, logs and mail headers: whatever it was, it is one line.
func FuzzNoteIsOneLine(f *testing.F) {
	f.Add("on my way")
	f.Add("a\r\nBcc: everybody\u2028\x00\x1b[31m")
	f.Fuzz(func(t *testing.T, note string) {
		line := oneLine(note)
		require.NotRegexp(t, `[\x00-\x1f\x7f\x{2028}\x{2029}]`, line)
		require.Equal(t, line, oneLine(line))
		require.Equal(t, strings.TrimSpace(line), line)
	})
}
