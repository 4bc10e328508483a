package foreign_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/foreign"
)

func TestEachMistakeSaysWhereItIsAndWhatWasMeant(t *testing.T) {
	const good = "- topic: a/{device}\n  class: infusion_pump\n  metrics: {v: {metric: battery_charge}}\n"
	with := func(lines ...string) string { return good + "  " + strings.Join(lines, "\n  ") + "\n" }
	instead := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"a metric":              {instead("battery_charge", "battery_chrge"), `mappings[0].metrics: v: metric "battery_chrge" is none of a class that can be meant; did you mean "battery_charge"?`},
		"a metric of another":   {instead("battery_charge", "blower_hours"), `mappings[0].metrics: v: metric "blower_hours"`},
		"a class":               {instead("infusion_pump", "infusionpump"), `mappings[0].class: "infusionpump" is no class that the profiles declare; did you mean "infusion_pump"?`},
		"no class":              {instead("  class: infusion_pump\n", ""), `mappings[0].class: missing: say of which class the devices are; there are infusion_pump,`},
		"a class of a table":    {with("class_from: {path: k, words: {V: ventilatr}}"), `mappings[0].class_from: "ventilatr" is no class that the profiles declare; did you mean "ventilator"?`},
		"a unit":                {instead("battery_charge", "battery_voltage, unit: furlong"), `mappings[0].metrics: v: metric "battery_voltage": unit "furlong": not known here`},
		"a unit of another":     {instead("battery_charge", "battery_voltage, unit: h"), `(battery_voltage is in V)`},
		"a state":               {instead("battery_charge", "state, words: {RUN: infusng}"), `"infusng" is neither a value of it`},
		"a condition":           {with("conditions: {x: {condition: batery_low}}"), `mappings[0].conditions: x: condition "batery_low" is none that the profiles declare; did you mean "battery_low"?`},
		"a code's condition":    {with("codes: {x: {E1: batery_low}}"), `mappings[0].codes: x: "E1": condition "batery_low" is none that the profiles declare; did you mean`},
		"a code":                {with(`codes: {x: {"E 1\n": battery_low}}`), `mappings[0].codes: x: `},
		"a reading's metric":    {with("readings: [{path: r, metrics: {B: {metric: batery_charge}}}]"), `mappings[0].readings[0].metrics: B: metric "batery_charge"`},
		"a reading's unit":      {with("readings: [{path: r, metrics: {B: {metric: battery_voltage, unit: h}}}]"), `mappings[0].readings[0].metrics: B: metric "battery_voltage": unit "h"`},
		"a reading's list":      {with("readings: [{metrics: {B: {metric: battery_charge}}}]"), `mappings[0].readings[0].path: path: missing`},
		"an event's condition":  {with("events: [{path: e, codes: {A: dor_open}}]"), `mappings[0].events[0].codes: codes: "A": condition "dor_open"`},
		"a phase":               {with("events: [{path: e, phase: begin}]"), `mappings[0].events[0].phase: "begin"; there are continue, end, instant, start`},
		"a phase of a table":    {with("events: [{path: e, phase_from: {path: p, words: {ON: strt}}}]"), `mappings[0].events[0].phase_from: words: "strt"; did you mean "start"?`},
		"a priority":            {with("events: [{path: e, priority_from: {path: p, words: {ON: hig}}}]"), `mappings[0].events[0].priority_from: words: "hig"; did you mean "high"?`},
		"a path":                {instead("{v:", "{a..b:"), `mappings[0].metrics: a..b: path "a..b": want keys`},
		"a deep path":           {instead("{v:", "{"+strings.Repeat("a.", 20)+"b:"), `levels deep: want at most 16`},
		"half a level":          {instead("a/{device}", "a/x{device}"), `mappings[0].topic: "a/x{device}": "x{device}" is no level`},
		"# in the middle":       {instead("a/{device}", "'#/{device}'"), `mappings[0].topic: "#/{device}": "#" is no level`},
		"a level twice":         {instead("a/{device}", "'{device}/{device}'"), `{device} stands there twice`},
		"a level for nothing":   {instead("a/{device}", "'{devise}/{device}'"), `mappings[0].topic: {devise} is used for nothing`},
		"a level, misspelt":     {instead("a/{device}", "a/{devise}"), `did you mean {device}?`},
		"no device":             {instead("a/{device}", "a/b"), `mappings[0].device_from: missing: nothing says which device`},
		"a device of no level":  {with(`device: "{bed}"`), `mappings[0].device: "{bed}": {bed} is no level of the topic`},
		"one device for all":    {with(`device: pump`), `mappings[0].device: it names no level of the topic`},
		"a level of no topic":   {with("model_from: {topic: modell}"), `mappings[0].model_from: topic: "modell" is no named level of it`},
		"neither":               {with("model_from: {words: {a: b}}"), `mappings[0].model_from: want path, or topic`},
		"a pattern":             {with("device_pattern: '['"), `mappings[0].device_pattern: "[" is no regular expression`},
		"a model":               {with(`model: "a<b"`), `mappings[0].model: "a<b": want up to 40`},
		"a model of a table":    {with(`model_from: {path: m, words: {a: "a<b"}}`), `mappings[0].model_from: words: "a<b": want up to 40`},
		"a place":               {with(`unit: "a<b"`), `mappings[0].unit: "a<b": want up to 32`},
		"a zone":                {with("time: {path: t, zone: Europe/Berlinn}"), `mappings[0].time: zone: "Europe/Berlinn" is no time zone`},
		"a form of time":        {with("time: {path: t, form: epoch}"), `mappings[0].time: form: "epoch": want iso, unix_s or unix_ms`},
		"a time of nowhere":     {with("time: {form: iso}"), `mappings[0].time: path: missing`},
		"a payload":             {with("payload: xml"), `mappings[0].payload: "xml": want json or text`},
		"nothing taken":         {instead("  metrics: {v: {metric: battery_charge}}\n", ""), `mappings[0].metrics: missing: the mapping takes nothing`},
		"a name of two lines":   {with(`name: "a\nb"`), `mappings[0].name: want`},
		"never reached":         {good + strings.Replace(good, "a/{device}", "a/{device}", 1), `mappings[1].topic: no message ever comes to it: mappings[0] stands before it`},
		"never reached, wider":  {strings.Replace(good, "a/{device}", "'{device}/#'", 1) + good, `mappings[1].topic: no message ever comes to it`},
		"the contract's topics": {instead("a/{device}", "medfleet/v1/+/+/{device}/status"), `mappings[0].topic: the topics below medfleet/v1 are medfleet's own contract`},
		"one name twice":        {with("name: x") + strings.Replace(with("name: x"), "a/", "b/", 1), `mappings[1].name: there is another mapping "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compile(t, c.text)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := compile(t, good)
	require.NoError(t, err)
	_, err = compile(t, instead("battery_charge", "batery")+strings.Replace(instead("infusion_pump", "pump"), "a/", "b/", 1))
	require.ErrorContains(t, err, "mappings[0].metrics")
	require.ErrorContains(t, err, "mappings[1].class", "all mistakes at once")
}

func TestAMetricOfOneOfSeveralClassesIsRight(t *testing.T) {
	r := reader(t, `
- topic: "{class}/{device}"
  metrics: {b: {metric: blower_hours}, d: {metric: door_openings}}
`)
	for topic, want := range map[string]string{"ventilator/V-1": "blower_hours", "infusion_pump/P-1": "door_openings"} {
		got, err := r.Read(message(topic, `{"b":1,"d":2}`), received)
		require.NoError(t, err)
		require.Len(t, got.Observations[0].Readings, 1)
		require.Equal(t, want, got.Observations[0].Readings[0].Metric)
		require.Equal(t, 1, got.Dropped)
	}
	_, err := r.Read(message("toaster/T-1", `{"b":1}`), received)
	require.ErrorContains(t, err, "no class")
}

func TestATopicIsTakenByTheFirstMappingThatFits(t *testing.T) {
	s, err := compile(t, `
- topic: hospital/{unit}/{device}/telemetry
  class: infusion_pump
  metrics: {v: {metric: battery_charge}}
- topic: hospital/+/{device}/#
  class: ventilator
  metrics: {v: {metric: battery_charge}}
- topic: "{ward}/{bed}/vent"
  device: v-{ward}-{bed}
  class: ventilator
  metrics: {v: {metric: battery_charge}}
`)
	require.NoError(t, err)
	require.Equal(t, []string{"hospital/+/+/telemetry", "hospital/+/+/#", "+/+/vent"}, s.Filters())
	r := s.NewReader()
	for topic, want := range map[string]string{
		"hospital/icu/P-1/telemetry": "infusion_pump P-1 icu", "hospital/icu/P-1/other": "ventilator P-1 ", "hospital/icu/P-1/a/b": "ventilator P-1 ",
		"hospital/icu/P-1": "ventilator P-1 ", "4w/12/vent": "ventilator v-4w-12 ",
		"hospital/icu": "", "4w/12/vent/x": "", "$SYS/12/vent": "", "": "", "/": "", "hospital//P-1/telemetry": "infusion_pump P-1 ",
	} {
		got, err := r.Read(message(topic, `{"v":1}`), received)
		require.Equal(t, want != "", s.Takes(topic), topic)
		if want == "" {
			require.ErrorContains(t, err, "topic fits no mapping", topic)
			continue
		}
		require.NoError(t, err, topic)
		o := got.Observations[0]
		require.Equal(t, want, string(o.Class)+" "+string(o.Device)+" "+string(o.Unit), topic)
	}
	for filter, want := range map[string]bool{
		"#": true, "hospital/#": true, "hospital/icu/+/telemetry": true, "+/+/vent": true, "medfleet/v1/+/+/+/+": false, "lab/+/x": false, "lab/#": true, "hospital": false,
	} {
		require.Equal(t, want, s.Meets(filter), filter)
	}
}

func TestADevicesIDHasAShape(t *testing.T) {
	plain := reader(t, "- {topic: 'a/{device}', class: infusion_pump, metrics: {v: {metric: battery_charge}}}")
	shaped := reader(t, "- {topic: 'a/{device}', device_pattern: 'pump-[a-z]+', class: infusion_pump, metrics: {v: {metric: battery_charge}}}")
	table := reader(t, "- {topic: a, device_from: {path: n, words: {left: P-1}}, class: infusion_pump, metrics: {v: {metric: battery_charge}}}")
	for id, want := range map[string][2]bool{
		"P-17": {true, false}, "pump-a": {false, true}, "pump-a1": {true, false}, "Quintero": {false, false}, "0000": {false, false}, "Ms Quintero 7": {false, false},
		"P-1\n": {false, false}, strings.Repeat("1", 64): {true, false}, strings.Repeat("1", 65): {false, false}, "": {false, false}, "+": {false, false},
	} {
		for i, r := range []*foreign.Reader{plain, shaped} {
			_, err := r.Read(message("a/"+id, `{"v":1}`), received)
			require.Equal(t, want[i], err == nil, "%q %d", id, i)
			if err != nil {
				require.NotContains(t, err.Error(), "Quintero")
			}
		}
	}
	got, err := table.Read(message("a", `{"n":"left","v":1}`), received)
	require.NoError(t, err)
	require.Equal(t, "P-1", string(got.Observations[0].Device))
	_, err = table.Read(message("a", `{"n":"P-1","v":1}`), received)
	require.Error(t, err, "not in the table")
}
