package foreign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestATimeIsReadAsTheMappingSays(t *testing.T) {
	const at = "- {topic: '{device}', class: infusion_pump, time: {path: t, form: '%s', zone: '%s'}, metrics: {v: {metric: battery_charge}}}"
	half := received.Add(-1500 * time.Millisecond)
	for name, c := range map[string]struct {
		form, zone, sent string
		want             medfleet.Millis // 0: not understood
		clamped          bool
	}{
		"RFC 3339":                 {"", "", `"2026-07-30T13:59:58.5Z"`, half, false},
		"with an offset":           {"iso", "", `"2026-07-30T15:59:58.5+02:00"`, half, false},
		"without colon":            {"", "", `"2026-07-30 15:59:58,500+0200"`, half, false},
		"hours alone":              {"", "", `"2026-07-30T09:59:58.5-04"`, half, false},
		"its offset beats ours":    {"", "Europe/Berlin", `"2026-07-30T13:59:58.5Z"`, half, false},
		"our zone, summer":         {"", "Europe/Berlin", `"2026-07-30T15:59:58.5"`, half, false},
		"our zone, days ago":       {"", "Europe/Berlin", `"2026-07-20 15:59:58.5"`, half - 10*86_400_000, false},
		"no zone at all":           {"", "", `"2026-07-30T15:59:58.5"`, 0, false},
		"seconds":                  {"unix_s", "", `1785419998.5`, half, false},
		"seconds as text":          {"unix_s", "", `"1785419998.5"`, half, false},
		"milliseconds":             {"unix_ms", "", `1785419998500`, half, false},
		"seconds, not said":        {"", "", `1785419998.5`, half, false},
		"milliseconds, not said":   {"", "", `1785419998500`, half, false},
		"a number where text is":   {"iso", "", `1785419998500`, 0, false},
		"text where a number is":   {"unix_s", "", `"2026-07-30T13:59:58.5Z"`, 0, false},
		"1970":                     {"unix_s", "", `0`, received, true},
		"far ahead":                {"unix_ms", "", `1885419998500`, received, true},
		"never":                    {"unix_ms", "", `-5`, 0, false},
		"beyond all":               {"unix_ms", "", `1e300`, 0, false},
		"31 February":              {"", "", `"2026-02-31T13:59:58Z"`, 0, false},
		"month 13":                 {"", "", `"2026-13-01T13:59:58Z"`, 0, false},
		"a leap second":            {"", "", `"2026-07-30T13:59:60Z"`, received, false},
		"a word":                   {"", "", `"Quintero"`, 0, false},
		"something after it":       {"", "", `"2026-07-30T13:59:58Zulu"`, 0, false},
		"a date alone":             {"", "Europe/Berlin", `"2026-07-30"`, 0, false},
		"true":                     {"", "", `true`, 0, false},
		"an object":                {"", "", `{"Quintero":1}`, 0, false},
		"missing":                  {"", "", `null`, 0, false},
		"a fraction of ten digits": {"", "", `"2026-07-30T13:59:58.5000000000Z"`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, replace(replace(at, c.form), c.zone)).Read(message("P-1", `{"v":1,"t":`+c.sent+`}`), received)
			if c.want == 0 {
				require.Error(t, err)
				require.NotContains(t, err.Error(), "Quintero")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Observations[0].Time)
			require.Equal(t, c.clamped, got.ObservationMarks[0].Clamped)
			require.Equal(t, c.clamped, got.ObservationMarks[0].DeviceTime != 0)
		})
	}
}
