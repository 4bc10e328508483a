package gateway

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestNoTwoObservationsOfADeviceFallOnOneMillisecond(t *testing.T) {
	type seen struct {
		device medfleet.DeviceID
		at     medfleet.Millis
		key    uint64
		want   medfleet.Millis
	}
	for name, list := range map[string][]seen{
		"one after the other": {{"a", 1000, 1, 1000}, {"a", 2000, 2, 2000}},
		"two in one second":   {{"a", 1000, 1, 1000}, {"a", 1000, 2, 1001}, {"a", 1000, 3, 1002}},
		"another device":      {{"a", 1000, 1, 1000}, {"b", 1000, 2, 1000}},
		"the same message":    {{"a", 1000, 1, 1000}, {"a", 1000, 2, 1001}, {"a", 1000, 1, 1000}, {"a", 1000, 2, 1001}},
		"the second's last":   {{"a", 1999, 1, 1999}, {"a", 1999, 2, 2000}, {"a", 2000, 3, 2001}},
		"out of order":        {{"a", 2500, 1, 2500}, {"a", 1700, 2, 1700}, {"a", 1700, 3, 1701}},
		"late, whole seconds": {{"a", 2000, 1, 2000}, {"a", 1000, 2, 1000}, {"a", 2000, 3, 2001}},
		"ms are not moved":    {{"a", 1500, 1, 1500}, {"a", 1400, 2, 1400}},
	} {
		t.Run(name, func(t *testing.T) {
			ties := newTies()
			for i, s := range list {
				require.Equal(t, s.want, ties.settle(s.device, s.at, s.key), "%d", i)
			}
		})
	}
}

func TestManyInOneSecondStayApart(t *testing.T) {
	ties := newTies()
	taken := map[medfleet.Millis]bool{}
	for key := range uint64(100) {
		at := ties.settle("a", 5000, key)
		require.False(t, taken[at], "message %d falls on %d", key, at)
		taken[at] = true
	}
}

func TestTheMemoryForTiesIsBounded(t *testing.T) {
	ties := newTies()
	for i := range maxTies + 10 {
		ties.settle(medfleet.DeviceID(fmt.Sprint(i)), 1000, 1)
		require.LessOrEqual(t, len(ties.devices), maxTies)
	}
}
