package medfleet

import (
	"errors"
	"time"
)

// Whoever talks to the outside decides once whether trying again can help, and
// says so with Permanent or Retryable. Everybody else only asks.

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that the same attempt will meet again.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether trying again is pointless.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

type retryable struct {
	error
	after time.Duration
}

func (r retryable) Unwrap() error { return r.error }

// Retryable marks an error that may pass; after is how long the other side
// asked us to wait, or 0.
func Retryable(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return retryable{err, after}
}

// RetryAfter gives the wait that the other side asked for, or 0.
func RetryAfter(err error) time.Duration {
	var r retryable
	if errors.As(err, &r) {
		return r.after
	}
	return 0
}
