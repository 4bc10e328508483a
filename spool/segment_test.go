package spool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAgeFrom has the clocks a machine may have had when it wrote.
func TestAgeFrom(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		stamp time.Time
		age   time.Duration
	}{
		"an hour ago":              {now.Add(-time.Hour), time.Hour},
		"a year ago":               {now.AddDate(-1, 0, 0), 365 * 24 * time.Hour},
		"1970, the clock was off":  {time.Unix(1000, 0), 0},
		"a year ahead":             {now.AddDate(1, 0, 0), 0},
		"no stamp, header damaged": {time.UnixMilli(0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.age, now.Sub(ageFrom(c.stamp.UnixMilli(), now)))
		})
	}
}
