// Package profiles declares what medfleet knows about each class of device: its
// states and what they mean, its metrics and their units, the codes they arrive
// under, and the conditions a device can report. It is the schema of everything
// else: the write door, the stores, the rules, the documents and the dashboards
// all read it here.
//
// The profiles are data: YAML embedded in the program, and beside it a folder of
// the user's own, whose files replace an embedded class of the same name or add
// a new one. What a maker's own error codes mean is data too, in the folder
// faults of either: each with the condition it stands for and its source.
package profiles

import (
	"slices"
	"strings"
	"time"

	"medfleet"
)

// MetricKind says how a metric's values move.
type MetricKind string

// The kinds of metric: a gauge goes up and down, a counter only up, a flag is
// 0 or 1, and the enum "state" is the index of the profile's state.
const (
	Gauge   MetricKind = "gauge"
	Counter MetricKind = "counter"
	Flag    MetricKind = "flag"
	Enum    MetricKind = "enum"
)

// StateMetric is the metric every class has: which of its states a device is in.
const StateMetric = "state"

// Metric is one thing a device can say of itself in numbers. Unit is UCUM, empty
// for flags and enums. Values outside [Min, Max] are refused as implausible.
type Metric struct {
	Name  string     `yaml:"name"`
	Title string     `yaml:"title"`
	Kind  MetricKind `yaml:"kind"`
	Unit  string     `yaml:"unit,omitempty"`
	Min   float64    `yaml:"min,omitempty"`
	Max   float64    `yaml:"max,omitempty"`
	Codes []Code     `yaml:"codes,omitempty"`

	Derived bool `yaml:"derived,omitempty"` // of medfleet's own parts: decided, never told
}

// Plausible reports whether a value can be this metric's.
func (m *Metric) Plausible(v float64) bool { return v >= m.Min && v <= m.Max }

// State is one of a class's own states. Means is one of in_use, idle, off and
// out_of_service; Wire lists the words under which it arrives in HL7, and the
// conditions that put a device into it.
type State struct {
	Name     string         `yaml:"name"`
	Means    medfleet.State `yaml:"means"`
	Occupied bool           `yaml:"occupied,omitempty"`
	Wire     []string       `yaml:"wire,omitempty"`
}

// Mobility says whether a device stays where it is installed.
type Mobility string

// For a fixed device silence is a fault to look into; a mobile one has more
// likely been carried off, and the question is where it was last heard.
const (
	Fixed  Mobility = "fixed"
	Mobile Mobility = "mobile"
)

// Profile is one class of device.
type Profile struct {
	Class       medfleet.Class `yaml:"class"`
	Title       string         `yaml:"title"`
	Plural      string         `yaml:"plural"`
	Mobility    Mobility       `yaml:"mobility"`
	LifeSupport bool           `yaml:"life_support,omitempty"`
	Silence     time.Duration  `yaml:"silence"`
	Include     []string       `yaml:"include,omitempty"`
	States      []State        `yaml:"states"`
	Metrics     []Metric       `yaml:"metrics"`
	Devices     []Code         `yaml:"devices,omitempty"`
	// Harmless says that the device alarms about nobody: an unknown code of it is an
	// equipment's, not a finding about a patient.
	Harmless bool `yaml:"alarms_about_nobody,omitempty"`
	// Implied are measurements and attributes by which a device of the class is
	// known that does not tell its type.
	Implied []Code `yaml:"implied,omitempty"`

	byName map[string]*Metric
	place  string
}

// Metric finds a metric of the class by name.
func (p *Profile) Metric(name string) (*Metric, bool) {
	m, ok := p.byName[name]
	return m, ok
}

// MetricBytes finds a metric by name without allocating.
func (p *Profile) MetricBytes(name []byte) (*Metric, bool) {
	m, ok := p.byName[string(name)]
	return m, ok
}

// StateAt gives the state that a value of the metric "state" stands for.
func (p *Profile) StateAt(v float64) (*State, bool) {
	i := int(v)
	if float64(i) != v || i < 0 || i >= len(p.States) {
		return nil, false
	}
	return &p.States[i], true
}

// StateValue gives the value of the metric "state" for a state's name.
func (p *Profile) StateValue(name string) (float64, bool) {
	i := slices.IndexFunc(p.States, func(s State) bool { return s.Name == name })
	return float64(i), i >= 0
}

// StateOnWire gives the value of the metric "state" for a word seen in HL7.
func (p *Profile) StateOnWire(word string) (float64, bool) {
	i := slices.IndexFunc(p.States, func(s State) bool {
		return slices.ContainsFunc(s.Wire, func(w string) bool { return strings.EqualFold(w, word) })
	})
	return float64(i), i >= 0
}

// Condition is something a device can report of itself that lasts for a time.
type Condition struct {
	Name     string        `yaml:"name"`
	Title    string        `yaml:"title"`
	Kind     medfleet.Kind `yaml:"kind"`
	Volatile bool          `yaml:"volatile,omitempty"`
	Codes    []Code        `yaml:"codes"`
}

// Set is everything declared: the classes and the conditions.
type Set struct {
	own         []*Profile
	classes     []*Profile
	conditions  []Condition
	byClass     map[medfleet.Class]*Profile
	byCondition map[string]*Condition
	eventRefid  map[string]*Condition
	eventCode   map[uint32]*Condition
	deviceRefid map[string]*Profile
	deviceCode  map[uint32]*Profile
	metricRefid map[string]string
	metricCode  map[uint32]string
	implied     map[Code]*Profile
	allFaults   []*Fault
	faults      faultTable
}

// Classes lists the profiles by class name.
func (s *Set) Classes() []*Profile { return s.classes }

// Conditions lists the conditions in their declared order.
func (s *Set) Conditions() []Condition { return s.conditions }

// Class finds a profile.
func (s *Set) Class(c medfleet.Class) (*Profile, bool) {
	p, ok := s.byClass[c]
	return p, ok
}

// ClassBytes finds a profile without allocating.
func (s *Set) ClassBytes(c []byte) (*Profile, bool) {
	p, ok := s.byClass[medfleet.Class(c)]
	return p, ok
}

// Condition finds a condition by name.
func (s *Set) Condition(name string) (*Condition, bool) {
	c, ok := s.byCondition[name]
	return c, ok
}
