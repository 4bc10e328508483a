// Package paging brings pages to people: an outbox in SQL, written in the
// transaction of the alarm's transition, and channels that carry a page outside.
//
// A page is delivered at least once. Its id is the key by which a receiver can
// drop a repeat. Where the connection broke between handing a page over and its
// answer, nobody can know whether it arrived: the page is shown as ambiguous and
// tried a few times more. Channels outside the premises are told the care unit
// and never a bed.
package paging

import (
	"context"
	"errors"

	"medfleet"
)

// What a page tells.
const (
	AboutRaised  = "raised"
	AboutCleared = "cleared"
)

// Notice is what a channel carries: a page and the alarm it is about, as the
// alarm is now.
type Notice struct {
	Page  medfleet.Page
	Alarm medfleet.Alarm
}

// Channel carries notices to people. Notify returns nil only when the other side
// has said that it has the notice. Else the error says what to do: one marked
// medfleet.Permanent will meet every attempt, ErrAmbiguous may have been
// delivered, any other may pass, after the wait that medfleet.Retryable carries.
type Channel interface {
	Notify(ctx context.Context, n *Notice) error
}

// ChannelFunc lets a function be a Channel.
type ChannelFunc func(ctx context.Context, n *Notice) error

// Notify calls the function.
func (f ChannelFunc) Notify(ctx context.Context, n *Notice) error { return f(ctx, n) }

// ErrAmbiguous marks an attempt that may have delivered the notice: it was
// handed over whole and no answer came.
var ErrAmbiguous = errors.New("handed over, but no answer came: it may have been delivered")
