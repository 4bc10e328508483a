package board

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
)

func TestSplit(t *testing.T) {
	const from, to = medfleet.Millis(1000), medfleet.Millis(2000)
	for _, c := range []struct {
		name string
		in   []medfleet.Stretch
		want []medfleet.Stretch
	}{
		{"nothing recorded is ours", nil, []medfleet.Stretch{{State: medfleet.Blind, From: 1000, To: 2000}}},
		{"cut at both ends, the last goes on", []medfleet.Stretch{{State: medfleet.Idle, From: 0, To: 1500}, {State: medfleet.InUse, From: 1500}},
			[]medfleet.Stretch{{State: medfleet.Idle, From: 1000, To: 1500}, {State: medfleet.InUse, From: 1500, To: 2000}}},
		{"a hole is blind", []medfleet.Stretch{{State: medfleet.Idle, From: 1000, To: 1200}, {State: medfleet.Off, From: 1300, To: 2000}},
			[]medfleet.Stretch{{State: medfleet.Idle, From: 1000, To: 1200}, {State: medfleet.Blind, From: 1200, To: 1300}, {State: medfleet.Off, From: 1300, To: 2000}}},
		{"the later of two counts, in any order", []medfleet.Stretch{{State: medfleet.Off, From: 1400, To: 2000}, {State: medfleet.Idle, From: 1000}},
			[]medfleet.Stretch{{State: medfleet.Idle, From: 1000, To: 1400}, {State: medfleet.Off, From: 1400, To: 2000}}},
		{"what is outside does not count", []medfleet.Stretch{{State: medfleet.Off, From: 1, To: 1000}, {State: medfleet.Off, From: 2000}},
			[]medfleet.Stretch{{State: medfleet.Blind, From: 1000, To: 2000}}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, split(c.in, from, to)) })
	}
}

// Whatever was recorded, the states sum to the window, to the millisecond and in
// what is printed.
func TestMinutesSumToTheWindow(t *testing.T) {
	states := medfleet.States()
	rapid.Check(t, func(t *rapid.T) {
		from := medfleet.Millis(rapid.Int64Range(1, 1_000_000).Draw(t, "from"))
		to := from + medfleet.Millis(rapid.Int64Range(1, 700_000_000).Draw(t, "long"))
		stretches := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) medfleet.Stretch {
			at := medfleet.Millis(rapid.Int64Range(-1000, int64(to)+1000).Draw(t, "at"))
			s := medfleet.Stretch{State: rapid.SampledFrom(states).Draw(t, "state"), From: at}
			if rapid.Bool().Draw(t, "ended") {
				s.To = at + medfleet.Millis(rapid.Int64Range(0, 100_000_000).Draw(t, "for"))
			}
			return s
		}), 0, 20).Draw(t, "stretches")
		total := sum(split(stretches, from, to), from, to)
		var whole time.Duration
		for _, d := range total.In {
			require.GreaterOrEqual(t, d, time.Duration(0))
			whole += d
		}
		require.Equal(t, to.Sub(from), whole)
		each, printed := total.tenths()
		var tenths int64
		for _, st := range states {
			require.InDelta(t, total.In[st].Minutes(), float64(each[st])/10, 0.11)
			tenths += each[st]
		}
		require.Equal(t, printed, tenths)
		require.InDelta(t, float64(to-from-medfleet.Millis((total.In[medfleet.Unheard]+total.In[medfleet.Blind]).Milliseconds()))/float64(to-from), total.Coverage(), 1e-9)
	})
}

func TestSpanWindow(t *testing.T) {
	now := medfleet.Millis(100 * 24 * time.Hour.Milliseconds())
	for _, c := range []struct {
		name  string
		span  string
		first medfleet.Millis
		want  time.Duration
	}{
		{"the whole span", "6h", 1, 6 * time.Hour},
		{"no longer than it is known", "24h", now.Add(-5 * time.Minute), 5 * time.Minute},
		{"a minute at least", "24h", now, time.Minute},
		{"an unknown span is the default", "99y", 1, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := spanOf(c.span).window(now, c.first)
			require.Equal(t, now, to)
			require.Equal(t, c.want, to.Sub(from))
		})
	}
}
