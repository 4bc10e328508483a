package uplink

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ClockHeader is how the collector tells its clock with every answer: when the
// request had come and when the answer went, in ms since 1970. The Date of HTTP is
// in whole seconds and may be a proxy's.
const ClockHeader = "Medfleet-Clock"

// Clock measures by how much this machine's clock is ahead of the collector's, from
// the answers to what is sent anyhow. The true offset of an answer lies within half
// its way there and back; of the last few the one with the shortest way counts.
// Between answers the collector's time goes on by our monotonic clock, so a step of
// ours shows at once. A Clock may be used by many goroutines.
type Clock struct {
	began time.Time // what monotonic times are counted from

	mu    sync.Mutex
	known []sighting // the newest last
}

// sighting is one answer: the collector's clock, ours that cannot be set, and by how
// much the two may be wrongly put together.
type sighting struct {
	theirs time.Duration // since 1970
	mono   time.Duration // since the Clock began
	doubt  time.Duration
}

const (
	sightings = 8
	// drift is how far two clocks part at most while nobody compares them.
	drift = 200 // parts per million
)

// NewClock gives a clock that knows nothing yet.
func NewClock() *Clock { return &Clock{began: time.Now()} }

// Offset gives by how much this machine's clock is ahead of the collector's, and
// false as long as nothing was answered.
func (c *Clock) Offset() (time.Duration, bool) {
	now := time.Now()
	return c.offset(now.Sub(c.began), time.Duration(now.UnixNano()))
}

func (c *Clock) offset(mono, wall time.Duration) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) == 0 {
		return 0, false
	}
	return wall - c.best(mono).at(mono), true
}

// best is the sighting with the least doubt at a time.
func (c *Clock) best(mono time.Duration) *sighting {
	best := &c.known[0]
	for i := range c.known {
		if s := &c.known[i]; s.doubtAt(mono) <= best.doubtAt(mono) {
			best = s
		}
	}
	return best
}

// at is the collector's clock at a monotonic time, by this sighting.
func (s *sighting) at(mono time.Duration) time.Duration { return s.theirs + mono - s.mono }

func (s *sighting) doubtAt(mono time.Duration) time.Duration {
	return s.doubt + (mono-s.mono)*drift/1_000_000
}

// observe takes an answer to a request that began and ended at these times.
func (c *Clock) observe(began, ended time.Time, answer http.Header) {
	came, went, ok := readClock(answer.Get(ClockHeader))
	if !ok {
		return
	}
	way := max(0, ended.Sub(began)-(went-came))
	half := began.Sub(c.began) + ended.Sub(began)/2
	c.take(sighting{theirs: came + (went-came)/2, mono: half, doubt: way / 2})
}

// take keeps a sighting. One that the others cannot be true beside says that the
// collector's clock was set, or that we slept: they are forgotten.
func (c *Clock) take(s sighting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.doubt += time.Millisecond // what the header is cut to
	if len(c.known) > 0 {
		best := c.best(s.mono)
		if apart := (best.at(s.mono) - s.theirs).Abs(); apart > s.doubt+best.doubtAt(s.mono) {
			c.known = c.known[:0]
		}
	}
	if len(c.known) == sightings {
		c.known = append(c.known[:0], c.known[1:]...)
	}
	c.known = append(c.known, s)
}

func readClock(word string) (came, went time.Duration, ok bool) {
	first, second, _ := strings.Cut(word, " ")
	a, err1 := strconv.ParseInt(first, 10, 64)
	b, err2 := strconv.ParseInt(second, 10, 64)
	const most = int64(9e12) // ms: nanoseconds must not overflow
	if err1 != nil || err2 != nil || a < 0 || b < a || b > most {
		return 0, 0, false
	}
	return time.Duration(a) * time.Millisecond, time.Duration(b) * time.Millisecond, true
}
