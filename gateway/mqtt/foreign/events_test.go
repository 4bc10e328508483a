package foreign_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

const alarms = `
- topic: a/{device}
  class: infusion_pump
  model: Perfusor
  time: t
  conditions:
    low: {condition: battery_low, priority: medium}
    mode: {condition: service_mode, while: [SERVICE, "3"]}
  codes:
    fault: {"0": "", E17: battery_fault, E20: device_failure}
  events:
  - path: log
    code: c
    codes: {"12": air_in_line, OK: ""}
    phase_from: {path: s, words: {ON: start, OFF: end}}
    priority_from: {path: p, words: {"1": high}}
    time: {path: at}
  - path: names
    codes: {DOOR: door_open}
    phase: start
`

func TestAStateThatEachMessageRepeatsIsToldWhenItChanges(t *testing.T) {
	r := reader(t, alarms)
	for i, step := range []struct {
		payload string
		want    []string
	}{
		{`"low":true,"mode":"RUN","fault":"E17"`, []string{"P-1 battery_low start", "P-1 service_mode end", "P-1 device_failure end", "P-1 battery_fault start E17"}},
		{`"low":true,"mode":"RUN","fault":"E17"`, nil},
		{`"low":1,"mode":"SERVICE","fault":"E20"`, []string{"P-1 service_mode start", "P-1 battery_fault end", "P-1 device_failure start E20"}},
		{`"low":null,"mode":3,"fault":"E20"`, nil},
		{`"low":"Quintero","mode":[],"fault":"Quintero"`, nil},
		{`"low":false,"fault":0`, []string{"P-1 battery_low end", "P-1 device_failure end"}},
		{`"low":false,"fault":"0"`, nil},
		{`"low":"true","fault":0`, []string{"P-1 battery_low start"}},
	} {
		got, err := r.Read(message("a/P-1", `{"t":"2026-07-30T14:00:0`+string('0'+rune(i))+`Z",`+step.payload+`}`), received)
		require.NoError(t, err)
		require.Equal(t, step.want, told(got), "%d", i)
		for _, e := range got.Events {
			require.Len(t, e.ID, 32)
			require.Equal(t, "edge-1", e.Gateway)
			require.Equal(t, received+medfleet.Millis(i*1000), e.Time)
			if e.Condition == "battery_low" {
				require.Equal(t, "medium", e.Priority)
				require.Equal(t, medfleet.Technical, e.Kind)
				require.Equal(t, "battery low", e.Text)
			}
		}
		if i == 4 {
			require.Equal(t, 2, got.Refused)
			require.Equal(t, 1, got.Unknown)
		}
	}
	got, err := r.Read(message("a/P-2", `{"t":"2026-07-30T14:00:00Z","low":false,"fault":0}`), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-2 battery_low end", "P-2 battery_fault end", "P-2 device_failure end"}, told(got), "it may have begun before we were here")
}

// A list of all codes that stand: what is new in it begins, what is gone from it
// ends.
func TestAListOfCodesIsAllThatIsWrongNow(t *testing.T) {
	r := reader(t, alarms)
	for i, step := range []struct {
		list string
		want []string
	}{
		{`["E17"]`, []string{"P-1 device_failure end", "P-1 battery_fault start E17"}},
		{`["E20","E17"]`, []string{"P-1 device_failure start E20"}},
		{`["E20","E17"]`, nil},
		{`["E20","E77","Quintero"]`, []string{"P-1 battery_fault end", "P-1 unknown_code instant E77"}},
		{`["Quintero","E20","E77"]`, nil},
		{`["0"]`, []string{"P-1 device_failure end"}},
		{`["E17","E17",{},null]`, []string{"P-1 battery_fault start E17"}},
		{`[]`, []string{"P-1 battery_fault end"}},
		{`[]`, nil},
		{`"E17"`, []string{"P-1 battery_fault start E17"}},
	} {
		got, err := r.Read(message("a/P-1", `{"t":"2026-07-30T14:00:0`+string('0'+rune(i))+`Z","fault":`+step.list+`}`), received)
		require.NoError(t, err)
		require.Equal(t, step.want, told(got), "%d", i)
	}
}

func TestWhatWasNotKeptIsToldAgain(t *testing.T) {
	s, err := compile(t, alarms)
	require.NoError(t, err)
	r := s.NewReader()
	m := message("a/P-1", `{"t":"2026-07-30T14:00:00Z","low":true}`)
	got, err := r.Read(m, received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 battery_low start"}, told(got))
	id := got.Events[0].ID
	s.Forget()
	got, err = s.NewReader().Read(m, received+5)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 battery_low start"}, told(got))
	require.Equal(t, id, got.Events[0].ID, "as the same event")
}

func TestAListOfEventsIsOneEventForEachEntry(t *testing.T) {
	r := reader(t, alarms)
	const log = `{"t":"2026-07-30T14:00:00Z","log":[
		{"c":12,"s":"ON","p":1,"at":"2026-07-30T13:00:00Z"},{"c":12,"s":"OFF","at":"2026-07-30T13:00:01Z","note":"Quintero"},{"c":12,"s":"ON","p":1,"at":"2026-07-30T13:00:00Z"},
		{"c":"OK"},{"c":"Quintero","s":"ON","at":"2026-07-30T13:00:00Z"},{"c":12,"s":"Quintero","at":"2026-07-30T13:00:00Z"},{"s":"ON"},{"c":12,"s":"ON"}],
		"names":["DOOR","Quintero"]}`
	got, err := r.Read(message("a/P-1", log), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 air_in_line start 12", "P-1 air_in_line end 12", "P-1 air_in_line start 12", "P-1 door_open start DOOR"}, told(got))
	require.Equal(t, "high", got.Events[0].Priority)
	require.Equal(t, received-3_600_000, got.Events[0].Time)
	require.Equal(t, received, got.Events[3].Time)
	require.Equal(t, 2, got.Unknown)
	require.Equal(t, 3, got.Refused, "a phase of none, no code, no time")
	require.Empty(t, got.Observations)
	seen := map[string]bool{}
	var ids []string
	for _, e := range got.Events {
		require.False(t, seen[e.ID], "two events of one condition in one second")
		seen[e.ID] = true
		ids = append(ids, e.ID)
	}
	got, err = r.Read(message("a/P-1", log), received+9)
	require.NoError(t, err)
	for i, e := range got.Events {
		require.Equal(t, ids[i], e.ID, "the same message again")
	}
	one, err := r.Read(message("a/P-1", `{"t":"2026-07-30T14:00:00Z","names":"DOOR"}`), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 door_open start DOOR"}, told(one), "one alone, without its list")
}

func TestTheMakersOwnCodesAreKnown(t *testing.T) {
	set := declared(t)
	require.NotEmpty(t, set.Faults())
	r := reader(t, `
- topic: "{device}"
  class: infusion_pump
  model_from: m
  events: [{path: e}]
`)
	told := 0
	for _, f := range set.Faults() {
		f := profiles.Fault{Model: concrete(f.Model), Code: concrete(f.Code)}
		known, ok := set.Fault(f.Model, f.Code)
		if !ok || len(f.Code) > 32 || strings.ContainsAny(f.Code, "#()+") {
			continue
		}
		told++
		got, err := r.Read(message("P-1", `{"m":"`+f.Model+`","e":["`+f.Code+`"]}`), received)
		require.NoError(t, err)
		require.Len(t, got.Events, 1, f.Code)
		require.Equal(t, known.Condition, got.Events[0].Condition)
		require.Equal(t, medfleet.Instant, got.Events[0].Phase)
	}
	require.Positive(t, told)
}

// A code that no table has is told once, so that somebody looks it up, where it can
// be nothing but a code and the device alarms about nobody.
func TestACodeThatNobodyKnowsIsTold(t *testing.T) {
	const mapping = `
- topic: "{class}/{device}"
  codes: {now: {"0": ""}}
  events: [{path: log, code: c, time: {path: at}}]
`
	for sent, want := range map[string]string{
		`"E99"`: "E99", `4711`: "4711", `"ERR-404"`: "ERR-404", `"Quintero"`: "", `"104482"`: "", `"Ms7 Quintero"`: "", `1.5`: "", `"E"`: "", `""`: "", `true`: "", `"E99x"`: "",
	} {
		r := reader(t, mapping)
		for class, told := range map[string]bool{"infusion_pump": true, "patient_monitor": false} {
			for i := range 3 {
				got, err := r.Read(message(class+"/1-"+class, `{"now":`+sent+`}`), received)
				require.NoError(t, err)
				require.Equal(t, 1, got.Unknown, sent)
				if want == "" || !told || i > 0 {
					require.Empty(t, got.Events, sent)
					continue
				}
				require.Len(t, got.Events, 1, sent)
				e := got.Events[0]
				require.Equal(t, []any{"unknown_code", want, medfleet.Instant, medfleet.Advisory}, []any{e.Condition, e.Code, e.Phase, e.Kind})
			}
			got, err := r.Read(message(class+"/1-"+class, `{"log":[{"c":`+sent+`,"at":"2026-07-30T13:00:00Z"}]}`), received)
			require.NoError(t, err)
			require.Equal(t, want != "" && told, len(got.Events) == 1, sent)
		}
	}
	r := reader(t, mapping)
	var all []string
	for _, sent := range []string{`"E1"`, `"E2"`, `"E2"`, `0`, `"E2"`} {
		got, err := r.Read(message("infusion_pump/P-1", `{"now":`+sent+`}`), received)
		require.NoError(t, err)
		all = append(all, told(got)...)
	}
	require.Equal(t, []string{"P-1 unknown_code instant E1", "P-1 unknown_code instant E2", "P-1 unknown_code instant E2"}, all)
}

func TestALostConnectionIsToldEachTime(t *testing.T) {
	r := reader(t, `
- topic: tele/{device}/LWT
  class: infusion_pump
  payload: text
  conditions: {$: {condition: offline, while: [Offline]}}
`)
	for _, step := range [][2]string{{"Offline", "P-1 offline start"}, {"Offline", "P-1 offline start"}, {"Online", "P-1 offline end"}, {"Online", "P-1 offline end"}} {
		got, err := r.Read(message("tele/P-1/LWT", step[0]), received)
		require.NoError(t, err)
		require.Equal(t, []string{step[1]}, told(got))
	}
}

func TestARetainedMessageIsStateAtItsOwnTimeOrNoneAtAll(t *testing.T) {
	r := reader(t, pumps+`
- topic: now/{device}
  class: infusion_pump
  metrics: {v: {metric: battery_charge}}
  conditions: {low: {condition: battery_low}}
  events: [{path: e, codes: {A: door_open}}]
`)
	m := message(pumpTopic, `{"ts":"2026-07-30T09:00:00Z","battery":{"level":5}}`)
	m.Retained = true
	got, err := r.Read(m, received)
	require.NoError(t, err)
	require.True(t, got.ObservationMarks[0].Retained)
	require.Equal(t, received-5*3_600_000, got.Observations[0].Time)
	require.Zero(t, got.Sent, "a clock is not judged by what a broker kept")
	for _, m := range []mqtt.Message{
		message("now/P-1", `{"v":5,"low":true,"e":"A"}`), message(pumpTopic, `{"battery":{"level":5}}`),
	} {
		m.Retained = true
		got, err = r.Read(m, received)
		require.NoError(t, err)
		require.Len(t, got.Observations, 1)
		require.Empty(t, got.Observations[0].Readings, "there is such a device, and no more is known")
		require.Empty(t, got.Events)
	}
	got, err = r.Read(message("now/P-1", `{"low":true}`), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 battery_low start"}, told(got), "nothing was noted from the retained one")
	_, err = r.Read(message("now/P-1", ""), received)
	require.ErrorContains(t, err, "payload is empty")
}

func TestAByteOrderMarkBeforeJSONIsNoPartOfIt(t *testing.T) {
	got, err := reader(t, alarms).Read(message("a/P-1", "\xef\xbb\xbf"+`{"t":"2026-07-30T14:00:00Z","low":true}`), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-1 battery_low start"}, told(got))
}
