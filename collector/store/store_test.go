package store

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/profiles"
)

func TestEveryNameOfTheProfilesCanBeStored(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	require.NotEmpty(t, set.Classes())
	for _, p := range set.Classes() {
		require.True(t, Name(string(p.Class)), p.Class)
		for _, m := range p.Metrics {
			require.True(t, Name(m.Name), m.Name)
		}
	}
}

func TestAPointIsJudgedByTheClock(t *testing.T) {
	const now = medfleet.Millis(1_800_000_000_000)
	for at, want := range map[medfleet.Millis]Reason{
		now:                                "",
		now.Add(-medfleet.MaxPast):         "",
		now.Add(-medfleet.MaxPast) - 1:     TooOld,
		now.Add(medfleet.MaxFuture):        "",
		now.Add(medfleet.MaxFuture) + 1:    InFuture,
		math.MinInt64:                      TooOld,
		math.MaxInt64:                      InFuture,
		now + math.MaxInt64/1_000_000 + 10: InFuture, // where a distance in nanoseconds overflows
	} {
		p := Point{Measurement: "gateway", Gateway: "g", Time: at, Fields: []medfleet.Reading{{Metric: "m", Value: 1}}}
		refused, ok := p.Check(now)
		require.Equal(t, want, refused.Reason, at)
		require.Equal(t, want == "", ok)
	}
}

func TestARefusalTellsOfTheFirstAndCountsTheRest(t *testing.T) {
	require.NoError(t, Refuse(nil))
	err := Refuse([]RefusedPoint{{2, TooOld, "late"}, {3, BadTag, "tag"}, {5, BadTag, "tag"}, {7, BadTag, "tag"}})
	require.EqualError(t, err, "write points: 4 refused; point 2: too_old: late; point 3: bad_tag: tag; point 5: bad_tag: tag; and 1 more")
	var refused *Refused
	require.ErrorAs(t, fmt.Errorf("store: %w", err), &refused)
	require.Len(t, refused.Points, 4)
}

func TestAQueryIsFilledIn(t *testing.T) {
	q := Query{Measurement: "infusion_pump", Metric: "state", Devices: []medfleet.DeviceID{"p1"}, To: 1}
	require.NoError(t, q.Check())
	require.Equal(t, DefaultSamples, q.Limit)
	require.Equal(t, Last, q.Fold)
	q.Devices[0] = "p 1"
	require.True(t, errors.Is(q.Check(), ErrQuery))
}

func TestStepsBeginAtMultiplesBefore1970Too(t *testing.T) {
	f := NewFolder(&Query{Step: time.Second, Fold: Mean, Limit: 10})
	for _, at := range []medfleet.Millis{-1001, -1000, -1, 0, 999, 1000} {
		require.NoError(t, f.Add(Sample{at, float64(at)}))
	}
	require.Equal(t, []Sample{{-2000, -1001}, {-1000, -500.5}, {0, 499.5}, {1000, 1000}}, f.Samples())
}

func TestTheFolderTakesOneOfTwoAtTheSameTime(t *testing.T) {
	for _, step := range []time.Duration{0, time.Minute} {
		f := NewFolder(&Query{Step: step, Fold: Mean, Limit: 1})
		require.NoError(t, f.Add(Sample{0, 4}))
		require.NoError(t, f.Add(Sample{0, 8}))
		require.Equal(t, []Sample{{0, 4}}, f.Samples())
	}
}

// However samples fall into steps: no step is empty, they are in order, begin at
// multiples, and hold the least and greatest of all.
func TestFoldingKeepsOrderAndExtremes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		step := time.Duration(rapid.IntRange(1, 1000).Draw(r, "step")) * time.Millisecond
		least, most := NewFolder(&Query{Step: step, Fold: Min, Limit: 1000}), NewFolder(&Query{Step: step, Fold: Max, Limit: 1000})
		at, lo, hi := medfleet.Millis(-5000), math.Inf(1), math.Inf(-1)
		for range rapid.IntRange(1, 100).Draw(r, "samples") {
			at += medfleet.Millis(rapid.IntRange(1, 300).Draw(r, "gap"))
			v := float64(rapid.IntRange(-100, 100).Draw(r, "value"))
			lo, hi = min(lo, v), max(hi, v)
			require.NoError(r, least.Add(Sample{at, v}))
			require.NoError(r, most.Add(Sample{at, v}))
		}
		low, high := least.Samples(), most.Samples()
		require.Len(r, high, len(low))
		for i := range low {
			require.Zero(r, int64(low[i].Time)%step.Milliseconds())
			require.Equal(r, low[i].Time, high[i].Time)
			require.LessOrEqual(r, low[i].Value, high[i].Value)
			require.True(r, i == 0 || low[i-1].Time < low[i].Time)
			lo, hi = min(lo, low[i].Value), max(hi, high[i].Value)
		}
		require.LessOrEqual(r, at-low[len(low)-1].Time, medfleet.Millis(step.Milliseconds()))
	})
}

// Whatever the words are, a point that Check lets through has only words that
// come back as they are: valid, printable, not empty at their ends.
func FuzzTagsAreCleanOrRefused(f *testing.F) {
	f.Add("Alba 3", "ICU")
	f.Add("\xff", "a\\")
	f.Add(" a", "b\n")
	f.Fuzz(func(t *testing.T, model, unit string) {
		p := Point{Measurement: "gateway", Equipment: medfleet.Equipment{Device: "d", Model: model, Unit: medfleet.CareUnit(unit)}}
		_, ok := p.CheckTags()
		for _, s := range []string{model, unit} {
			if s == "" {
				continue
			}
			harmful := s[len(s)-1] == '\\' || s[0] == ' ' || s[len(s)-1] == ' '
			for _, r := range s {
				harmful = harmful || r == '\uFFFD' && !validRune(s) || r < ' ' || r == 0x7f
			}
			require.False(t, ok && harmful)
		}
	})
}

func validRune(s string) bool { return string([]rune(s)) == s }
