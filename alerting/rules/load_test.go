package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/alerting/rules"
	"medfleet/profiles"
)

func loadProfiles(t testing.TB) *profiles.Set {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	return set
}

// one gives a file of one rule with some of its lines replaced or added, "" to
// take one out.
func one(class string, changes map[string]string) string {
	lines := []struct{ key, value string }{
		{"alert", "Test"}, {"expr", "battery_charge < 20"}, {"clear", ""}, {"for", ""}, {"hold", ""}, {"priority", "today"}, {"page", ""},
		{"needs", ""}, {"seen_on_wire", ""}, {"summary", "x"},
	}
	text := "class: " + class + "\nrules:\n"
	lead := "- "
	for _, l := range lines {
		if v, ok := changes[l.key]; ok {
			l.value = v
		}
		if l.value != "" {
			text += lead + l.key + ": " + l.value + "\n"
			lead = "  "
		}
	}
	return text
}

func TestWhatIsWrongWithARuleFileIsNamedWithItsPlace(t *testing.T) {
	set := loadProfiles(t)
	for name, c := range map[string]struct{ text, at, says string }{
		"no YAML":                   {"class: [\n", "1:8", "sequence"},
		"empty":                     {"", "1:1", "no rules"},
		"a list at the top":         {"- a\n", "1:1", "class is missing"},
		"no class":                  {"rules:\n- alert: Test\n", "1:1", "class is missing"},
		"an unknown class":          {one("infusion_pomp", nil), "1:8", `did you mean "infusion_pump"?`},
		"an unknown key":            {strings.Replace(one("ventilator", nil), "priority", "priorty", 1), "5:3", `unknown key "priorty"; did you mean "priority"?`},
		"an unknown key at the top": {"klass: x\n", "1:1", `did you mean "class"?`},
		"a rule that is no mapping": {"class: any\nrules: [7]\n", "2:9", "want keys and values"},
		"rules that are no list":    {"class: any\nrules: 7\n", "2:8", "want a list"},
		"a name in lower case":      {one("ventilator", map[string]string{"alert": "test"}), "3:10", "begins with a capital"},
		"no condition":              {one("ventilator", map[string]string{"expr": ""}), "3:3", "expr is missing"},
		"no summary":                {one("ventilator", map[string]string{"summary": ""}), "3:3", "summary is missing"},
		"no priority":               {one("ventilator", map[string]string{"priority": ""}), "3:3", "priority is missing"},
		"a clinical priority":       {one("ventilator", map[string]string{"priority": "high"}), "5:13", "want now, today or round"},
		"page is no truth":          {one("ventilator", map[string]string{"page": "perhaps"}), "6:9", "want true or false"},
		"a duration without a unit": {one("ventilator", map[string]string{"for": "10"}), "5:8", `"10" is no duration`},
		"a duration below nothing":  {one("ventilator", map[string]string{"hold": "-1m"}), "5:9", "no duration"},
		"a duration without end":    {one("ventilator", map[string]string{"hold": "31d"}), "5:9", "at most 30d"},
		"a metric with a slip":      {one("ventilator", map[string]string{"expr": "batery_charge < 20"}), "4:9", `there is no metric "batery_charge"; did you mean "battery_charge"?`},
		"another class's metric":    {one("ventilator", map[string]string{"expr": "door_openings > 20"}), "4:9", `class ventilator has no metric "door_openings"`},
		"no class has the metric":   {one("any", map[string]string{"expr": "steam > 20"}), "4:9", `there is no metric "steam"`},
		"a function that is none":   {one("ventilator", map[string]string{"expr": `activ("occlusion")`}), "4:14", `there is no function "activ"; did you mean "active"?`},
		"a condition with a slip":   {one("ventilator", map[string]string{"expr": `active("oclusion")`}), "4:16", `did you mean "occlusion"?`},
		"a condition not in quotes": {one("ventilator", map[string]string{"expr": `active(state)`}), "4:16", "want a condition in quotes"},
		"a window not in quotes":    {one("ventilator", map[string]string{"expr": `count("occlusion", 60) > 1`}), "4:28", "want a window"},
		"a window too short":        {one("ventilator", map[string]string{"expr": `count("occlusion", "5s") > 1`}), "4:28", "want a window"},
		"a condition without end":   {one("ventilator", map[string]string{"expr": "battery_charge <"}), "4:25", "cannot read the condition"},
		"a number, not a truth":     {one("ventilator", map[string]string{"expr": "battery_charge"}), "4:9", "gives double"},
		"an integer where == is":    {one("ventilator", map[string]string{"expr": "battery_charge == 20"}), "4:24", "such as 80.0"},
		"an error inside quotes":    {one("ventilator", map[string]string{"expr": `"on_mains && x"`}), "4:22", `"x"`},
		"an error in a block":       {one("ventilator", map[string]string{"expr": "|\n    on_mains &&\n      y"}), "6:7", `"y"`},
		"an error in clear":         {one("ventilator", map[string]string{"clear": "z"}), "5:10", `"z"`},
		"a condition that costs":    {one("ventilator", map[string]string{"expr": "state in [" + strings.Repeat(`"a", `, 600) + `"b"]`}), "4:9", "may cost"},
		"a placeholder with a slip": {one("ventilator", map[string]string{"summary": `"in {{unti}}"`}), "6:16", `did you mean "unit"?`},
		"a placeholder without end": {one("ventilator", map[string]string{"summary": `"in {{unit"`}), "6:16", "{{ without }}"},
		"a need that cannot be":     {one("ventilator", map[string]string{"needs": "[batery_charge]"}), "6:11", `did you mean "battery_charge"?`},
		"two rules of one name":     {one("ventilator", nil) + strings.TrimPrefix(one("ventilator", nil), "class: ventilator\nrules:\n"), "7:10", "has a rule Test already"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rules.Parse("own.yaml", []byte(c.text), set)
			require.Error(t, err)
			require.ErrorContains(t, err, "own.yaml:"+c.at+": ")
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAllThatIsWrongIsNamedAtOnceWithACaret(t *testing.T) {
	text := one("ventilator", map[string]string{"expr": "batery < 2 || foo(3)", "for": "soon"})
	_, err := rules.Parse("own.yaml", []byte(text), loadProfiles(t))
	require.Len(t, rules.Problems(err), 3)
	require.ErrorContains(t, err, "\n    expr: batery < 2 || foo(3)\n          ^\n")
}

func TestARuleForAnyClassHoldsWhereItsMetricsAre(t *testing.T) {
	set, err := rules.Parse("own.yaml", []byte(one("any", map[string]string{"expr": "motor_current > 200"})), loadProfiles(t))
	require.NoError(t, err)
	require.True(t, set.Has("infusion_pump", "Test"))
	require.True(t, set.Has("syringe_pump", "Test"))
	require.False(t, set.Has("ventilator", "Test"))
	require.Len(t, set.Rules(), 1)
}

func TestTheBuiltInPack(t *testing.T) {
	p := loadProfiles(t)
	set, err := rules.Load(nil, p)
	require.NoError(t, err)
	for _, c := range p.Classes() {
		for _, name := range []string{"BatteryWearsOut", "SelfTestFailed", "DeviceSilent"} {
			require.True(t, set.Has(c.Class, name), "%s has no %s", c.Class, name)
		}
	}
	for _, r := range set.Rules() {
		require.NotEmpty(t, r.SeenOnWire, "%s: where is its signal seen?", r.Name)
		require.NotEmpty(t, r.Action, "%s: what is to be done?", r.Name)
		require.Positive(t, r.Hold, "%s: a chattering signal would raise it again and again", r.Name)
		if r.Name == "DeviceSilent" {
			require.Equal(t, r.Class == "patient_monitor", r.Page, "%s: only what is fixed is missed when silent", r.Class)
		}
	}
}

func TestUsersFiles(t *testing.T) {
	p := loadProfiles(t)
	good := filepath.Join(t.TempDir(), "good.yaml")
	require.NoError(t, os.WriteFile(good, []byte(one("ventilator", nil)), 0o600))
	set, err := rules.Load([]string{good}, p)
	require.NoError(t, err)
	require.Len(t, set.Rules(), 1, "the built-in pack is replaced")
	require.Equal(t, good+":3", set.Rules()[0].Place)

	large := filepath.Join(t.TempDir(), "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, 2<<20), 0o600))
	_, err = rules.Load([]string{good, "nowhere.yaml", large}, p)
	require.ErrorContains(t, err, "nowhere.yaml: open rule file")
	require.ErrorContains(t, err, "large.yaml: read rule file: it is longer")
}

func FuzzParse(f *testing.F) {
	f.Add(one("ventilator", nil))
	f.Add(one("any", map[string]string{"expr": `count("occlusion", "1h") > 2 || active("o2_cell")`, "clear": "manual", "summary": `"{{device}} {{battery_charge}}"`}))
	f.Add("class: any\nrules: [{alert: A, expr: '1/0 == 1', priority: now, summary: s}]")
	p := loadProfiles(f)
	f.Fuzz(func(t *testing.T, text string) {
		set, err := rules.Parse("f", []byte(text), p)
		if (set == nil) == (err == nil) {
			t.Fatal("want a set or an error")
		}
		lines := strings.Count(text, "\n") + 1
		for _, problem := range rules.Problems(err) {
			if problem.Line > lines+1 || problem.Message == "" {
				t.Fatalf("problem outside of the file: %v", problem)
			}
		}
		if err == nil && len(set.Rules()) == 0 {
			t.Fatal("a file without rules passed")
		}
	})
}
