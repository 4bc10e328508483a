package simulators

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long a link waits before it tries again: up to twice as long
// each time, with full jitter, so that a fleet does not return all at once.
type backoff struct{ ceiling time.Duration }

const (
	firstWait   = 200 * time.Millisecond
	longestWait = 5 * time.Second
)

// wait returns false when ctx is done.
func (b *backoff) wait(ctx context.Context) bool {
	b.ceiling = min(longestWait, max(firstWait, 2*b.ceiling))
	return pause(ctx, time.Duration(rand.Int64N(int64(b.ceiling))))
}

// reset is for when it worked.
func (b *backoff) reset() { b.ceiling = 0 }

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
