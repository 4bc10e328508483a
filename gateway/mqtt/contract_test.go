package mqtt_test

import (
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

var received = medfleet.AsMillis(time.Date(2026, 7, 30, 14, 0, 0, 0, time.UTC))

const statusTopic = "medfleet/v1/north/edge-1/pump-17/status"
const eventTopic = "medfleet/v1/north/edge-1/pump-17/event"

func contract(t testing.TB) *mqtt.Contract {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	return mqtt.NewContract(set, "edge-1", maphash.MakeSeed())
}

func status(payload string) mqtt.Message {
	return mqtt.Message{Topic: statusTopic, Payload: []byte(payload)}
}

func TestAStatusBecomesAnObservation(t *testing.T) {
	r, err := contract(t).Read(status(`{"class":"infusion_pump","time":"2026-07-30T13:59:58.25Z","seq":7,"model":"Alpha 3","unit":"ICU 2",
		"state":"infusing","battery_charge":87.5,"on_mains":true,"self_test_passed":1,"operating_hours":12043}`), received)
	require.NoError(t, err)
	require.Nil(t, r.Event)
	require.Equal(t, &medfleet.Observation{
		Equipment: medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Model: "Alpha 3", Site: "north", Unit: "ICU 2"},
		Time:      received - 1750, Gateway: "edge-1",
		Readings: []medfleet.Reading{{Metric: "state", Value: 2}, {Metric: "battery_charge", Value: 87.5}, {Metric: "on_mains", Value: 1},
			{Metric: "self_test_passed", Value: 1}, {Metric: "operating_hours", Value: 12043}},
	}, r.Observation)
	require.Zero(t, r.Dropped+r.Refused)
	require.False(t, r.Clamped || r.Retained)
}

func TestWardsAreNamedInTheLocalLanguage(t *testing.T) {
	r, err := contract(t).Read(mqtt.Message{Topic: "medfleet/v1/Süd/edge-1/pump-17/status",
		Payload: []byte(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","unit":"Chirurgie 4 Öst / Παθολογία"}`)}, received)
	require.NoError(t, err)
	require.Equal(t, medfleet.CareUnit("Chirurgie 4 Öst / Παθολογία"), r.Observation.Unit)
	require.Equal(t, "Süd", r.Observation.Site)
	require.Zero(t, r.Dropped)
}

func TestAnEventBecomesAnEvent(t *testing.T) {
	r, err := contract(t).Read(mqtt.Message{Topic: eventTopic, Payload: []byte(
		`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","seq":8,"condition":"battery_low","phase":"start","code":"E-17/2","priority":"high"}`)}, received)
	require.NoError(t, err)
	require.Nil(t, r.Observation)
	require.Len(t, r.Event.ID, 32)
	want := medfleet.Event{
		Equipment: medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Site: "north"}, ID: r.Event.ID, Time: received,
		Condition: "battery_low", Phase: medfleet.Start, Code: "E-17/2", Text: "battery low", Priority: "high",
		Kind: medfleet.Technical, Gateway: "edge-1",
	}
	require.Equal(t, &want, r.Event)
	require.Zero(t, r.Dropped)
}

func TestAMakersOwnCodeStandsForItsCondition(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	c, told := contract(t), 0
	for _, f := range set.Faults() {
		concrete := strings.NewReplacer("*", "", "?", "7", "#", "")
		f := &profiles.Fault{Model: concrete.Replace(f.Model), Code: concrete.Replace(f.Code)}
		known, ok := set.Fault(f.Model, f.Code)
		if !ok || strings.ContainsAny(f.Code, "()+") {
			continue
		}
		f.Condition = known.Condition
		payload := `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","phase":"start","model":"` + f.Model + `","code":"` + f.Code + `"}`
		r, err := c.Read(mqtt.Message{Topic: eventTopic, Payload: []byte(payload)}, received)
		require.NoError(t, err, f.Code)
		require.Equal(t, f.Condition, r.Event.Condition)
		require.Equal(t, f.Code, r.Event.Code)
		told++
		r, err = c.Read(mqtt.Message{Topic: eventTopic, Payload: []byte(strings.Replace(payload, `"phase"`, `"condition":"door_open","phase"`, 1))}, received)
		require.NoError(t, err)
		require.Equal(t, "door_open", r.Event.Condition, "its own word decides")
	}
	require.Positive(t, told)
}

func TestWhatIsNotTheContractIsNotUnderstood(t *testing.T) {
	const ok = `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"battery_low","phase":"start"}`
	for name, c := range map[string]struct{ topic, payload, says string }{
		"another root":       {"hospital/v1/north/edge-1/pump-17/status", ok, "topic"},
		"another version":    {"medfleet/v2/north/edge-1/pump-17/status", ok, "topic"},
		"a level too few":    {"medfleet/v1/north/pump-17/status", ok, "topic"},
		"a level too many":   {"medfleet/v1/north/edge-1/pump-17/status/x", ok, "topic"},
		"an unknown leaf":    {"medfleet/v1/north/edge-1/pump-17/patient", ok, "topic"},
		"no site":            {"medfleet/v1//edge-1/pump-17/status", ok, "topic"},
		"no device":          {"medfleet/v1/north/edge-1//status", ok, "topic"},
		"no usable device":   {"medfleet/v1/north/edge-1/ äö /status", ok, "identity"},
		"no JSON":            {statusTopic, `class=infusion_pump`, "JSON"},
		"cut off":            {statusTopic, ok[:40], "JSON"},
		"two objects":        {statusTopic, ok + ok, "JSON"},
		"a list":             {statusTopic, `[` + ok + `]`, "JSON object"},
		"nothing":            {statusTopic, ``, "JSON"},
		"too deep":           {statusTopic, strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400), "JSON"},
		"no class":           {statusTopic, `{"time":"2026-07-30T14:00:00Z"}`, `"class"`},
		"an unknown class":   {statusTopic, `{"class":"toaster","time":"2026-07-30T14:00:00Z"}`, `"class"`},
		"a class of numbers": {statusTopic, `{"class":7,"time":"2026-07-30T14:00:00Z"}`, `"class"`},
		"no time":            {statusTopic, `{"class":"infusion_pump"}`, `"time"`},
		"a time in words":    {statusTopic, `{"class":"infusion_pump","time":"this morning"}`, `"time"`},
		"a time of numbers":  {statusTopic, `{"class":"infusion_pump","time":1790000000}`, `"time"`},
		"no condition":       {eventTopic, `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","phase":"start"}`, `"condition"`},
		"another condition":  {eventTopic, `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"Smith","phase":"start"}`, `"condition"`},
		"no phase":           {eventTopic, `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"battery_low"}`, `"phase"`},
		"another phase":      {eventTopic, `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"battery_low","phase":"Smith"}`, `"phase"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := contract(t).Read(mqtt.Message{Topic: c.topic, Payload: []byte(c.payload)}, received)
			require.ErrorContains(t, err, c.says)
			require.NotErrorIs(t, err, mqtt.ErrNothing)
			require.NotContains(t, err.Error(), "Smith", "reasons quote nothing")
		})
	}
}

func TestKeysThatAreNotDeclaredAreDroppedAndCounted(t *testing.T) {
	r, err := contract(t).Read(status(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","battery_charge":50,
		"patient":"Smith","mrn":"4711","heart_rate":72,"nested":{"name":"Smith"}}`), received)
	require.NoError(t, err)
	require.Equal(t, 4, r.Dropped)
	require.Equal(t, []medfleet.Reading{{Metric: "battery_charge", Value: 50}}, r.Observation.Readings)

	r, err = contract(t).Read(mqtt.Message{Topic: eventTopic, Payload: []byte(
		`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"battery_low","phase":"start","text":"Smith in bed 4","mrn":1}`)}, received)
	require.NoError(t, err)
	require.Equal(t, 2, r.Dropped)
	require.Equal(t, "battery low", r.Event.Text, "the words are ours")
}

func TestTextOfAnotherShapeIsDroppedAndCounted(t *testing.T) {
	r, err := contract(t).Read(mqtt.Message{Topic: "medfleet/v1/n@rth/edge-1/pump-17/event", Payload: []byte(
		`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","condition":"battery_low","phase":"start",
		"model":"Smith, John","unit":"<b>ICU</b>","code":"E 17 Smith","priority":"Smith"}`)}, received)
	require.NoError(t, err)
	require.Equal(t, medfleet.Equipment{Device: "pump-17", Class: "infusion_pump"}, r.Event.Equipment)
	require.Empty(t, r.Event.Code+r.Event.Priority)
	require.Equal(t, 4, r.Dropped)
}

func TestValuesThatCannotBeRightAreRefusedOneByOne(t *testing.T) {
	for name, c := range map[string]struct {
		pair string
		want float64
		ok   bool
	}{
		"a number":                    {`"battery_charge":12.5`, 12.5, true},
		"the least":                   {`"battery_charge":0`, 0, true},
		"the most":                    {`"battery_charge":100`, 100, true},
		"over the most":               {`"battery_charge":100.1`, 0, false},
		"under the least":             {`"battery_charge":-1`, 0, false},
		"a filler":                    {`"battery_charge":32767`, 0, false},
		"too large for a number":      {`"battery_charge":1e400`, 0, false},
		"not a number":                {`"battery_charge":nan`, 0, false},
		"infinite":                    {`"battery_charge":-inf`, 0, false},
		"a number in words":           {`"battery_charge":"87"`, 0, false},
		"dashes":                      {`"battery_charge":"----"`, 0, false},
		"more than":                   {`"battery_charge":">100"`, 0, false},
		"nothing":                     {`"battery_charge":null`, 0, false},
		"a list":                      {`"battery_charge":[87]`, 0, false},
		"true for a measured value":   {`"battery_charge":true`, 0, false},
		"true for a flag":             {`"on_mains":true`, 1, true},
		"false for a flag":            {`"on_mains":false`, 0, true},
		"1 for a flag":                {`"on_mains":1`, 1, true},
		"half a flag":                 {`"on_mains":0.5`, 0, false},
		"2 for a flag":                {`"on_mains":2`, 0, false},
		"a flag in words":             {`"on_mains":"yes"`, 0, false},
		"a state's name":              {`"state":"kvo"`, 3, true},
		"a state's number":            {`"state":3`, 3, true},
		"half a state":                {`"state":2.5`, 0, false},
		"a state that does not exist": {`"state":7`, 0, false},
		"an unknown state":            {`"state":"Smith"`, 0, false},
		"true for a state":            {`"state":true`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := contract(t).Read(status(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z",`+c.pair+`,"operating_hours":5}`), received)
			require.NoError(t, err, "one bad value costs no other")
			hours, ok := r.Observation.Reading("operating_hours")
			require.True(t, ok)
			require.Equal(t, 5.0, hours)
			if !c.ok {
				require.Equal(t, 1, r.Refused)
				require.Len(t, r.Observation.Readings, 1)
				return
			}
			require.Zero(t, r.Refused)
			require.Equal(t, c.want, r.Observation.Readings[0].Value)
		})
	}
}

func TestAKeyThatComesTwiceCountsOnce(t *testing.T) {
	r, err := contract(t).Read(status(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","battery_charge":10,"battery_charge":90}`), received)
	require.NoError(t, err)
	require.Equal(t, []medfleet.Reading{{Metric: "battery_charge", Value: 10}}, r.Observation.Readings)
	require.Equal(t, 1, r.Refused)
}

func TestAClockThatIsOffIsReplacedByTheGateways(t *testing.T) {
	for stamp, clamped := range map[string]bool{
		"2026-07-30T14:05:00Z":      false,
		"2026-07-30T16:00:00+02:00": false,
		"2026-07-30T15:00:00Z":      true,
		"2027-07-30T14:00:00Z":      true,
		"2026-06-30T14:00:00Z":      false,
		"2026-06-29T14:00:00Z":      true,
		"1970-01-01T00:00:00Z":      true,
		"0001-01-01T00:00:00Z":      true,
		"9999-12-31T23:59:59Z":      true,
	} {
		r, err := contract(t).Read(status(`{"class":"infusion_pump","time":"`+stamp+`"}`), received)
		require.NoError(t, err)
		require.Equal(t, clamped, r.Clamped, stamp)
		if clamped {
			require.Equal(t, received, r.Observation.Time, stamp)
		}
	}
}

func TestARetainedStatusIsStateAtItsOwnTimeOrNoneAtAll(t *testing.T) {
	c := contract(t)
	m := status(`{"class":"infusion_pump","battery_charge":5,"model":"Alpha 3"}`)
	m.Retained = true
	r, err := c.Read(m, received)
	require.NoError(t, err)
	require.True(t, r.Retained)
	require.Empty(t, r.Observation.Readings, "there is such a device, and no more is known")
	require.Equal(t, medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Model: "Alpha 3", Site: "north"}, r.Observation.Equipment)
	m.Payload = []byte(`{"class":"infusion_pump","battery_charge":5,"time":"2026-07-30T09:00:00Z"}`)
	r, err = c.Read(m, received)
	require.NoError(t, err)
	require.True(t, r.Retained)
	require.Equal(t, received.Add(-5*time.Hour), r.Observation.Time)
}

func TestAConnectionThatIsLostIsSilenceAndNoFault(t *testing.T) {
	for payload, want := range map[string]medfleet.Phase{
		`{"online":false}`: medfleet.Start, "0": medfleet.Start, "false": medfleet.Start, "offline": medfleet.Start, `"offline"`: medfleet.Start,
		`{"online":0}`:    medfleet.Start,
		`{"online":true}`: medfleet.End, "1": medfleet.End, "true": medfleet.End, " online\n": medfleet.End, `{"online":1}`: medfleet.End,
	} {
		r, err := contract(t).Read(mqtt.Message{Topic: onlineTopic, Payload: []byte(payload)}, received)
		require.NoError(t, err, payload)
		require.Nil(t, r.Observation)
		require.Len(t, r.Event.ID, 32)
		require.Equal(t, &medfleet.Event{
			Equipment: medfleet.Equipment{Device: "pump-17", Site: "north"}, ID: r.Event.ID, Time: received, Condition: "offline",
			Phase: want, Kind: medfleet.Advisory, Text: "not connected", Gateway: "edge-1",
		}, r.Event, payload)
	}
	c := contract(t)
	r, err := c.Read(mqtt.Message{Topic: onlineTopic, Payload: []byte(`{"online":false,"class":"ventilator","time":"2026-07-30T01:00:00Z","patient":"Quintero"}`)}, received)
	require.NoError(t, err)
	require.Equal(t, medfleet.Class("ventilator"), r.Event.Class)
	require.Equal(t, received, r.Event.Time, "a last will is written when the connection begins")
	require.Equal(t, 1, r.Dropped)
	first := r.Event.ID
	r, err = c.Read(mqtt.Message{Topic: onlineTopic, Payload: []byte("0")}, received+1)
	require.NoError(t, err)
	require.NotEqual(t, first, r.Event.ID)

	_, err = c.Read(mqtt.Message{Topic: onlineTopic, Payload: []byte("0"), Retained: true}, received)
	require.ErrorIs(t, err, mqtt.ErrNothing, "what a broker has kept says nothing of now")
	_, err = c.Read(mqtt.Message{Topic: onlineTopic}, received)
	require.ErrorIs(t, err, mqtt.ErrNothing)
	for _, wrong := range []string{"2", "Quintero", `{"online":"Quintero"}`, `{"on":true}`, "{", "[]", `{"online":0.5}`} {
		_, err := c.Read(mqtt.Message{Topic: onlineTopic, Payload: []byte(wrong)}, received)
		require.ErrorContains(t, err, "neither online nor offline", wrong)
		require.NotContains(t, err.Error(), "Quintero")
	}
}

func TestTheSameMessageHasTheSameIDAndAnotherHasAnother(t *testing.T) {
	c := contract(t)
	read := func(topic, payload string) (string, uint64) {
		r, err := c.Read(mqtt.Message{Topic: topic, Payload: []byte(payload)}, received)
		require.NoError(t, err)
		return r.Event.ID, r.Key
	}
	base := `{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","seq":8,"condition":"battery_low","phase":"start"}`
	id, key := read(eventTopic, base)
	again, keyAgain := read(eventTopic, base)
	require.Equal(t, id, again)
	require.Equal(t, key, keyAgain)
	other, err := contract(t).Read(mqtt.Message{Topic: eventTopic, Payload: []byte(base)}, received+60_000)
	require.NoError(t, err)
	require.Equal(t, id, other.Event.ID, "after a restart, a minute later")

	seen := map[string]string{id: "base"}
	for name, m := range map[string][2]string{
		"next number":   {eventTopic, strings.Replace(base, `"seq":8`, `"seq":9`, 1)},
		"later":         {eventTopic, strings.Replace(base, `00Z`, `00.001Z`, 1)},
		"its end":       {eventTopic, strings.Replace(base, `start`, `end`, 1)},
		"another":       {eventTopic, strings.Replace(base, `battery_low`, `battery_empty`, 1)},
		"another pump":  {strings.Replace(eventTopic, "pump-17", "pump-18", 1), base},
		"another site":  {strings.Replace(eventTopic, "north", "south", 1), base},
		"a code of its": {eventTopic, strings.Replace(base, `"phase"`, `"code":"E1","phase"`, 1)},
	} {
		got, _ := read(m[0], m[1])
		require.NotContains(t, seen, got, name)
		seen[got] = name
	}
}

// FuzzNoTextPasses holds the contract against anything: whatever a payload says,
// the words that come out are declared by a profile or have the shape of a name.
func FuzzNoTextPasses(f *testing.F) {
	f.Add(statusTopic, []byte(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","model":"Smith","unit":"ICU","battery_charge":5}`))
	f.Add(eventTopic, []byte(`{"class":"ventilator","time":"2026-07-30T14:00:00Z","condition":"battery_low","phase":"end","code":"a^b","priority":"low","seq":1e9}`))
	f.Add("medfleet/v1/ /x/\xff/status", []byte(`{"\u0063lass":"infusion_pump","time":"2026-07-30T14:00:00Z","st\u0061te":"infusing"}`))
	c := contract(f)
	set, err := profiles.Load("")
	require.NoError(f, err)
	name := func(s string) bool {
		return len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
			return !unicode.IsLetter(r) && !strings.ContainsRune("0123456789 ._-/+^:#", r)
		})
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		r, err := c.Read(mqtt.Message{Topic: topic, Payload: payload}, received)
		if err != nil {
			require.Nil(t, r.Observation)
			require.Nil(t, r.Event)
			return
		}
		var q medfleet.Equipment
		if r.Observation != nil {
			q = r.Observation.Equipment
			p, ok := set.Class(q.Class)
			require.True(t, ok)
			for _, reading := range r.Observation.Readings {
				m, ok := p.Metric(reading.Metric)
				require.True(t, ok, "metric %q", reading.Metric)
				require.True(t, m.Plausible(reading.Value))
			}
		}
		if e := r.Event; e != nil {
			q = e.Equipment
			condition, ok := set.Condition(e.Condition)
			require.True(t, ok)
			require.Equal(t, condition.Title, e.Text)
			require.Equal(t, condition.Kind, e.Kind)
			require.True(t, name(e.Code))
			require.Contains(t, []string{"", "high", "medium", "low", "none"}, e.Priority)
			require.Contains(t, []medfleet.Phase{medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant}, e.Phase)
		}
		require.True(t, q.Device.Valid())
		for _, s := range []string{q.Model, q.Site, string(q.Unit)} {
			require.True(t, name(s), "%q", s)
		}
		_, ok := set.Class(q.Class)
		require.True(t, ok)
	})
}

func BenchmarkReadStatus(b *testing.B) {
	c := contract(b)
	m := status(`{"class":"infusion_pump","time":"2026-07-30T13:59:58.25Z","seq":7,"model":"Alpha 3","unit":"ICU 2","state":"infusing","battery_charge":87.5,"on_mains":true,"operating_hours":12043}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Read(m, received); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadingsOfOneMessageDoNotLeakIntoTheNext(t *testing.T) {
	c := contract(t)
	_, err := c.Read(status(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","battery_charge":5,"model":"Alpha 3"}`), received)
	require.NoError(t, err)
	r, err := c.Read(status(`{"class":"infusion_pump","time":"2026-07-30T14:00:00Z","operating_hours":5}`), received)
	require.NoError(t, err)
	require.Empty(t, r.Observation.Model)
	require.True(t, slices.Equal(r.Observation.Readings, []medfleet.Reading{{Metric: "operating_hours", Value: 5}}))
}
