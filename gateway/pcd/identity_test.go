package pcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

// report is a PCD-01 of an infusion pump; instance is what stands in OBX-18 of
// its own row, rows what follows that.
func report(instance string, rows ...string) []string {
	return append([]string{
		header("R01", "ORU_R01", "4.1"),
		"OBR|1|1|1|69135^MDC_OBS_MEM^MDC|||20260314102650+0100",
		"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||" + instance,
	}, append(rows, "OBX|9|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.9|87|262688^MDC_DIM_PERCENT^MDC|||||R")...)
}

const (
	systemIDRow = "OBX|2|ST|67972^MDC_ATTR_SYS_ID^MDC|1.0.0.1|00137A00000F0001||||||R"
	serialRow   = "OBX|3|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1.0.0.2|SN-5521||||||R"
	udiRow      = "OBX|4|ST|67916^MDC_ATTR_ID_UDI^MDC|1.0.0.3|(01)04056(21)77||||||R"
	prtRow      = "PRT||UC||EQUIP^Equipment^HL70912||||||EUI-9001^^00137A00000F0009^EUI-64||||||||||PRT-SER-3"
)

func TestWhatNamesADevice(t *testing.T) {
	for name, c := range map[string]struct {
		sender  Sender
		message []string
		want    medfleet.DeviceID
		reason  string
	}{
		"the instance of its own row":           {Sender{}, report("P2449^^0012210000000000^EUI-64", systemIDRow, serialRow), "P2449", ""},
		"the universal id when there is no id":  {Sender{}, report("^^0012210000000001^EUI-64", serialRow), "0012210000000001", ""},
		"a UUID":                                {Sender{}, report("f81d4fae-7dec-11d0-a765-00a0c91e6bf6^^f81d4fae-7dec-11d0-a765-00a0c91e6bf6^UUID"), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", ""},
		"cleaned":                               {Sender{}, report("uuid-IntelliVue MX500 - 866064"), "uuid-IntelliVue-MX500---866064", ""},
		"then the system id":                    {Sender{}, report("", serialRow, systemIDRow), "00137A00000F0001", ""},
		"zeros are no name":                     {Sender{}, report("0000000000000000", systemIDRow), "00137A00000F0001", ""},
		"then the serial number":                {Sender{}, report("", udiRow, serialRow), "SN-5521", ""},
		"then the UDI":                          {Sender{}, report("", udiRow), "01-04056-21-77", ""},
		"then the participation":                {Sender{}, report("", prtRow), "EUI-9001", ""},
		"a person's participation names nobody": {Sender{}, report("", strings.Replace(prtRow, "EQUIP", "RO", 1)), "", noName},
		"then rows about something else": {Sender{}, report("",
			"OBX|5|NM|150033^MDC_PRESS_BLD_ART_SYS^MDC|1.13.1.1|108|266016^MDC_DIM_MMHG^MDC|||||R|||||||080019FFFE1443EC^B40_GE"), "080019FFFE1443EC", ""},
		"but not when they disagree": {Sender{}, report("",
			"OBX|5|NM|150033^MDC_PRESS_BLD_ART_SYS^MDC|1.13.1.1|108|266016^MDC_DIM_MMHG^MDC|||||R|||||||XW252001",
			"OBX|6|NM|150034^MDC_PRESS_BLD_ART_DIA^MDC|1.13.1.2|70|266016^MDC_DIM_MMHG^MDC|||||R|||||||XW252002"), "", severalName},
		"a battery's serial number is not the device's": {Sender{}, report("",
			"OBX|2||65577^MDC_MOC_BATT^MDC|1.2.0.0|||||||X", strings.Replace(serialRow, "1.0.0.2", "1.2.0.2", 1)), "", noName},
		"a module's neither": {Sender{}, report("",
			"OBX|2||69798^MDC_DEV_ECG_VMD^MDC|1.5.0.0|||||||X|||||||XW25200213", strings.Replace(serialRow, "1.0.0.2", "1.5.0.2", 1)), "", noName},
		"nothing":                        {Sender{}, report(""), "", noName},
		"something that looks no name":   {Sender{}, report("Adams, Albert"), "", oddName},
		"a name without a digit":         {Sender{}, report("Adams Albert"), "", oddName},
		"the rack is not asked unasked":  {Sender{}, report(""), "", noName},
		"the rack when told so":          {Sender{Identity: "msh3.2"}, report(""), "00137A0000A1B2C3", ""},
		"a template":                     {Sender{Identity: "MSH3.2 + obx18.1"}, report("7"), "00137A0000A1B2C3-7", ""},
		"a template with a hole":         {Sender{Identity: "msh3.2+serial"}, report("7"), "", noTemplate},
		"a template beats the order":     {Sender{Identity: "serial"}, report("P2449", serialRow), "SN-5521", ""},
		"an alias of what was sent":      {Sender{Aliases: map[string]string{"2449": "P2449"}}, report("2449"), "P2449", ""},
		"an alias of what became of it":  {Sender{Aliases: map[string]string{"A-7": "PUMP-7"}}, report("A 7"), "PUMP-7", ""},
		"an alias of a template's value": {Sender{Identity: "msh4.1+obx18.1", Aliases: map[string]string{"BBRAUN-7": "PUMP-7"}}, report("7"), "PUMP-7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.sender.Name = "rack"
			res := mapOne(t, newMapper(t, c.sender), c.message...)
			require.Equal(t, c.reason, res.Reason)
			if c.want == "" {
				require.Equal(t, NotUnderstood, res.Verdict)
				require.Empty(t, res.Observations)
				require.Equal(t, 1, res.Dropped.Devices)
				return
			}
			require.Equal(t, Understood, res.Verdict)
			require.Len(t, res.Observations, 1)
			require.Equal(t, c.want, res.Observations[0].Device)
			require.Equal(t, 87.0, readings(res.Observations[0])["battery_charge"])
		})
	}
}

func TestDevicesOfOneMessage(t *testing.T) {
	battery := func(number, charge string) string {
		return "OBX|9|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|" + number + ".0.0.9|" + charge + "|262688^MDC_DIM_PERCENT^MDC|||||R"
	}
	head := header("R01", "ORU_R01", "4.1")
	obr := "OBR|1|1|1|69135^MDC_OBS_MEM^MDC|||20260314102650+0100"
	pump := func(number, id string) string {
		return "OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|" + number + ".0.0.0|||||||X|||||||" + id
	}
	type device struct {
		id     medfleet.DeviceID
		charge float64
	}
	for name, c := range map[string]struct {
		rows []string
		want []device
	}{
		"told apart by their number": {
			[]string{obr, pump("1", "A1"), pump("2", "A2"), battery("2", "20"), battery("1", "10")}, []device{{"A1", 10}, {"A2", 20}}},
		"one after the other under one number": {
			[]string{obr, pump("1", "A1"), battery("1", "10"), pump("1", "A2"), battery("1", "20")}, []device{{"A1", 10}, {"A2", 20}}},
		"in groups of their own": {
			[]string{obr, pump("1", "A1"), battery("1", "10"), obr, pump("1", "A2"), battery("1", "20")}, []device{{"A1", 10}, {"A2", 20}}},
		"one device in two groups is one": {
			[]string{obr, pump("1", "A1"), obr, pump("1", "A1"), battery("1", "10")}, []device{{"A1", 10}}},
		"a group that goes on without a name": {
			[]string{obr, pump("1", "A1"), obr, battery("1", "10")}, []device{{"A1", 10}}},
		"a number that two devices had goes to nobody": {
			[]string{obr, pump("1", "A1"), battery("1", "10"), pump("1", "A2"), battery("1", "20"), obr, battery("1", "30")}, []device{{"A1", 10}, {"A2", 20}}},
		"a row that cannot be placed belongs to the last": {
			[]string{obr, pump("1", "A1"), strings.Replace(battery("1", "10"), "1.0.0.9", "LOC", 1)}, []device{{"A1", 10}}},
		"a row without a value is no device": {
			[]string{obr, pump("1", "A1"), "OBX|2||0^MDCX_SOMETHING^MDC|1.0.0.5|||||||X|||||||X9", battery("1", "10")}, []device{{"A1", 10}}},
		"a device that is told twice": {
			[]string{obr, pump("1", "A1"), pump("1", "A1"), battery("1", "10"), pump("1", ""), battery("1", "20")}, []device{{"A1", 10}}},
		"rows before any OBR": {
			[]string{pump("1", "A1"), battery("1", "10")}, []device{{"A1", 10}}},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), append([]string{head}, c.rows...)...)
			require.Equal(t, Understood, res.Verdict)
			var got []device
			for _, o := range res.Observations {
				got = append(got, device{o.Device, readings(o)["battery_charge"]})
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestClassAndModelAndUnit(t *testing.T) {
	bare := []string{header("R01", "ORU_R01", "4.1"), visit, "OBR|1|1|1|1^x",
		"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.3.1.150456|87|262688^MDC_DIM_PERCENT^MDC|||||R|||||||A1"}
	res := mapOne(t, newMapper(t), bare...)
	require.Equal(t, NotUnderstood, res.Verdict)
	require.Equal(t, noClass, res.Reason)

	res = mapOne(t, newMapper(t, Sender{Name: "x", Class: "patient_monitor", Model: "uMEC 12", Unit: "ER"}), bare...)
	require.Equal(t, medfleet.Equipment{Device: "A1", Class: "patient_monitor", Model: "uMEC 12", Site: "north", Unit: "ER"}, res.Observations[0].Equipment)

	res = mapOne(t, newMapper(t, Sender{Name: "x", Class: "patient_monitor", Model: "uMEC 12"}), pumpReport()...)
	require.Equal(t, medfleet.Equipment{Device: "P2449", Class: "syringe_pump", Model: "Perfusor Space", Site: "north", Unit: "4W"}, res.Observations[0].Equipment,
		"what the message tells comes first")

	// A device of a kind nobody watches is no dead letter as long as it tells nothing.
	res = mapOne(t, newMapper(t), header("R01", "ORU_R01", "4.1"), "OBR|1|1|1|1^x",
		"OBX|1||70929^MDC_DEV_HDIALY_MACHINE_MDS^MDC|1.0.0.0|||||||X|||||||D1", "OBX|2|NM|158596^MDC_HDIALY_MACH_BLD_PUMP_ON^MDC|1.1.1.1|1||||||R")
	require.Equal(t, NothingForUs, res.Verdict)
	require.Equal(t, []string{"70929^MDC_DEV_HDIALY_MACHINE_MDS"}, res.Dropped.Unknown)

	// The type may stand on the module when the device calls itself anything.
	res = mapOne(t, newMapper(t), header("R01", "ORU_R01", "4.1"), "OBR|1|1|1|1^x",
		"OBX|1||69633^MDC_DEV_MDS^MDC|1.0.0.0|||||||X|||||||D1", "OBX|2||70002^MDC_DEV_SYS_PT_VENT_VMD^MDC|1.1.0.0|||||||X")
	require.Len(t, res.Observations, 1)
	require.Equal(t, medfleet.Class("ventilator"), res.Observations[0].Class)
	require.Equal(t, NothingForUs, res.Verdict, "a sign of life")
}
