package rules

import (
	"math"

	"medfleet"
)

// device is what the evaluator keeps of one device.
type device struct {
	medfleet.Equipment
	class     *class
	inputs    []float64
	fresh     bool // inputs and the cells' verdicts belong together
	suspended bool // not in service: timers stand still
	cells     []cell
	rings     []*ring // by window; nil while nothing was counted
	clock     clock
	place     int // in restless, -1
}

func newDevice(id medfleet.DeviceID, c *class) *device {
	d := &device{Equipment: medfleet.Equipment{Device: id, Class: c.name}, class: c, place: -1}
	d.inputs = make([]float64, len(c.inputs))
	for i := range d.inputs {
		d.inputs[i] = math.NaN()
	}
	return d
}

func (d *device) run(ms int64) {
	for i := range d.cells {
		if d.cells[i].running() {
			d.cells[i].ran += ms
		}
	}
}

// load reads the inputs from the device as it stands and gives the rules that
// read one that has changed, as bits.
func (d *device) load(now *medfleet.Device) uint64 {
	c := d.class
	var dirty uint64
	for i := range c.inputs {
		x := c.read(&c.inputs[i], d, now)
		if was := d.inputs[i]; x != was && (x == x || was == was) {
			d.inputs[i] = x
			dirty |= c.asks[i]
		}
	}
	if !d.fresh {
		d.fresh = true
		return 1<<len(c.rules) - 1
	}
	return dirty
}

// count adds a start to the windows that ask for it.
func (d *device) count(e *medfleet.Event) {
	for i, w := range d.class.windows {
		if w.condition != e.Condition {
			continue
		}
		if d.rings == nil {
			d.rings = make([]*ring, len(d.class.windows))
		}
		if d.rings[i] == nil {
			d.rings[i] = &ring{head: int64(e.Time) / w.bucket}
		}
		d.rings[i].add(int64(e.Time) / w.bucket)
	}
}

func (d *device) slide(at medfleet.Millis) {
	for i, r := range d.rings {
		if r != nil {
			r.slide(int64(at) / d.class.windows[i].bucket)
		}
	}
}

func (d *device) counted(window int) float64 {
	if d.rings == nil || d.rings[window] == nil {
		return 0
	}
	return float64(d.rings[window].sum)
}
