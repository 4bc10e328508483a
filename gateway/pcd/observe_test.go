package pcd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestPumpStates(t *testing.T) {
	const (
		delivery   = "158005^MDC_PUMP_CURRENT_DELIVERY_STATUS"
		aliased    = "158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS"
		infusing   = "184519^MDC_PUMP_INFUSING_STATUS"
		reason     = "158006^MDC_PUMP_NOT_DELIVERING_REASON"
		powerState = "0^MDCX_DMC_ATTR_POWER_STATE"
	)
	for name, c := range map[string]struct {
		rows []string // code=value
		want string
	}{
		"delivering":                         {[]string{delivery + "=^pump-delivery-status-delivering"}, "infusing"},
		"under the makers' name":             {[]string{aliased + "=^pump-delivery-status-delivering"}, "infusing"},
		"only the name":                      {[]string{"0^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS=^pump-delivery-status-kvo"}, "kvo"},
		"only the number":                    {[]string{"158005=^pump-delivery-status-kvo"}, "kvo"},
		"code and name swapped":              {[]string{"MDC_PUMP_CURRENT_DELIVERY_STATUS^158005=^pump-delivery-status-kvo"}, "kvo"},
		"the maker's own code first":         {[]string{"77^own status^99MAKER^158005^MDC_PUMP_CURRENT_DELIVERY_STATUS^MDC=^pump-delivery-status-kvo"}, "kvo"},
		"the word in the first component":    {[]string{delivery + "=pump-delivery-status-kvo"}, "kvo"},
		"a bit behind the word":              {[]string{delivery + "=^pump-delivery-status-kvo(3)"}, "kvo"},
		"in capitals":                        {[]string{delivery + "=^PUMP-DELIVERY-STATUS-KVO"}, "kvo"},
		"delivery says more than infusing":   {[]string{infusing + "=^pump-status-infusing", delivery + "=^pump-delivery-status-kvo"}, "kvo"},
		"infusing alone":                     {[]string{infusing + "=^pump-status-infusing"}, "infusing"},
		"not infusing":                       {[]string{infusing + "=^pump-status-not-infusing"}, "paused"},
		"stopped by its alarm":               {[]string{delivery + "=^pump-delivery-status-not-delivering", reason + "=^pump-stopped-alarming"}, "alarm"},
		"between doses":                      {[]string{reason + "=^pump-stopped-between-doses", delivery + "=^pump-delivery-status-not-delivering"}, "paused"},
		"switched off":                       {[]string{delivery + "=^pump-delivery-status-not-delivering", reason + "=^pump-stopped-powered-off"}, "off"},
		"a reason from last time":            {[]string{delivery + "=^pump-delivery-status-delivering", reason + "=^pump-stopped-alarming"}, "infusing"},
		"one channel stands, one delivers":   {[]string{delivery + "=^pump-delivery-status-not-delivering", delivery + "=^pump-delivery-status-delivering"}, "infusing"},
		"power state off":                    {[]string{delivery + "=^pump-delivery-status-delivering", powerState + "=^OFF"}, "off"},
		"power state on":                     {[]string{infusing + "=^pump-status-not-infusing", powerState + "=0^MDCX_DMC_ATTR_POWER_STATE_ON"}, "paused"},
		"a word of nobody":                   {[]string{delivery + "=^pump-delivery-status-dreaming"}, ""},
		"an escape is no word":               {[]string{delivery + `=^pump\X2D\delivery-status-kvo`}, ""},
		"nothing":                            {[]string{delivery + "="}, ""},
		"null":                               {[]string{delivery + `=""`}, ""},
		"a known name beside a wrong number": {[]string{"184508^MDC_PUMP_INFUSING_STATUS=^pump-status-infusing"}, "infusing"},
	} {
		t.Run(name, func(t *testing.T) {
			var rows []string
			for _, r := range c.rows {
				code, value, _ := strings.Cut(r, "=")
				rows = append(rows, "OBX|5|CWE|"+code+"^MDC|1.1.1.1|"+value+"||||||R")
			}
			res := mapOne(t, newMapper(t), report("A1", rows...)...)
			got, ok := res.Observations[0].Reading("state")
			require.Equal(t, c.want != "", ok)
			if ok {
				require.Equal(t, state(t, "infusion_pump", c.want), got)
			}
		})
	}
}

func TestAVentilatorsStates(t *testing.T) {
	for word, want := range map[string]string{
		"vent-state-ventilating": "ventilating", "vent-state-standby": "standby", "vent-state-selftest": "self_test", "vent-state-off": "off",
	} {
		res := mapOne(t, newMapper(t), header("R01", "ORU_R01", "1.1.1"), "OBR|1|1|1|1^x",
			"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V1",
			"OBX|2|CWE|184418^MDC_VENT_OPERATIONAL_STATE^MDC|1.1.0.1|^"+word+"||||||R")
		require.Equal(t, map[string]float64{"state": state(t, "ventilator", want)}, readings(res.Observations[0]), word)
	}
}

func TestValues(t *testing.T) {
	const (
		charge  = "67996^MDC_ATTR_VAL_BATT_CHARGE"
		runtime = "67976^MDC_ATTR_TIME_BATT_REMAIN"
		hours   = "67980^MDC_ATTR_TIME_PD_OP_HRS"
		full    = "68023^MDC_ATTR_CAPAC_BATT_FULL"
		rated   = "68025^MDC_ATTR_CAPAC_BATT_SPECN"
		cycles  = "68018^MDC_ATTR_BATT_CHARGE_CYCLES"
		volts   = "68021^MDC_ATTR_BATT_VOLTAGE"
		power   = "67925^MDC_ATTR_POWER_STAT"
		percent = "262688^MDC_DIM_PERCENT^MDC"
	)
	for name, c := range map[string]struct {
		kind, code, value, unit string
		want                    map[string]float64
		dropped                 int
	}{
		"percent":                        {"NM", charge, "87", percent, map[string]float64{"battery_charge": 87}, 0},
		"percent by UCUM first":          {"NM", charge, "87", "%^%^UCUM", map[string]float64{"battery_charge": 87}, 0},
		"percent by UCUM second":         {"NM", charge, "87", "^^^%^%^UCUM", map[string]float64{"battery_charge": 87}, 0},
		"the unit's name beats a number": {"NM", charge, "87", "1^MDC_DIM_PERCENT^MDC", map[string]float64{"battery_charge": 87}, 0},
		"the unit's number alone":        {"NM", charge, "87", "262688", map[string]float64{"battery_charge": 87}, 0},
		"minutes":                        {"NM", runtime, "125", "264352^MDC_DIM_MIN^MDC^min^min^UCUM", map[string]float64{"battery_runtime": 125}, 0},
		"hours to minutes":               {"NM", runtime, "2.5", "264384^MDC_DIM_HR^MDC", map[string]float64{"battery_runtime": 150}, 0},
		"seconds to minutes":             {"NM", runtime, "90", "264320^MDC_DIM_X_SEC^MDC", map[string]float64{"battery_runtime": 1.5}, 0},
		"minutes to hours":               {"NM", hours, "90", "^^^min^min^UCUM", map[string]float64{"operating_hours": 1.5}, 0},
		"ampere hours":                   {"NM", full, "2.2", "268224^MDC_DIM_X_AMP_HR^MDC", map[string]float64{"battery_capacity": 2200}, 0},
		"milliampere hours":              {"NM", rated, "2400", "268242^MDC_DIM_MILLI_AMP_HR^MDC^mA.h^mA.h^UCUM", map[string]float64{"battery_capacity_rated": 2400}, 0},
		"milliampere hours in words":     {"NM", rated, "2400", "mAh", map[string]float64{"battery_capacity_rated": 2400}, 0},
		"millivolts":                     {"NM", volts, "11800", "266418^MDC_DIM_MILLI_VOLT^MDC", map[string]float64{"battery_voltage": 11.8}, 0},
		"a count without a unit":         {"NM", cycles, "312", "", map[string]float64{"battery_cycles": 312}, 0},
		"a count with its unit":          {"NM", cycles, "312", "262656^MDC_DIM_DIMLESS^MDC", map[string]float64{"battery_cycles": 312}, 0},
		"a structured number":            {"SN", charge, "^87", percent, map[string]float64{"battery_charge": 87}, 0},
		"a structured number, exactly":   {"SN", charge, "=^87", percent, map[string]float64{"battery_charge": 87}, 0},
		"onMains":                        {"ST", power, "onMains(0)", "", map[string]float64{"on_mains": 1}, 0},
		"onBattery":                      {"CWE", power, "^onBattery(1)", "", map[string]float64{"on_mains": 0}, 0},
		"ON_BATTERY":                     {"ST", power, "ON_BATTERY", "", map[string]float64{"on_mains": 0}, 0},
		"charging and onMains":           {"ST", power, "chargingFull(8)~onMains(0)", "", map[string]float64{"on_mains": 1}, 0},
		"another name for it":            {"CWE", "0^MDCX_DMC_ATTR_POWER_SOURCE", "1^OnBattery", "", map[string]float64{"on_mains": 0}, 0},
		"neither":                        {"ST", power, "onSteam(7)", "", map[string]float64{}, 1},

		"a structured number above":    {"SN", charge, ">^87", percent, map[string]float64{}, 1},
		"no unit":                      {"NM", charge, "87", "", map[string]float64{}, 1},
		"another dimension":            {"NM", charge, "87", "264352^MDC_DIM_MIN^MDC", map[string]float64{}, 1},
		"a unit nobody knows":          {"NM", charge, "87", "1^MDC_DIM_FURLONG^MDC", map[string]float64{}, 1},
		"units that contradict":        {"NM", runtime, "5", "264352^MDC_DIM_MIN^MDC^h^h^UCUM", map[string]float64{}, 1},
		"a count in percent":           {"NM", cycles, "5", percent, map[string]float64{}, 1},
		"over the range":               {"NM", charge, "101", percent, map[string]float64{}, 1},
		"below the range":              {"NM", charge, "-1", percent, map[string]float64{}, 1},
		"32767":                        {"NM", hours, "32767", "264384^MDC_DIM_HR^MDC", map[string]float64{}, 1},
		"not measured":                 {"NM", charge, "-?-", percent, map[string]float64{}, 1},
		"dashes":                       {"NM", charge, "----", percent, map[string]float64{}, 1},
		"more than":                    {"NM", charge, ">99", percent, map[string]float64{}, 1},
		"NaN":                          {"NM", charge, "NaN", percent, map[string]float64{}, 1},
		"infinite":                     {"NM", charge, "Inf", percent, map[string]float64{}, 1},
		"1e400":                        {"NM", charge, "1e400", percent, map[string]float64{}, 1},
		"a comma":                      {"NM", charge, "87,5", percent, map[string]float64{}, 1},
		"null":                         {"NM", charge, `""`, percent, map[string]float64{}, 1},
		"nothing":                      {"NM", charge, "", percent, map[string]float64{}, 0},
		"a metric the class lacks":     {"NM", "69425", "5", percent, map[string]float64{}, 1},
		"an attribute nobody declares": {"NM", "67910^MDC_ATTR_MODE_OP", "5", percent, map[string]float64{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), header("R01", "ORU_R01", "4.15"), "OBR|1|1|1|69135^MDC_OBS_MEM^MDC",
				"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V1",
				fmt.Sprintf("OBX|2|%s|%s^MDC|1.2.0.1|%s|%s|||||R", c.kind, c.code, c.value, c.unit))
			require.Equal(t, c.want, readings(res.Observations[0]))
			require.Equal(t, c.dropped, res.Dropped.Values)
		})
	}
}

func TestABatteryBlock(t *testing.T) {
	block := func(full, rated string) []string {
		return []string{
			"OBX|2|CWE|67925^MDC_ATTR_POWER_STAT^MDC|1.0.0.1|^onBattery(1)||||||R",
			"OBX|3||65577^MDC_MOC_BATT^MDC|1.2.0.0|||||||X",
			"OBX|4|NM|68023^MDC_ATTR_CAPAC_BATT_FULL^MDC|1.2.0.1|" + full + "|268242^MDC_DIM_MILLI_AMP_HR^MDC|||||R",
			"OBX|5|NM|68025^MDC_ATTR_CAPAC_BATT_SPECN^MDC|1.2.0.2|" + rated + "|268224^MDC_DIM_X_AMP_HR^MDC|||||R",
			"OBX|6||65620^MDC_MOC_NCC_WIRELESS^MDC|1.3.0.0|||||||X",
			"OBX|7|NM|69425^MDC_ATTR_NCC_STRENGTH^MDC|1.3.0.1|64|262688^MDC_DIM_PERCENT^MDC|||||R",
			"OBX|8|ST|69417^MDC_ATTR_NCC_SSID^MDC|1.3.0.2|hospital-net||||||R",
		}
	}
	got := mapOne(t, newMapper(t), report("A1", block("1800", "2.4")...)...)
	require.Equal(t, map[string]float64{
		"on_mains": 0, "battery_charge": 87, "battery_capacity": 1800, "battery_capacity_rated": 2400, "battery_health": 75, "wifi_signal": 64,
	}, readings(got.Observations[0]))
	require.Equal(t, []string{"69417^MDC_ATTR_NCC_SSID"}, got.Dropped.Unknown, "the code is counted, the network's name is not")

	for _, c := range [][2]string{{"1800", "0"}, {"32767", "2.4"}, {"9000", "2.4"}} {
		res := mapOne(t, newMapper(t), report("A1", block(c[0], c[1])...)...)
		require.NotContains(t, readings(res.Observations[0]), "battery_health", "%v", c)
	}
}

func TestTwoBatteriesTheFirstStays(t *testing.T) {
	second := "OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.3.0.1|12|262688^MDC_DIM_PERCENT^MDC|||||R"
	res := mapOne(t, newMapper(t), append(report("A1"), second)...)
	require.Equal(t, map[string]float64{"battery_charge": 87}, readings(res.Observations[0]))
}

func TestWithdrawnValuesAreNotRead(t *testing.T) {
	for _, status := range []string{"D", "W", "X", "N", "U"} {
		row := "OBX|2|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.2|100|264384^MDC_DIM_HR^MDC|||||" + status
		res := mapOne(t, newMapper(t), report("A1", row)...)
		require.Equal(t, map[string]float64{"battery_charge": 87}, readings(res.Observations[0]), status)
	}
}

// TestAMonitorsUse: the gateway keeps whether a monitor measures anything, and
// none of what it measures.
func TestAMonitorsUse(t *testing.T) {
	const (
		heart = "OBX|5|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.5.1.1|%s|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||%s|||%s|||%s"
		limit = "OBX|6|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.6.1.1|90|262688^MDC_DIM_PERCENT^MDC|||||R||||||^MSET^MDC"
	)
	for name, c := range map[string]struct {
		rows []string
		want string // state; empty: nothing is said
	}{
		"one channel is valid":       {[]string{fmt.Sprintf(heart, "71", "R", "", ""), fmt.Sprintf(heart, "-?-", "X", "", "")}, "monitoring"},
		"all are off":                {[]string{fmt.Sprintf(heart, "-?-", "X", "", ""), fmt.Sprintf(heart, "32767", "R", "", "")}, "leads_off"},
		"a value that is withdrawn":  {[]string{fmt.Sprintf(heart, "71", "X", "", "")}, "leads_off"},
		"an empty value":             {[]string{fmt.Sprintf(heart, "", "R", "", "")}, "leads_off"},
		"nothing was measured":       {nil, ""},
		"only settings":              {[]string{limit}, ""},
		"only a single cuff reading": {[]string{fmt.Sprintf(heart, "71", "R", "", "^APERIODIC")}, ""},
		"only an old value":          {[]string{fmt.Sprintf(heart, "71", "R", "20260314090000+0100", "")}, ""},
		"a value of just now":        {[]string{fmt.Sprintf(heart, "71", "R", "20260314102649+0100", "")}, "monitoring"},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), append([]string{header("R01", "ORU_R01", "1.1.1"), patient, visit,
				"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260314102650+0100",
				"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1"}, c.rows...)...)
			require.Len(t, res.Observations, 1)
			if c.want == "" {
				require.Empty(t, res.Observations[0].Readings)
				require.Equal(t, NothingForUs, res.Verdict)
				return
			}
			flag := 0.0
			if c.want == "monitoring" {
				flag = 1
			}
			require.Equal(t, map[string]float64{"monitoring": flag, "state": state(t, "patient_monitor", c.want)}, readings(res.Observations[0]))
		})
	}
	t.Run("the channels of all groups count together", func(t *testing.T) {
		obr := "OBR|1|1|1|182777000^monitoring of patient^SCT|||20260314102650+0100"
		mds := "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1"
		res := mapOne(t, newMapper(t), header("R01", "ORU_R01", "1.1.1"), obr, mds, fmt.Sprintf(heart, "-?-", "X", "", ""), obr, mds, fmt.Sprintf(heart, "71", "R", "", ""))
		require.Len(t, res.Observations, 1)
		require.Equal(t, 1.0, readings(res.Observations[0])["monitoring"])
	})
	t.Run("a ventilator's measurements say nothing of the kind", func(t *testing.T) {
		res := mapOne(t, newMapper(t), header("R01", "ORU_R01", "1.1.1"), "OBR|1|1|1|1^x",
			"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V1", fmt.Sprintf(heart, "71", "R", "", ""))
		require.Empty(t, res.Observations[0].Readings)
	})
	t.Run("waveforms are not looked at", func(t *testing.T) {
		res := mapOne(t, newMapper(t), header("R01", "ORU_R01", "1.1.1"), "OBR|1|1|1|69121^MDC_OBS_WAVE_CTS^MDC",
			"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1", fmt.Sprintf(heart, "71^72^73", "R", "", ""))
		require.Equal(t, NothingForUs, res.Verdict)
		require.Equal(t, 2, res.Dropped.Rows)
	})
}

func TestTimes(t *testing.T) {
	const zoneless = "berlin"
	for name, c := range map[string]struct {
		sent, obr, obx string
		zone           string
		want           medfleet.Millis
		mark           Mark
		noZone         bool
	}{
		"the report's time":                 {sent: "20260314102655+0100", obr: "20260314102650+0100", want: now - 10_000},
		"a value that is newer":             {sent: "20260314102655+0100", obr: "20260314102650+0100", obx: "20260314102653.250+0100", want: now - 6_750},
		"a value that is older":             {sent: "20260314102655+0100", obr: "20260314102650+0100", obx: "20260314090000+0100", want: now - 10_000},
		"a value from a broken clock":       {sent: "20260314102655+0100", obr: "20260314102650+0100", obx: "20991231000000+0100", want: now - 10_000},
		"only a value's time":               {sent: "20260314102655+0100", obx: "20260314102653+0100", want: now - 7_000},
		"only the message's":                {sent: "20260314102655+0100", want: now - 5_000},
		"none":                              {want: now},
		"a date is not enough":              {sent: "20260314102655+0100", obr: "20260314", want: now - 5_000},
		"without a zone":                    {sent: "20260314092655", want: now - 5_000, noZone: true},
		"without a zone, but the sender's":  {sent: "20260314102655", zone: "Europe/Berlin", want: now - 5_000},
		"fraction without its dot":          {sent: "20260314102655000+0100", want: now - 5_000},
		"from the past":                     {sent: "20130101000000+0000", want: now, mark: Mark{Clamped: true, DeviceTime: 1356998400000}},
		"from the future":                   {sent: "20260314103500+0100", want: now, mark: Mark{Clamped: true, DeviceTime: now + 480_000}},
		"kept back while it was offline":    {sent: "20260314102655+0100", obr: "20260314093000+0100", want: now - 57*60_000},
		"a report that is a little delayed": {sent: "20260314102655+0100", obr: "20260314102300+0100", want: now - 240_000},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t, Sender{Name: zoneless, TimeZone: c.zone}),
				`MSH|^~\&|A|B|||`+c.sent+`||ORU^R01|1|P|2.6`, "OBR|1|1|1|69135^MDC_OBS_MEM^MDC|||"+c.obr,
				"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||A1",
				"OBX|9|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.9|87|262688^MDC_DIM_PERCENT^MDC|||||R|||"+c.obx)
			require.Equal(t, c.want, res.Observations[0].Time, "want %s, got %s", c.want, res.Observations[0].Time)
			require.Equal(t, []Mark{c.mark}, res.ObservationMarks)
			require.Equal(t, c.noZone, res.NoZone)
		})
	}
}

func TestNotInService(t *testing.T) {
	debug := strings.Replace(pumpReport()[0], "|P|2.6", "|D|2.6", 1)
	res := mapOne(t, newMapper(t), append([]string{debug}, pumpReport()[1:]...)...)
	require.Equal(t, []Mark{{NotInService: true}}, res.ObservationMarks)

	res = mapOne(t, newMapper(t), report("A1", "OBX|3|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.3|12480|264352^MDC_DIM_MIN^MDC||N~DEMO|||R")...)
	require.Equal(t, []Mark{{NotInService: true}}, res.ObservationMarks)
}

func TestAValueThatCannotBeUsedIsSaidToBeThat(t *testing.T) {
	row := func(value, unit string) []string {
		return append(report("P1")[:3], "OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.5|"+value+"|"+unit+"|||||R")
	}
	const battery = "67996^MDC_ATTR_VAL_BATT_CHARGE"
	other := func(rest string) []string { return append(report("P1")[:3], "OBX|2|"+rest+"|||||R") }
	for name, c := range map[string]struct {
		message   []string
		code, why string
	}{
		"no unit":          {row("87", ""), battery, refusedUnit},
		"an unknown unit":  {row("87", "266016^MDC_DIM_MMHG^MDC"), battery, refusedUnits},
		"another unit":     {row("87", "264384^MDC_DIM_HR^MDC"), battery, refusedOther},
		"no number":        {row("-?-", "%"), battery, refusedNumber},
		"a filler":         {row("32767", "%"), battery, refusedNumber},
		"too much":         {row("400", "%"), battery, refusedValue},
		"an unknown state": {other("CWE|158005^MDC_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.1.1|^pump-delivery-status-dreaming|"), "158005^MDC_PUMP_CURRENT_DELIVERY_STATUS", refusedWord},
	} {
		res := mapOne(t, newMapper(t), c.message...)
		require.Equal(t, []Refusal{{c.code, c.why}}, res.Dropped.Refused, name)
		require.Equal(t, NothingForUs, res.Verdict, name)
		require.Equal(t, 1, res.Dropped.Values, name)
		require.Contains(t, res.Reason, "no value about equipment could be used", name)
	}
}

func TestATemperatureWithItsSign(t *testing.T) {
	for name, unit := range map[string]string{"UTF-8": "°C", "8859/1": "\xb0C", "UCUM": "Cel"} {
		res := mapOne(t, newMapper(t), report("P1", "OBX|2|NM|68070^MDC_ATTR_TEMP_BATT^MDC|1.0.0.5|31.5|"+unit+"|||||R")...)
		require.Equal(t, 31.5, readings(res.Observations[0])["battery_temperature"], name)
	}
}
