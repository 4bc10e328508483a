package pcd

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestADevicesClockIsJudgedByWhenItSentTheMessage(t *testing.T) {
	berlin := Sender{Name: "rack", TimeZone: "Europe/Berlin"}
	for name, c := range map[string]struct {
		stamp  string
		sender Sender
		skew   time.Duration
		known  bool
	}{
		"right":                               {"20260314102700+0100", Sender{Name: "x"}, 0, true},
		"a minute behind":                     {"20260314102600+0100", Sender{Name: "x"}, -time.Minute, true},
		"an hour ahead":                       {"20260314112700+0100", Sender{Name: "x"}, time.Hour, true},
		"a fraction without a dot":            {"20260314102700500+0100", Sender{Name: "x"}, 500 * time.Millisecond, true},
		"with a blank inside":                 {"20260314102700 +0100", Sender{Name: "x"}, 0, true},
		"stuck in 2013":                       {"20130101000000+0000", Sender{Name: "x"}, -115689*time.Hour - 27*time.Minute, true},
		"without a zone, in the sender's own": {"20260314102700", berlin, 0, true},
		"without a zone, and none configured": {"20260314102700", Sender{Name: "x"}, 0, false},
		"stuck in 2013, without a zone":       {"20130101000000", Sender{Name: "x"}, -115689*time.Hour - 27*time.Minute, true},
		"a day ahead, without a zone":         {"20260315102700", Sender{Name: "x"}, 25 * time.Hour, true},
		"in the easternmost zone, untold":     {"20260314232700", Sender{Name: "x"}, 0, false},
		"only to the minute":                  {"202603141027+0100", Sender{Name: "x"}, 0, false},
		"only a day":                          {"20260314", berlin, 0, false},
		"none":                                {"", berlin, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := pumpReport()
			m[0] = strings.Replace(m[0], "20260314102655+0100", c.stamp, 1)
			res := mapOne(t, newMapper(t, c.sender), m...)
			require.Equal(t, c.known, res.SkewKnown)
			require.Equal(t, c.skew, res.Skew)
			require.Len(t, res.Observations, 1, "the report itself has a time of its own")
		})
	}
}

func TestAnOldReadingIsNoSkew(t *testing.T) {
	m := pumpReport()
	m[3] = strings.Replace(m[3], "20260314102650", "20260314052650", 1)
	res := mapOne(t, newMapper(t), m...)
	require.Equal(t, -5*time.Second, res.Skew)
	require.Equal(t, now.Add(-5*time.Hour-10*time.Second), res.Observations[0].Time)
}

func TestTheHourThatAClockShowsTwice(t *testing.T) {
	berlin := newMapper(t, Sender{Name: "ward", TimeZone: "Europe/Berlin"})
	m := pumpReport()
	m[0] = strings.Replace(m[0], "20260314102655+0100", "20261025023000", 1)
	m[3] = strings.Replace(m[3], "20260314102650+0100", "20261025022955", 1)
	for name, utc := range map[string]time.Time{
		"before the change": time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC),
		"after it":          time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			var res Result
			berlin.Map(&res, parse(t, message(m...)), peer, medfleet.AsMillis(utc))
			require.Zero(t, res.Skew, "no clock is an hour off")
			require.Equal(t, medfleet.AsMillis(utc)-5000, res.Observations[0].Time)
			require.False(t, res.ObservationMarks[0].Clamped)
		})
	}
}
