package roster

import (
	"fmt"
	"time"

	"medfleet"
	"medfleet/record"
)

// Two devices can have one id: a label copied, a replacement part, two sites that
// number alike. It shows when the id is told from two places by turns. A device
// that moves is told from its new place only; one that is told over two ways is
// told from one place.
const (
	turnWithin   = 10 * time.Minute // else it was no turn but a move
	turnsToClaim = 4                // there and back, twice
	calmAfter    = time.Hour        // the other place is not told any more
	clocksDiffer = 2 * time.Minute  // between gateways; what is older comes from a backlog
)

// spot is where and what a device is told to be.
type spot struct {
	Class medfleet.Class    `json:"class"`
	Model string            `json:"model"`
	Site  string            `json:"site"`
	Unit  medfleet.CareUnit `json:"unit"`
}

// fits reports whether two do not contradict each other: what one leaves out it
// does not deny.
func (s spot) fits(o spot) bool {
	alike := func(a, b string) bool { return a == b || a == "" || b == "" }
	return s.Class == o.Class && alike(s.Model, o.Model) && alike(s.Site, o.Site) && alike(string(s.Unit), string(o.Unit))
}

func spotOf(class medfleet.Class, model, site string, unit medfleet.CareUnit) spot {
	return spot{class, model, site, unit}
}

// claim is an id told from two places: where it was, and where else.
type claim struct {
	Spots     [2]spot            `json:"spots"`
	Seen      [2]medfleet.Millis `json:"seen"`
	Last      int                `json:"last"`
	Turns     int                `json:"turns"`
	Contested bool               `json:"contested"`
}

// rival reports whether an observation comes from the other of two devices that
// claim one id. Both are kept; the state is the first one's, until that is silent.
func (r *Roster) rival(en *entry, q medfleet.Equipment, e *record.Envelope) bool {
	d := &en.device
	here, told := spotOf(d.Class, d.Model, d.Site, d.Unit), spotOf(q.Class, q.Model, q.Site, q.Unit)
	if en.claim == nil && here.fits(told) || e.Flags&notJudged != 0 {
		return en.claim != nil && en.foreign(told)
	}
	now, c := r.heard(e), en.claim
	who := c.who(told)
	switch {
	case c == nil || who < 0 && !c.Contested:
		en.claim = nil
		if !here.fits(told) {
			en.claim = &claim{Spots: [2]spot{here, told}, Seen: [2]medfleet.Millis{now, now}, Last: 1, Turns: 1}
		}
		return false
	case who < 0:
		return true
	case now.Add(clocksDiffer) < c.Seen[c.Last]:
		return c.Contested && who == 1
	case c.Contested:
		return r.contest(en, e, who, now)
	}
	if now.Sub(c.Seen[1-who]) > turnWithin {
		en.claim = nil
		return false
	}
	c.turn(who, now)
	if c.Turns >= turnsToClaim && who == 0 {
		c.Contested = true
		r.tellClaim(en, e, medfleet.Start)
	}
	return false
}

// who says which of the two places is told, -1 for neither.
func (c *claim) who(told spot) int {
	for i := range 2 {
		if c != nil && c.Spots[i].fits(told) {
			return i
		}
	}
	return -1
}

func (c *claim) turn(who int, now medfleet.Millis) {
	c.Seen[who] = max(c.Seen[who], now)
	if who != c.Last {
		c.Last = who
		c.Turns++
	}
}

// contest goes on while both are told. It ends when one of them is silent; when
// that is the first, the id is the other's.
func (r *Roster) contest(en *entry, e *record.Envelope, who int, now medfleet.Millis) bool {
	c := en.claim
	c.turn(who, now)
	limit := calmAfter
	if who == 1 {
		limit = turnWithin
	}
	if now.Sub(c.Seen[1-who]) <= limit {
		return who == 1
	}
	r.tellClaim(en, e, medfleet.End)
	en.claim = nil
	return false
}

// foreign reports whether what is told is not from the device that holds the id.
func (en *entry) foreign(told spot) bool {
	return en.claim != nil && en.claim.Contested && !en.claim.Spots[0].fits(told)
}

func (r *Roster) tellClaim(en *entry, e *record.Envelope, phase medfleet.Phase) {
	other, at := en.claim.Spots[1], r.heard(e)
	r.tell(en, e, medfleet.Event{
		Time: at, Condition: identityConflict, Phase: phase, Gateway: string(e.Gateway),
		Text: fmt.Sprintf("its id is told from here and from unit %s, site %s (%s %s) by turns", orElse(string(other.Unit), "-"), other.Site, other.Class, orElse(other.Model, "-")),
	}, string(en.device.ID), string(phase), stamped(at))
}
