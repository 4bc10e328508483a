package chart

import (
	"math"
	"time"
)

// tick is a place on an axis and what is written there.
type tick struct {
	at    time.Time
	label string
}

var timeSteps = [...]time.Duration{
	5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour,
}

// ticks gives at most n round times within the window, in its zone.
func (w Window) ticks(n int) []tick {
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if w.To.Sub(w.From) <= s*time.Duration(n) {
			step = s
			break
		}
	}
	var out []tick
	for t := firstRound(w.From.In(w.zone()), step); t.Before(w.To) && len(out) <= n; t = nextRound(t, step) {
		if !t.Before(w.From) {
			out = append(out, tick{t, timeLabel(t, step)})
		}
	}
	return out
}

func (w Window) zone() *time.Location {
	if w.Zone == nil {
		return time.UTC
	}
	return w.Zone
}

// firstRound gives the last round time of the day not after t.
func firstRound(t time.Time, step time.Duration) time.Time {
	y, m, d := t.Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, t.Location())
	switch hours := int(step / time.Hour); {
	case hours >= 24:
		return midnight
	case hours >= 1:
		return time.Date(y, m, d, t.Hour()/hours*hours, 0, 0, 0, t.Location())
	}
	return midnight.Add(t.Sub(midnight) / step * step)
}

// nextRound goes on by the clock on the wall where the step is an hour or more,
// so that on the days when the clocks change the labels stay round: the steps
// there are longer or shorter.
func nextRound(t time.Time, step time.Duration) time.Time {
	hours := int(step / time.Hour)
	if hours == 0 {
		return t.Add(step)
	}
	y, m, d := t.Date()
	next := time.Date(y, m, d, t.Hour()+hours, 0, 0, 0, t.Location())
	if !next.After(t) {
		return t.Add(step) // the hour that comes twice
	}
	return next
}

func timeLabel(t time.Time, step time.Duration) string {
	switch {
	case step >= 24*time.Hour:
		return t.Format("Mon 2 Jan")
	case step < time.Minute:
		return t.Format("15:04:05")
	case t.Hour() == 0 && t.Minute() == 0:
		return t.Format("Mon 2")
	}
	return t.Format("15:04")
}

// scale is a vertical axis from low to high with a line at each step.
type scale struct{ low, high, step float64 }

// flat is the span, as a share of the values, below which no label could tell
// them apart.
const flat = 1e-9

// valueScale gives round numbers that hold lo to hi with about n steps between.
func valueScale(lo, hi float64, n int) scale {
	if hi-lo <= flat*math.Max(math.Abs(lo), math.Abs(hi)) {
		pad := math.Max(math.Abs(lo)*0.05, 0.5)
		lo, hi = lo-pad, hi+pad
	}
	step := roundStep((hi - lo) / float64(n))
	return scale{min(lo, math.Floor(lo/step)*step), max(hi, math.Ceil(hi/step)*step), step}
}

// roundStep gives the 1, 2, 2.5 or 5 times a power of ten next above a number.
func roundStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range [...]float64{1, 2, 2.5, 5} {
		if raw <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (s scale) share(v float64) float64 {
	if s.high <= s.low {
		return 0
	}
	return min(1, max(0, (v-s.low)/(s.high-s.low)))
}

func (s scale) lines() []float64 {
	var out []float64
	for i := 0; i <= 10; i++ {
		v := s.low + float64(i)*s.step
		if v > s.high+s.step/2 {
			break
		}
		out = append(out, v)
	}
	return out
}
