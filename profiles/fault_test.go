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

		// An event that came by a pattern carries what is left of it.
		got, ok = set.Fault(f.Model, strings.NewReplacer("*", "", "?", "").Replace(f.Code))
		require.True(t, ok, "%s %s", f.Maker, f.Code)
		require.Equal(t, f.Meaning, got.Meaning)
	}
}

// patients are alarms about patients in the words of the makers' screens, and
// what they say of a circuit or a vein: none of it is a technician's.
var patients = []string{
	"ASYSTOLE", "***ASYSTOLE", "Asystole", "V-Fib/V-Tach", "VENTR. FIBR.", "Extreme Brady", "HRT RATE LOW", "HRT RATE HI", "HR Too High", "HR Too Low", "PVCs/min Too High",
	"Pacer Not Capture", "ST-V Too High", "ST V Too Low", "ST-II Too High", "S-T HIGH", "ECG Noisy", "ECG Amplitude Too Small", "Apnea", "APNEA", "APNEA CO2", "APNEA EVITA", "RR Too High", "RESP RATE HI",
	"Resp Artifact", "SpO2 LOW", "SPO2 LOW", "SpO2 Too Low", "SpO2 Too High", "SpO2 Desat", "** SpO2 87 < 90", "SpO2 No Pulse", "SpO2T  No Pulse", "NO SPO2 PULS", "SPO2 PULS LO", "SpO2 Low Perfusion",
	"SvO2 high", "SvO2 low", "EtCO2 Too High", "ET CO2 HIGH", "INSP CO2 HI", "EtO2 Too Low", "FiO2 Too High", "FiO2 low", "% O2 LOW", "O2 LOW", "O2 HIGH", "N2O HIGH", "INSP MAC HI",
	"NIBP-S Too High", "NIBP Weak Signal", "NIBP Excessive Motion", "NBP SYS LOW", "Art-M Too Low", "SYS ART HI", "PA-D Too High", "CVP HI", "ICP HIGH", "XX No Pulse", "CVP Disconnected", "T1 Too High", "TEMP1 HIGH",
	"AIR TEMP HI", "BIS Too Low", "BLOOD TEMP", "PAW HIGH", "PAW LOW", "PAW NEGATIVE", "PEEP HIGH", "PEEP LOW", "MIN VOL LOW", "MIN VOL HIGH", "VOL INCONST", "TIDAL VOL HI", "CYCLE FAILED", "AIR TRAPPING", "LEAKAGE",
	"TUBE OBSTRUC", "CIRCLE OCCLUDED", "DISCONNECT", "Ppeak high", "PEEPe low", "MVexp low", "TVexp high", "RR high", "EtCO2 low", "Negative airway pressure", "Patient connected?", "Backup mode active", "Circuit leak?",
	"Disconnection?", "Sample line blocked", "CHK PATIENT", "CENTRAL HYPO", "VOL ALRM OFF", "ALL ALRM SUS", "Quintero, Ana", "Bed 9",
}

func TestThePatientsAlarmsAreNobodysFault(t *testing.T) {
	set := load(t)
	models := map[string]bool{"": true}
	for _, f := range set.Faults() {
		models[strings.NewReplacer("*", "", "?", "4").Replace(f.Model)] = true
	}
	for model := range models {
		for _, words := range patients {
			for _, system := range []string{"", "MDIL-ALERT:", "MEDIBUS-CP1:", "MEDIBUS-CP2:"} {
				if got, ok := set.Fault(model, system+words); ok {
					t.Errorf("%s: %q is taken for %s", model, words, got.Meaning)
				}
			}
		}
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

func TestOneFileForSeveralModels(t *testing.T) {
	set, err := own(t, `
maker: Acme
models: ["Acme 7*", "Bolt*"]
source: Acme pump service manual, chapter 6
faults:
- {code: E12, condition: battery_fault, meaning: battery does not charge, check: the pack's contacts}
- {model: "Cask*", code: E12, condition: power_supply, meaning: charger faulty, check: the charger}
`)
	require.NoError(t, err)
	for model, want := range map[string]string{"Acme 700": "battery does not charge", "Bolt 1": "battery does not charge", "Cask 2": "charger faulty", "Acme 5": ""} {
		f, ok := set.Fault(model, "E12")
		require.Equal(t, want != "", ok, model)
		if ok {
			require.Equal(t, []string{want, "Acme"}, []string{f.Meaning, f.Maker})
		}
	}
	_, err = own(t, "maker: Acme\nmodel: Acme\nmodels: [Bolt]\nfaults: []\n")
	require.ErrorContains(t, err, "model and models")
	_, err = own(t, `{maker: A, models: [A1, a1], source: s, faults: [{code: E1, condition: battery_low, meaning: m, check: c}]}`)
	require.ErrorContains(t, err, "already")
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
