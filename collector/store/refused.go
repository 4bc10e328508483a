package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed is what a store answers after Close.
var ErrClosed = errors.New("store is closed: open it again")

// Reason says in one word why a point can never be stored. It is short and of a
// closed set, so that it can be a metric's label.
type Reason string

// The reasons.
const (
	TooOld        Reason = "too_old"         // more than medfleet.MaxPast before now
	InFuture      Reason = "in_future"       // more than medfleet.MaxFuture after now
	NotFinite     Reason = "not_finite"      // NaN or an infinity
	NoFields      Reason = "no_fields"       // nothing measured
	TooManyFields Reason = "too_many_fields" // more than record.MaxFields
	BadName       Reason = "bad_name"        // measurement or metric is no name
	BadTag        Reason = "bad_tag"         // a word of Equipment, or Gateway, cannot be stored
	TooManySeries Reason = "too_many_series" // the store is at its limit of series
	Unstorable    Reason = "unstorable"      // the engine refuses it for a reason of its own
)

// RefusedPoint is a point that can never be stored: its place in the slice given
// to Write, the reason, and a sentence for people. The sentence quotes no tag
// and no value, only names that are well formed: it may be written down.
type RefusedPoint struct {
	Index  int
	Reason Reason
	Detail string
}

// Refused is Write's error when some points can never be stored. All the others
// are stored. Points are in the order of their index.
type Refused struct {
	Points []RefusedPoint
}

// shown is how many refused points an error's text tells of.
const shown = 3

// Error tells of the first few refused points and how many more there are.
func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "write points: %d refused", len(r.Points))
	for i, p := range r.Points {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(r.Points)-shown)
			break
		}
		fmt.Fprintf(&b, "; point %d: %s: %s", p.Index, p.Reason, p.Detail)
	}
	return b.String()
}

// Refuse gives Write's error for the refused points, nil when there are none.
func Refuse(points []RefusedPoint) error {
	if len(points) == 0 {
		return nil
	}
	return &Refused{points}
}
