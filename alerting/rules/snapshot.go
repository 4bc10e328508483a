package rules

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"medfleet"
)

// snapshotFormat is the version of the snapshot; another one is not read.
const snapshotFormat = 1

// A snapshot is JSON lines: a header, one line for each device that has something
// to remember, and a last line with their count. Names stand in it, not numbers,
// so that it survives a change of the rules.
type (
	header struct {
		Format  int             `json:"format"`
		Now     medfleet.Millis `json:"now"`
		Awake   int64           `json:"awake"`
		Between int64           `json:"between"`
	}
	savedDevice struct {
		medfleet.Equipment
		Suspended bool               `json:"suspended,omitempty"`
		Inputs    map[string]float64 `json:"inputs,omitempty"`
		Cells     []savedCell        `json:"cells,omitempty"`
		Rings     []savedRing        `json:"rings,omitempty"`
		Now       int64              `json:"now,omitempty"`
		Zero      medfleet.Millis    `json:"zero,omitempty"`
		Awake     int64              `json:"awake,omitempty"`
	}
	savedCell struct {
		Rule     string          `json:"rule"`
		Phase    phase           `json:"phase"`
		Expr     verdict         `json:"expr,omitempty"`
		Clear    verdict         `json:"clear,omitempty"`
		Ran      int64           `json:"ran,omitempty"`
		Held     int64           `json:"held,omitempty"`
		Since    medfleet.Millis `json:"since"`
		Raised   medfleet.Millis `json:"raised,omitempty"`
		ID       string          `json:"id,omitempty"`
		Reopened int             `json:"reopened,omitempty"`
	}
	savedRing struct {
		Condition string          `json:"condition"`
		Bucket    int64           `json:"bucket"`
		Head      int64           `json:"head"`
		Counts    [buckets]uint16 `json:"counts"`
	}
	line struct {
		Device *savedDevice `json:"device,omitempty"`
		End    *int         `json:"end,omitempty"`
	}
)

// Snapshot writes what the evaluator must remember: timers, episodes and
// windows. It fails while changes wait to be written down, since a reader of the
// snapshot would never see them.
func (v *Evaluator) Snapshot(w io.Writer) error {
	if len(v.changes) > 0 {
		return fmt.Errorf("snapshot rules: %d changes are not committed: take it after the commit", len(v.changes))
	}
	b := bufio.NewWriter(w)
	out := json.NewEncoder(b)
	if err := out.Encode(header{snapshotFormat, v.now, v.awake, v.between}); err != nil {
		return fmt.Errorf("snapshot rules: %w", err)
	}
	n := 0
	for _, d := range v.devices {
		if len(d.cells) == 0 && d.rings == nil {
			continue
		}
		n++
		if err := out.Encode(line{Device: d.save()}); err != nil {
			return fmt.Errorf("snapshot rules: write device %s: %w", d.Device, err)
		}
	}
	if err := errors.Join(out.Encode(line{End: &n}), b.Flush()); err != nil {
		return fmt.Errorf("snapshot rules: %w", err)
	}
	return nil
}

func (d *device) save() *savedDevice {
	s := &savedDevice{Equipment: d.Equipment, Suspended: d.suspended, Now: d.clock.now, Zero: d.clock.zero, Awake: d.clock.awake}
	if len(d.cells) > 0 {
		s.Inputs = map[string]float64{}
		for i, x := range d.inputs {
			if !math.IsNaN(x) {
				s.Inputs[d.class.inputs[i].name] = x
			}
		}
	}
	for _, c := range d.cells {
		s.Cells = append(s.Cells, savedCell{d.class.rules[c.rule].Name, c.phase, c.expr, c.clear, c.ran, c.held, c.since, c.raised, c.id, c.reopened})
	}
	for i, r := range d.rings {
		if r != nil {
			w := d.class.windows[i]
			s.Rings = append(s.Rings, savedRing{w.condition, w.bucket, r.head, r.counts})
		}
	}
	return s
}

// Restore puts a snapshot in the place of everything the evaluator knew. When it
// fails the evaluator knows nothing, as if new. What belongs to classes, rules
// and windows that are gone is left out.
func (v *Evaluator) Restore(r io.Reader) error {
	v.reset()
	if err := v.restore(json.NewDecoder(bufio.NewReader(r))); err != nil {
		v.reset()
		return fmt.Errorf("restore rules: %w: the journal will be read from its beginning", err)
	}
	slices.SortFunc(v.restless, func(a, b *device) int { return cmp.Compare(a.Device, b.Device) })
	for i, d := range v.restless {
		d.place = i
	}
	return nil
}

func (v *Evaluator) reset() {
	v.devices, v.restless, v.changes = map[medfleet.DeviceID]*device{}, nil, nil
	v.now, v.awake, v.between = 0, 0, 0
}

func (v *Evaluator) restore(in *json.Decoder) error {
	var h header
	if err := in.Decode(&h); err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if h.Format != snapshotFormat {
		return fmt.Errorf("snapshot has format %d, want %d", h.Format, snapshotFormat)
	}
	v.now, v.awake, v.between = h.Now, h.Awake, h.Between
	for n := 0; ; n++ {
		var l line
		if err := in.Decode(&l); err != nil {
			return fmt.Errorf("read device %d: %w", n, err)
		}
		if l.End != nil {
			if *l.End != n {
				return fmt.Errorf("snapshot has %d devices, says %d", n, *l.End)
			}
			return nil
		}
		if l.Device == nil {
			return fmt.Errorf("read device %d: line is empty", n)
		}
		v.load(l.Device)
	}
}

func (v *Evaluator) load(s *savedDevice) {
	c := v.set.classes[s.Class]
	if c == nil {
		return
	}
	d := newDevice(s.Device, c)
	d.Equipment, d.suspended = s.Equipment, s.Suspended
	d.clock = clock{s.Now, s.Zero, s.Awake}
	for name, x := range s.Inputs {
		if i, ok := c.byName[name]; ok {
			d.inputs[i] = c.bound(i, x)
		}
	}
	for _, k := range s.Cells {
		if rule := c.find(k.Rule); rule >= 0 && k.Phase != quiet && k.Phase <= returning {
			d.cells = append(d.cells, cell{rule, k.Phase, k.Expr, k.Clear, k.Ran, k.Held, k.Since, k.Raised, k.ID, k.Reopened})
		}
	}
	for _, k := range s.Rings {
		d.restoreRing(k)
	}
	v.devices[d.Device] = d
	if slices.ContainsFunc(d.cells, func(c cell) bool { return c.timed() }) {
		d.place = 0 // set when all are there
		v.restless = append(v.restless, d)
	}
}

// bound keeps a state that the profile no longer has from being looked up.
func (c *class) bound(i int, x float64) float64 {
	kind := c.inputs[i].kind
	if kind == stateInput && (x < 0 || int(x) >= len(c.states)) || kind == deviceState && (x < 0 || int(x) >= len(c.general)) {
		return math.NaN()
	}
	return x
}

func (d *device) restoreRing(s savedRing) {
	i := slices.Index(d.class.windows, window{s.Condition, s.Bucket})
	if i < 0 {
		return
	}
	if d.rings == nil {
		d.rings = make([]*ring, len(d.class.windows))
	}
	r := &ring{head: s.Head, counts: s.Counts}
	for _, n := range s.Counts {
		r.sum += uint32(n)
	}
	d.rings[i] = r
}
