package roster

import (
	"slices"

	"medfleet"
)

// condition is one that has begun, under the code that it was told with; several
// codes may stand for it at one time, and it lasts as long as any. Ended ones stay
// until they make room, so that a late beginning does not reopen them.
type condition struct {
	name string
	code string
	at   medfleet.Millis
	on   bool
}

// same reports whether an event is about what a condition was told under. One
// without a code is about all.
func (c *condition) same(e *medfleet.Event) bool {
	return c.name == e.Condition && (c.code == e.Code || e.Code == "")
}

// turn notes that a condition began or ended. It gives false for an event that
// is older than what is known of the condition.
func (en *entry) turn(e *medfleet.Event) bool {
	switch {
	case e.Phase == medfleet.Instant:
		return true
	case e.Phase == medfleet.End:
		return en.ends(e)
	}
	return en.begins(e)
}

func (en *entry) begins(e *medfleet.Event) bool {
	for i := range en.active {
		c := &en.active[i]
		switch {
		case c.name != e.Condition:
		case c.code == e.Code && e.Time >= c.at:
			c.at, c.on = e.Time, true
			en.list()
			return true
		case c.code == e.Code, c.code == "" && !c.on && e.Time < c.at:
			return false
		}
	}
	en.add(condition{e.Condition, e.Code, e.Time, true})
	return true
}

// ends ends what was told under the event's code, or under none.
func (en *entry) ends(e *medfleet.Event) bool {
	found, ended := false, false
	for i := range en.active {
		if c := &en.active[i]; c.same(e) || c.name == e.Condition && c.code == "" {
			found = true
			if e.Time >= c.at {
				c.at, c.on, ended = e.Time, false, true
			}
		}
	}
	if !found {
		en.add(condition{e.Condition, e.Code, e.Time, false})
		return true
	}
	en.list()
	return ended
}

func (en *entry) add(c condition) {
	if len(en.active) >= maxActive {
		en.makeRoom()
	}
	en.active = append(en.active, c)
	en.list()
}

// makeRoom forgets the oldest condition, one that has ended if there is any.
func (en *entry) makeRoom() {
	oldest := 0
	for i, c := range en.active {
		o := en.active[oldest]
		if o.on && !c.on || o.on == c.on && c.at < o.at {
			oldest = i
		}
	}
	en.active = append(en.active[:oldest], en.active[oldest+1:]...)
}

// list gives the device the names of its active conditions.
func (en *entry) list() {
	names := make([]string, 0, len(en.active))
	for _, c := range en.active {
		if c.on && !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	en.device.Active = names
}
