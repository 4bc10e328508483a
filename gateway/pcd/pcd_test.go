package pcd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestAPumpsReport(t *testing.T) {
	res := mapOne(t, newMapper(t), pumpReport()...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Len(t, res.Observations, 1)
	require.Equal(t, medfleet.Equipment{Device: "P2449", Class: "syringe_pump", Model: "Perfusor Space", Site: "north", Unit: "4W"}, res.Observations[0].Equipment)
	require.Equal(t, "edge-1", res.Observations[0].Gateway)
	require.Equal(t, now.Add(-10*time.Second), res.Observations[0].Time)
	require.Equal(t, now.Add(-5*time.Second), res.Sent)
	require.Equal(t, map[string]float64{
		"battery_charge": 87, "operating_hours": 208, "state": state(t, "syringe_pump", "infusing"),
	}, readings(res.Observations[0]))
	require.Empty(t, res.Events)
	require.Equal(t, "default", res.Sender.Name)
	require.Equal(t, 2, res.Dropped.Segments, "PID and NTE")
	require.Equal(t, 2, res.Dropped.Rows, "flow and drug")
	require.Empty(t, res.Dropped.Unknown)
	require.Equal(t, []Mark{{}}, res.ObservationMarks)
}
