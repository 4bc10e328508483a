package simulators

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/simulators/physics"
	"medfleet/simulators/scenario"
)

func overMQTTAndHL7(p Protocol) bool { return p != Sparkplug }

func TestRollOfAWard(t *testing.T) {
	members := roll(50, 1, overMQTTAndHL7)
	require.Len(t, members, 50)
	ids, euis, classes := map[medfleet.DeviceID]bool{}, map[string]bool{}, map[medfleet.Class]int{}
	for _, m := range members {
		require.True(t, m.ID.Valid(), m.ID)
		require.Len(t, m.EUI64, 16)
		require.NotEmpty(t, m.Model)
		require.NotEmpty(t, m.Unit)
		ids[m.ID], euis[m.EUI64] = true, true
		classes[m.Class]++
		require.Equal(t, m.Class == physics.InfusionPump || m.Class == physics.SyringePump, m.Protocol == MQTT)
	}
	require.Len(t, ids, 50)
	require.Len(t, euis, 50)
	require.Equal(t, map[medfleet.Class]int{physics.InfusionPump: 20, physics.SyringePump: 12, physics.Ventilator: 6, physics.PatientMonitor: 12}, classes)

	require.Equal(t, members, roll(50, 1, overMQTTAndHL7))
	require.NotEqual(t, members, roll(50, 2, overMQTTAndHL7))
}

func TestRollOfAnySize(t *testing.T) {
	for n := 1; n <= 60; n++ {
		classes := map[medfleet.Class]bool{}
		members := roll(n, 9, overMQTTAndHL7)
		require.Len(t, members, n)
		for _, m := range members {
			classes[m.Class] = true
		}
		require.Len(t, classes, min(n, 4))
	}
	for _, m := range roll(30, 1, func(p Protocol) bool { return p == HL7 }) {
		require.Equal(t, HL7, m.Protocol)
	}
}

func TestStationsHaveTenDevicesAtMost(t *testing.T) {
	var devices []*device
	for _, m := range roll(200, 1, overMQTTAndHL7) {
		devices = append(devices, &device{Member: m})
	}
	sum := 0
	for _, group := range stations(devices) {
		require.LessOrEqual(t, len(group), perStation)
		sum += len(group)
	}
	require.Equal(t, 72, sum)
}

func timelineOf(t *testing.T, name string, members []Member, seed uint64, n int) (all []moment) {
	s, err := scenario.Load(name)
	require.NoError(t, err)
	line := newTimeline(s, members, seed)
	for range n {
		m, ok := line.next()
		if !ok {
			break
		}
		all = append(all, m)
	}
	return all
}

func TestTimelineOfTheWard(t *testing.T) {
	members := roll(50, 1, overMQTTAndHL7)
	first := timelineOf(t, "ward", members, 1, 8)
	begun := map[int]time.Duration{}
	for _, m := range first {
		if m.begin {
			begun[m.device] = m.at
			continue
		}
		require.Contains(t, begun, m.device)
		require.Greater(t, m.at, begun[m.device])
	}
	require.Len(t, begun, 4)
	require.LessOrEqual(t, first[7].at, time.Minute)
	require.Equal(t, first, timelineOf(t, "ward", members, 1, 8))
	require.NotEqual(t, timelineOf(t, "ward", members, 1, 40), timelineOf(t, "ward", members, 2, 40))
	require.Empty(t, timelineOf(t, "calm", members, 1, 8))
}

func TestNobodyHasTwoFaultsAtOnce(t *testing.T) {
	for _, n := range []int{5, 50} {
		struck := map[int]bool{}
		last := time.Duration(0)
		events := timelineOf(t, "bad-day", roll(n, 3, overMQTTAndHL7), 3, 3000)
		require.Len(t, events, 3000, "a bad day does not end")
		for _, m := range events {
			require.GreaterOrEqual(t, m.at, last)
			last = m.at
			require.NotEqual(t, m.begin, struck[m.device])
			struck[m.device] = m.begin
		}
	}
}

func TestFaultsThatFitNobodyAreToldAndLeftOut(t *testing.T) {
	s, err := scenario.Load("ward")
	require.NoError(t, err)
	line := newTimeline(s, roll(30, 1, func(p Protocol) bool { return p == MQTT }), 1)
	require.Len(t, line.missing(), 2)
	for range 20 {
		m, ok := line.next()
		require.True(t, ok)
		require.Less(t, m.fault, 2)
	}
}
