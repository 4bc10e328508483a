package rules

import "medfleet"

// clock is how long a device's timers have run. It follows the device's own
// times, helped on by the collector's clock records where no observation comes,
// and never runs backwards. A step of either clock counts for no more than the
// time for which a silent device is still believed.
type clock struct {
	now   int64           // ms since the timers began
	zero  medfleet.Millis // device time at which now was 0
	awake int64           // the evaluator's running time when now was set
}

// start sets the clock to 0 at a device time.
func (c *clock) start(at medfleet.Millis, awake int64) { *c = clock{zero: at, awake: awake} }

// resume goes on from a device time as if none had passed since.
func (c *clock) resume(at medfleet.Millis, awake int64) {
	c.zero, c.awake = at-medfleet.Millis(c.now), awake
}

// see moves the clock to a device time, by no more than limit ms, and gives by
// how much.
func (c *clock) see(at medfleet.Millis, awake, limit int64) int64 {
	moved := c.tick(awake)
	ahead := int64(at-c.zero) - c.now
	switch {
	case ahead > limit: // a step forward
		c.zero += medfleet.Millis(ahead - limit)
		ahead = limit
	case ahead < -limit: // a step back
		c.zero += medfleet.Millis(ahead)
		ahead = 0
	case ahead < 0: // late on its way: the clock records were faster
		ahead = 0
	}
	c.now += ahead
	return moved + ahead
}

// tick moves the clock by the running time that has passed, and gives by how
// much.
func (c *clock) tick(awake int64) int64 {
	moved := max(awake-c.awake, 0)
	c.now += moved
	c.awake = max(c.awake, awake)
	return moved
}
