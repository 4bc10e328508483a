package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

// feed is a message in the shape of a maker's, made up by us, and what the reference
// configuration makes of it.
type feed struct {
	from    string // address it comes from
	rows    []string
	sender  string
	device  medfleet.DeviceID
	class   medfleet.Class
	metrics []string // what is read of it
	events  []string // condition and phase
	answer  string
}

// makers are one message for each sender of the reference configuration that stands
// for a maker.
var makers = map[string]feed{
	"B. Braun, a pump in a rack": {
		rows: []string{
			mshFrom("SPACEST7^0012210000A1B2C3^EUI-64", "BBRAUN", "ORU^R01^ORU_R01", "|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"PID|||Unknown Patient^Unknown Patient||^^^^^^U||||||||||||||||||||||||||Y", "PV1||I|4W",
			"OBR|1|1^R|1^R|182777000^monitoring of patient^SCT|||20260730120000+0200",
			"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||P2449^^0012210000000000^EUI-64",
			"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|81|262688^MDC_DIM_PERCENT^MDC|||||R",
			"OBX|3|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.1.1|^pump-delivery-status-delivering||||||R",
		},
		sender: "bbraun", device: "P2449", class: "syringe_pump", metrics: []string{"battery_charge", "state"}, answer: "CA"},
	"B. Braun, an alert without the letter": {
		rows: []string{
			mshFrom("SPACEST7^0012210000A1B2C3^EUI-64", "BBRAUN", "ORU^R40^ORU_R40", "|||AL|NE|||||IHE_PCD_004^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"),
			"OBR|1|A1|A1|196616^MDC_EVT_ALARM^MDC|||20260730120000+0200",
			"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||2449^^0012210000000000^EUI-64",
			"OBX|2||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.1.0.0|||||||X",
			"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|197218^MDC_EVT_SYRINGE_BARREL_CAPTURE_FAULT^MDC|||A~PM~ST|||R|||20260730120000+0200",
			"OBX|4|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.0.1.3|start||||||R",
			"OBX|5|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.0.1.4|active||||||R",
		},
		sender: "bbraun", device: "P2449", class: "syringe_pump", events: []string{"start"}, answer: "CA"},
	"Mindray, a monitor that connects itself": {
		rows: []string{
			mshFrom("MINDRAY_N^00A037002A01E240^EUI-64", "MINDRAY", "ORU^R01^ORU_R01", "|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"PID|||^^^Hospital^PI", "PV1||I|ICU^^Bed1",
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260730120000+0200",
			"OBX|1|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.3.1.147842|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F",
		},
		sender: "mindray", device: "00A037002A01E240", class: "patient_monitor", metrics: []string{"monitoring", "state"}, answer: "AA"},
	"Mindray, monitors behind a central station": {
		rows: []string{
			mshFrom("MINDRAY_EGATEWAY^00A037009A000001^EUI-64", "MINDRAY", "ORU^R01^ORU_R01", "|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"PV1||I|ICU^^Bed1",
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260730120000+0200",
			"OBX|1|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.3.1.147842|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F|||||||00A037001A02BE64^^00A037001A02BE64^EUI-64",
		},
		sender: "mindray-central", device: "00A037001A02BE64", class: "patient_monitor", metrics: []string{"monitoring", "state"}, answer: "AA"},
	"GE, its number on the rows": {
		rows: []string{
			mshFrom("GATEWAY^080019FFFE000001^EUI-64", "GE Healthcare", "ORU^R01^ORU_R01", "|||NE|AL|||||PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260730120000",
			"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X",
			"OBX|2||69854^MDC_DEV_METER_PRESS_BLD_VMD^MDC|1.13.0.0|||||||X",
			"OBX|3|NM|150033^MDC_PRESS_BLD_ART_SYS^MDC|1.13.1.1|108|266016^MDC_DIM_MMHG^MDC|||||R|||||||080019FFFE1443EC^B40_GE",
		},
		sender: "ge", device: "080019FFFE1443EC", class: "patient_monitor", metrics: []string{"monitoring", "state"}, answer: "AA"},
	"Philips PIC iX": {
		rows: []string{
			mshFrom("PIC iX^^", "PHILIPS", "ORU^R01^ORU_R01", "|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260730120000",
			"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||5f3a-IntelliVue MX500 - 866064",
			"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|55|262688^MDC_DIM_PERCENT^MDC|||||R",
		},
		sender: "philips-stations", device: "5f3a-IntelliVue-MX500---866064", class: "patient_monitor", metrics: []string{"battery_charge"}, answer: "CA"},
	"Philips SureSigns and Efficia, known by the address": {
		from: "10.20.8.9",
		rows: []string{
			mshFrom("", "", "ORU^R01", ""),
			"PID|||^^^Hospital^PI", "OBR|1||||||20260730120000",
			"OBX|1|NM|0002-4bb8^SpO2^MDIL|0|97|0004-0220^%^MDIL|||||F",
		},
		sender: "philips-bedside", device: "CM-0009", class: "patient_monitor", metrics: []string{"monitoring", "state"}, answer: "AA"},
	"Dräger, the profile one field early": {
		rows: []string{
			mshFrom("ICS^0000000000000001^EUI-64", "Draeger", "ORU^R40^ORU_R40", "|||AL|NE|||IHE^PCD_ACM^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"),
			"OBR|1|A9|A9|196616^MDC_EVT_ALARM^MDC|||20260730120000+0200",
			"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||ASHK-0061",
			"OBX|2||70002^MDC_DEV_SYS_PT_VENT_VMD^MDC|1.1.0.0|||||||X",
			"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|196802^MDC_EVT_BATT_LO^MDC|||A~PM~ST|||R|||20260730120000+0200",
			"OBX|4|ST|68165^MDC_ATTR_EVENT_PHASE^MDC|1.1.0.1.3|start||||||R",
			"OBX|5|ST|68166^MDC_ATTR_ALARM_STATE^MDC|1.1.0.1.4|active||||||R",
		},
		sender: "draeger", device: "ASHK-0061", class: "ventilator", events: []string{"battery_low start"}, answer: "AA"},
	"Dräger, with its umlaut": {
		rows: []string{
			mshFrom("ICS^0000000000000001^EUI-64", "Dräger Medical", "ORU^R01^ORU_R01", "|||AL|NE|||IHE^PCD_DEC^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
			"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260730120000+0200",
			"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||ASHK-0061",
			"OBX|2|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.1|8123|264384^MDC_DIM_HR^MDC|||||R",
		},
		sender: "draeger", device: "ASHK-0061", class: "ventilator", metrics: []string{"operating_hours"}, answer: "AA"},
	"Hamilton, as IHE has it, without a zone": {
		rows: []string{
			mshFrom("HAMILTON-C6^^", "HAMILTON MEDICAL", "ORU^R01^ORU_R01", "|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.1^ISO"),
			"OBR|1|1|1|70873^MDC_DEV_SYS_BREATHING_PT_VENT_MDS^MDC|||20260730120000",
			"OBX|1||70873^MDC_DEV_SYS_BREATHING_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||SN-12345^HAMILTON",
			"OBX|2|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.1|10012|264384^MDC_DIM_HR^MDC|||||R",
		},
		sender: "hamilton", device: "SN-12345", class: "ventilator", metrics: []string{"operating_hours"}, answer: "CA"},
	"Smiths, power of a pump": {
		rows: []string{
			mshFrom("Smiths Medical PharmGuard^0011223344556677^EUI-64", "", "ORU^R01^ORU_R01", "|||AL|NE|||||IHE_PCD_015^IHE PCD^1.3.6.1.4.1.19376.1.6.1.15.1^ISO"),
			"OBR|1|1|1|0^MDCX_EVT_POWER_CHG^MDC|||20260730120000+0200",
			"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X",
			"OBX|2|ST|67972^MDC_ATTR_SYS_ID^MDC|1.0.0.1|SM-8801||||||R",
			"OBX|3|CWE|0^MDCX_DMC_ATTR_POWER_SOURCE^MDC|1.0.0.2|1^OnBattery||||||R",
		},
		sender: "smiths", device: "SM-8801", class: "infusion_pump", metrics: []string{"on_mains"}, answer: "CA"},
}

// mshFrom is a header from an application of a facility.
func mshFrom(application, facility, kind, rest string) string {
	return `MSH|^~\&|` + application + "|" + facility + "|HUB|HARBOUR|20260730120002+0200||" + kind + "|M1|P|2.6" + rest
}

func TestTheReferenceConfigurationReadsEachMakersFeed(t *testing.T) {
	t.Setenv("MEDFLEET_EDGE_1_TOKEN", "0123456789abcdef0123")
	for name, f := range makers {
		t.Run(name, func(t *testing.T) {
			x, err := newExaminer(parseFlags{config: filepath.Join("..", "..", "deploy", configFile), from: f.from})
			require.NoError(t, err)
			list := x.all([]byte(strings.Join(f.rows, "\r") + "\r"))
			require.Len(t, list, 1)
			e := list[0]
			require.Equal(t, "understood", e.Verdict, e.Reason)
			require.Equal(t, f.sender, e.Sender)
			require.Equal(t, f.answer, e.Answer)
			require.NotEmpty(t, e.Devices) // what stands in a rack comes before it
			u := e.Devices[0]
			require.Equal(t, f.device, u.Device)
			require.Equal(t, f.class, u.Class)
			require.Equal(t, f.metrics, metricsOf(u))
			require.Len(t, u.Events, len(f.events))
			for i, want := range f.events {
				require.Contains(t, u.Events[i].Condition+" "+u.Events[i].Phase, want)
			}
		})
	}
}

func TestTheReferenceConfigurationReadsWhatAMonitorLists(t *testing.T) {
	t.Setenv("MEDFLEET_EDGE_1_TOKEN", "0123456789abcdef0123")
	x, err := newExaminer(parseFlags{config: filepath.Join("..", "..", "deploy", configFile), from: "10.20.7.7"})
	require.NoError(t, err)
	const head = `MSH|^~\&|||||||ORU^R01|56|P|2.3.1|` + "\r"
	list := x.all([]byte(head + "OBX||CE|3||22^Low Battery||||||F|\rOBX||CE|2041^||0^||||||F\r" + head))
	require.Equal(t, "mindray-asked", list[0].Sender)
	u := list[0].Devices[0]
	require.Equal(t, []string{"10.20.7.7", "patient_monitor"}, []string{string(u.Device), string(u.Class)})
	require.Len(t, u.Events, 1)
	started := u.Events[0]
	require.Equal(t, []string{"battery_low", "start", "Low_Battery"}, []string{started.Condition, started.Phase, started.Code})
	require.Contains(t, started.Check, "mains cable and socket")
	ended := list[1].Devices[0].Events
	require.True(t, slices.ContainsFunc(ended, func(e happened) bool { return e.Condition == "battery_low" && e.Phase == "end" }))
}

func metricsOf(u examinedUnit) (names []string) {
	for _, o := range u.Observations {
		for _, r := range o.Readings {
			names = append(names, r.Metric)
		}
	}
	return names
}
