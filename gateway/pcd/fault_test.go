package pcd

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/profiles"
)

const ownFaults = `
maker: Acme
source: Acme service manual, chapter 6
faults:
- {model: "Acme*", code: E12, condition: battery_fault, meaning: battery does not charge, check: the contacts of the pack}
- {model: "Acme*", code: "TF-4*", condition: device_failure, meaning: a technical fault of the drive, check: the drive}
- {model: "Acme*", code: MOTOR_STALLS, condition: device_failure, meaning: motor stalls, check: the drive}
- {model: "*", code: "99ACM:123455", condition: self_test_failed, meaning: self-test failed at start, check: the log}
`

// acme is a mapper that has the tables of a maker of the user's own.
func acme(t *testing.T) *Mapper {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "faults"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "faults", "acme.yaml"), []byte(ownFaults), 0o600))
	set, err := profiles.Load(dir)
	require.NoError(t, err)
	m, err := New(Options{Profiles: set, Site: "north", Gateway: "edge-1"})
	require.NoError(t, err)
	return m
}

// acmeAlert maps an alert of a device of that maker.
func acmeAlert(t *testing.T, m *Mapper, device string, rows ...string) *Result {
	t.Helper()
	message := append([]string{
		header("R40", "ORU_R40", "1.4.1"), "OBR|1|A77|A77|196616^MDC_EVT_ALARM^MDC|||20260314102640+0100",
		"OBX|1||" + device + "^MDC|1.0.0.0|||||||X|||||||ACM-1", "OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.2|Acme 700||||||F",
	}, rows...)
	var res Result
	m.Map(&res, parse(t, strings.Join(message, "\r")), netip.Addr{}, now)
	return &res
}

func alarmRow(value string) string {
	return "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|" + value + "|||A~PM~ST|||R|||20260314102630+0100"
}

func TestAMakersOwnCodes(t *testing.T) {
	const vent = "70001^MDC_DEV_SYS_PT_VENT_MDS"
	m := acme(t)
	for name, c := range map[string]struct {
		rows      []string
		condition string // empty: it stays behind
		code      string
		text      string
	}{
		"its own code first":               {[]string{alarmRow("E12^low^99ACM")}, "battery_fault", "E12", "battery does not charge"},
		"its own code second":              {[]string{alarmRow("^^^E12^low^99ACM")}, "battery_fault", "E12", "battery does not charge"},
		"the nomenclature's says more":     {[]string{alarmRow("E12^low^99ACM^196802^MDC_EVT_BATT_LO^MDC")}, "battery_low", "196802^MDC_EVT_BATT_LO", "battery low"},
		"a private number in its system":   {[]string{alarmRow("196607^MDC_PRIVATE_123455^MDC^123455^^99ACM")}, "self_test_failed", "99ACM:123455", "self-test failed at start"},
		"a pattern keeps the code as sent": {[]string{alarmRow("TF-4711^x^99ACM")}, "device_failure", "TF-4711", "a technical fault of the drive"},
		"the words of the message":         {[]string{alarmRow("^Motor stalls^99ACM")}, "device_failure", "MOTOR_STALLS", "motor stalls"},
		"the original text":                {[]string{alarmRow("0^^^^^^^^MOTOR STALLS")}, "device_failure", "MOTOR_STALLS", "motor stalls"},
		"only the text facet":              {[]string{alarmRow(""), facet("68546^MDC_ATTR_ALERT_TEXT=Motor stalls")}, "device_failure", "MOTOR_STALLS", "motor stalls"},
		"more words than the table has":    {[]string{alarmRow("^Motor stalls at Quintero^99ACM")}, "", "", ""},
		"nobody's code":                    {[]string{alarmRow("E99^x^99ACM")}, "", "", ""},
		"an odd code beside a known one":   {[]string{alarmRow("196803^E12^MDC^E12^^99ACM")}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m.lives.forget()
			res := acmeAlert(t, m, vent, append(c.rows, facet(phaseStart), facet(typeTechnical))...)
			if c.condition == "" {
				require.Empty(t, res.Events)
				require.NotContains(t, spoken(t, res), "Quintero")
				return
			}
			require.Len(t, res.Events, 1)
			e := res.Events[0]
			require.Equal(t, []string{c.condition, c.code, c.text}, []string{e.Condition, e.Code, e.Text})
			require.Equal(t, medfleet.Start, e.Phase)
		})
	}
}

func TestACodeThatNobodyKnowsIsTold(t *testing.T) {
	m := acme(t)
	const pump, monitor = "69985^MDC_DEV_PUMP_INFUS_MDS", "69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS"
	for name, c := range map[string]struct {
		device string
		rows   []string
		code   string // empty: not told
	}{
		"of the nomenclature":           {pump, []string{alarmRow("196670^MDC_EVT_PUMP_GENERAL_ALARM^MDC"), facet(typeTechnical)}, "196670^MDC_EVT_PUMP_GENERAL_ALARM"},
		"of the maker":                  {pump, []string{alarmRow("E99^x^99ACM"), facet(typeTechnical)}, "99ACM:E99"},
		"of a device that alarms about": {monitor, []string{alarmRow("E99^x^99ACM"), facet(typeTechnical)}, ""},
		"not technical":                 {pump, []string{strings.Replace(alarmRow("E99^x^99ACM"), "~ST", "~SP", 1)}, ""},
		"odd":                           {pump, []string{alarmRow("196671^MDC_EVT_X^MDC"), facet(typeTechnical)}, ""},
		"about the patient after all":   {pump, []string{alarmRow("197300^MDC_EVT_PATIENT_ID_CHANGE^MDC"), facet(typeTechnical)}, ""},
		"its end":                       {pump, []string{alarmRow("E99^x^99ACM"), facet(typeTechnical), facet(phaseEnd)}, ""},
		"no code at all":                {pump, []string{alarmRow("^something^99ACM"), facet(typeTechnical)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m.lives.forget()
			res := acmeAlert(t, m, c.device, c.rows...)
			if c.code == "" {
				require.Empty(t, res.Events)
				return
			}
			require.Len(t, res.Events, 1)
			e := res.Events[0]
			require.Equal(t, []any{"unknown_code", c.code, medfleet.Instant, medfleet.Advisory}, []any{e.Condition, e.Code, e.Phase, e.Kind})
		})
	}
}
