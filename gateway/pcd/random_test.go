package pcd

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"medfleet/gateway/hl7"
)

// TestRandomMessages puts messages together from parts that mean something, in
// any order: what goes out is well formed all the same.
func TestRandomMessages(t *testing.T) {
	m := newMapper(t, Sender{Name: "monitors", Match: Match{Application: "MON*"}, Class: "patient_monitor", TimeZone: "America/New_York"})
	rowOf := rapid.Custom(func(t *rapid.T) string { return randomRow(t) })
	other := rapid.SampledFrom([]string{patient, visit, "OBR|1|1|1|196616^MDC_EVT_ALARM^MDC|||20260314102640", "OBR|2|1|1|1^x|||20260314102640+0100",
		"OBR|1|1|1|69121^MDC_OBS_WAVE_CTS^MDC", "NTE|1||note", prtRow})
	whole := rapid.SampledFrom([][]string{pumpReport()[3:], report("P1")[1:], alertMessage(batteryLow, phaseStart, stateActive)[3:],
		alertMessage("199728^MDC_EVT_ECG_TACHY^MDC", phaseEnd, typePatient)[3:]})
	var res Result
	kinds := map[Verdict]int{}
	events, values := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		head := rapid.SampledFrom([]string{header("R01", "ORU_R01", "1.1.1"), header("R40", "ORU_R40", "1.4.1"), header("R42", "ORU_R01", "4.10"),
			`MSH|^~\&|MONITOR|X|||20260314052655||ORU^R01|7|D|2.3`}).Draw(rt, "header")
		segments := []string{head}
		for range rapid.IntRange(0, 20).Draw(rt, "segments") {
			switch rapid.IntRange(0, 9).Draw(rt, "kind") {
			case 0, 1:
				segments = append(segments, other.Draw(rt, "segment"))
			case 2:
				segments = append(segments, whole.Draw(rt, "group")...)
			default:
				segments = append(segments, rowOf.Draw(rt, "row"))
			}
		}
		msg, err := hl7.Parse([]byte(message(segments...)))
		if err != nil {
			rt.Fatal(err)
		}
		m.Map(&res, &msg, peer, now)
		checkResult(rt, m, &res)
		kinds[res.Verdict]++
		events += len(res.Events)
		for i := range res.Observations {
			values += len(res.Observations[i].Readings)
		}
	})
	if events == 0 || values == 0 || kinds[Understood] == 0 || kinds[NothingForUs] == 0 || kinds[NotUnderstood] == 0 {
		t.Fatalf("the messages were too dull: %v, %d events, %d values", kinds, events, values)
	}
}

func randomRow(t *rapid.T) string {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	path := pick("path", "1.0.0.0", "1.1.0.0", "1.1.1.1", "2.0.0.0", "2.1.0.1", "1.1.0.1.3", "LOC", "")
	code := pick("code", "69985^MDC_DEV_PUMP_INFUS_MDS", "69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS", "70002^MDC_DEV_SYS_PT_VENT_VMD", "65577^MDC_MOC_BATT",
		"67996^MDC_ATTR_VAL_BATT_CHARGE", "67976^MDC_ATTR_TIME_BATT_REMAIN", "68023^MDC_ATTR_CAPAC_BATT_FULL", "68025^MDC_ATTR_CAPAC_BATT_SPECN",
		"67925^MDC_ATTR_POWER_STAT", "158005^MDC_PUMP_CURRENT_DELIVERY_STATUS", "158006", "184519", "147842^MDC_ECG_CARD_BEAT_RATE",
		"196616^MDC_EVT_ALARM", "196802^MDC_EVT_BATT_LO", "68487^MDC_ATTR_EVT_COND", "68481^MDC_ATTR_EVENT_PHASE", "68482^MDC_ATTR_ALARM_STATE",
		"68484^MDC_ATTR_ALARM_PRIORITY", "68485^MDC_ATTR_ALERT_TYPE", "67972^MDC_ATTR_SYS_ID", "531972^MDC_ID_PROD_SPEC_SERIAL", "67880^MDC_ATTR_ID_MODEL", "0^MDCX_ODD", "12^x")
	value := pick("value", "", "87", "1e400", "-?-", "32767", "^onMains(0)", "^pump-delivery-status-kvo", "^pump-stopped-alarming", "^pump-status-infusing",
		"196802^MDC_EVT_BATT_LO^MDC", "196803^MDC_EVT_BATT_LO^MDC", "197288^MDC_EVT_PUMP_DELIV_START", "199728^MDC_EVT_ECG_TACHY", "start", "end", "inactive", "PH", "ST", "SN-5", "A~B&C", `\X41\7`)
	unit := pick("unit", "", "262688^MDC_DIM_PERCENT^MDC", "264352^MDC_DIM_MIN^MDC", "mA.h", "^^^A.h^A.h^UCUM")
	return fmt.Sprintf("OBX|1|%s|%s^MDC|%s|%s|%s||%s|||%s|||%s||||%s", pick("type", "", "NM", "CWE", "SN"), code, path, value, unit,
		pick("flag", "", "DEMO", "A~PL~ST"), pick("status", "R", "X", "F", "D"), pick("time", "", "20260314102630", "20120314102630+0100", "soon"),
		strings.TrimSpace(pick("instance", "", "P2449", "V-1", "Ana, Quintero", "000")))
}
