package gateway

import (
	"sync"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// skews decides when a device's clock is worth a word. A clock that is right needs
// none with every report; but the collector must hear when one is right again, and
// once after our start, since it may remember one that was wrong before.
type skews struct {
	mu  sync.Mutex
	off map[medfleet.DeviceID]bool // whether the newest word was that it is off
}

const (
	// offFrom is the skew from which each report tells it. Stamps of HL7 have whole
	// seconds, and messages need a moment.
	offFrom  = 5 * time.Second
	maxSkews = 200_000 // devices remembered; beyond it, it starts anew
)

func newSkews() *skews { return &skews{off: map[medfleet.DeviceID]bool{}} }

// tell adds the skew to an observation where it is worth a word.
func (s *skews) tell(o *medfleet.Observation, skew time.Duration) {
	off := skew.Abs() >= offFrom
	s.mu.Lock()
	was, known := s.off[o.Device]
	if off != was || !known {
		if len(s.off) >= maxSkews {
			clear(s.off)
		}
		s.off[o.Device] = off
	}
	s.mu.Unlock()
	if known && !off && !was {
		return
	}
	if _, told := o.Reading(profiles.SkewMetric); !told {
		o.Readings = append(o.Readings, medfleet.Reading{Metric: profiles.SkewMetric, Value: skew.Round(time.Millisecond).Seconds()})
	}
}
