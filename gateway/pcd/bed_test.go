package pcd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

// A central station that names its monitors by the bed alone: the bed is a key of
// the table, and never leaves.
func TestADeviceKnownByItsBedOnly(t *testing.T) {
	station := []string{
		`MSH|^~\&|||||20260314092655+0000||ORU^R01|HP0314|P|2.5||||||8859/1`,
		"PID|123||4711||Doe^J", "PV1|14542|I|PCU^^Demo6&0&0", "OBR|||||||20260314092650+0000",
		"OBX||ST|0402-f8f5^sMode^MDIL|0|MONITORING||||||F||SETTING", "OBX||NM|0002-4182^HR^MDIL|0|80|0004-0aa0^bpm^MDIL|50-120||||F",
	}
	m := newMapper(t, Sender{Name: "station", Identity: "bed", Class: "patient_monitor", Aliases: map[string]string{"Demo6": "MON-0006"}})
	res := mapOne(t, m, station...)
	require.Equal(t, medfleet.DeviceID("MON-0006"), res.Observations[0].Device)
	require.Equal(t, 1.0, readings(res.Observations[0])["monitoring"])
	require.NotContains(t, fmt.Sprint(res.Observations, res.Reason), "Demo6")

	station[2] = strings.Replace(station[2], "Demo6", "Demo7", 1)
	res = mapOne(t, m, station...)
	require.Empty(t, res.Observations)
	require.Equal(t, NotUnderstood, res.Verdict)
	require.Equal(t, noBed, res.Reason)
	require.NotContains(t, spoken(t, res), "Demo7")
	require.NotContains(t, string(Skeleton(nil, parse(t, message(station...)))), "Demo7")
}
