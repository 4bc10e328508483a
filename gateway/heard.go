package gateway

import (
	"sync/atomic"
	"time"

	"medfleet"
)

// lastHeard is when the newest message of a source came, and how many have.
type lastHeard struct{ at, count atomic.Int64 }

func (h *lastHeard) set(at medfleet.Millis) {
	h.at.Store(int64(at))
	h.count.Add(1)
}

// time is zero if none ever came.
func (h *lastHeard) time() time.Time {
	if ms := h.at.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

func (h *lastHeard) messages() uint64 { return uint64(h.count.Load()) }
