package medfleet_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestADevicesClockIsBelievedWithinReason(t *testing.T) {
	received := medfleet.AsMillis(time.Date(2026, 3, 29, 1, 59, 59, 0, time.UTC))
	for name, c := range map[string]struct {
		device   medfleet.Millis
		believed bool
		clamped  bool
	}{
		"the same":             {received, true, false},
		"an hour back":         {received.Add(-time.Hour), true, false},
		"30 days back":         {received.Add(-medfleet.MaxPast), true, false},
		"more than 30 days":    {received.Add(-medfleet.MaxPast - time.Millisecond), false, true},
		"five minutes ahead":   {received.Add(medfleet.MaxFuture), true, false},
		"more than five":       {received.Add(medfleet.MaxFuture + time.Millisecond), false, true},
		"stuck at 1970":        {1000, false, true},
		"the end of all times": {math.MaxInt64, false, true},
		"before all times":     {math.MinInt64, false, true},
		"none at all":          {0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			at, clamped := medfleet.Believe(c.device, received)
			require.Equal(t, c.clamped, clamped)
			if c.believed {
				require.Equal(t, c.device, at)
			} else {
				require.Equal(t, received, at)
			}
		})
	}
}

func TestTimesAreRFC3339InJSONAndNullWhenThereIsNone(t *testing.T) {
	at := medfleet.AsMillis(time.Date(2026, 11, 23, 5, 6, 7, 890_000_000, time.UTC))
	b, err := json.Marshal([]medfleet.Millis{at, 0})
	require.NoError(t, err)
	require.JSONEq(t, `["2026-11-23T05:06:07.890Z", null]`, string(b))
	var back []medfleet.Millis
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, []medfleet.Millis{at, 0}, back)
	require.Error(t, json.Unmarshal([]byte(`["yesterday"]`), &back))
}
