package gateway

import (
	"sync"

	"medfleet"
)

// places remembers of each device the class, model and care unit it named last. Many
// messages leave them out: an alert seldom says which model it comes from. Filled
// in here, a device's records are filed under one set of tags.
type places struct {
	mu      sync.Mutex
	devices map[medfleet.DeviceID]place
}

type place struct {
	class medfleet.Class
	model string
	unit  medfleet.CareUnit
}

// maxPlaces bounds the memory; beyond it, it starts anew.
const maxPlaces = 200_000

func newPlaces() *places { return &places{devices: map[medfleet.DeviceID]place{}} }

// complete fills in what a record leaves out and remembers what it says.
func (p *places) complete(q *medfleet.Equipment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.devices[q.Device]
	if q.Class == "" {
		q.Class = before.class
	}
	if q.Model == "" {
		q.Model = before.model
	}
	if q.Unit == "" {
		q.Unit = before.unit
	}
	if now := (place{q.Class, q.Model, q.Unit}); now != before {
		if len(p.devices) >= maxPlaces {
			clear(p.devices)
		}
		p.devices[q.Device] = now
	}
}

// classed fills in the class of a device where a record leaves it out, and reports
// whether there is one now: a broker that tells of a lost connection knows none.
func (p *places) classed(q *medfleet.Equipment) bool {
	if q.Class != "" {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q.Class = p.devices[q.Device].class
	return q.Class != ""
}
