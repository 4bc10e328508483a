package pcd

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/hl7"
)

// twoKilobytes is a monitor's PCD-01 of about 2 kB with 24 OBX.
func twoKilobytes() []byte {
	list := []string{
		header("R01", "ORU_R01", "1.1.1"), patient, visit,
		"OBR|1|375^STATION^00A037002A01E240^EUI-64|375^STATION^00A037002A01E240^EUI-64|182777000^monitoring of patient^SCT|||20260314102650+0100",
		"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||MON-3007",
		"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.2|87|262688^MDC_DIM_PERCENT^MDC|||||R",
		"OBX|3|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.3|12480|264384^MDC_DIM_HR^MDC|||||R",
		"OBX|4|CWE|67925^MDC_ATTR_POWER_STAT^MDC|1.0.0.4|onMains(0)||||||R",
		"OBX|5||69854^MDC_DEV_METER_PRESS_BLD_VMD^MDC|1.13.0.0|||||||X",
		"OBX|6||69855^MDC_DEV_METER_PRESS_BLD_CHAN^MDC|1.13.1.0|||||||X",
	}
	for i := len(list) - 3; i <= 24; i++ {
		list = append(list, fmt.Sprintf("OBX|%d|NM|%d^MDC_PRESS_BLD_ART_MEAN^MDC|1.13.1.%d|91|266016^MDC_DIM_MMHG^MDC|||||R", i, 150033+i, i))
	}
	return []byte(message(list...))
}

func BenchmarkMap(b *testing.B) {
	m, text := newMapper(b), twoKilobytes()
	var msg hl7.Message
	var res Result
	require.NoError(b, msg.Parse(text))
	m.Map(&res, &msg, peer, now)
	require.Equal(b, Understood, res.Verdict, res.Reason)
	require.Len(b, res.Observations[0].Readings, 5)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m.Map(&res, &msg, peer, now)
	}
}

func BenchmarkParseAndMap(b *testing.B) {
	m, text := newMapper(b), twoKilobytes()
	var msg hl7.Message
	var res Result
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := msg.Parse(text); err != nil {
			b.Fatal(err)
		}
		m.Map(&res, &msg, peer, now)
	}
}

func BenchmarkAlert(b *testing.B) {
	m, text := newMapper(b), []byte(message(alertMessage(batteryLow, phaseStart, stateActive, priorityHigh, typeTechnical)...))
	var msg hl7.Message
	var res Result
	require.NoError(b, msg.Parse(text))
	m.Map(&res, &msg, peer, now)
	require.Len(b, res.Events, 1)
	b.ReportAllocs()
	for b.Loop() {
		m.Map(&res, &msg, peer, now)
	}
}
