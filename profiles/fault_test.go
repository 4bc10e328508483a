package profiles_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/profiles"
)

// own loads the embedded profiles and one file of the user's own faults.
func own(t *testing.T, text string) (*profiles.Set, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "faults"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "faults", "own.yaml"), []byte(text), 0o600))
	return profiles.Load(dir)
}

func TestEveryFaultSaysWhatToDoAndWhereThatIsWritten(t *testing.T) {
	set := load(t)
	require.NotEmpty(t, set.Faults())
	for _, f := range set.Faults() {
		_, ok := set.Condition(f.Condition)
		require.True(t, ok, "%s %s", f.Maker, f.Code)
		require.NotEmpty(t, f.Source)
		got, ok := set.Fault(f.Model, f.Code)
		require.True(t, ok)
		require.Equal(t, f.Meaning, got.Meaning)
	}
}

func TestTheNomenclaturesEventsMeanWhatTheirConditionsSay(t *testing.T) {
	set, n := load(t), 0
	for _, f := range set.Faults() {
		number, refid, ok := strings.Cut(f.Code, "^")
		if !ok {
			continue
		}
		n++
		code, err := strconv.ParseUint(number, 10, 32)
		require.NoError(t, err)
		for _, c := range []struct {
			number uint32
			refid  string
		}{{uint32(code), ""}, {0, refid}} {
			condition, ok := set.ConditionOf(c.number, c.refid)
			require.True(t, ok, f.Code)
			require.Equal(t, condition.Name, f.Condition, f.Code)
		}
	}
	require.Greater(t, n, 40)
}

const table = `
maker: Acme
source: Acme pump service manual, chapter 6
faults:
- {model: "Acme*", code: E12, condition: battery_fault, meaning: battery does not charge, check: the pack's contacts}
- {model: "Acme 7*", code: E12, condition: power_supply, meaning: charger faulty, check: the charger}
- {model: "Acme*", code: "E*", condition: device_failure, meaning: an error, check: the error log}
- {model: "Acme*", code: "E1?", condition: battery_low, meaning: a battery error, check: the battery}
- {model: "*", code: "99ACME:E12", condition: self_test_failed, meaning: self-test failed, check: the log}
- {model: "Acme*", code: CHECK_CASSETTE, condition: door_open, meaning: cassette not seated, check: the cassette}
`

func TestAFaultIsFoundByCodeFirstThenByModel(t *testing.T) {
	set, err := own(t, table)
	require.NoError(t, err)
	for name, c := range map[string]struct{ model, code, want string }{
		"the exact code":                {"Acme 5", "E12", "battery does not charge"},
		"on the more specific model":    {"Acme 700", "E12", "charger faulty"},
		"in small letters":              {"acme 5", "e12", "battery does not charge"},
		"a narrow pattern":              {"Acme 700", "E13", "a battery error"},
		"a wide pattern":                {"Acme 5", "E200", "an error"},
		"a coding system, no model":     {"", "99ACME:E12", "self-test failed"},
		"a message with a blank":        {"Acme 5", "Check Cassette", "cassette not seated"},
		"another maker's model":         {"Bolt 1", "E12", ""},
		"no model":                      {"", "E12", ""},
		"no code":                       {"Acme 5", "", ""},
		"an unknown code":               {"Acme 5", "F1", ""},
		"a code too long to be one":     {"Acme 5", "E" + string(make([]byte, 200)), ""},
		"a number that another one has": {"Infusomat Space", "8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := set.Fault(c.model, c.code)
			require.Equal(t, c.want != "", ok)
			if ok {
				require.Equal(t, c.want, got.Meaning)
				bytes, _ := set.FaultBytes(c.model, []byte(c.code))
				require.Same(t, got, bytes)
			}
		})
	}
	code := []byte("E13")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		set.FaultBytes("Acme 5", code)
		set.Fault("Acme 5", "nothing like it")
	}))
}

func TestAUsersFaultReplacesTheEmbeddedOne(t *testing.T) {
	set, err := own(t, `
faults:
- {maker: Graseby, model: "graseby*", code: "01", condition: on_battery, meaning: our own words, check: the plug, source: our workshop}
`)
	require.NoError(t, err)
	f, ok := set.Fault("Graseby 500", "01")
	require.True(t, ok)
	require.Equal(t, "our own words", f.Meaning)
	require.Len(t, set.Faults(), len(load(t).Faults()))
}

func TestFaultsThatAreWrongAreRefusedWithTheirPlace(t *testing.T) {
	const good = `maker: A, model: A1, code: E1, condition: battery_low, meaning: m, check: c, source: s`
	for name, c := range map[string]struct{ text, err string }{
		"an unknown key":          {"{" + good + ", color: red}", "color"},
		"an unknown condition":    {`{maker: A, model: A1, code: E1, condition: sad, meaning: m, check: c, source: s}`, `"sad"`},
		"no source":               {`{maker: A, model: A1, code: E1, condition: battery_low, meaning: m, check: c}`, "source"},
		"no meaning":              {`{maker: A, model: A1, code: E1, condition: battery_low, check: c, source: s}`, "meaning"},
		"no first check":          {`{maker: A, model: A1, code: E1, condition: battery_low, meaning: m, source: s}`, "check"},
		"a blank in a code":       {`{maker: A, model: A1, code: E 1, condition: battery_low, meaning: m, check: c, source: s}`, "written _"},
		"every code":              {`{maker: A, model: A1, code: "*", condition: battery_low, meaning: m, check: c, source: s}`, "fits every code"},
		"every model":             {`{maker: A, model: "*", code: E1, condition: battery_low, meaning: m, check: c, source: s}`, "fits every device"},
		"the same code twice":     {"{" + good + "}\n- {" + good + "}", "already"},
		"a newline for a page":    {`{maker: A, model: A1, code: E1, condition: battery_low, meaning: "m\nx", check: c, source: s}`, "printable"},
		"a model that is missing": {`{maker: A, code: E1, condition: battery_low, meaning: m, check: c, source: s}`, "model"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := own(t, "faults:\n- "+c.text+"\n")
			require.ErrorContains(t, err, c.err)
			require.ErrorContains(t, err, "own.yaml")
		})
	}
}

func TestAPatternFitsLettersOfAnyScript(t *testing.T) {
	for pattern, texts := range map[string]map[string]bool{
		"Dr?ger*": {"Dräger Medical": true, "Draeger": false, "DRÄGER": true, "Drger": false},
		"dräger":  {"DRÄGER": true, "Drager": false, "Dräger AG": false},
		"*ß*":     {"Maß": true, "Mass": false, "ß": true},
		"*é":      {"Santé": true, "Sant\xc3": false, "": false},
	} {
		for text, fits := range texts {
			require.Equal(t, fits, profiles.Glob(pattern, text), "%s: %s", pattern, text)
			require.Equal(t, fits, profiles.Glob(pattern, []byte(text)), "%s: %s in bytes", pattern, text)
		}
	}
}
