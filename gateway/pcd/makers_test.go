package pcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/profiles"
)

const (
	monitorType = "69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS"
	ventType    = "70001^MDC_DEV_SYS_PT_VENT_MDS"
)

// makersAlert is an alert of a device of a maker's model, its rows given.
func makersAlert(device, model string, rows ...string) []string {
	return append([]string{
		header("R40", "ORU_R40", "1.4.1"), "OBR|1|A77|A77|196616^MDC_EVT_ALARM^MDC|||20260314102640+0100",
		"OBX|1||" + device + "^MDC|1.0.0.0|||||||X|||||||DEV-1", "OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.2|" + model + "||||||F",
	}, rows...)
}

// inWords are the places where makers put what the screen says.
var inWords = map[string]func(words string) []string{
	"as the name":          func(w string) []string { return []string{alarmRow("^" + w + "^99X")} },
	"as the original text": func(w string) []string { return []string{alarmRow("0^^^^^^^^" + w)} },
	"as the alert's text":  func(w string) []string { return []string{alarmRow(""), facet("68546^MDC_ATTR_ALERT_TEXT=" + w)} },
}

func TestTheScreensWordsAndWhatToLookAtFirst(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	for _, c := range []struct{ device, model, words, condition, text, first string }{
		{monitorType, "ePM 12", "SpO2 Module Error", "module", "a measurement's module does not work", "seat the module again"},
		{monitorType, "ePM 12", "EtCO2 Module Error", "module", "a measurement's module does not work", "seat the module again"},
		{monitorType, "ePM 15", "Battery Error", "battery_fault", "battery faulty", "another pack"},
		{monitorType, "ePM 15", "Critically Low Battery", "battery_empty", "battery almost empty", "mains cable"},
		{monitorType, "ePM 15", "12 V Too Low", "power_supply", "internal 12 V too low", "restart once"},
		{monitorType, "ePM 15", "RT Clock Need Reset", "clock", "the clock has lost the time", "set the time"},
		{monitorType, "ePM 10", "CO2: Change O2 Cell", "o2_cell", "oxygen cell used up or faulty", "replace the oxygen cell"},
		{monitorType, "ePM 10", "No CMS", "communication", "no connection to the central station", "network cable"},
		{ventType, "Engstrom Carestation", "Fans require service", "device_failure", "a fan stands still", "air filters"},
		{ventType, "Engstrom Carestation", "System shutdown in <5 min", "battery_low", "less than 5 minutes on battery left", "mains cable"},
		{ventType, "Engstrom Carestation", "System shutdown in <1 min", "battery_empty", "less than 1 minute on battery left", "mains cable"},
		{ventType, "Engstrom Carestation", "No battery backup?", "battery_fault", "batteries missing, worn or not charging, or the power board does not answer", "24 hours"},
		{ventType, "Engstrom Carestation", "O2 supply pressure low", "gas_supply", "oxygen supply below 1.7 bar", "hose, wall outlet"},
		{ventType, "Engstrom Carestation", "Air temp sensor error", "service_due", "temperature sensor of the air flow out of range", "compare"},
		{monitorType, "B650", "SvO2 temp error", "module", "optical module too hot or too cold for 10 minutes", "the optical module"},
		{ventType, "Evita XL", "AIR SUPPLY ?", "gas_supply", "air supply missing or low", "hose, wall outlet"},
		{ventType, "Evita V500", "FAN ERR", "device_failure", "fan failed", "air filter and fan"},
		{ventType, "Evita V500", "BATT < 2MIN", "battery_low", "less than 2 minutes on battery left", "mains cable"},
		{ventType, "Babylog VN500", "PWR SPLY ERR", "power_supply", "power supply faulty", "mains cable, fuse"},
		{ventType, "Perseus A500", "CAL O2", "calibration_due", "oxygen measurement not calibrated", "calibrate"},
		{monitorType, "IntelliVue MX800", "SO2 EQUIP MALF", "module", "a measurement's module is faulty", "unplug the module"},
	} {
		for name, rows := range inWords {
			t.Run(c.words+" "+name, func(t *testing.T) {
				res := mapOne(t, newMapper(t), makersAlert(c.device, c.model, append(rows(c.words), facet(phaseStart), facet(typeTechnical))...)...)
				require.Len(t, res.Events, 1, res.Reason)
				e := res.Events[0]
				require.Equal(t, []string{c.condition, c.text}, []string{e.Condition, e.Text})
				f, ok := set.Fault(e.Model, e.Code)
				require.True(t, ok, "the code it carries is found again: %s", e.Code)
				require.Equal(t, c.text, f.Meaning)
				require.True(t, strings.HasPrefix(f.Check, c.first), f.Check)
			})
		}
	}
}

func TestThePatientsWordsAreReadByNobody(t *testing.T) {
	for device, models := range map[string][]string{
		monitorType: {"ePM 12", "CARESCAPE B650", "IntelliVue MX800", "Infinity Gamma XL", "CMS8000"},
		ventType:    {"Engstrom Carestation", "Evita V500", "Babylog VN500", "Perseus A500"},
	} {
		for _, model := range models {
			for _, words := range []string{"ASYSTOLE", "SpO2 LOW", "SpO2 Desat", "Apnea", "APNEA VENT", "ST-V Too High", "HR Too Low", "PAW HIGH", "MIN VOL LOW", "O2 LOW", "Patient connected?", "SpO2 Module Error of Quintero"} {
				for name, rows := range inWords {
					res := mapOne(t, newMapper(t), makersAlert(device, model, append(rows(words), facet(phaseStart))...)...)
					require.Empty(t, res.Events, "%s %q %s", model, words, name)
					require.NotContains(t, spoken(t, res), words)
				}
			}
		}
	}
}

func TestACodeOfTheSerialProtocolKeepsItsPage(t *testing.T) {
	for sent, want := range map[string][]string{
		"0xCA^FAN ERR^MEDIBUS-CP1":      {"device_failure", "MEDIBUS-CP1:0xCA", "fan failed"},
		"0xCA^NO AIR^MEDIBUS-CP2":       {"gas_supply", "MEDIBUS-CP2:0xCA", "no air supply"},
		"^^^0x4B^^MEDIBUS-CP1":          {"battery_low", "MEDIBUS-CP1:0x4B", "battery low"},
		"0x96^ASYSTOLE^MEDIBUS-CP1":     nil,
		"0x10^PAW HIGH^MEDIBUS-CP1":     nil,
		"0xCA^FAN ERR^MEDIBUS-CP3":      nil,
		"0xC5^WEANING DONE^MEDIBUS-CP1": nil,
	} {
		res := mapOne(t, newMapper(t), makersAlert(ventType, "Atlas 2", alarmRow(sent), facet(phaseStart))...)
		require.Len(t, res.Events, min(len(want), 1), sent)
		if want != nil {
			e := res.Events[0]
			require.Equal(t, want, []string{e.Condition, e.Code, e.Text})
		}
	}
}

func TestATechnicalErrorByItsNumber(t *testing.T) {
	for model, want := range map[string][]string{
		"SERVO-i":  {"service_due", "29", "lithium cell of the monitoring low"},
		"Servo i":  {"service_due", "29", "lithium cell of the monitoring low"},
		"Infinity": nil,
	} {
		res := mapOne(t, newMapper(t), makersAlert(ventType, model, alarmRow("29^Technical error^99MAQ"), facet(phaseStart))...)
		require.Len(t, res.Events, min(len(want), 1), model)
		if want != nil {
			e := res.Events[0]
			require.Equal(t, want, []string{e.Condition, e.Code, e.Text})
		}
	}
}

func TestWhatAHardInopSaysGoesBeforeItsClass(t *testing.T) {
	feed := func(row string) []string {
		return []string{`MSH|^~\&|^EfficiaCM||||20260314092655||ORU^R01^ORU_R01|CN9239|P|2.4`, "OBR||||MONITOR|||20260314092650", row}
	}
	for row, want := range map[string][]string{
		"OBX||TX|5^HardInop^MDIL-ALERT||SpO2 Equip Malf||||||F":   {"module", "MDIL-ALERT:Equip_Malf"},
		"OBX||TX|5^HardInop^MDIL-ALERT||!!SpO2 Equip Malf||||||F": {"module", "MDIL-ALERT:Equip_Malf"},
		"OBX||TX|5^HardInop^MDIL-ALERT||SpO2T  No Pulse||||||F":   {"sensor", "MDIL-ALERT:5"},
		"OBX||TX|1^Red Alarm^MDIL-ALERT||SpO2 Equip Malf||||||F":  nil,
		"OBX||TX|2^Yellow Alarm^MDIL-ALERT||SpO2 87 < 90||||||F":  nil,
	} {
		m := newMapper(t, Sender{Name: "efficia", Match: Match{Peer: "10.4.7.0/24"}, Identity: "peer", Class: "patient_monitor", TimeZone: "UTC"})
		res := mapOne(t, m, feed(row)...)
		require.Len(t, res.Events, min(len(want), 1), row)
		if want != nil {
			require.Equal(t, want, []string{res.Events[0].Condition, res.Events[0].Code})
		}
	}
}
