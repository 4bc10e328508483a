package mapping_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
)

func pumps(t *testing.T) (*profiles.Set, *profiles.Profile) {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	p, ok := set.Class("infusion_pump")
	require.True(t, ok)
	return set, p
}

func number(v float64) mapping.Value { return mapping.Value{Kind: mapping.Number, Number: v} }
func word(s string) mapping.Value    { return mapping.Value{Kind: mapping.Word, Text: []byte(s)} }
func truth(v float64) mapping.Value  { return mapping.Value{Kind: mapping.Truth, Number: v} }

func TestAValueBecomesAReadingInTheProfilesUnit(t *testing.T) {
	_, p := pumps(t)
	infusing, _ := p.StateValue("infusing")
	for name, c := range map[string]struct {
		metric mapping.Metric
		value  mapping.Value
		want   float64
		refuse bool
	}{
		"as it is":                       {mapping.Metric{Metric: "battery_charge"}, number(71), 71, false},
		"another unit":                   {mapping.Metric{Metric: "battery_runtime", Unit: "h"}, number(1.5), 90, false},
		"a usual spelling":               {mapping.Metric{Metric: "battery_capacity", Unit: "Ah"}, number(2.6), 2600, false},
		"the same unit":                  {mapping.Metric{Metric: "battery_voltage", Unit: "V"}, number(12), 12, false},
		"scaled":                         {mapping.Metric{Metric: "battery_charge", Scale: 0.1}, number(715), 71.5, false},
		"scaled, then another unit":      {mapping.Metric{Metric: "battery_runtime", Scale: 10, Unit: "s"}, number(6), 1, false},
		"with an offset":                 {mapping.Metric{Metric: "battery_temperature", Scale: 5.0 / 9, Offset: -160.0 / 9}, number(212), 100, false},
		"above what it can be":           {mapping.Metric{Metric: "battery_charge"}, number(101), 0, true},
		"above after conversion":         {mapping.Metric{Metric: "battery_charge", Scale: 100}, number(2), 0, true},
		"not a number":                   {mapping.Metric{Metric: "battery_charge"}, number(math.NaN()), 0, true},
		"infinite":                       {mapping.Metric{Metric: "battery_charge"}, number(math.Inf(1)), 0, true},
		"a word where a number belongs":  {mapping.Metric{Metric: "battery_charge"}, word("71"), 0, true},
		"true where a number belongs":    {mapping.Metric{Metric: "battery_charge"}, truth(1), 0, true},
		"a flag":                         {mapping.Metric{Metric: "on_mains"}, truth(1), 1, false},
		"a flag as a number":             {mapping.Metric{Metric: "on_mains"}, number(0), 0, false},
		"a flag between":                 {mapping.Metric{Metric: "on_mains"}, number(0.5), 0, true},
		"a flag turned round":            {mapping.Metric{Metric: "on_mains", Words: map[string]string{"true": "false", "false": "true"}}, truth(1), 0, false},
		"a state by its name":            {mapping.Metric{Metric: "state"}, word("infusing"), infusing, false},
		"a state by a word":              {mapping.Metric{Metric: "state", Words: map[string]string{"RUN": "infusing"}}, word("RUN"), infusing, false},
		"a state by a number":            {mapping.Metric{Metric: "state", Words: map[string]string{"7": "infusing"}}, number(7), infusing, false},
		"a word that the table has not":  {mapping.Metric{Metric: "state", Words: map[string]string{"RUN": "infusing"}}, word("infusing"), 0, true},
		"a number that the table lacks":  {mapping.Metric{Metric: "state", Words: map[string]string{"7": "infusing"}}, number(2), 0, true},
		"a state beyond the last":        {mapping.Metric{Metric: "state"}, number(99), 0, true},
		"a patient's name for a state":   {mapping.Metric{Metric: "state"}, word("Quintero"), 0, true},
		"a patient's name for a measure": {mapping.Metric{Metric: "battery_charge", Words: map[string]string{"full": "100"}}, word("Quintero"), 0, true},
		"a measure by a word":            {mapping.Metric{Metric: "battery_charge", Words: map[string]string{"full": "100"}}, word("full"), 100, false},
		"nothing":                        {mapping.Metric{Metric: "on_mains", Words: map[string]string{"": "true"}}, mapping.Value{}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			conversion, err := c.metric.Compile(p)
			require.NoError(t, err)
			got, ok := conversion.Reading(c.value)
			require.Equal(t, !c.refuse, ok)
			if ok {
				require.Equal(t, c.metric.Metric, got.Metric)
				require.InDelta(t, c.want, got.Value, 1e-9)
			}
		})
	}
}

func TestWhatCannotBeMappedIsRefusedWithItsName(t *testing.T) {
	set, p := pumps(t)
	for name, c := range map[string]struct {
		metric mapping.Metric
		says   string
	}{
		"no such metric":           {mapping.Metric{Metric: "colour"}, `"colour"`},
		"no such unit":             {mapping.Metric{Metric: "battery_voltage", Unit: "furlong"}, `"furlong"`},
		"a unit of something else": {mapping.Metric{Metric: "battery_voltage", Unit: "h"}, "does not measure"},
		"no such state":            {mapping.Metric{Metric: "state", Words: map[string]string{"1": "asleep"}}, `"asleep"`},
		"a number out of range":    {mapping.Metric{Metric: "battery_charge", Words: map[string]string{"full": "1000"}}, `"1000"`},
		"a scaled flag":            {mapping.Metric{Metric: "on_mains", Scale: 2}, "on_mains"},
		"a scale of no size":       {mapping.Metric{Metric: "battery_charge", Scale: math.Inf(1)}, "scale"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.metric.Compile(p)
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err := mapping.Condition{Condition: "bored"}.Compile(set)
	require.ErrorContains(t, err, `"bored"`)
	_, err = mapping.Condition{Condition: "battery_low", Priority: "loud"}.Compile(set)
	require.ErrorContains(t, err, `"loud"`)
	_, err = mapping.Codes{"1": "bored", "E 1\n": "battery_low"}.Compile(set)
	require.ErrorContains(t, err, `"bored"`)
	require.ErrorContains(t, err, `"E 1\n"`)
}

func TestAConditionLastsWhileItsValueSaysSo(t *testing.T) {
	set, _ := pumps(t)
	for name, c := range map[string]struct {
		while  []string
		value  mapping.Value
		on, ok bool
	}{
		"true":               {nil, truth(1), true, true},
		"false":              {nil, truth(0), false, true},
		"one":                {nil, number(1), true, true},
		"nought":             {nil, number(0), false, true},
		"not a number":       {nil, number(math.NaN()), false, false},
		"a word alone":       {nil, word("yes"), false, false},
		"true as text":       {nil, word("TRUE"), true, true},
		"false as text":      {nil, word("False"), false, true},
		"one as text":        {nil, word("1"), true, true},
		"nought as text":     {nil, word("0"), false, true},
		"a word of the list": {[]string{"LOW", "EMPTY"}, word("LOW"), true, true},
		"another word":       {[]string{"LOW"}, word("OK"), false, true},
		"a number of it":     {[]string{"2"}, number(2), true, true},
		"false of it":        {[]string{"false"}, truth(0), true, true},
		"nothing":            {[]string{"2"}, mapping.Value{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := mapping.Condition{Condition: "battery_low", While: c.while, Priority: "low"}.Compile(set)
			require.NoError(t, err)
			on, ok := s.Lasts(c.value)
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.on, on && ok)
			e := s.Event(true)
			require.Equal(t, medfleet.Event{Condition: "battery_low", Text: "battery low", Kind: medfleet.Technical, Phase: medfleet.Start, Priority: "low"}, e)
			require.Equal(t, medfleet.End, s.Event(false).Phase)
		})
	}
}

func TestACodeIsFoundInItsTableOrAmongTheMakersOnly(t *testing.T) {
	set, _ := pumps(t)
	table, err := mapping.Codes{"0": "", "12": "battery_fault", "E-7": "device_failure"}.Compile(set)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		value      mapping.Value
		text, want string
		ok         bool
	}{
		"a number":         {number(12), "12", "battery_fault", true},
		"a text":           {word("E-7"), "E-7", "device_failure", true},
		"nothing wrong":    {number(0), "0", "", true},
		"nobody's":         {word("Quintero"), "", "", false},
		"nobody's number":  {number(123456789.5), "", "", false},
		"no value":         {mapping.Value{}, "", "", false},
		"too long for one": {word(strings.Repeat("1", 1000)), "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			code, ok := table.Find("Agilia", c.value)
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.text, code.Text)
			require.Equal(t, c.want != "", code.Condition != nil)
			if code.Condition != nil {
				require.Equal(t, c.want, code.Condition.Name)
			}
		})
	}
	for _, f := range set.Faults() {
		if strings.ContainsAny(f.Code+f.Model, "*?") {
			continue
		}
		code, ok := table.Find(f.Model, word(f.Code))
		if ok {
			require.Equal(t, f.Condition, code.Condition.Name)
		}
	}
}

func TestATemplateNamesADevice(t *testing.T) {
	levels := map[string]string{"node": "Bed 7", "device": "P/2449", "empty": ""}
	for template, want := range map[string]string{
		"{node}-{device}": "Bed-7-P-2449",
		"{device}":        "P-2449",
		"north-{device}":  "north-P-2449",
		"fixed":           "fixed",
		"{empty}":         "",
	} {
		parsed, err := mapping.ParseTemplate(template, "node", "device", "empty")
		require.NoError(t, err)
		id, err := parsed.Device(func(name string) string { return levels[name] })
		require.Equal(t, want == "", err != nil)
		require.Equal(t, want, string(id))
	}
	for _, wrong := range []string{"{bed}", "{node", "{}", "{node}{"} {
		_, err := mapping.ParseTemplate(wrong, "node")
		require.ErrorContains(t, err, "{node}", wrong)
	}
	parsed, err := mapping.ParseTemplate("x-{node}", "node", "device")
	require.NoError(t, err)
	require.True(t, parsed.Has("node"))
	require.False(t, parsed.Has("device"))
}

func TestShapesOfNames(t *testing.T) {
	for s, want := range map[string]bool{"Agilia VP (MC)": true, "": false, " x": false, "Müller": false, "a\nb": false, "x<y": false} {
		require.Equal(t, want, mapping.Model(s), "%q", s)
	}
	for s, want := range map[string]bool{"ITS Süd 2": true, "": false, "4/W#2": true, "a\x00": false, "\xff": false} {
		require.Equal(t, want, mapping.Place(s), "%q", s)
	}
}

func TestConvertingAllocatesNothing(t *testing.T) {
	_, p := pumps(t)
	c, err := mapping.Metric{Metric: "state", Words: map[string]string{"7": "infusing"}}.Compile(p)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, ok := c.Reading(number(7))
		require.True(t, ok)
	}))
}
