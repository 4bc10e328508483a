package pcd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// about is a message about one alert of a ventilator: its own id, its parent's,
// what it says of the event, and in which phase.
func about(control, id, parent, event, phase string) []string {
	list := []string{
		strings.Replace(header("R40", "ORU_R40", "1.4.1"), "M4711", control, 1),
		"OBR|1|" + id + "^VENT|" + id + "^VENT^00137A0000A1B2C3^EUI-64|196616^MDC_EVT_ALARM^MDC|||20260314102640+0100||||||||||||||||||||||" + parent,
		"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V-1007",
	}
	if event != "none" {
		list = append(list, "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|"+event+"|||A~PM~ST|||R|||20260314102630+0100")
	}
	return append(list, facet("68481^MDC_ATTR_EVENT_PHASE="+phase))
}

// told lists what a message's events say.
func told(res *Result) (list []string) {
	for _, e := range res.Events {
		list = append(list, e.Condition+" "+string(e.Phase))
	}
	return list
}

func TestAnAlertThatSaysAtItsEndOnlyWhichItIs(t *testing.T) {
	const minute = "198340^MDC_EVT_ON_BATT_LT_1_MIN_REMAIN^MDC"
	const low, depleted, tachycardia = "196802^MDC_EVT_BATT_LO^MDC", "197336^MDC_EVT_BATT_DEPL^MDC", "199728^MDC_EVT_ECG_TACHY^MDC"
	for name, c := range map[string]struct {
		messages [][]string
		want     [][]string
	}{
		"an end without its event": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", "", "end")},
			[][]string{{"battery_low start"}, {"battery_low end"}}},
		"without its row": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", "none", "end")},
			[][]string{{"battery_low start"}, {"battery_low end"}}},
		"the parent in the first component": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "ALERT-0001", "", "end")},
			[][]string{{"battery_low start"}, {"battery_low end"}}},
		"a short id counts in its namespace": {
			[][]string{about("1", "0", "", low, "start"), about("2", "1", "^0&VENT", "", "end"), about("3", "2", "^0&OTHER", "", "end")},
			[][]string{{"battery_low start"}, {"battery_low end"}, nil}},
		"another alert's end": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0009&VENT", "", "end")},
			[][]string{{"battery_low start"}, nil}},
		"it turns into something else": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", depleted, "update"),
				about("3", "ALERT-0003", "^ALERT-0001&VENT", depleted, "continue"), about("4", "ALERT-0004", "^ALERT-0001&VENT", "", "end")},
			[][]string{{"battery_low start"}, {"battery_low end", "battery_empty continue"}, {"battery_empty continue"}, {"battery_empty end"}}},
		"it goes on under another code of the same condition": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", minute, "escalate"), about("3", "ALERT-0003", "^ALERT-0001&VENT", "", "end")},
			[][]string{{"battery_low start"}, {"battery_low continue", "battery_low end"}, {"battery_low end"}}},
		"sent again, it says the same": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", depleted, "update"), about("2", "ALERT-0002", "^ALERT-0001&VENT", depleted, "update")},
			[][]string{{"battery_low start"}, {"battery_low end", "battery_empty continue"}, {"battery_low end", "battery_empty continue"}}},
		"the id is used again": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0001", "", depleted, "start")},
			[][]string{{"battery_low start"}, {"battery_empty start"}}},
		"the parent's id changes, as with one maker": {
			[][]string{about("1", "ALERT-0001", "", low, "start"), about("2", "ALERT-0001", "^ALERT-0777&VENT", low, "end")},
			[][]string{{"battery_low start"}, {"battery_low end"}}},
		"a patient's alert leaves no trace": {
			[][]string{about("1", "ALERT-0001", "", tachycardia, "start"), about("2", "ALERT-0002", "^ALERT-0001&VENT", "", "end")},
			[][]string{nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMapper(t)
			for i, message := range c.messages {
				require.Equal(t, c.want[i], told(mapOne(t, m, message...)), "message %d", i+1)
			}
		})
	}
}

func TestAnotherDevicesEndIsNotOurs(t *testing.T) {
	m := newMapper(t)
	mapOne(t, m, about("1", "ALERT-0001", "", "196802^MDC_EVT_BATT_LO^MDC", "start")...)
	other := about("2", "ALERT-0002", "^ALERT-0001&VENT", "", "end")
	other[2] = strings.Replace(other[2], "V-1007", "V-2000", 1)
	require.Empty(t, mapOne(t, m, other...).Events)
}

func TestTheMemoryForAlertsIsBounded(t *testing.T) {
	m := newMapper(t)
	for i := range 3*maxLives + 10 {
		m.lives.keep(uint64(i+1), life{device: "V-1"})
	}
	require.LessOrEqual(t, len(m.lives.newer)+len(m.lives.older), 2*maxLives)
	_, ok := m.lives.find(uint64(3*maxLives + 10))
	require.True(t, ok)
	_, ok = m.lives.find(1)
	require.False(t, ok)
	require.NotContains(t, fmt.Sprint(m.lives.newer), "ALERT")
}
