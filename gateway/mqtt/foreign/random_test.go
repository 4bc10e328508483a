package foreign_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/profiles"
)

// everything uses all that a mapping can say.
const everything = pumps + gatewayOfPumps + `
- topic: a/{device}
  class_from: {path: kind}
  model_from: model
  unit_from: unit
  site_from: site
  time: {path: t, zone: Europe/Berlin}
  metrics: {s: {metric: state}, v: {metric: battery_voltage, unit_from: u}, on: {metric: on_mains}}
  conditions: {low: {condition: battery_low}, gone: {condition: offline}}
  codes: {fault: {"0": "", E17: battery_fault}}
  events: [{path: log, code: c, codes: {"12": air_in_line}, phase_from: {path: s}, priority_from: {path: p}, time: at}]
- topic: ward/{device}/{key}
  class: infusion_pump
  readings: [{path: $, topic: key, metrics: {battery: {metric: battery_charge}}, codes: {fault: {E17: battery_fault}}}]
- topic: text/{device}
  class: infusion_pump
  payload: text
  metrics: {$: {metric: battery_charge}}
`

// sound is what must be true of whatever a message becomes.
func sound(t require.TestingT, set *profiles.Set, got *foreign.Result, err error) {
	if err != nil {
		require.NotContains(t, err.Error(), "uintero")
		require.Less(t, len(err.Error()), 300)
	}
	require.Len(t, got.ObservationMarks, len(got.Observations))
	require.Len(t, got.EventMarks, len(got.Events))
	for i := range got.Observations {
		o := &got.Observations[i]
		shaped(t, &o.Equipment)
		profile, ok := set.Class(o.Class)
		require.True(t, ok)
		seen := map[string]bool{}
		for _, r := range o.Readings {
			m, ok := profile.Metric(r.Metric)
			require.True(t, ok, r.Metric)
			require.True(t, m.Plausible(r.Value) && !math.IsNaN(r.Value), "%s %v", r.Metric, r.Value)
			require.False(t, seen[r.Metric])
			seen[r.Metric] = true
		}
		believable(t, o.Time)
	}
	for i := range got.Events {
		e := &got.Events[i]
		shaped(t, &e.Equipment)
		c, ok := set.Condition(e.Condition)
		require.True(t, ok)
		require.Equal(t, c.Title, e.Text)
		require.Contains(t, []medfleet.Phase{medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant}, e.Phase)
		require.Contains(t, []string{"", "high", "medium", "low", "none"}, e.Priority)
		if e.Condition == "unknown_code" {
			require.Regexp(t, `^([A-Za-z]{1,3}[-_.]?)?[0-9]{1,5}$`, e.Code)
		} else {
			require.Contains(t, []string{"", "E17", "12"}, e.Code, "what no table has is no code")
		}
		believable(t, e.Time)
	}
}

func shaped(t require.TestingT, q *medfleet.Equipment) {
	require.True(t, q.Device.Valid() && strings.ContainsAny(string(q.Device), "123456789"), "%q", q.Device)
	require.True(t, q.Model == "" || mapping.Model(q.Model), "%q", q.Model)
	require.True(t, q.Unit == "" || mapping.Place(string(q.Unit)), "%q", q.Unit)
	require.True(t, q.Site == "" || mapping.Place(q.Site), "%q", q.Site)
}

func believable(t require.TestingT, at medfleet.Millis) {
	require.True(t, at >= received.Add(-medfleet.MaxPast) && at <= received.Add(medfleet.MaxFuture))
}

// FuzzRead holds whatever bytes come against what must be true of all.
func FuzzRead(f *testing.F) {
	for _, m := range [][2]string{
		{pumpTopic, `{"ts":"2026-07-30T15:59:58.25+02:00","battery":{"level":87.5},"status":"RUN","patient":"Quintero"}`},
		{"racks/9/w4/a/b", `{"pumps":[{"sn":104482,"kind":"LVP","list":[1,2],"values":[{"n":"VBAT","v":"12500","u":"mV"},{"n":"ERR","v":"E17"}]}],"at":1785420000}`},
		{"a/P-1", `{"kind":"ventilator","t":"2026-07-30 14:00:00","low":true,"gone":false,"fault":"E17","log":[{"c":12,"s":"start","at":1785420000}],"v":12,"u":"V"}`},
		{"text/P-1", "87"}, {"text/P-1", `"\`}, {"ward/P-1/battery", "87"}, {"a/", "[]"}, {"", ""}, {"a/1", "{"},
	} {
		f.Add(m[0], []byte(m[1]), false)
		f.Add(m[0], []byte(m[1]), true)
	}
	set := declared(f)
	s, err := compile(f, everything)
	require.NoError(f, err)
	r := s.NewReader()
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		got, err := r.Read(mqtt.Message{Topic: topic, Payload: payload, Retained: retained}, received)
		if err != nil {
			err = errors.New("as it may be")
		}
		sound(t, set, got, err)
	})
}

// A payload of the mapped shape with a name planted in one place, key or value: it
// passes nowhere, whichever place it is.
func TestANamePlantedAnywherePassesNowhere(t *testing.T) {
	set := declared(t)
	s, err := compile(t, everything)
	require.NoError(t, err)
	r := s.NewReader()
	const name = "Ms. Quintero, Ana"
	places := 0
	for _, m := range [][2]string{
		{pumpTopic, `{"ts":"2026-07-30T13:59:58Z","type":"Agilia","battery":{"level":87.5,"volt":1},"runtime":1,"motor":1,"power":"AC","status":"RUN"}`},
		{"racks/9/w4/a/b", `{"pumps":[{"sn":104482,"kind":"LVP","bat.charge":1,"list":[1,2],"values":[{"n":"VBAT","v":"12500","u":"mV"},{"n":"ERR","v":"E17"},{"n":"LOWBAT","v":true}]}],"at":1785420000}`},
		{"a/P-1", `{"kind":"ventilator","model":"E 5","unit":"ICU","site":"north","t":"2026-07-30 14:00:00","s":"standby","on":true,"low":true,"gone":false,"fault":"E17","log":[{"c":12,"s":"start","p":"high","at":1785420000}],"v":12,"u":"V"}`},
		{"text/P-1", "87"}, {"ward/P-1/battery", "87"}, {"ward/P-1/fault", `"E17"`},
	} {
		for _, planted := range plant(t, m[1], name) {
			places++
			for _, retained := range []bool{false, true} {
				got, err := r.Read(mqtt.Message{Topic: m[0], Payload: []byte(planted), Retained: retained}, received)
				sound(t, set, got, err)
				requireAbsent(t, got, err)
			}
		}
		levels := strings.Split(m[0], "/")
		for i := range levels {
			changed := append([]string{}, levels...)
			changed[i] = name
			places++
			got, err := r.Read(message(strings.Join(changed, "/"), m[1]), received)
			sound(t, set, got, err)
			requireAbsent(t, got, err)
		}
	}
	require.Greater(t, places, 100)
}

func requireAbsent(t *testing.T, got *foreign.Result, err error) {
	t.Helper()
	said, jsonErr := json.Marshal(got)
	require.NoError(t, jsonErr)
	require.NotContains(t, string(said), "uintero")
	if err != nil {
		require.NotContains(t, err.Error(), "uintero")
	}
	if got.Trouble != nil {
		require.NotContains(t, got.Trouble.Error(), "uintero")
	}
}

// plant gives the document with the name in place of each key and value in turn,
// and beside each.
func plant(t *testing.T, document, name string) (all []string) {
	var whole any
	if json.Unmarshal([]byte(document), &whole) != nil {
		return []string{name, document + name}
	}
	emit := func() {
		b, err := json.Marshal(whole)
		require.NoError(t, err)
		all = append(all, string(b))
	}
	var visit func(v any, set func(any))
	visit = func(v any, set func(any)) {
		set(name)
		emit()
		set(map[string]any{name: name})
		emit()
		set([]any{name})
		emit()
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for key, below := range v {
				visit(below, func(x any) { v[key] = x })
				delete(v, key)
				v[name] = below
				emit()
				v[key] = below
				emit()
				delete(v, name)
			}
		case []any:
			for i, below := range v {
				visit(below, func(x any) { v[i] = x })
			}
		}
	}
	visit(whole, func(x any) { whole = x })
	return append(all, name, document[:len(document)/2]+name)
}

// A random sequence of what one device says of what lasts: replaying the events
// gives what was said last.
func TestTheEventsGiveBackWhatWasSaidLast(t *testing.T) {
	s, err := compile(t, alarms)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		s.Forget()
		r := s.NewReader()
		active := map[string]bool{}
		for i := range rapid.IntRange(1, 30).Draw(t, "messages") {
			low := rapid.Bool().Draw(t, "low")
			fault := rapid.SampledFrom([]string{"0", "E17", "E20"}).Draw(t, "fault")
			payload, jsonErr := json.Marshal(map[string]any{"t": received.Time(), "low": low, "fault": fault})
			require.NoError(t, jsonErr)
			got, err := r.Read(message("a/P-1", string(payload)), received+medfleet.Millis(i))
			require.NoError(t, err)
			if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
				s.Forget() // it was not kept and comes again
				got, err = r.Read(message("a/P-1", string(payload)), received+medfleet.Millis(i))
				require.NoError(t, err)
			}
			for _, e := range got.Events {
				active[e.Condition] = e.Phase == medfleet.Start
			}
			require.Equal(t, low, active["battery_low"])
			require.Equal(t, fault == "E17", active["battery_fault"])
			require.Equal(t, fault == "E20", active["device_failure"])
		}
	})
}

// Nobody can make the gateway busy with one message: what a full packet can hold is
// read in the time that its length takes.
func TestAMessageFullOfEntriesIsReadInTimeOfItsLength(t *testing.T) {
	r := reader(t, everything)
	const n = 15_000
	for name, m := range map[string]mqtt.Message{
		"events":  message("a/P-1", `{"kind":"ventilator","t":"2026-07-30 14:00:00","log":[`+strings.Repeat(`{"c":12,"s":"end","at":1785420000},`, n)+`0]}`),
		"entries": message("racks/9/w4", `{"at":1785420000,"pumps":[`+strings.Repeat(`{"sn":7,"kind":"LVP"},`, n)+`0]}`),
		"keys":    message(pumpTopic, `{"ts":1785420000`+strings.Repeat(`,"x":1`, n)+`}`),
		"depth":   message(pumpTopic, strings.Repeat(`{"battery":`, n)+"1"+strings.Repeat("}", n)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := r.Read(m, received)
			switch name {
			case "events":
				require.NoError(t, err)
				require.Len(t, got.Events, n)
				seen := map[string]bool{}
				for _, e := range got.Events {
					require.False(t, seen[e.ID])
					seen[e.ID] = true
				}
			case "entries":
				require.NoError(t, err)
				require.Len(t, got.Observations, n)
				require.Equal(t, 1, got.Lost)
			case "keys":
				require.NoError(t, err)
				require.Equal(t, n, got.Dropped)
			case "depth":
				require.ErrorContains(t, err, "not JSON")
			}
		})
	}
	got, err := r.Read(message("text/P-1", "87"), received)
	require.NoError(t, err)
	require.Less(t, cap(got.Observations)+cap(got.Events), 100, "the memory is given back")
}

func TestReadingAllocatesNothing(t *testing.T) {
	r := reader(t, everything)
	for _, m := range []mqtt.Message{
		message(pumpTopic, `{"ts":"2026-07-30T15:59:58.25+02:00","type":"Agilia VP","battery":{"level":87.5,"volt":"12600"},"runtime":600,"power":"AC","status":"RUN","x":{"y":1}}`),
		message("racks/9/w4/a/b", `{"pumps":[{"sn":104482,"kind":"LVP","list":[1,2,3],"values":[{"n":"VBAT","v":"12500","u":"mV"},{"n":"ERR","v":0}]},{"sn":"S-3","kind":"SYR"}],"at":1785420000}`),
		message("a/P-1", `{"kind":"ventilator","model":"E 5","unit":"ICU","t":"2026-07-30 14:00:00","low":true,"fault":"E17","v":12,"u":"V"}`),
	} {
		read := func() {
			if _, err := r.Read(m, received); err != nil {
				t.Fatal(err)
			}
		}
		read()
		require.Zero(t, testing.AllocsPerRun(100, read), m.Topic)
	}
}

// BenchmarkRead reads a pump gateway's message of 260 bytes.
func BenchmarkRead(b *testing.B) {
	r := reader(b, pumps)
	m := message(pumpTopic, `{"ts":"2026-07-30T15:59:58.250+02:00","type":"Agilia VP","battery":{"level":87.5,"volt":12600},"runtime":600321,"motor":120.5,"power":"AC","status":"RUN","flow":120.25,"volume":38.5,"program":"continuous","sequence":1234567,"note":"`+strings.Repeat("x", 24)+`"}`)
	b.SetBytes(int64(len(m.Payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(m, received); err != nil {
			b.Fatal(err)
		}
	}
}

// Whatever the template, a mapping takes the topics that its subscription gives,
// and no other.
func TestAMappingTakesWhatItsSubscriptionGives(t *testing.T) {
	set := declared(t)
	level := rapid.SampledFrom([]string{"a", "b", "", "$x"})
	rapid.Check(t, func(t *rapid.T) {
		levels := rapid.SliceOfN(rapid.OneOf(level, rapid.Just("+")), 0, 3).Draw(t, "template")
		at := rapid.IntRange(0, len(levels)).Draw(t, "device")
		levels = append(levels[:at:at], append([]string{"{device}"}, levels[at:]...)...)
		if rapid.Bool().Draw(t, "open") {
			levels = append(levels, "#")
		}
		m := foreign.Mapping{Topic: strings.Join(levels, "/"), Class: "infusion_pump", Metrics: map[string]foreign.Metric{"v": {Metric: mapping.Metric{Metric: "battery_charge"}}}}
		s, err := foreign.New(foreign.Options{Mappings: []foreign.Mapping{m}, Profiles: set})
		require.NoError(t, err)
		topic := strings.Join(rapid.SliceOfN(level, 1, 5).Draw(t, "topic"), "/")
		if topic == "" {
			return
		}
		filter := s.Filters()[0]
		given := foreign.Meet(filter, topic) && !(topic[0] == '$' && strings.HasPrefix(filter, "+"))
		require.Equal(t, given, s.Takes(topic), "%s %s", filter, topic)
	})
}
