package foreign_test

import (
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/profiles"
)

var received = medfleet.AsMillis(time.Date(2026, 7, 30, 14, 0, 0, 0, time.UTC))

var load = sync.OnceValues(func() (*profiles.Set, error) { return profiles.Load("") })

func declared(t testing.TB) *profiles.Set {
	t.Helper()
	set, err := load()
	require.NoError(t, err)
	return set
}

// compile reads mappings as the configuration file is read.
func compile(t testing.TB, text string) (*foreign.Set, error) {
	t.Helper()
	var list []foreign.Mapping
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(text), &list, yaml.Strict()))
	return foreign.New(foreign.Options{Mappings: list, Profiles: declared(t), Gateway: "edge-1", Section: "mappings"})
}

func reader(t testing.TB, text string) *foreign.Reader {
	t.Helper()
	s, err := compile(t, text)
	require.NoError(t, err)
	return s.NewReader()
}

const pumps = `
- name: pumps
  topic: hospital/{site}/{unit}/{device}/telemetry
  class: infusion_pump
  model_from: type
  time: {path: ts}
  metrics:
    battery.level: {metric: battery_charge}
    battery.volt: {metric: battery_voltage, unit: mV}
    runtime: {metric: operating_hours, unit: min}
    motor: {metric: motor_current, scale: 0.1, offset: 5}
    power: {metric: on_mains, words: {AC: "true", BATT: "false"}}
    status: {metric: state, words: {RUN: infusing, STOP: paused, "7": standby}}
`

const pumpTopic = "hospital/north/ICU 2/P-17/telemetry"

func message(topic, payload string) mqtt.Message {
	return mqtt.Message{Topic: topic, Payload: []byte(payload)}
}

func TestAMessageOfAnotherMakerBecomesAnObservation(t *testing.T) {
	got, err := reader(t, pumps).Read(message(pumpTopic, `{"ts":"2026-07-30T15:59:58.25+02:00","type":"Agilia VP","battery":{"level":87.5,"volt":12600,"id":"x"},
		"runtime":600,"motor":120,"power":"AC","status":"RUN","patient":{"name":"Quintero","mrn":"4711"}}`), received)
	require.NoError(t, err)
	require.Empty(t, got.Events)
	require.Len(t, got.Observations, 1)
	require.Equal(t, medfleet.Observation{
		Equipment: medfleet.Equipment{Device: "P-17", Class: "infusion_pump", Model: "Agilia VP", Site: "north", Unit: "ICU 2"},
		Time:      received - 1750, Gateway: "edge-1", Readings: got.Observations[0].Readings,
	}, got.Observations[0])
	require.ElementsMatch(t, []medfleet.Reading{
		{Metric: "battery_charge", Value: 87.5}, {Metric: "battery_voltage", Value: 12.6}, {Metric: "operating_hours", Value: 10},
		{Metric: "motor_current", Value: 17}, {Metric: "on_mains", Value: 1}, {Metric: "state", Value: 2},
	}, got.Observations[0].Readings)
	require.Equal(t, []foreign.Mark{{}}, got.ObservationMarks)
	require.Equal(t, 2, got.Dropped, "battery.id and patient, whole")
	require.Zero(t, got.Refused)
	require.Equal(t, received-1750, got.Sent)
}

func TestValuesThatCannotBeRightAreRefusedAndCounted(t *testing.T) {
	const one = `
- topic: "{device}"
  class: infusion_pump
  decimal_comma: %s
  fillers: [-1]
  metrics: {v: {metric: battery_charge}, t: {metric: battery_temperature}, on: {metric: on_mains}, s: {metric: state}}
`
	for name, c := range map[string]struct {
		payload string
		want    []medfleet.Reading // nil: nothing
		refused int
		comma   bool
	}{
		"a number":                {`{"v":87}`, []medfleet.Reading{{Metric: "battery_charge", Value: 87}}, 0, false},
		"as text":                 {`{"v":" 87.25 "}`, []medfleet.Reading{{Metric: "battery_charge", Value: 87.25}}, 0, false},
		"an exponent":             {`{"v":"8.7e1"}`, []medfleet.Reading{{Metric: "battery_charge", Value: 87}}, 0, false},
		"a sign":                  {`{"t":"-12.5"}`, []medfleet.Reading{{Metric: "battery_temperature", Value: -12.5}}, 0, false},
		"many digits":             {`{"v":"87.123456789012345678"}`, []medfleet.Reading{{Metric: "battery_charge", Value: 87.123456789012345678}}, 0, false},
		"a comma where it is so":  {`{"v":"87,5"}`, []medfleet.Reading{{Metric: "battery_charge", Value: 87.5}}, 0, true},
		"a comma where it is not": {`{"v":"87,5"}`, nil, 1, false},
		"a point where it is not": {`{"v":"1.234"}`, nil, 1, true},
		"a number with thousands": {`{"v":"1,234.5"}`, nil, 1, true},
		"null":                    {`{"v":null}`, nil, 0, false},
		"empty":                   {`{"v":""}`, nil, 1, false},
		"dashes":                  {`{"v":"----"}`, nil, 1, false},
		"above":                   {`{"v":">100"}`, nil, 1, false},
		"NaN":                     {`{"v":NaN}`, nil, 1, false},
		"NaN as text":             {`{"v":"NaN"}`, nil, 1, false},
		"infinite":                {`{"v":"Inf"}`, nil, 1, false},
		"infinite, large":         {`{"v":1e400}`, nil, 1, false},
		"infinite, as text":       {`{"v":"1e400"}`, nil, 1, false},
		"a filler":                {`{"v":32767}`, nil, 1, false},
		"a filler, negative":      {`{"t":-32768}`, nil, 1, false},
		"a filler as text":        {`{"v":"32767"}`, nil, 1, false},
		"a filler of its own":     {`{"t":-1}`, nil, 1, false},
		"more than there can be":  {`{"v":101}`, nil, 1, false},
		"a word":                  {`{"v":"Quintero"}`, nil, 1, false},
		"hexadecimal":             {`{"v":"0x10"}`, nil, 1, false},
		"an object":               {`{"v":{"Quintero":1}}`, nil, 1, false},
		"a list":                  {`{"v":[87]}`, nil, 1, false},
		"twice":                   {`{"v":1,"v":2}`, []medfleet.Reading{{Metric: "battery_charge", Value: 1}}, 1, false},
		"true":                    {`{"on":true}`, []medfleet.Reading{{Metric: "on_mains", Value: 1}}, 0, false},
		"true as text":            {`{"on":"true"}`, []medfleet.Reading{{Metric: "on_mains", Value: 1}}, 0, false},
		"one as text":             {`{"on":"1"}`, []medfleet.Reading{{Metric: "on_mains", Value: 1}}, 0, false},
		"half true":               {`{"on":0.5}`, nil, 1, false},
		"true for a number":       {`{"v":true}`, nil, 1, false},
		"a state by name":         {`{"s":"infusing"}`, []medfleet.Reading{{Metric: "state", Value: 2}}, 0, false},
		"a state of none":         {`{"s":"Quintero"}`, nil, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			comma := "false"
			if c.comma {
				comma = "true"
			}
			got, err := reader(t, replace(one, comma)).Read(message("P-17", c.payload), received)
			require.NoError(t, err)
			require.Equal(t, c.want, nonEmpty(got.Observations[0].Readings))
			require.Equal(t, c.refused, got.Refused)
		})
	}
}

func TestTheUnitThatIsSentDecides(t *testing.T) {
	const mapping = `
- topic: "{device}"
  class: infusion_pump
  metrics:
    v: {metric: battery_voltage, unit_from: u}
    r: {metric: battery_runtime, unit: h, unit_from: ru}
    c: {metric: battery_cycles, unit_from: cu}
`
	for name, c := range map[string]struct {
		payload string
		want    []medfleet.Reading
		refused int
	}{
		"the profile's":              {`{"v":12,"u":"V"}`, []medfleet.Reading{{Metric: "battery_voltage", Value: 12}}, 0},
		"another":                    {`{"v":12000,"u":"mV"}`, []medfleet.Reading{{Metric: "battery_voltage", Value: 12}}, 0},
		"by its IEEE name":           {`{"v":12000,"u":"MDC_DIM_MILLI_VOLT"}`, []medfleet.Reading{{Metric: "battery_voltage", Value: 12}}, 0},
		"of something else":          {`{"v":12,"u":"h"}`, nil, 1},
		"unknown":                    {`{"v":12,"u":"Quintero"}`, nil, 1},
		"missing":                    {`{"v":12}`, nil, 1},
		"missing, one is configured": {`{"r":2}`, []medfleet.Reading{{Metric: "battery_runtime", Value: 120}}, 0},
		"sent beats configured":      {`{"r":90,"ru":"min"}`, []medfleet.Reading{{Metric: "battery_runtime", Value: 90}}, 0},
		"a bare number":              {`{"c":9}`, []medfleet.Reading{{Metric: "battery_cycles", Value: 9}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, mapping).Read(message("P-17", c.payload), received)
			require.NoError(t, err)
			require.Equal(t, c.want, nonEmpty(got.Observations[0].Readings))
			require.Equal(t, c.refused, got.Refused)
		})
	}
}

// One topic for each value.
func TestALevelOfTheTopicNamesTheValue(t *testing.T) {
	r := reader(t, `
- topic: ward/{device}/{key}
  class: infusion_pump
  readings:
  - path: $
    topic: key
    metrics: {battery: {metric: battery_charge}, status: {metric: state, words: {RUN: infusing}}}
    conditions: {low: {condition: battery_low}}
`)
	for _, c := range []struct {
		key, payload string
		want         []medfleet.Reading
		events       []string
		dropped      int
	}{
		{"battery", "87.5", []medfleet.Reading{{Metric: "battery_charge", Value: 87.5}}, nil, 0},
		{"status", `"RUN"`, []medfleet.Reading{{Metric: "state", Value: 2}}, nil, 0},
		{"low", "true", nil, []string{"P-1 battery_low start"}, 0},
		{"Quintero", "87.5", nil, nil, 1},
	} {
		got, err := r.Read(message("ward/P-1/"+c.key, c.payload), received)
		require.NoError(t, err)
		require.Equal(t, c.events, told(got))
		require.Equal(t, c.dropped, got.Dropped)
		if c.events == nil {
			require.Equal(t, c.want, nonEmpty(got.Observations[0].Readings))
		}
	}
	_, err := compile(t, "- {topic: 'a/{device}', class: infusion_pump, readings: [{path: $, topic: key, metrics: {v: {metric: battery_charge}}}]}")
	require.ErrorContains(t, err, `mappings[0].readings[0].topic: topic: "key" is no named level of it`)
}

const gatewayOfPumps = `
- name: rack
  topic: racks/+/{ward}/#
  unit_from: {topic: ward, words: {w4: 4 West}}
  each: pumps
  device_from: sn
  class_from: {path: kind, words: {LVP: infusion_pump, SYR: syringe_pump}}
  time: {path: $.at, form: unix_s}
  metrics:
    /bat.charge: {metric: battery_charge}
    list.1: {metric: battery_cycles}
    door: {metric: door_openings}
    reseat: {metric: reseat_retries}
  readings:
  - path: values
    name: n
    value: v
    unit: u
    metrics:
      VBAT: {metric: battery_voltage}
      HOURS: {metric: operating_hours}
    conditions: {LOWBAT: {condition: battery_low}}
    codes: {ERR: {"0": "", E17: device_failure}}
`

func TestABatchIsOneObservationForEachEntryAndABadOneCostsNoOther(t *testing.T) {
	r := reader(t, gatewayOfPumps)
	got, err := r.Read(message("racks/9/w4/a/b", `{"pumps":[
		{"sn":104482,"kind":"LVP","bat.charge":50,"list":[1,2,3],"door":3,"values":[{"n":"VBAT","v":"12500","u":"mV"},{"n":"HOURS","v":7,"u":"d"},{"n":"WEIGHT","v":80},{"n":"ERR","v":0}]},
		{"sn":"Quintero","kind":"LVP"},
		{"sn":"S-2","kind":"TOASTER"},
		{"sn":"S-3","kind":"SYR","reseat":4,"door":1,"values":[{"n":"LOWBAT","v":true}]},
		7],"at":1785420000,"patient":"Quintero"}`), received)
	require.NoError(t, err)
	require.Equal(t, 3, got.Lost)
	require.ErrorContains(t, got.Trouble, "no device")
	require.NotContains(t, got.Trouble.Error(), "Quintero")
	require.Len(t, got.Observations, 2)
	require.Equal(t, medfleet.Class("syringe_pump"), got.Observations[1].Class)
	require.Equal(t, []medfleet.Reading{{Metric: "reseat_retries", Value: 4}}, got.Observations[1].Readings, "a syringe pump has no door")
	require.Equal(t, []string{"104482 device_failure end", "S-3 battery_low start"}, told(got))
	require.Equal(t, 7, got.Dropped, "list.0 and list.2, WEIGHT, patient, an entry that is no object, a class and a metric of none")
	o := got.Observations[0]
	require.Equal(t, medfleet.Equipment{Device: "104482", Class: "infusion_pump", Unit: "4 West"}, o.Equipment)
	require.Equal(t, received, o.Time)
	require.ElementsMatch(t, []medfleet.Reading{
		{Metric: "battery_charge", Value: 50}, {Metric: "battery_cycles", Value: 2}, {Metric: "door_openings", Value: 3},
		{Metric: "battery_voltage", Value: 12.5}, {Metric: "operating_hours", Value: 168},
	}, o.Readings)
}
