package pcd

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestAMessageIsExplainedWithoutWhatItHides(t *testing.T) {
	m := newMapper(t)
	msg := parse(t, message(pumpReport()...))
	var res Result
	m.Map(&res, msg, peer, now)
	e := m.Explain(&res, msg)
	require.Equal(t, "ORU^R01", e.Type)
	require.Equal(t, "M4711", e.ControlID)
	require.Equal(t, "SPACESTATION7", e.Application)
	require.Equal(t, "PCD-01", e.Transaction)
	require.Equal(t, []Count{{"MSH", 1}, {"PID", 1}, {"PV1", 1}, {"OBR", 1}, {"OBX", 10}, {"NTE", 1}}, e.Segments)
	require.Equal(t, map[medfleet.DeviceID]string{"P2449": "obx18.1"}, e.Named)
	require.Equal(t, []Count{{"PID", 1}, {"NTE", 1}}, e.LeftSegments)
	require.Len(t, e.LeftRows, 2)
	for _, want := range []string{"PV1-2", "PV1-3.2", "PV1-3.3", "PV1-3.4", "PV1-19", "OBR-2"} {
		require.Contains(t, fmt.Sprint(e.LeftFields), want+" ")
	}
	require.NotContains(t, fmt.Sprint(e.LeftFields), "PV1-3.1 ")
}

func TestAnAlertIsExplainedByItsTransactionAndTheNameThatWasTaken(t *testing.T) {
	m := newMapper(t, Sender{Name: "vents", Match: Match{Application: "*"}, Identity: "msh3.2+obx18.1"})
	msg := parse(t, message(alertMessage(batteryLow, phaseStart)...))
	var res Result
	m.Map(&res, msg, peer, now)
	e := m.Explain(&res, msg)
	require.Equal(t, "PCD-04", e.Transaction)
	require.Equal(t, map[medfleet.DeviceID]string{"00137A0000A1B2C3-V-1007": "msh3.2+obx18.1"}, e.Named)
}

// TestAnExplanationLeaksNothing plants a token into each position: it comes out
// where the allow-list lets it stand in a dead letter, and nowhere else.
func TestAnExplanationLeaksNothing(t *testing.T) {
	m := newMapper(t)
	var res Result
	const token = "Quintero, Ana"
	for name, base := range bearers() {
		for i, segment := range base {
			for field := 1; field <= 24; field++ {
				if segment[:3] == "MSH" && field < 3 {
					continue
				}
				planted := append([]string(nil), base...)
				planted[i] = plant(segment, field, 1, token)
				msg := parse(t, message(planted...))
				m.Map(&res, msg, peer, now)
				b, err := json.Marshal(m.Explain(&res, msg))
				require.NoError(t, err)
				require.NotContains(t, string(b), token, "%s: %s-%d", name, segment[:3], field)
			}
		}
		msg := parse(t, message(append(base, "ANA|1", "QU9|x", "Quintero")...))
		m.Map(&res, msg, peer, now)
		require.NotContains(t, fmt.Sprint(m.Explain(&res, msg)), "ANA")
	}
}
