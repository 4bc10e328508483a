package board

import (
	"cmp"
	"slices"
	"time"

	"medfleet"
)

// shares is how a window of clock time splits into states. The parts of all
// states sum to the window exactly.
type shares struct {
	Window time.Duration
	In     map[medfleet.State]time.Duration
}

// split cuts stretches to [from, to) and lays them end to end. Where two overlap
// the later one counts; what none covers is time about which nothing was
// recorded, and that is ours: blind.
func split(stretches []medfleet.Stretch, from, to medfleet.Millis) []medfleet.Stretch {
	in := make([]medfleet.Stretch, 0, len(stretches))
	for _, s := range stretches {
		if s.To == 0 || s.To > to {
			s.To = to
		}
		s.From = max(s.From, from)
		if s.From < s.To {
			in = append(in, s)
		}
	}
	slices.SortStableFunc(in, func(a, b medfleet.Stretch) int { return cmp.Compare(a.From, b.From) })
	out := make([]medfleet.Stretch, 0, len(in)+1)
	at := from
	for i, s := range in {
		if i+1 < len(in) {
			s.To = min(s.To, in[i+1].From)
		}
		if s.From >= s.To {
			continue
		}
		if s.From > at {
			out = append(out, medfleet.Stretch{State: medfleet.Blind, From: at, To: s.From})
		}
		out = append(out, s)
		at = s.To
	}
	if at < to {
		out = append(out, medfleet.Stretch{State: medfleet.Blind, From: at, To: to})
	}
	return out
}

// sum adds up stretches that split gave.
func sum(parts []medfleet.Stretch, from, to medfleet.Millis) shares {
	s := shares{Window: to.Sub(from), In: make(map[medfleet.State]time.Duration, 6)}
	for _, p := range parts {
		s.In[p.State] += p.To.Sub(p.From)
	}
	return s
}

// Coverage is (C − H − B) / C: the share of clock time in which the device was
// heard.
func (s shares) Coverage() float64 {
	if s.Window <= 0 {
		return 0
	}
	return float64(s.Window-s.In[medfleet.Unheard]-s.In[medfleet.Blind]) / float64(s.Window)
}

// tenths gives each state's minutes in tenths, rounded so that they sum to the
// window's own tenths: what is left over by cutting goes to the largest rests.
func (s shares) tenths() (each map[medfleet.State]int64, whole int64) {
	const tenth = 6 * time.Second
	whole = int64((s.Window + tenth/2) / tenth)
	states := medfleet.States()
	each = make(map[medfleet.State]int64, len(states))
	left := whole
	for _, st := range states {
		each[st] = int64(s.In[st] / tenth)
		left -= each[st]
	}
	slices.SortStableFunc(states, func(a, b medfleet.State) int { return cmp.Compare(s.In[b]%tenth, s.In[a]%tenth) })
	for i := int64(0); i < left; i++ {
		each[states[i%int64(len(states))]]++
	}
	return each, whole
}
