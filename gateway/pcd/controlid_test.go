package pcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some senders count their control ids from 1 at each start, or leave them alike.
func TestAControlIDReusedWithOtherContentLosesNothing(t *testing.T) {
	base := strings.Join(alertMessage(batteryLow, phaseStart, stateActive), "\r")
	m := newMapper(t)
	ids := map[string]bool{}
	for _, message := range []string{
		base,
		strings.Replace(base, "196802^MDC_EVT_BATT_LO", "196800^MDC_EVT_BATT_FAIL", 1),
		strings.Replace(base, "|start|", "|end|", 1),
		strings.Replace(base, "V-1007", "V-1008", 1),
		strings.Replace(base, "20260314102655", "20260314102755", 1),
	} {
		require.Contains(t, message, "|M4711|", "void: it has another control id")
		for range 2 { // sent again, it is the same
			res := mapOne(t, m, strings.Split(message, "\r")...)
			require.Len(t, res.Events, 1)
			ids[res.Events[0].ID] = true
		}
	}
	require.Len(t, ids, 5)
}
