package pcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShapes(t *testing.T) {
	for s, c := range map[shape]struct{ fit, not []string }{
		shapeName:       {[]string{"SPACE-STATION 7", "MINDRAY_A7", "3", "Dräger Medical", "東芝"}, []string{"a,b", "a^b", "a|b", "<b>", "a\xff", strings.Repeat("a", 65)}},
		shapePrintable:  {[]string{"Drägerwerk AG & Co. KGaA", "Smiths Medical, Inc."}, []string{"a\nb", "a\x00", strings.Repeat("a", 129)}},
		shapeIdentity:   {[]string{"P2449", "uuid-IntelliVue MX500 - 866064", "(01)0405(21)7", "A0"}, []string{"Adams Albert", "000", "0000-0000", "Adams, 7", "7;", "7\n", "7\"", strings.Repeat("7", 65)}},
		shapeModel:      {[]string{"Perfusor Space", "B40", "Infinity V500 (2)"}, []string{" B40", "-B", "Hon, Albert", "B40\\", "<script>", "=1+1", strings.Repeat("b", 41)}},
		shapePlace:      {[]string{"4W", "ICU", "HO Surgery", "Chirurgie Süd", "3/2"}, []string{"a^b", "Hon, Albert", "a\nb", "<b>", "a\xff", "=4W", strings.Repeat("w", 33)}},
		shapeControl:    {[]string{"M4711", "1ec333e2-8d81"}, []string{"a b", "a/b", "a,b"}},
		shapeCode:       {[]string{"196802", "0"}, []string{"12345678", "-1", "1.2", "x"}},
		shapeRefID:      {[]string{"MDC_EVT_BATT_LO", "MDCX_ATTR"}, []string{"MDC", "MDC_", "MDC_Evt", "MDC_EVT BATT", "XMDC_EVT", "MDCQUINTERO"}},
		shapeDotted:     {[]string{"1.2.1.3", "2.6"}, []string{"1,2", "1.a"}},
		shapeNumber:     {[]string{"87", "-1.5", "+3"}, []string{"1e400", "NaN", "Inf", "0x10", "1,5", ">99", "-?-", "8 7"}},
		shapeWord:       {[]string{"onMains(0)", "start", "pump-status-infusing"}, []string{"on mains", "7up", "a(b)", "(0)", "a,b"}},
		shapeUnit:       {[]string{"mA.h", "%", "MDC_DIM_MIN", "°C"}, []string{"mA h", strings.Repeat("m", 41)}},
		shapeTime:       {[]string{"20260314102655+0100", "202603141026"}, []string{"20260314", "2026", "soon", ""}},
		shapeType:       {[]string{"ORU", "R01", "NM"}, []string{"O", "ORUX", "oru"}},
		shapeLetter:     {[]string{"P"}, []string{"PD", "p", "1"}},
		shapeLetters:    {[]string{"DEMO", "ST"}, []string{"DEMOX", "s"}},
		shapeAnswer:     {[]string{"AL", "NE"}, []string{"AA", "al"}},
		shapeMethod:     {[]string{"MDC_OBS_NONCTS", "MSET"}, []string{"m", "A B"}},
		shapeEquipment:  {[]string{"EQUIP"}, []string{"RO"}},
		shapeService:    {[]string{"ALARM", "CONTINUOUS WAVEFORM"}, []string{"ALARMS", "alarm", "QUINTERO"}},
		shapeHexCode:    {[]string{"0002-4bb8", "0402-F8F5"}, []string{"8889-8", "0002_4bb8", "0002-4bbg", "00024bb8", "0000-0000"}},
		shapeVendorCode: {[]string{"E77", "242.4030", "042000", "5"}, []string{"Quintero", "E 77", "a,7", strings.Repeat("7", 25)}},
		shapeSystem:     {[]string{"MDIL-ALERT", "99PHL", "MDC"}, []string{"Quintero", "A B", strings.Repeat("A", 17)}},
		shapeMessage:    {[]string{"Motor Not Running", "!!Battery low", "CO2: Change O2 Cell", "System shutdown in <5 min", "No battery backup?"}, []string{"Quintero, Ana", "<b>", strings.Repeat("a", 65)}},
		shapeMakerModel: {[]string{"manufacturer=Smiths Medical model=Medfusion 4000"}, []string{"Medfusion 4000", "manufacturer=A, B model=C", "manufacturer= model="}},
		shapeRevision:   {[]string{"1.1.13", "C.00.7AJ-02", "v2.1.3-build.456"}, []string{"Quintero", "1.1 b", "1,1", strings.Repeat("1", 33)}},
		shapeRevisions:  {[]string{"Pump Firmware = 1.1.13, Wifi Firmware = 1.4.59", "Main: 3.2; Boot: 1.0"}, []string{"Room = 412", "Quintero = 7", "1.1.13, 1.4", "Pump = x", "Pump"}},
		shapeEqual:      {[]string{"="}, []string{">", "=="}},
		shapeAny:        {[]string{"a|b"}, []string{strings.Repeat("a", 1025)}},
		shapeValidity:   {[]string{"71"}, []string{"-?-"}},
	} {
		require.NotEmpty(t, shapes[s].words)
		for _, v := range c.fit {
			require.True(t, shapes[s].is([]byte(v)), "%s: %q", shapes[s].words, v)
		}
		for _, v := range append(c.not, "") {
			require.False(t, v != "" && shapes[s].is([]byte(v)), "%s: %q", shapes[s].words, v)
		}
	}
}

func TestTheBitOfAWordIsCutOff(t *testing.T) {
	for in, want := range map[string]string{"onMains(0)": "onMains", "a(12)": "a", "a()": "a()", "a(b)": "a(b)", "(1)": "(1)", "a": "a", "": ""} {
		require.Equal(t, want, string(withoutBit([]byte(in))))
	}
}
