package rules

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/oklog/ulid/v2"

	"medfleet"
)

// collect notes a change of an episode, naming the episode when it is raised.
func (v *Evaluator) collect(d *device, c *cell, what What, m moment) {
	r := d.class.rules[c.rule]
	if what == Raised {
		c.raised = max(m.at, c.since)
		c.id = episodeID(r.Name, d.Device, m.sequence, c.raised)
	}
	a := medfleet.Alarm{
		ID: c.id, Rule: r.Name, Device: d.Device, Class: d.Class, Model: d.Model, Site: d.Site, Unit: d.Unit,
		Priority: r.Priority, State: medfleet.Active, Since: c.since, RaisedAt: c.raised, ChangedAt: max(m.at, c.raised),
		Reopened: c.reopened, Action: r.Action, Runbook: r.Runbook,
		Summary: r.summary.fill(d.class, &d.Equipment, d.inputs),
	}
	switch what {
	case Cleared:
		a.State, a.ClearedAt = medfleet.Cleared, a.ChangedAt
	case Settled:
		a.State = medfleet.Cleared
	case Withdrawn:
		a.State = medfleet.Withdrawn
	}
	v.changes = append(v.changes, Change{What: what, Alarm: a, Page: r.Page})
}

// episodeID names an episode by what made it, so that the same journal makes the
// same id.
func episodeID(rule string, d medfleet.DeviceID, sequence uint64, at medfleet.Millis) string {
	h := sha256.New()
	h.Write([]byte(rule))
	h.Write([]byte{0})
	h.Write([]byte(d))
	h.Write(binary.BigEndian.AppendUint64([]byte{0}, sequence))
	var id ulid.ULID
	_ = id.SetTime(uint64(max(0, at))) // fails in the year 10889
	_ = id.SetEntropy(h.Sum(nil)[:10]) // of the right length
	return id.String()
}

// Episode is an episode that the evaluator has not settled.
type Episode struct {
	ID   string
	Open bool // false: cleared, within its rule's hold
}

// Episodes lists the episodes that are not settled, in no order.
func (v *Evaluator) Episodes() []Episode {
	var list []Episode
	for _, d := range v.devices {
		for i := range d.cells {
			if c := &d.cells[i]; c.id != "" {
				list = append(list, Episode{c.id, c.phase == open})
			}
		}
	}
	return list
}

// Adopt makes an alarm that the book holds open the evaluator's own, so that its
// recovery will be seen. It reports false when the alarm's class has no such rule
// any more.
func (v *Evaluator) Adopt(a *medfleet.Alarm) bool {
	cl := v.set.classes[a.Class]
	if cl == nil {
		return false
	}
	rule := cl.find(a.Rule)
	d := v.devices[a.Device]
	if rule < 0 || d != nil && d.class != cl {
		return false
	}
	if d == nil {
		d = newDevice(a.Device, cl)
		d.Model, d.Site, d.Unit = a.Model, a.Site, a.Unit
		v.devices[a.Device] = d
	}
	c := cell{rule: rule, phase: open, since: a.Since, raised: a.RaisedAt, id: a.ID, reopened: a.Reopened}
	v.replace(d, c)
	return true
}

// replace puts a cell in the place of the one of the same rule, if it has one of
// another episode or phase.
func (v *Evaluator) replace(d *device, c cell) {
	for i := range d.cells {
		if had := &d.cells[i]; had.rule == c.rule {
			if had.phase == open && had.id == c.id {
				return
			}
			d.cells[i] = c
			d.fresh = false
			v.settle(d, 0)
			return
		}
	}
	d.cells = append(d.cells, c)
	d.fresh = false
}

// Abandon forgets episodes that the book says are over. If a condition still
// holds, its `for` starts anew with the next sighting.
func (v *Evaluator) Abandon(over func(id string) bool) {
	for _, d := range v.devices {
		kept := d.cells[:0]
		for _, c := range d.cells {
			if c.id == "" || !over(c.id) {
				kept = append(kept, c)
			}
		}
		if len(kept) < len(d.cells) {
			d.cells = kept
			d.fresh = false
			v.settle(d, 0)
		}
	}
}
