package api

import (
	"context"
	"slices"
	"strconv"
	"time"

	"medfleet"
)

type stretchesInput struct {
	Named
	Window
}

// Stretch is a part of a window in one state.
type Stretch struct {
	ID       string          `json:"id" doc:"when the interval began, in ms since 1970: unique for the device"`
	State    medfleet.State  `json:"state" enum:"in_use,idle,off,out_of_service,unheard,blind"`
	Native   string          `json:"native_state,omitempty" doc:"state in the device's own words"`
	Occupied bool            `json:"occupied"`
	From     medfleet.Millis `json:"from" doc:"not before the window"`
	To       medfleet.Millis `json:"to" doc:"not after the window"`
	Seconds  float64         `json:"seconds"`
}

// Stretches is how a device spent a window: the parts follow one another without
// holes, and Milliseconds sum to To - From exactly.
type Stretches struct {
	Device       medfleet.DeviceID          `json:"device"`
	From         medfleet.Millis            `json:"from" doc:"begin of the window, not before the device was first heard"`
	To           medfleet.Millis            `json:"to" doc:"end of the window, not after now"`
	Items        []Stretch                  `json:"items" nullable:"false"`
	Next         string                     `json:"next" doc:"always empty: a window is answered whole"`
	Milliseconds map[medfleet.State]int64   `json:"milliseconds" doc:"in each state; they sum to the window"`
	Minutes      map[medfleet.State]float64 `json:"minutes" doc:"in each state, for people"`
	Coverage     float64                    `json:"coverage" doc:"share of the window in which we could know: neither unheard nor blind, 0 to 1"`
}

func (s *Server) listStretches(ctx context.Context, in *stretchesInput) (*answer[Stretches], error) {
	d, err := s.device(in.ID)
	if err != nil {
		return nil, err
	}
	from, to, err := in.bounds()
	if err != nil {
		return nil, err
	}
	// Before a device was known and after now there is nothing to account for.
	from = max(from, d.FirstSeen)
	to = max(from, min(to, medfleet.AsMillis(time.Now())))
	recorded, err := s.o.Records.Stretches(ctx, d.ID, from, to)
	if err != nil {
		return nil, s.unreadable(ctx, "the state intervals", err)
	}
	parts := account(recorded, from, to)
	return &answer[Stretches]{summed(d.ID, from, to, parts)}, nil
}

// account cuts intervals to a window so that they cover it exactly once. Where
// two overlap the later one counts; where there is none we know nothing, which
// is what blind means.
func account(recorded []medfleet.Stretch, from, to medfleet.Millis) []Stretch {
	sorted := slices.SortedStableFunc(slices.Values(recorded), func(a, b medfleet.Stretch) int { return int(sign(a.From - b.From)) })
	var parts []Stretch
	at := from
	for i, r := range sorted {
		begin, end := max(r.From, at), to
		if r.To != 0 {
			end = min(r.To, to)
		}
		if i+1 < len(sorted) {
			end = min(end, sorted[i+1].From)
		}
		if begin >= end {
			continue
		}
		if begin > at {
			parts = append(parts, part(medfleet.Stretch{State: medfleet.Blind, From: at}, at, begin))
		}
		parts = append(parts, part(r, begin, end))
		at = end
	}
	if at < to {
		parts = append(parts, part(medfleet.Stretch{State: medfleet.Blind, From: at}, at, to))
	}
	return parts
}

func sign(d medfleet.Millis) medfleet.Millis { return max(-1, min(1, d)) }

func part(r medfleet.Stretch, from, to medfleet.Millis) Stretch {
	return Stretch{
		ID: strconv.FormatInt(int64(r.From), 10), State: r.State, Native: r.Native, Occupied: r.Occupied,
		From: from, To: to, Seconds: to.Sub(from).Seconds(),
	}
}

func summed(id medfleet.DeviceID, from, to medfleet.Millis, parts []Stretch) Stretches {
	s := Stretches{
		Device: id, From: from, To: to, Items: parts,
		Milliseconds: map[medfleet.State]int64{}, Minutes: map[medfleet.State]float64{}, Coverage: 1,
	}
	if s.Items == nil {
		s.Items = []Stretch{}
	}
	for _, state := range medfleet.States() {
		s.Milliseconds[state] = 0
	}
	for _, p := range parts {
		s.Milliseconds[p.State] += int64(p.To - p.From)
	}
	for state, ms := range s.Milliseconds {
		s.Minutes[state] = float64(ms) / 60000
	}
	if to > from {
		unknown := s.Milliseconds[medfleet.Unheard] + s.Milliseconds[medfleet.Blind]
		s.Coverage = float64(int64(to-from)-unknown) / float64(to-from)
	}
	return s
}
