package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/simulators/physics"
	"medfleet/simulators/scenario"
)

func TestEmbeddedScenarios(t *testing.T) {
	require.Equal(t, []string{"bad-day", "calm", "ward"}, scenario.Names())
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		require.NoError(t, err)
		require.NotEmpty(t, s.About)
		require.Equal(t, name == "calm", len(s.Faults) == 0, name)
	}
	ward, err := scenario.Load("ward")
	require.NoError(t, err)
	within := map[physics.Fault][2]time.Duration{}
	for _, f := range ward.Faults {
		require.Equal(t, 1, f.Count)
		within[f.Fault] = [2]time.Duration{f.After, f.After + f.For}
	}
	require.Len(t, within, len(physics.Faults()), "the ward shows every fault")
	require.LessOrEqual(t, within[physics.BatteryFade][0], 15*time.Second)
	for fault, times := range within {
		require.LessOrEqual(t, times[1], time.Minute, "%s is over while somebody still looks", fault)
	}
}

func TestErrorsHaveTheirPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, place, words string }{
		"unknown key":     {"about: x\nfault: []\n", "x.yaml:2:1:", "fault"},
		"unknown fault":   {"faults:\n- fault: battery_fad\n  class: ventilator\n  for: 1s\n", "x.yaml:2:10:", `"battery_fad"`},
		"unknown class":   {"faults:\n- fault: silence\n  for: 1s\n  class: toaster\n", "x.yaml:4:10:", `"toaster"`},
		"no such victim":  {"faults:\n- {fault: occlusion_burst, class: ventilator, for: 1s}\n", "x.yaml:2:", "cannot strike"},
		"class and id":    {"faults:\n- {fault: silence, class: ventilator, device: VENT-1, for: 1s}\n", "x.yaml:2:", "not both"},
		"no length":       {"faults:\n- {fault: silence, class: ventilator}\n", "x.yaml:2:", "how long"},
		"no duration":     {"faults:\n- fault: silence\n  class: ventilator\n  for: soon\n", "x.yaml:4:8:", "soon"},
		"before start":    {"faults:\n- {fault: silence, class: ventilator, after: -1s, for: 1s}\n", "x.yaml:2:", "from the start"},
		"overlaps itself": {"faults:\n- {fault: silence, class: ventilator, for: 9s, every: 9s}\n", "x.yaml:2:", "ends before"},
		"too many":        {"faults:\n- {fault: silence, class: ventilator, count: 10001, for: 9s}\n", "x.yaml:2:", "10000"},
		"not YAML":        {"faults: [\n", "x.yaml:", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Parse("x.yaml", []byte(c.text))
			require.Error(t, err)
			require.Contains(t, err.Error(), c.place)
			require.Contains(t, err.Error(), c.words)
		})
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := scenario.Parse("x.yaml", []byte("faults:\n- {fault: a, for: 1s}\n- {fault: silence, class: b, for: 1s}\n"))
	require.ErrorContains(t, err, "x.yaml:2:")
	require.ErrorContains(t, err, "x.yaml:3:")
}

func TestLoadAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(path, []byte("faults:\n- {fault: silence, device: VENT-7, after: 1m, for: 2m}\n"), 0o600))
	s, err := scenario.Load(path)
	require.NoError(t, err)
	require.Equal(t, []scenario.Injection{{Fault: physics.Silence, Device: "VENT-7", Count: 1, After: time.Minute, For: 2 * time.Minute}}, s.Faults)

	require.NoError(t, os.WriteFile(path, []byte("about: "+strings.Repeat("x", scenario.MaxBytes)), 0o600))
	_, err = scenario.Load(path)
	require.ErrorContains(t, err, "more than")

	_, err = scenario.Load("wrad")
	require.ErrorContains(t, err, "ward")
}
