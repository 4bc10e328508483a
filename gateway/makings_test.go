package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/pcd"
	"medfleet/record"
)

func TestAMakingIsToldWhenItIsNew(t *testing.T) {
	m := newMakings()
	at := medfleet.AsMillis(time.Date(2026, 3, 14, 9, 27, 0, 0, time.UTC))
	like := medfleet.Event{Equipment: medfleet.Equipment{Device: "P1", Class: "infusion_pump", Site: "north"}, Time: at, Gateway: "edge-1"}
	said := func(id pcd.Identity, when medfleet.Millis) (list []string) {
		id.Device = "P1"
		for _, e := range m.news(nil, &id, like, when) {
			require.Equal(t, []any{like.Equipment, at, medfleet.Instant, medfleet.Advisory}, []any{e.Equipment, e.Time, e.Phase, e.Kind})
			require.Len(t, e.ID, 32)
			list = append(list, e.Condition+" "+e.Code)
		}
		return list
	}
	require.Equal(t, []string{"serial_number SN-1", "firmware Pump 1.1 / Wifi 1.4"}, said(pcd.Identity{Serial: "SN-1", Firmware: "Pump 1.1, Wifi 1.4"}, at))
	require.Empty(t, said(pcd.Identity{Serial: "SN-1", Firmware: "Pump 1.1, Wifi 1.4"}, at.Add(time.Hour)))
	require.Empty(t, said(pcd.Identity{Serial: "SN-1"}, at.Add(time.Hour)), "what is left out stays")
	require.Equal(t, []string{"firmware Pump 1.2 / Wifi 1.4"}, said(pcd.Identity{Serial: "SN-1", Firmware: "Pump 1.2, Wifi 1.4"}, at.Add(2*time.Hour)))
	require.Equal(t, []string{"serial_number SN-1"}, said(pcd.Identity{Serial: "SN-1"}, at.Add(25*time.Hour)), "once a day")
	m.forget()
	require.Equal(t, []string{"software 5.1", "hardware 3"}, said(pcd.Identity{Software: "5.1", Hardware: "3"}, at), "what did not become durable is told again")
}

func TestAPumpsFirmwareReachesTheCollector(t *testing.T) {
	centre := newCentre(t)
	e := startEdge(t, centre, t.TempDir())
	report := func(id, firmware string) string {
		return header("ORU^R01^ORU_R01", id) + "\r" + patientSegments + "OBR|1|1^V|1^V|69135^MDC_OBS_MEM^MDC|||" + time.Now().UTC().Format("20060102150405") + "+0000\r" +
			"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||P-9\r" +
			"OBX|2|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.0.0.1|" + firmware + "||||||F\r"
	}
	answers, _ := converse(t, e.hl7, frame(report("1", "2.0.1"), report("2", "2.0.1"), report("3", "2.0.2"), report("4", "for Quintero")))
	require.Equal(t, []string{"AA 1", "AA 2", "AA 3", "AA 4"}, answers)
	told := func() (list []string) {
		for _, l := range centre.of(record.Event) {
			event := l.Event()
			list = append(list, string(event.Device)+" "+event.Condition+" "+event.Code+" "+event.Text)
		}
		return list
	}
	require.Eventually(t, func() bool { return len(told()) == 2 }, soon, time.Millisecond)
	require.ElementsMatch(t, []string{"P-9 firmware 2.0.1 its firmware", "P-9 firmware 2.0.2 its firmware"}, told())
	require.NotContains(t, string(e.written()), "Quintero")
}
