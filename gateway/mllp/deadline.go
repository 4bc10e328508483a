package mllp

import (
	"fmt"
	"time"
)

// arm sets the deadline for the coming read: of an open frame, that of the
// frame, counted from its first byte and not moved by those that follow; else
// the time at which a connection at rest is looked at.
func (r *Reader) arm() {
	if r.deadliner == nil {
		return
	}
	if r.open || r.rubbish > 0 {
		if r.started.IsZero() {
			r.started = time.Now()
		}
		r.resting = false
		r.setDeadline(r.started.Add(r.config.FrameTimeout))
		return
	}
	if wait := r.restTime(); !r.resting {
		r.resting, r.active = true, false
		if wait == 0 {
			r.setDeadline(time.Time{})
		} else {
			r.setDeadline(time.Now().Add(wait))
		}
	}
}

// restTime is how long nothing may come before the connection is looked at; 0
// is for ever. The deadline is not moved by each frame: when it passes and
// there were frames, it is set anew. A busy connection so sets one every few
// seconds and not for every message.
func (r *Reader) restTime() time.Duration {
	switch {
	case r.config.IdleTimeout > 0:
		return r.config.IdleTimeout
	case r.taken > 0:
		return shrinkAfter
	}
	return 0
}

func (r *Reader) setDeadline(t time.Time) {
	// An error means that the connection is closed; the read will say so.
	_ = r.deadliner.SetReadDeadline(t)
}

// expired decides what a deadline that has passed means.
func (r *Reader) expired(err error) error {
	if r.open || r.rubbish > 0 {
		if r.open {
			return fmt.Errorf("read frame: after %v: %w", r.config.FrameTimeout, ErrSlow)
		}
		return fmt.Errorf("read frame: %w", ErrNoFrame)
	}
	wait := r.restTime()
	r.resting = false
	switch {
	case wait == 0: // somebody else set it, to end the read
		return fmt.Errorf("read frame: %w", err)
	case r.active:
		return nil
	case r.config.IdleTimeout > 0:
		return fmt.Errorf("read frame: after %v: %w", r.config.IdleTimeout, ErrIdle)
	}
	return r.resize(restBytes)
}
