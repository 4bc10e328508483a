package rules

import "medfleet"

// verdict is what a condition comes to.
type verdict uint8

const (
	dontKnow verdict = iota
	isFalse
	isTrue
)

// phase is where a rule is with a device. A rule that is quiet has no cell.
type phase uint8

const (
	quiet     phase = iota
	pending         // true, and `for` is running
	open            // an episode is on
	holding         // cleared, and `hold` is running
	returning       // true again within hold, and `for` is running
)

// cell is one rule that is not quiet for one device.
type cell struct {
	rule     int
	phase    phase
	expr     verdict
	clear    verdict
	ran      int64           // ms that the phase's timer has run
	held     int64           // ms of hold that had run when the condition returned
	since    medfleet.Millis // when the condition became true
	raised   medfleet.Millis
	id       string // the episode, once raised
	reopened int
}

// timed reports whether the cell waits for time to pass.
func (c *cell) timed() bool { return c.phase != open && c.phase != quiet }

// running reports whether its timer runs: it stands still while what it waits
// on is unknown.
func (c *cell) running() bool {
	switch c.phase {
	case pending, returning:
		return c.expr == isTrue
	case holding:
		return c.expr == isFalse || c.clear == isTrue
	}
	return false
}

// What says what has become of an alarm.
type What uint8

// An alarm is raised, cleared when its recovery was observed, reopened when the
// condition comes back within the rule's hold, and settled when the hold has run
// out, after which nothing more is said about the episode. It is withdrawn when
// its rule no longer holds for the device.
const (
	Raised What = iota + 1
	Cleared
	Reopened
	Settled
	Withdrawn
)

// step lets the cell act on its verdicts and timers once and gives what has
// become of its episode, 0 for nothing new. The caller repeats it until nothing
// is new, since a rule without `for` or `hold` passes through several phases at
// one time.
func (c *cell) step(r *compiled, quicken int64) (What, bool) {
	switch c.phase {
	case pending:
		return c.wait(r.forMS / quicken)
	case open:
		return c.recover(r)
	case holding:
		return c.hold(r.holdMS / quicken)
	case returning:
		return c.comeBack(r.forMS / quicken)
	}
	return 0, false
}

// begin starts waiting for `for` when the condition has become true.
func (c *cell) begin(at medfleet.Millis) {
	if c.expr == isTrue {
		c.phase, c.ran, c.since = pending, 0, at
	}
}

func (c *cell) wait(limit int64) (What, bool) {
	switch {
	case c.expr == isFalse:
		c.phase = quiet
	case c.expr == isTrue && c.ran >= limit:
		c.phase = open
		return Raised, true
	}
	return 0, false
}

// recover clears on an observed recovery only: `clear` true while the condition
// is not, or the condition known to be false where there is no `clear`.
func (c *cell) recover(r *compiled) (What, bool) {
	if r.Manual || c.expr == isTrue {
		return 0, false
	}
	if r.clear != nil && c.clear != isTrue || r.clear == nil && c.expr != isFalse {
		return 0, false
	}
	c.phase, c.ran = holding, 0
	return Cleared, true
}

func (c *cell) hold(limit int64) (What, bool) {
	if c.expr == isTrue {
		c.phase, c.held, c.ran = returning, c.ran, 0
		return 0, true
	}
	if c.ran < limit || !c.running() {
		return 0, false
	}
	c.phase = quiet
	return Settled, true
}

func (c *cell) comeBack(limit int64) (What, bool) {
	switch {
	case c.expr == isFalse:
		c.phase, c.ran = holding, c.held
		return 0, true
	case c.expr == isTrue && c.ran >= limit:
		c.phase = open
		c.reopened++
		return Reopened, true
	}
	return 0, false
}
