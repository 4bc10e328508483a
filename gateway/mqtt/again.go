package mqtt

import (
	"context"
	"math/rand/v2"
	"time"
)

// Again makes connections, one after the other, until ctx ends. After each it tells
// why it ended and how long it waits: twice as long each time, from least to most.
func Again(ctx context.Context, least, most time.Duration, connection func(context.Context) error, tell func(error, time.Duration)) {
	wait := backoff{least: least, most: most}
	for {
		began := time.Now()
		err := connection(ctx)
		if ctx.Err() != nil {
			return
		}
		// A connection that did not last is no success: a client whose name another
		// one uses would else disturb that one each second.
		if time.Since(began) >= most {
			wait.reset()
		}
		pause := wait.next()
		tell(err, pause)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// backoff gives waits that double up to a bound. Half of each is drawn, so that
// gateways which lost the same broker do not come back as one.
type backoff struct{ least, most, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.least), b.most)
	return b.last/2 + rand.N(b.last/2+1)
}

func (b *backoff) reset() { b.last = 0 }

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
