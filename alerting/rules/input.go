package rules

import (
	"math"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"medfleet"
	"medfleet/profiles"
)

type inputKind uint8

const (
	numberInput    inputKind = iota // a gauge or counter
	flagInput                       // a metric that is 0 or 1
	stateInput                      // index of the profile's state
	deviceState                     // index in medfleet.States
	inServiceInput                  // 0 or 1
	activeInput                     // 0 or 1: a condition has begun and not ended
	countInput                      // how often a condition began in a window
)

// input is one thing a class's rules ask of a device. Its value is a float64,
// NaN while it is unknown.
type input struct {
	name string // as the compiled conditions call it
	kind inputKind
	arg  string // metric or condition
	ring int    // window of a countInput
}

// window is a count that some rule of the class asks for.
type window struct {
	condition string
	bucket    int64 // ms
}

// class is everything the rules of one class of device need.
type class struct {
	name    medfleet.Class
	own     bool // no devices: medfleet's own gateways or feeds
	profile *profiles.Profile
	rules   []*compiled
	inputs  []input
	byName  map[string]int
	asks    []uint64 // by input: the rules whose conditions read it, as bits
	windows []window
	states  []ref.Val // the profile's states, ready made
	general []ref.Val // medfleet.States, ready made
	silence int64     // ms after which such a device counts as silent
}

func newClass(p *profiles.Profile, own bool) *class {
	c := &class{name: p.Class, own: own, profile: p, byName: map[string]int{}, silence: p.Silence.Milliseconds()}
	for _, s := range p.States {
		c.states = append(c.states, types.String(s.Name))
	}
	for _, s := range medfleet.States() {
		c.general = append(c.general, types.String(s))
	}
	return c
}

// use gives an input's index, taking it up when it is new.
func (c *class) use(in input) int {
	if i, ok := c.byName[in.name]; ok {
		return i
	}
	c.inputs = append(c.inputs, in)
	c.asks = append(c.asks, 0)
	c.byName[in.name] = len(c.inputs) - 1
	return len(c.inputs) - 1
}

func (c *class) window(condition string, d time.Duration) int {
	w := window{condition, d.Milliseconds() / buckets}
	if i := slices.Index(c.windows, w); i >= 0 {
		return i
	}
	c.windows = append(c.windows, w)
	return len(c.windows) - 1
}

// unknown is the one value of everything that is not known: CEL carries it
// through every operator and lets true || and false && win over it.
var unknown ref.Val = types.NewUnknown(1, nil)

// value gives an input's value as CEL wants it.
func (c *class) value(i int, x float64) ref.Val {
	if math.IsNaN(x) {
		return unknown
	}
	switch c.inputs[i].kind {
	case flagInput, inServiceInput, activeInput:
		return types.Bool(x != 0)
	case stateInput:
		return c.states[int(x)]
	case deviceState:
		return c.general[int(x)]
	case countInput:
		return types.Int(x)
	}
	return types.Double(x)
}

// read takes an input from the device as it stands. What a silent device last
// said of itself is not known to hold still, except for the conditions: they
// last until their end is told.
func (c *class) read(in *input, d *device, now *medfleet.Device) float64 {
	switch in.kind {
	case deviceState:
		return index(slices.Index(generalStates, now.State))
	case inServiceInput:
		return truth(now.InService)
	case activeInput:
		return truth(slices.Contains(now.Active, in.arg))
	case countInput:
		return d.counted(in.ring)
	}
	if now.State == medfleet.Unheard || now.State == medfleet.Blind {
		return math.NaN()
	}
	if in.kind == stateInput {
		return c.nativeState(now)
	}
	x, ok := now.Readings[in.arg]
	if !ok || math.IsInf(x, 0) {
		return math.NaN()
	}
	return x
}

func (c *class) nativeState(now *medfleet.Device) float64 {
	for i := range c.profile.States {
		if c.profile.States[i].Name == now.Native {
			return float64(i)
		}
	}
	return math.NaN()
}

// generalStates are medfleet.States, which makes a new slice each time. It is only
// read.
var generalStates = medfleet.States()

func index(i int) float64 {
	if i < 0 {
		return math.NaN()
	}
	return float64(i)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// write gives an input's value for people: at most one decimal, yes or no, "?"
// while it is unknown.
func (c *class) write(i int, x float64) string {
	if math.IsNaN(x) {
		return "?"
	}
	switch c.inputs[i].kind {
	case flagInput:
		if x != 0 {
			return "yes"
		}
		return "no"
	case stateInput:
		return c.profile.States[int(x)].Name
	}
	return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
}
