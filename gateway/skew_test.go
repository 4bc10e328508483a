package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/profiles"
	"medfleet/record"
)

func TestAClockIsWorthAWordWhenItIsOffAndWhenItIsRightAgain(t *testing.T) {
	s := newSkews()
	told := func(device string, skew time.Duration) string {
		o := medfleet.Observation{Equipment: medfleet.Equipment{Device: medfleet.DeviceID(device)}}
		s.tell(&o, skew)
		if v, ok := o.Reading(profiles.SkewMetric); ok {
			return fmt.Sprint(v)
		}
		return "-"
	}
	require.Equal(t, "0.25", told("a", 250*time.Millisecond), "the collector may remember one from before our start")
	require.Equal(t, "-", told("a", -4*time.Second))
	require.Equal(t, "-7200", told("a", -2*time.Hour))
	require.Equal(t, "-7201", told("a", -7201*time.Second), "each report while it is off")
	require.Equal(t, "1", told("a", time.Second), "and when it is right again")
	require.Equal(t, "-", told("a", time.Second))
	require.Equal(t, "61", told("b", 61*time.Second))
	o := medfleet.Observation{Readings: []medfleet.Reading{{Metric: profiles.SkewMetric, Value: 5}}}
	s.tell(&o, time.Hour)
	require.Len(t, o.Readings, 1, "said twice, the record would be refused")
	for i := range maxSkews + 5 {
		o := medfleet.Observation{Equipment: medfleet.Equipment{Device: medfleet.DeviceID(fmt.Sprint(i))}}
		s.tell(&o, 0)
	}
	require.LessOrEqual(t, len(s.off), maxSkews)
}

// TestADeviceWhoseClockIsOffIsFiledByTheGatewaysAndSaysItsOwn is the clock's whole
// way through a gateway: what is filed, what is kept of the device's own time, what is
// said of its skew.
func TestADeviceWhoseClockIsOffIsFiledByTheGatewaysAndSaysItsOwn(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	for i, at := range []struct {
		name    string
		off     time.Duration
		clamped bool
	}{
		{"right", 0, false}, {"an hour behind", -time.Hour, false}, {"an hour ahead", time.Hour, true}, {"a year behind", -365 * 24 * time.Hour, true},
		{"a year ahead", 365 * 24 * time.Hour, true}, {"never set", -time.Since(time.Unix(0, 0)), true}, {"a minute ahead", time.Minute, false},
	} {
		t.Run(at.name, func(t *testing.T) {
			id := fmt.Sprint("pump-", i)
			device := time.Now().Add(at.off)
			payload := fmt.Sprintf(`{"class":"infusion_pump","time":%q,"battery_charge":50}`, device.UTC().Format(time.RFC3339Nano))
			require.True(t, publish(t, pump(t, e, id), topicOf(id, "status"), payload))
			var l record.Line
			var flags record.Flags
			require.Eventually(t, func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				for i := range c.lines {
					if c.lines[i].Tag("device") == id {
						l, flags = c.lines[i], c.taken[i].Flags
						return true
					}
				}
				return false
			}, soon, time.Millisecond)
			var o medfleet.Observation
			l.Observation(&o)
			require.Equal(t, at.clamped, flags&record.Clamped != 0)
			skew, ok := o.Reading(profiles.SkewMetric)
			require.True(t, ok)
			require.InDelta(t, at.off.Seconds(), skew, 50, "judged by the time of the message")
			if at.clamped {
				require.WithinDuration(t, time.Now(), o.Time.Time(), soon, "the gateway's time")
				require.InDelta(t, device.UnixMilli(), int64(o.DeviceTime), 1000)
			} else {
				require.WithinDuration(t, device, o.Time.Time(), time.Second, "the device's")
				require.Zero(t, o.DeviceTime)
			}
		})
	}
}

func TestARetainedMessageSaysNothingOfAClock(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	client := pump(t, e, "pump-1")
	old := fmt.Sprintf(`{"class":"infusion_pump","time":%q,"battery_charge":50}`, time.Now().Add(-3*time.Hour).UTC().Format(time.RFC3339Nano))
	k := e.newMQTTKeeper("mqtt", &Options{Config: e.config, Profiles: set()}, nil)
	require.NoError(t, k.Take(mqtt.Message{Topic: topicOf("pump-1", "status"), Payload: []byte(old), Retained: true}, now()).Wait(t.Context()))
	require.True(t, publish(t, client, topicOf("pump-2", "status"), old))
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 2 }, soon, time.Millisecond)
	for _, l := range c.of(record.Observation) {
		var o medfleet.Observation
		l.Observation(&o)
		_, told := o.Reading(profiles.SkewMetric)
		require.Equal(t, o.Device == "pump-2", told)
	}
}

func TestAHeartbeatSaysHowFarTheClockIsOff(t *testing.T) {
	c := newCentre(t)
	c.ahead = -90 * time.Second
	startEdge(t, c, t.TempDir())
	newest := func() medfleet.Heartbeat {
		beats := c.beats(record.HeartbeatMeasurement)
		if len(beats) == 0 {
			return medfleet.Heartbeat{}
		}
		return beats[len(beats)-1].Heartbeat()
	}
	require.Eventually(t, func() bool { return newest().ClockKnown }, soon, time.Millisecond)
	require.False(t, c.beats(record.HeartbeatMeasurement)[0].Heartbeat().ClockKnown, "before the first answer nobody knows")
	require.InDelta(t, 90, newest().ClockOffset, 60, "ours is ahead")
	c.mu.Lock()
	c.ahead = time.Hour
	c.mu.Unlock()
	require.Eventually(t, func() bool { return newest().ClockOffset < -3500 }, soon, time.Millisecond)
}
