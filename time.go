package medfleet

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Millis is a time in milliseconds since 1970 UTC. In JSON it is RFC 3339; 0 is
// "no time" and reads as null.
type Millis int64

// AsMillis cuts a time to its millisecond.
func AsMillis(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time gives the time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Add gives the time d later.
func (m Millis) Add(d time.Duration) Millis { return m + Millis(d.Milliseconds()) }

// Sub gives the time passed since from, at most what a Duration can hold (292
// years): a clock that is centuries off must not come round to being right.
func (m Millis) Sub(from Millis) time.Duration {
	const most = uint64(math.MaxInt64 / time.Millisecond)
	if m < from {
		return -from.Sub(m)
	}
	return time.Duration(min(uint64(m)-uint64(from), most)) * time.Millisecond
}

// String gives RFC 3339 with milliseconds, or "never".
func (m Millis) String() string {
	if m == 0 {
		return "never"
	}
	return m.Time().Format(stamp)
}

const stamp = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes RFC 3339 with milliseconds, null for 0.
func (m Millis) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(stamp)+2)
	b = append(b, '"')
	b = m.Time().AppendFormat(b, stamp)
	return append(b, '"'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Millis) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*m = 0
		return nil
	}
	var t time.Time
	if err := json.Unmarshal(b, &t); err != nil {
		return fmt.Errorf("read time: want RFC 3339: %w", err)
	}
	*m = AsMillis(t)
	return nil
}

// Device time is believed from 30 days back to 5 minutes ahead of the receiver's
// clock. A clock further off is not: the receiver's time is used instead.
const (
	MaxPast   = 30 * 24 * time.Hour
	MaxFuture = 5 * time.Minute
)

// Believe gives the time to file a record under: the device's when it is
// plausible, else the receiver's, and whether it had to be clamped.
func Believe(device, received Millis) (at Millis, clamped bool) {
	earliest, latest := received.Add(-MaxPast), received.Add(MaxFuture)
	if device == 0 || device < earliest || device > latest {
		return received, device != 0
	}
	return device, false
}
