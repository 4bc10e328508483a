package profiles_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/profiles"
)

func load(t *testing.T) *profiles.Set {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	return set
}

func TestEveryClassHasWhatTheOthersReadFromIt(t *testing.T) {
	set := load(t)
	require.Len(t, set.Classes(), 4)
	for _, p := range set.Classes() {
		require.NotEmpty(t, p.Title)
		require.GreaterOrEqual(t, p.Silence, 30*time.Second)
		require.NotEmpty(t, p.Devices, "%s: no device type leads to it", p.Class)
		for _, name := range []string{profiles.StateMetric, "battery_charge", "operating_hours"} {
			_, ok := p.Metric(name)
			require.True(t, ok, "%s has no %s", p.Class, name)
		}
	}
}

func TestCodesAreFoundByReferenceIDFirst(t *testing.T) {
	set := load(t)
	for name, c := range map[string]struct {
		number uint32
		refid  string
		want   string
	}{
		"both":                      {196802, "MDC_EVT_BATT_LO", "battery_low"},
		"the name beats the number": {196802, "MDC_EVT_SELFTEST_FAILURE", "self_test_failed"},
		"only the number":           {198216, "", "self_test_failed"},
		"a vendor's name":           {198216, "VENDOR_TEST_KO", "self_test_failed"},
		"an odd number is not read": {196803, "", ""},
		"neither":                   {1, "MDC_EVT_BATT_LOW", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := set.ConditionOf(c.number, c.refid)
			require.Equal(t, c.want != "", ok)
			if ok {
				require.Equal(t, c.want, got.Name)
			}
		})
	}
	p, ok := set.ClassOf(70053, "")
	require.True(t, ok)
	require.Equal(t, medfleet.Class("syringe_pump"), p.Class)
	m, ok := set.MetricOf(0, "MDC_ATTR_VAL_BATT_CHARGE")
	require.True(t, ok)
	require.Equal(t, "battery_charge", m)
}

func TestNoCodeLeadsToTwoConditions(t *testing.T) {
	seen := map[uint32]string{}
	for _, c := range load(t).Conditions() {
		for _, code := range c.Codes {
			require.Zero(t, code.Number%2, "%s: %d is odd", c.Name, code.Number)
			if other, ok := seen[code.Number]; ok {
				require.Equal(t, c.Name, other, "%d leads to two conditions", code.Number)
			}
			seen[code.Number] = c.Name
		}
	}
}

func TestStatesGoThereAndBack(t *testing.T) {
	for _, p := range load(t).Classes() {
		for _, want := range p.States {
			v, ok := p.StateValue(want.Name)
			require.True(t, ok)
			got, ok := p.StateAt(v)
			require.True(t, ok)
			require.Equal(t, want.Name, got.Name)
		}
		for _, v := range []float64{-1, 0.5, 1000} {
			_, ok := p.StateAt(v)
			require.False(t, ok)
		}
	}
}

func TestAUsersFolder(t *testing.T) {
	const warmer = `
class: infant_warmer
title: Infant warmer
plural: Infant warmers
mobility: fixed
silence: 5m
include: [hours]
states: [{name: "off", means: "off"}, {name: warming, means: in_use, occupied: true}]
metrics: [{name: heater_current, title: heater current, kind: gauge, unit: A, min: 0, max: 30}]
`
	for name, c := range map[string]struct{ text, err string }{
		"adds a class":        {warmer, ""},
		"an unknown key":      {warmer + "colour: red\n", "colour"},
		"an unknown group":    {"class: x\nsilence: 1m\nstates: [{name: a, means: idle}]\ninclude: [steam]\n", `"steam"`},
		"a reserved name":     {"class: event\nsilence: 1m\nstates: [{name: a, means: idle}]\n", `"event"`},
		"a meaning of no one": {"class: x\nsilence: 1m\nstates: [{name: a, means: resting}]\n", `"resting"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(c.text), 0o600))
			set, err := profiles.Load(dir)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.ErrorContains(t, err, dir)
				return
			}
			require.NoError(t, err)
			p, ok := set.Class("infant_warmer")
			require.True(t, ok)
			_, ok = p.Metric("operating_hours")
			require.True(t, ok)
		})
	}
}

func TestAConnectionLostIsToldAndIsNoFault(t *testing.T) {
	c, ok := load(t).Condition("offline")
	require.True(t, ok)
	require.Equal(t, medfleet.Advisory, c.Kind)
	require.Empty(t, c.Codes, "it is the gateway's word, no device's code")
}
