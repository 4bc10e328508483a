package gateway

import (
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"medfleet"
)

// feedName gives a feed's name the shape that the collector's write door takes: it
// stands on every record, and would have each refused.
func feedName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) && r != unicode.ReplacementChar || strings.ContainsRune("0123456789 ._-:/+^#()", r) {
			return r
		}
		return '-'
	}, s)
	if runes := []rune(s); len(runes) > 64 {
		s = string(runes[:64])
	}
	return strings.TrimSpace(s)
}

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
