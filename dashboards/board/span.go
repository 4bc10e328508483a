package board

import (
	"time"

	"medfleet"
)

// span is a choice of how far back a device page looks.
type span struct {
	Name   string // as in the address: 24h
	Title  string
	Length time.Duration
}

var defaultSpan = span{"24h", "24 hours", 24 * time.Hour}

func spans() []span {
	return []span{
		{"1h", "1 hour", time.Hour},
		{"6h", "6 hours", 6 * time.Hour},
		defaultSpan,
		{"7d", "7 days", 7 * 24 * time.Hour},
	}
}

// spanOf reads a choice; whatever is not one is the default.
func spanOf(name string) span {
	for _, s := range spans() {
		if s.Name == name {
			return s
		}
	}
	return defaultSpan
}

// window gives [from, to) for a device: the span up to now, but nothing from
// before the device was first heard, and a minute at least.
func (s span) window(now, firstSeen medfleet.Millis) (from, to medfleet.Millis) {
	from = max(now.Add(-s.Length), firstSeen)
	return min(from, now.Add(-time.Minute)), now
}
