package uplink

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is two machines: the collector's clock, ours, and the time that truly passes.
type pair struct {
	c            *Clock
	passed       time.Duration
	ours, theirs time.Duration // clocks at true time 0
}

func newPair(ahead time.Duration) *pair {
	const theirs = 1_790_000_000 * time.Second
	return &pair{c: NewClock(), ours: theirs + ahead, theirs: theirs}
}

// asks sends a request: so long there, at the collector, and back.
func (p *pair) asks(there, at, back time.Duration) {
	began := p.c.began.Add(p.passed)
	came, went := p.theirs+p.passed+there, p.theirs+p.passed+there+at
	h := http.Header{}
	h.Set(ClockHeader, fmt.Sprintf("%d %d", came.Milliseconds(), went.Milliseconds()))
	p.passed += there + at + back
	p.c.observe(began, p.c.began.Add(p.passed), h)
}

func (p *pair) ahead(t *testing.T) time.Duration {
	t.Helper()
	d, ok := p.c.offset(p.passed, p.ours+p.passed)
	require.True(t, ok)
	return d
}

func TestTheOffsetIsTheCollectorsClockAtTheMiddleOfTheBestRequest(t *testing.T) {
	for _, ahead := range []time.Duration{0, 250 * time.Millisecond, -90 * time.Second, time.Hour, -365 * 24 * time.Hour} {
		p := newPair(ahead)
		_, ok := p.c.offset(0, p.ours)
		require.False(t, ok, "nobody has compared them")
		p.asks(900*time.Millisecond, 2*time.Second, 100*time.Millisecond) // a bad way, and a slow disk there
		require.InDelta(t, ahead, p.ahead(t), float64(501*time.Millisecond), "half the way is the doubt, not the time at the collector")
		p.asks(3*time.Millisecond, 20*time.Millisecond, 3*time.Millisecond)
		require.InDelta(t, ahead, p.ahead(t), float64(2*time.Millisecond), "the short way counts")
		for range sightings - 1 {
			p.passed += 10 * time.Second
			p.asks(time.Second, 0, 10*time.Millisecond)
			require.InDelta(t, ahead, p.ahead(t), float64(20*time.Millisecond), "and goes on counting for a while")
		}
	}
}

func TestAStepOfEitherClockShows(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour, 70 * time.Second} {
		p := newPair(0)
		p.asks(5*time.Millisecond, time.Millisecond, 5*time.Millisecond)
		p.ours += step
		require.InDelta(t, step, p.ahead(t), float64(10*time.Millisecond), "ours: at once, without asking")
		p.asks(5*time.Millisecond, time.Millisecond, 5*time.Millisecond)
		require.InDelta(t, step, p.ahead(t), float64(10*time.Millisecond))
		p.theirs += step
		p.asks(50*time.Millisecond, time.Millisecond, 50*time.Millisecond)
		require.InDelta(t, 0, p.ahead(t), float64(100*time.Millisecond), "theirs: with the next answer, though its way is longer")
	}
}

func TestTheOffsetIsRightWithinItsDoubt(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		ahead := time.Duration(r.Int64N(int64(48*time.Hour))) - 24*time.Hour
		p := newPair(ahead)
		worst := time.Duration(0)
		for range 1 + r.IntN(30) {
			there, back := time.Duration(r.Int64N(int64(time.Second))), time.Duration(r.Int64N(int64(time.Second)))
			p.asks(there, time.Duration(r.Int64N(int64(5*time.Second))), back)
			worst = max(worst, (there+back)/2)
			p.passed += time.Duration(r.Int64N(int64(20 * time.Second)))
			require.InDelta(t, ahead, p.ahead(t), float64(worst+50*time.Millisecond), "seed %d", seed)
		}
	}
}

func TestWhatIsNoClockIsNoClock(t *testing.T) {
	for _, word := range []string{"", "5", "x y", "-1 5", "10 5", "5 6 7", "99999999999999999 99999999999999999"} {
		c := NewClock()
		h := http.Header{"Date": {"Thu, 26 Nov 2026 10:00:00 GMT"}}
		h.Set(ClockHeader, word)
		c.observe(c.began, c.began.Add(time.Second), h)
		_, ok := c.Offset()
		require.False(t, ok, word)
	}
}
