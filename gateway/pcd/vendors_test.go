package pcd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

// Each test is the story of one maker's feed, with the habits that its messages
// really have. Names, numbers and values are our own.

func TestBBraunARackOfPumps(t *testing.T) {
	const entity = "PAT_DEVICE_BBRAUN^0012211800000007^EUI-64"
	head := func(kind, profile string) string {
		return `MSH|^~\&|` + entity + `|BBRAUN|HUB|HUB|20260314092655+0000||` + kind + `|63921|P|2.6|||AL|NE||ASCII|en^English^ISO639||` + profile
	}
	const unknownPatient = "PID|||Unknown Patient^Unknown Patient||^^^^^^U||||||||||||||||||||||||||Y"
	rack := Sender{Name: "bbraun", Match: Match{Facility: "BBRAUN"}, Identity: "obx18.1", Rack: "msh3.2", Prefix: map[medfleet.Class]string{"syringe_pump": "P", "infusion_pump": "I"}}
	m := newMapper(t, rack)

	t.Run("device management", func(t *testing.T) {
		res := mapOne(t, m, head("ORU^R01^ORU_R01", "IHE_PCD_015^IHE PCD^1.3.6.1.4.1.19376.1.6.4.15^ISO"), unknownPatient, "PV1||N",
			"OBR|1|0^"+entity+"|P7781^"+entity+"|69135^MDC_OBS_MEM^MDC|||20260314092650+0000",
			"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||P7781^^0012210000000000^EUI-64",
			"OBX|2||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.1.0.0|||||||X",
			"OBX|3|ST|184520^MDC_PUMP_DRUG_LIBRARY_NAME^MDC|1.1.0.1|own library||||||F",
			"OBX|4|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.1.0.8|Perfusor Space||||||F",
			"OBX|5|ST|67972^MDC_ATTR_SYS_ID^MDC|1.1.0.9|5f7a1c2e-3159-5f31-be9c-86e104aaf3d1||||||F",
			"OBX|6|ST|67925^MDC_ATTR_POWER_STAT^MDC|1.1.0.11|onBattery(1)||||||F",
			"OBX|7|CWE|0^MDCX_DMC_ATTR_POWER_SOURCE^MDC|1.1.0.12|1^OnBattery||||||F",
			"OBX|7|ST|0^MDC_ATTR_PUMP_PILLAR_DETAILS^MDC|1.1.0.24|0^0||||||F|||||||~~WARD C7~HOUSE^^0012210000000000^EUI-64",
			"OBX|8|CWE|0^MDCX_DMC_ATTR_POWER_STATE^MDC|1.1.0.13|0^MDCX_DMC_ATTR_POWER_STATE_ON^MDC||||||F",
			"OBX|9|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.1.0.16|Pump Firmware = 2.0.7, Wifi Firmware = 1.5.1||||||F",
			"OBX|10||65620^MDC_MOC_NCC_WIRELESS^MDC|1.1.1.0|||||||X",
			"OBX|11|ST|69417^MDC_ATTR_NCC_SSID^MDC|1.1.1.4|WardNet||||||F",
			"OBX|12|NM|69425^MDC_ATTR_NCC_STRENGTH^MDC|1.1.1.6|88|262688^MDC_DIM_PERCENT^MDC|||||F",
			"OBX|13||65577^MDC_MOC_BATT^MDC|1.2.0.0|||||||X",
			"OBX|14|NM|67976^MDC_ATTR_TIME_BATT_REMAIN^MDC|1.2.0.2|410|264352^MDC_DIM_MIN^MDC|||||F",
			"OBX|15|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.3|61|262688^MDC_DIM_PERCENT^MDC|||||F",
			"OBX|16|NM|68023^MDC_ATTR_CAPAC_BATT_FULL^MDC|1.2.0.5|1804|268242^MDC_DIM_MILLI_AMP_HR^MDC|||||F")
		require.Equal(t, Understood, res.Verdict, res.Reason)
		require.Len(t, res.Observations, 1)
		require.Equal(t, medfleet.DeviceID("P7781"), res.Observations[0].Device, "OBX-18.3 is the same for every pump")
		require.Equal(t, medfleet.CareUnit("WARD C7"), res.Observations[0].Unit)
		require.Equal(t, map[string]float64{"on_mains": 0, "wifi_signal": 88, "battery_runtime": 410, "battery_charge": 61, "battery_capacity": 1804},
			readings(res.Observations[0]))
		require.Equal(t, []Identity{{
			Device: "P7781", Class: "syringe_pump", Time: now - 10_000, Model: "Perfusor Space", Firmware: "Pump 2.0.7, Wifi 1.5.1",
		}}, res.Identities)
		require.Equal(t, []medfleet.Attachment{{
			Part: "P7781", Type: "MDC_DEV_PUMP_INFUS_SYRINGE_MDS", Model: "Perfusor Space", Parent: "0012211800000007",
			Site: "north", Time: now - 10_000, Gateway: "edge-1",
		}}, res.Attachments, "MSH-3 is the rack")
		require.Equal(t, []string{"69417^MDC_ATTR_NCC_SSID"}, res.Dropped.Unknown)
		require.NotContains(t, spoken(t, res), "WardNet")
	})

	t.Run("an alert without the prefix of the name", func(t *testing.T) {
		alert := func(filler, parent, phase, state string) []string {
			return []string{
				head("ORU^R40^ORU_R40", "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO"), unknownPatient,
				"OBR|1|63^" + entity + "|" + filler + "^" + entity + "|196616^MDC_EVT_ALARM^MDC|||20260314092640+0000||||||||||||||||||||||" + parent,
				"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||7781^^0012210000000000^EUI-64",
				"OBX|2||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.1.0.0|||||||X",
				"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.0.1|197218^MDC_EVT_SYRINGE_BARREL_CAPTURE_FAULT^MDC||||||F|||20260314092639+0000",
				"OBX|4|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.0.0.2|70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC||||||F",
				"OBX|5|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.0.0.3|" + phase + "||||||F",
				"OBX|6|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.0.0.4|" + state + "||||||F",
				"OBX|7|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.0.0.6|PH||||||F",
				"OBX|8|ST|68485^MDC_ATTR_ALERT_TYPE^MDC|1.1.0.0.7|ST||||||F",
				"OBX|9|ST|68546^MDC_ATTR_ALERT_TEXT^MDC|1.1.0.0.8|Syringe holder open, bed 4||||||F",
			}
		}
		start := mapOne(t, m, alert("A1", "", "start", "active")...)
		end := mapOne(t, m, alert("A1", "^B9&PAT_DEVICE_BBRAUN&0012211800000007&EUI-64", "end", "inactive")...)
		require.Equal(t, medfleet.Start, start.Events[0].Phase)
		require.Equal(t, medfleet.End, end.Events[0].Phase)
		for _, e := range []medfleet.Event{start.Events[0], end.Events[0]} {
			require.Equal(t, medfleet.DeviceID("P7781"), e.Device, "the letter by its class")
			require.Equal(t, "syringe", e.Condition, "device and event close it, though OBR-3 repeats and the parent changes")
			require.Equal(t, medfleet.Clinical, e.Kind)
		}
		require.NotContains(t, spoken(t, start), "bed 4")
	})
}

func TestMindrayVitalSignsWithoutStructure(t *testing.T) {
	row := func(code, path, value, unit, rest string) string {
		return "OBX|1|NM|" + code + "^MDC|" + path + "|" + value + "|" + unit + "^MDC|||||R|||" + rest
	}
	report := []string{
		`MSH|^~\&|MINDRAY_VS900^00A0370011223344^EUI-64|MINDRAY|||20260314092655+0000||ORU^R01^ORU_R01|79|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO`,
		"PID|||^^^Hospital^PI||^^^^^^L", "PV1||I|Ward 3",
		"OBR|1|1914^MINDRAY_VS900^00A0370011223344^EUI-64|1914^MINDRAY_VS900^00A0370011223344^EUI-64|182777000^monitoring of patient^SCT|||20260314092650+0000",
		row("150456^MDC_PULS_OXIM_SAT_O2", "1.3.1.150456", "97", "262688^MDC_DIM_PERCENT", "20260314092650+0000||||00A0370011223344^^00A0370011223344^EUI-64"),
		row("149530^MDC_PULS_OXIM_PULS_RATE", "1.3.1.149530", "88", "264864^MDC_DIM_BEAT_PER_MIN", "20260314092650+0000"),
		row("150301^MDC_PRESS_CUFF_SYS", "1.1.9.150301", "131", "266016^MDC_DIM_MMHG", "20260314091000+0000|||^APERIODIC"),
	}
	res := mapOne(t, newMapper(t), report...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	o := res.Observations[0]
	require.Equal(t, medfleet.DeviceID("00A0370011223344"), o.Device)
	require.Equal(t, medfleet.Class("patient_monitor"), o.Class, "known by what it measures")
	require.Equal(t, map[string]float64{"monitoring": 1, "state": state(t, "patient_monitor", "monitoring")}, readings(o))
	require.False(t, res.ObservationMarks[0].NotInService)

	t.Run("only an old cuff reading", func(t *testing.T) {
		m := append([]string{}, report[:4]...)
		m = append(m, strings.Replace(report[4], "|97|", "|-?-|", 1), report[6])
		res := mapOne(t, newMapper(t), m...)
		require.Equal(t, 0.0, readings(res.Observations[0])["monitoring"])
		require.Equal(t, state(t, "patient_monitor", "leads_off"), readings(res.Observations[0])["state"])
	})
	t.Run("in the showroom", func(t *testing.T) {
		m := append([]string{}, report...)
		m[4] = strings.Replace(m[4], "^MDC|||||R", "^MDC||DEMO|||R", 1)
		require.True(t, mapOne(t, newMapper(t), m...).ObservationMarks[0].NotInService)
	})
	t.Run("a lead off, without OBR and with the code for its number", func(t *testing.T) {
		res := mapOne(t, newMapper(t, Sender{Name: "bedside", Identity: "msh3.2", Class: "patient_monitor"}),
			`MSH|^~\&|MINDRAY_N12^00A0370099887766^EUI-64|MINDRAY|||20260314172655000+0800||ORU^R40`,
			"OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.7.0.196880.1|196880^MDC_EVT_LEAD_OFF^MDC|||A~PL~ST|||R|||20260314172650+0800",
			"OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.7.0.196880.3|start", "OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.7.0.196880.4|active",
			"OBX|6|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.7.0.196880.6|PL")
		require.Len(t, res.Events, 1, res.Reason)
		require.Equal(t, []any{medfleet.DeviceID("00A0370099887766"), "sensor", medfleet.Clinical, "low", now - 10_000},
			[]any{res.Events[0].Device, res.Events[0].Condition, res.Events[0].Kind, res.Events[0].Priority, res.Events[0].Time})
	})
	t.Run("a bedside monitor that is asked, with numbers of its own", func(t *testing.T) {
		m := newMapper(t, Sender{Name: "umec", Identity: "peer", Class: "patient_monitor"})
		values := func(kind, saturation string) []string {
			return []string{`MSH|^~\&|||||||ORU^R01|` + kind + `|P|2.3.1|`, "PID|||4711||Doe^J", "OBR||||Monitor||||||||||||||||||||",
				"OBX||NM|160^SpO2|2105|" + saturation + "||||||F", "OBX||NM|161^PR|2105|-100||||||F"}
		}
		res := mapOne(t, m, values("204", "97")...)
		require.Equal(t, medfleet.DeviceID("10.4.7.21"), res.Observations[0].Device)
		require.Equal(t, 1.0, readings(res.Observations[0])["monitoring"])
		require.Equal(t, 0.0, readings(mapOne(t, m, values("204", "-100")...).Observations[0])["monitoring"])
		res = mapOne(t, m, values("51", "90")...)
		require.Empty(t, readings(res.Observations[0]), "alarm limits are no measurements: only a sign of life")
	})
	t.Run("the echo of a bedside monitor", func(t *testing.T) {
		require.Equal(t, NothingForUs, mapOne(t, newMapper(t), `MSH|^~\&|||||||ORU^R01|106|P|2.3.1|`).Verdict)
	})
}

func TestGEIdentityOnTheMetricRows(t *testing.T) {
	res := mapOne(t, newMapper(t),
		`MSH|^~\&|VSP^080019FFFE0A0B0C^EUI-64|GE Healthcare|||20260314092655+0000||ORU^R01^ORU_R01|000C29|P|2.6|||NE|AL||UNICODE UTF-8|||PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO`,
		"PID|||HED9^^^PID^MR||DOE^JANE^^^^^L", "PV1||E|ICU^^9",
		"OBR|1|1^VSP|1^VSP|182777000^monitoring of patient^SCT|||20260314092650+0000",
		"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X",
		"OBX|2||69798^MDC_DEV_ECG_VMD^MDC|1.5.0.0|||||||X",
		"OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.5.1.1|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||||||080019FFFE0A0B0C^B40_GE",
		"OBX|4||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.22.0.0|||||||X",
		"OBX|5|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.22.1.2|96|262688^MDC_DIM_PERCENT^MDC|||||R|||||||080019FFFE0A0B0C^B40_GE",
		"OBR|2|1^VSP|1^VSP|CONTINUOUS WAVEFORM|||20260314092650+0000",
		"OBX|1|NA|131329^MDC_ECG_LEAD_I^MDC|1.5.1.9|1^2^3|266418^MDC_DIM_MILLI_VOLT^MDC|||||F")
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Len(t, res.Observations, 1)
	require.Equal(t, medfleet.DeviceID("080019FFFE0A0B0C"), res.Observations[0].Device)
	require.Equal(t, 1.0, readings(res.Observations[0])["monitoring"])
	require.Empty(t, res.Attachments, "modules without a name of their own are no parts")
	require.Equal(t, "ICU", string(res.Observations[0].Unit))

	// The numbers 68164 to 68167 belong to other attributes: the names decide. An
	// advisory in free words is nobody's equipment.
	res = mapOne(t, newMapper(t, Sender{Name: "ge", Identity: "msh3.1"}),
		`MSH|^~\&|GE_GATE_2|GE_LAB|||20260314092655.040+0000||ORU^R40^ORU_R40|75063|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO`,
		"OBR|1|56eb|56eb|196616^MDC_EVT_ALARM^MDC|||20260314092640.275+0000",
		"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X",
		"OBX|2|ST|196802^MDC_EVT_BATT_LO^MDC|1.0.0.0.1|words|||A~PM~ST|||R|||20260314092639.275+0000",
		"OBX|4|ST|68165^MDC_ATTR_EVENT_PHASE^MDC|1.0.0.0.3|end|||A~PM~ST|||R",
		"OBX|5|ST|68166^MDC_ATTR_ALERT_STATE^MDC|1.0.0.0.4|inactive|||A~PM~ST|||R",
		"OBX|6|ST|0^MDCX_EVT_ALERT_ADVISORY^MDC|1.0.0.0.1|RECHECK-pressure of Jane|||A~PM~SA|||R")
	require.Len(t, res.Events, 1)
	require.Equal(t, medfleet.End, res.Events[0].Phase)
	require.NotContains(t, spoken(t, res), "Jane")
}

func TestPhilipsModulesAndTheCentralStation(t *testing.T) {
	message := func(parent, slot string) []string {
		return []string{
			`MSH|^~\&|PIC^0009FBFFFF112233^EUI-64|PHILIPS|||20260314052655.872-0400||ORU^R01^ORU_R01|HP0314|P|2.6|||AL|NE||8859/1|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO`,
			"PID|1||12345^^^Philips^MR~6789^^^Philips^VN||Last^First", "PV1||I|Unit 5^^Bed1",
			"OBR|3||0009fbFFFF112233^^^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260314052650.496-0400",
			"OBX|4||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||" + parent,
			"OBX|5||70666^MDC_DEV_ECG_RESP_VMD^MDC|1." + slot + ".0.0|||||||X|||||||XW99200777",
			"OBX|6||70739^MDC_DEV_CARD_RATE_CHAN^MDC|1." + slot + ".1.0|||||||X",
			"OBX|7|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1." + slot + ".1.1|62|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||F",
			"OBX|8|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1." + slot + ".0.9|XW99200777||||||F",
			"OBX|9|ST|67880^MDC_ATTR_ID_MODEL^MDC|1." + slot + ".0.10|M3001A||||||F",
			"OBR|9||0009fbFFFF112233^^^EUI-64|69121^MDC_OBS_WAVE_CTS^MDC|||20260314052650",
			"OBX|11|NA|131329^MDC_ECG_ELEC_POTL_I^MDC|1.1.1.2|-10^-10^-5||||||F",
		}
	}
	const first, second = "7f2586c7-0506-46cd-a612-d8e75b838fbb-IntelliVue MX500 - 866064", "8a2586c7-0506-46cd-a612-d8e75b838fcc-IntelliVue MX800 - 865240"
	m := newMapper(t)
	res := mapOne(t, m, message(first, "2")...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Equal(t, medfleet.DeviceID("7f2586c7-0506-46cd-a612-d8e75b838fbb-IntelliVue-MX500---866064"), res.Observations[0].Device)
	require.Equal(t, "IntelliVue MX500", res.Observations[0].Model)
	require.Equal(t, now-9_504, res.Observations[0].Time)
	want := medfleet.Attachment{
		Part: "XW99200777", Type: "MDC_DEV_ECG_RESP_VMD", Model: "M3001A", Parent: res.Observations[0].Device, Slot: "2",
		Site: "north", Time: now - 9_504, Gateway: "edge-1",
	}
	require.Equal(t, []medfleet.Attachment{want}, res.Attachments)
	require.Equal(t, []Mark{{}}, res.AttachmentMarks)
	require.Empty(t, res.Identities, "the serial number is the module's")

	moved := mapOne(t, m, message(second, "3")...)
	want.Parent, want.Slot = moved.Observations[0].Device, "3"
	require.Equal(t, []medfleet.Attachment{want}, moved.Attachments, "the module went to another monitor")
}

func TestPhilipsMonitorsWithCodesOfTheirOwn(t *testing.T) {
	feed := func(rows ...string) []string {
		return append([]string{
			`MSH|^~\&|^EfficiaCM||||20260314092655||ORU^R01^ORU_R01|CN9239|P|2.4`,
			"PID|||1234||^Erick^", "PV1|||ICU^^9", "OBR||||MONITOR|||20260314092650",
		}, rows...)
	}
	const (
		saturation = "OBX||NM|0002-4bb8^SpO2^MDIL|0|96|0004-0220^%^MDIL|||||F"
		nothing    = "OBX||NM|0002-4bb8^SpO2^MDIL|0||0004-0220^%^MDIL|||||X"
		battery    = "OBX||NM|0001-099c^BattCharge^MDIL|0|64|0004-0220^%^MDIL|||||F"
		inop       = "OBX||TX|5^HardInop^MDIL-ALERT||SpO2T  No Pulse, bed 9||||||F"
		red        = "OBX||TX|1^Red Alarm^MDIL-ALERT||***ASYSTOLE||||||F"
	)
	m := newMapper(t, Sender{Name: "efficia", Match: Match{Peer: "10.4.7.0/24"}, Identity: "peer", Aliases: map[string]string{"10.4.7.21": "CM-9"}, TimeZone: "UTC"})
	res := mapOne(t, m, feed(saturation, battery)...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	o := res.Observations[0]
	require.Equal(t, []any{medfleet.DeviceID("CM-9"), medfleet.Class("patient_monitor")}, []any{o.Device, o.Class}, "by the address it connects from")
	require.Equal(t, map[string]float64{"monitoring": 1, "state": state(t, "patient_monitor", "monitoring"), "battery_charge": 64}, readings(o))

	res = mapOne(t, m, feed(nothing)...)
	require.Equal(t, 0.0, readings(res.Observations[0])["monitoring"])

	res = mapOne(t, m, feed(saturation, inop, red)...)
	require.Len(t, res.Events, 1, "a red alarm is the patient's")
	e := res.Events[0]
	require.Equal(t, []any{"sensor", medfleet.Clinical, "MDIL-ALERT:5"}, []any{e.Condition, e.Kind, e.Code})
	require.NotContains(t, spoken(t, res), "bed 9")
	require.NotContains(t, spoken(t, res), "ASYSTOLE")

	res = mapOne(t, newMapper(t), feed(saturation)...)
	require.Equal(t, NothingForUs, res.Verdict)
	require.Contains(t, res.Reason, "identity", "who does not say who it is must be configured")
}

func TestWhatAMonitorSaysWithEachReportBeginsAndEnds(t *testing.T) {
	const (
		value  = "OBX||NM|0002-4bb8^SpO2^MDIL|0|96|0004-0220^%^MDIL|||||F"
		module = "OBX||TX|5^HardInop^MDIL-ALERT||SpO2 Equip Malf||||||F"
		probe  = "OBX||TX|5^HardInop^MDIL-ALERT||SpO2T  No Pulse, bed 9||||||F"
	)
	m := newMapper(t, Sender{Name: "efficia", Identity: "peer", TimeZone: "UTC"})
	says := func(rows ...string) []string {
		res := mapOne(t, m, append([]string{`MSH|^~\&|^EfficiaCM||||20260314092655||ORU^R01^ORU_R01|CN9239|P|2.4`, "OBR||||MONITOR|||20260314092650"}, rows...)...)
		require.Len(t, res.Observations, 1)
		return told(res)
	}
	require.Empty(t, says(value))
	require.Subset(t, says(value), []string{"sensor end", "module end"}, "what may have ended while nobody listened")
	require.Empty(t, says(value))
	require.Equal(t, []string{"module start"}, says(value, module))
	require.Empty(t, says(value, module), "it lasts")
	require.Equal(t, []string{"sensor start"}, says(value, module, probe))
	require.Empty(t, says(value, probe), "one report may leave it out")
	require.Empty(t, says(value, module, probe))
	require.Empty(t, says(value, probe))
	require.Equal(t, []string{"module end"}, says(value, probe), "two do not")
	require.Empty(t, says(value))
	require.Equal(t, []string{"sensor end"}, says(value))
	m.Forget()
	require.Contains(t, says(value, module), "module start", "what did not get to the disk is told again")

	pump := newMapper(t)
	mapOne(t, pump, pumpReport()...)
	require.Empty(t, pump.standing.devices, "who has no codes of its own is not remembered")
}

func TestDraegerTheProfileOneFieldEarly(t *testing.T) {
	alert := func(event string, facets ...string) []string {
		list := []string{
			`MSH|^~\&|INFINITY^00095A0000AA0001^EUI-64|DRAEGER|||20260314102655+0100||ORU^R40^ORU_R40|551|P|2.6|||AL|NE||UNICODE UTF-8||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO`,
			"OBR|1|V500-1|V500-1|196616^MDC_EVT_ALARM^MDC|||20260314102640+0100",
			"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||ASKC-0042",
			"OBX|2||70002^MDC_DEV_SYS_PT_VENT_VMD^MDC|1.1.0.0|||||||X",
			"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|" + event + "||||||F|||20260314102630+0100",
			"OBX|4|ST|68164^MDC_ATTR_ALERT_SOURCE^MDC|1.1.0.1.2|V500||||||F",
		}
		return append(list, facets...)
	}
	const active, over = "OBX|6|ST|68166^MDC_ATTR_ALARM_STATE^MDC|1.1.0.1.4|active||||||F", "OBX|6|ST|68166^MDC_ATTR_ALARM_STATE^MDC|1.1.0.1.4|inactive||||||F"
	phase := func(p string) string { return "OBX|5|ST|68165^MDC_ATTR_EVENT_PHASE^MDC|1.1.0.1.3|" + p + "||||||F" }
	m := newMapper(t)
	res := mapOne(t, m, alert("197178^MDC_EVT_VENT_INOP^MDC", phase("start"), active)...)
	require.Len(t, res.Events, 1, res.Reason)
	require.Equal(t, []any{"device_failure", medfleet.Technical, medfleet.Start, medfleet.DeviceID("ASKC-0042")},
		[]any{res.Events[0].Condition, res.Events[0].Kind, res.Events[0].Phase, res.Events[0].Device})

	res = mapOne(t, m, alert("198200^MDC_EVT_WATCHDOG^MDC", phase("continue"), active)...)
	require.Empty(t, res.Events, "a watchdog is a sign of life")
	require.Len(t, res.Observations, 1)
	require.Equal(t, NothingForUs, res.Verdict)

	res = mapOne(t, m, alert("258047^MDC_EVT_ACTIVE^MDC", phase("start"), active)...)
	require.Equal(t, NothingForUs, res.Verdict, "under a number that is not its own")
	require.Empty(t, res.Dropped.Unknown)

	res = mapOne(t, m, alert("198200^MDC_EVT_WATCHDOG^MDC", phase("end"), over)...)
	require.Len(t, res.Events, 1, "the last one tells of an orderly shutdown")
	require.Equal(t, []any{"powered_off", medfleet.Instant}, []any{res.Events[0].Condition, res.Events[0].Phase})

	res = mapOne(t, m, `MSH|^~\&|AM|X|||20260314102655+0100||ORA^R41^ORA_R41|1|P|2.6`, "OBR|1|A1|A1|196616^MDC_EVT_ALARM^MDC", "PRT||UC||AAP^Alert^X||Delivered")
	require.Equal(t, NothingForUs, res.Verdict)
	require.Contains(t, res.Reason, "alert")
}

func TestSmithsPowerAndALocatingSystem(t *testing.T) {
	message := func(state string) []string {
		return []string{
			`MSH|^~\&|Smiths Medical^001A01FFFF000001^EUI-64||Customer||20260314092655-0000||ORU^R01^ORU_R01|1421|P|2.6|||AL|NE||UNICODE UTF-8|en^English^ISO639||IHE_PCD_015^IHE PCD^1.3.6.1.4.1.19376.1.6.1.15.1^ISO`,
			"PID|1||||||||||||||||||||||||||||||Y PV1|1|N",
			"OBR|1|3000201^Medfusion 4000^001A01FFFF000001^EUI-64|3000201^Medfusion 4000^001A01FFFF000001^EUI-64|0^MDCX_EVT_POWER_CHG^MDC||20260314092650- 0000",
			"OBX|1|ST|69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X",
			"OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.1|manufacturer=Smiths Medical model=Medfusion 4000||20260314092650-0000||||R",
			"OBX|3|ST|67972^MDC_ATTR_SYS_ID^MDC|1.0.0.2|3000201^Medfusion 4000^001A01FFFF000001^EUI-64||20260314092650-0000||||R",
			"OBX|4|CWE|0^MDCX_DMC_ATTR_POWER_STATE^MDC|1.0.0.3|" + state + "||20260314092650-0000||||F|||||||3000201^Medfusion 4000^001A01FFFF000001^EUI-64",
			"OBX|5|ST|0^MDCX_LS_ATTR_NAME^MDC|LOC|IV Pump 9||||||F|||20260314092650.229- 0000",
			"OBX|6|PL|0^MDCX_LS_ATTR_LOCATION^MDC|LOC|^^^Health^^^North^Main^Nurse Station||||||F|||20260314092650- 0000||||778899^TagMaker^^L",
			"OBX|7|NM|0^MDCX_LS_ATTR_COORD_X^MDC|LOC|406|263441^MDC_DIM_CENTI_M^MDC|||||F|||20260314092650- 0000||||778899^TagMaker^^L",
		}
	}
	res := mapOne(t, newMapper(t), message("^OFF")...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	o := res.Observations[0]
	require.Equal(t, []any{medfleet.DeviceID("3000201"), "Medfusion 4000"}, []any{o.Device, o.Model}, "not the locating tag")
	require.Equal(t, map[string]float64{"state": state(t, "infusion_pump", "off")}, readings(o))
	require.Empty(t, res.Dropped.Unknown)
	require.NotContains(t, spoken(t, res), "Nurse")
	require.NotContains(t, spoken(t, res), "778899")
}

func TestDialysisCodeAndNameSwapped(t *testing.T) {
	// No profile is shipped for dialysis machines: the reason says what to do, and
	// a profile of the user's own is enough.
	machine := []string{
		`MSH|^~\&|HD^00A0B0FFFF000009^EUI-64|MAKER|||20260314092655+0000||ORU^R40^ORU_R40|9|P|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO`,
		"OBR|1|A9|A9|MDC_EVT_ALARM^196616^MDC|||20260314092640+0000",
		"OBX|1||MDC_DEV_HDIALY_MACHINE_MDS^70929^MDC|1.0.0.0|||||||X|||||||HD-0009",
		"OBX|2|CWE|MDC_EVT_ALARM^196616^MDC|1.0.0.0.1|198262^^MDC|20-400||PH~ST|||F|||20260314092640+0000",
		"OBX|3|ST|MDC_ATTR_EVENT_PHASE^68481^MDC|1.0.0.0.3|start||||||F",
		"OBX|4|ST|MDC_ATTR_ALARM_STATE^68482^MDC|1.0.0.0.4|active||||||F",
	}
	res := mapOne(t, newMapper(t), machine...)
	require.Equal(t, NotUnderstood, res.Verdict)
	require.Contains(t, res.Reason, "no profile")
	res = mapOne(t, newMapper(t, Sender{Name: "hd", Class: "infusion_pump"}), machine...)
	require.Len(t, res.Events, 1)
	require.Equal(t, "air_in_line", res.Events[0].Condition)
}

func TestARackWithPumpsOfTheirOwn(t *testing.T) {
	head := []string{header("R01", "ORU_R01", "4.15"), "OBR|1|1|1|69135^MDC_OBS_MEM^MDC|||20260314092650+0000"}
	pump := func(slot, id string) []string {
		return []string{
			"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|" + slot + ".0.0.0|||||||X|||||||" + id,
			"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|" + slot + ".0.0.2|50|262688^MDC_DIM_PERCENT^MDC|||||R",
		}
	}
	const rackRow = "OBX|1||70101^MDC_DEV_PUMP_INFUS_RACK_MDS^MDC|1.0.0.0|||||||X|||||||RACK-3"
	res := mapOne(t, newMapper(t), append(append(append(head, rackRow), pump("2", "P1")...), pump("3", "P2")...)...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Len(t, res.Observations, 2)
	require.Equal(t, [][3]string{{"P1", "RACK-3", "2"}, {"P2", "RACK-3", "3"}}, whereabouts(res))
	require.Zero(t, res.Dropped.Devices, "a rack is no device we miss a profile for")

	// The same rack, its pumps as modules.
	res = mapOne(t, newMapper(t), append(head, rackRow,
		"OBX|2||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.4.0.0|||||||X|||||||P1",
		"OBX|3|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.4.0.2|50|262688^MDC_DIM_PERCENT^MDC|||||R",
		"OBX|4||70050^MDC_DEV_PUMP_INFUS_LVP_VMD^MDC|1.5.0.0|||||||X|||||||P9",
		"OBX|5|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.5.0.2|70|262688^MDC_DIM_PERCENT^MDC|||||R",
		"OBX|6|CWE|158005^MDC_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.4.1.1|^pump-delivery-status-delivering||||||R")...)
	require.Equal(t, [][3]string{{"P1", "RACK-3", "4"}, {"P9", "RACK-3", "5"}}, whereabouts(res))
	require.Len(t, res.Observations, 2)
	require.Equal(t, map[string]float64{"battery_charge": 50, "state": state(t, "syringe_pump", "infusing")}, readings(res.Observations[0]))
	require.Equal(t, map[string]float64{"battery_charge": 70}, readings(res.Observations[1]))
	require.Equal(t, medfleet.Class("infusion_pump"), res.Observations[1].Class)
}

// whereabouts gives part, parent and slot of each attachment.
func whereabouts(res *Result) (list [][3]string) {
	for _, a := range res.Attachments {
		list = append(list, [3]string{string(a.Part), string(a.Parent), a.Slot})
	}
	return list
}

// technical is a monitor's list of its technical alarms.
func technical(rows ...string) []string {
	list := []string{`MSH|^~\&|||||||ORU^R01|56|P|2.3.1|`, "PID|||4711||Doe^J", "OBR||||Monitor|||0|"}
	for _, r := range rows {
		list = append(list, "OBX||CE|"+r+"||||||F|")
	}
	return list
}

func TestAMonitorsListOfTechnicalAlarms(t *testing.T) {
	const (
		low     = "3||22^Low Battery"
		noLead  = "4||5^ECG Lead Off"
		noProbe = "2||205^**SpO2 Sensor Off"
		strange = "3||7031^Quintero rang"
		state   = "2041^||0^"
	)
	m := newMapper(t, Sender{Name: "umec", Identity: "peer", Class: "patient_monitor"})
	says := func(rows ...string) (list []string) {
		res := mapOne(t, m, technical(rows...)...)
		require.Equal(t, medfleet.DeviceID("10.4.7.21"), res.Observations[0].Device, "at least a sign of life")
		require.NotContains(t, spoken(t, res), "Quintero")
		for _, e := range res.Events {
			require.Equal(t, now, e.Time, "it says no time")
			list = append(list, strings.TrimSpace(e.Condition+" "+string(e.Phase)+" "+e.Priority+" "+e.Code))
		}
		if list == nil {
			require.Equal(t, NothingForUs, res.Verdict)
			require.Contains(t, res.Reason, "what the one before said")
		}
		return list
	}
	require.Equal(t, []string{"battery_low start low Low_Battery", "sensor start none Lead_Off"}, says(low, noLead, state))
	others := says(low, noLead, state)
	require.Contains(t, others, "battery_fault end", "what else may have ended while nobody listened")
	require.NotContains(t, others, "battery_low end")
	require.Empty(t, says(low, noLead, state), "nothing new")
	require.Equal(t, []string{"sensor start medium Sensor_Off"}, says(low, noLead, noProbe))
	require.Empty(t, says(low, noProbe), "one of two sensors: the condition lasts")
	require.Equal(t, []string{"sensor end", "unknown_code instant low MINDRAY:7031"}, says(low, strange))
	require.Empty(t, says(low, strange), "told once")
	require.Equal(t, []string{"battery_low end"}, says(state), "nothing stands")
	require.Equal(t, []string{"battery_low start low Low_Battery"}, says(low))
	require.Equal(t, []string{"battery_low end"}, says(), "nor on a list without rows")

	says(low)
	m.Forget()
	require.Contains(t, says(low), "battery_low start low Low_Battery", "what did not get to the disk is told again")
	says(low)
	later := mapOne(t, m, technical()...).Events
	var res Result
	m.Map(&res, parse(t, message(technical(low)...)), peer, now+60_000)
	m.Map(&res, parse(t, message(technical()...)), peer, now+120_000)
	require.NotEqual(t, later[0].ID, res.Events[0].ID, "another end, though the message is the same")

	t.Run("of a sender that is not said to be a monitor", func(t *testing.T) {
		res := mapOne(t, newMapper(t), technical(low)...)
		require.Empty(t, res.Events)
	})
	t.Run("more than any monitor has at once", func(t *testing.T) {
		m := newMapper(t, Sender{Name: "umec", Identity: "peer", Class: "patient_monitor"})
		var rows []string
		for n := range 1000 {
			rows = append(rows, fmt.Sprintf("3||%d^Quintero rang", 1000+n))
		}
		res := mapOne(t, m, technical(rows...)...)
		require.Len(t, res.Events, maxAtOnce)
		require.Equal(t, 1000-maxAtOnce, res.Dropped.Alerts)
		require.LessOrEqual(t, len(m.standing.devices["10.4.7.21"]), maxAtOnce+len(m.listConditions))
		res = mapOne(t, m, technical(rows...)...)
		require.NotContains(t, told(res), "unknown_code instant")
	})
	t.Run("physiological alarms are the patient's", func(t *testing.T) {
		list := technical("2|1|10033^**SpO2 TOO HIGH")
		list[0] = strings.Replace(list[0], "|56|", "|54|", 1)
		res := mapOne(t, m, list...)
		require.Empty(t, res.Events)
		require.Equal(t, NothingForUs, res.Verdict)
	})
}

func TestPumpHeadsInAFrameAreItsParts(t *testing.T) {
	frame := func(headName, headSerial string) *Result {
		return mapOne(t, newMapper(t), header("R01", "ORU_R01", "1.1.1"),
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260314102650+0100",
			"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||FRAME-1",
			"OBX|2||70050^MDC_DEV_PUMP_INFUS_LVP_VMD^MDC|1.1.0.0|||||||X|||||||"+headName,
			"OBX|3|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1.1.0.1|"+headSerial+"||||||R",
			"OBX|4|CWE|158005^MDC_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.1.1|^pump-delivery-status-delivering||||||R")
	}
	res := frame("HEAD-7", "SN-7")
	require.Len(t, res.Attachments, 1)
	require.Equal(t, []any{medfleet.DeviceID("HEAD-7"), medfleet.DeviceID("FRAME-1"), "1"}, []any{res.Attachments[0].Part, res.Attachments[0].Parent, res.Attachments[0].Slot})
	require.Empty(t, res.Identities, "its serial number is not the frame's")
	require.Equal(t, state(t, "infusion_pump", "infusing"), readings(res.Observations[0])["state"], "the frame is in use as any of its heads is")

	for _, name := range []string{"", "FRAME-1"} {
		res := frame(name, "SN-1")
		require.Empty(t, res.Attachments, "a pump of one piece")
		require.Equal(t, "SN-1", res.Identities[0].Serial)
	}
}
