package pcd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Makers write one and the same row in many ways: a battery at half its charge.
func TestOneRowInTheWaysOfMakers(t *testing.T) {
	const (
		code = "67996^MDC_ATTR_VAL_BATT_CHARGE^MDC"
		unit = "262688^MDC_DIM_PERCENT^MDC"
	)
	type parts struct{ kind, code, place, value, unit, status string }
	usual := parts{"NM", code, "1.0.0.2", "50", unit, "R"}
	with := func(change func(*parts)) string {
		p := usual
		change(&p)
		return "OBX|2|" + p.kind + "|" + p.code + "|" + p.place + "|" + p.value + "|" + p.unit + "|||||" + p.status
	}
	read := func(row string) (float64, bool) {
		res := mapOne(t, newMapper(t), append(report("P1")[:3], row)...)
		v, ok := readings(res.Observations[0])["battery_charge"]
		return v, ok
	}
	for _, c := range []string{
		"67996", "67996^", "^MDC_ATTR_VAL_BATT_CHARGE", "MDC_ATTR_VAL_BATT_CHARGE", "MDC_ATTR_VAL_BATT_CHARGE^67996^MDC",
		"67996^Battery charge^MDC", "0^MDC_ATTR_VAL_BATT_CHARGE^MDC", "67976^MDC_ATTR_VAL_BATT_CHARGE^MDC", // the name wins
		"BATT^Battery^99ACME^67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "67996^MDC_ATTR_VAL_BATT_CHARGE^MDC^BATT^Battery^99ACME",
	} {
		v, _ := read(with(func(p *parts) { p.code = c }))
		require.Equal(t, 50.0, v, "code %s", c)
	}
	for _, place := range []string{"1.0.0.2", "1.0.0.0.1", "1.2.3.4.5.6", "1.0", "1", "", "LOC", "a.b", "1-0-0-2", " 1.0.0.2 ", "1.2.1.67996"} {
		v, _ := read(with(func(p *parts) { p.place = place }))
		require.Equal(t, 50.0, v, "OBX-4 %q", place)
	}
	for _, u := range []string{
		"%", "%^%^UCUM", "^%^UCUM", "262688", "^MDC_DIM_PERCENT", "MDC_DIM_PERCENT", "percent", "%^percent^UCUM^262688^MDC_DIM_PERCENT^MDC",
		"262688^MDC_DIM_PERCENT^MDC^%^%^UCUM", "0004-0220^%^MDIL", " % ",
	} {
		v, _ := read(with(func(p *parts) { p.unit = u }))
		require.Equal(t, 50.0, v, "unit %q", u)
	}
	for _, value := range []string{"50", "50.0", "+50", " 50 ", "050"} {
		v, _ := read(with(func(p *parts) { p.value = value }))
		require.Equal(t, 50.0, v, "value %q", value)
	}
	for _, value := range []string{"^50", "=^50"} {
		v, _ := read(with(func(p *parts) { p.kind, p.value = "SN", value }))
		require.Equal(t, 50.0, v, "structured %q", value)
	}
	for status, taken := range map[string]bool{"R": true, "F": true, "C": true, "P": true, "S": true, "": true, "D": false, "W": false, "X": false, "N": false, "U": false} {
		_, ok := read(with(func(p *parts) { p.status = status }))
		require.Equal(t, taken, ok, "OBX-11 %q", status)
	}
	for _, value := range []string{"32767", "-32768", `""`, "", "-?-", ">99", "50,5", "5E1", "NaN", "1e400", "101", "-1", "0x32"} {
		_, ok := read(with(func(p *parts) { p.value = value }))
		require.False(t, ok, "value %q", value)
	}
	for _, u := range []string{"", "mmHg", "264352^MDC_DIM_MIN^MDC", "262688^MDC_DIM_PERCENT^MDC^min^min^UCUM", "{%}"} {
		_, ok := read(with(func(p *parts) { p.unit = u }))
		require.False(t, ok, "unit %q", u)
	}
	for _, value := range []string{">^99", "<^5"} {
		_, ok := read(with(func(p *parts) { p.kind, p.value = "SN", value }))
		require.False(t, ok, "structured %q", value)
	}
}
