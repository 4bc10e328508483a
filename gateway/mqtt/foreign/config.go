// Package foreign reads JSON of other makers, on topics of their own, as the
// configuration says: which level of a topic or which value of the payload names
// the device, and which value is which metric, condition or error code of ours.
//
// What the configuration does not name is dropped and counted. What it names comes
// through only as a number of a metric's, as an entry of a table, or in the shape
// of a device's id, a model, a place or a time: so patient data cannot pass. No
// error, and nothing else that leaves this package, quotes a topic or a payload.
package foreign

import (
	"medfleet/gateway/mapping"
)

// Mapping is one of `gateway.mqtt.mappings`: what the messages on some topics are
// to us. The first whose topic fits is taken.
//
// A path leads to a value in the payload: battery.level, or /battery/level where a
// key has a dot in it; a number is a place in a list; $ is the payload itself, and
// $.a begins there instead of at an entry of Each.
type Mapping struct {
	Name    string `yaml:"name"`
	Topic   string `yaml:"topic"`             // hospital/{site}/{unit}/{device}/telemetry; + and a last # as in a subscription
	Payload string `yaml:"payload,omitempty"` // json (the default); text: all of it is one word, at $
	Each    string `yaml:"each,omitempty"`    // path of a list whose entries are messages each

	Device        string `yaml:"device,omitempty"`         // our id, of levels of the topic: "{unit}-{bed}"; empty is {device}
	DeviceFrom    *From  `yaml:"device_from,omitempty"`    // instead, or first
	DevicePattern string `yaml:"device_pattern,omitempty"` // regular expression that all of an id must fit; empty asks for a digit
	Class         string `yaml:"class,omitempty"`
	ClassFrom     *From  `yaml:"class_from,omitempty"`
	Model         string `yaml:"model,omitempty"`
	ModelFrom     *From  `yaml:"model_from,omitempty"`
	Unit          string `yaml:"unit,omitempty"` // care unit
	UnitFrom      *From  `yaml:"unit_from,omitempty"`
	Site          string `yaml:"site,omitempty"`
	SiteFrom      *From  `yaml:"site_from,omitempty"`
	Time          *Time  `yaml:"time,omitempty"` // without it: when the message came

	DecimalComma bool      `yaml:"decimal_comma,omitempty"` // in numbers that are sent as text
	Fillers      []float64 `yaml:"fillers,omitempty"`       // what stands for no value, beside 32767 and -32768

	Metrics    map[string]Metric            `yaml:"metrics,omitempty"`    // by path
	Conditions map[string]mapping.Condition `yaml:"conditions,omitempty"` // by path: a value that says whether one lasts
	Codes      map[string]mapping.Codes     `yaml:"codes,omitempty"`      // by path: the code of what is wrong now, or a list of all
	Readings   []Readings                   `yaml:"readings,omitempty"`
	Events     []Events                     `yaml:"events,omitempty"`
}

// From says where a word about the device stands. In YAML it is a mapping, or the
// path alone.
type From struct {
	Path  string            `yaml:"path,omitempty"`
	Topic string            `yaml:"topic,omitempty"` // name of a level
	Words map[string]string `yaml:"words,omitempty"` // as sent: ours; without, it is taken as it is where its shape is right
}

// UnmarshalYAML reads both forms.
func (f *From) UnmarshalYAML(unmarshal func(any) error) error {
	type plain From
	return scalar(unmarshal, &f.Path, (*plain)(f))
}

// Metric is what one value is to us: value × Scale + Offset is in Unit.
type Metric struct {
	mapping.Metric `yaml:",inline"`
	UnitFrom       string `yaml:"unit_from,omitempty"` // path of the unit, where it is sent with the value
}

// Time says where the time of a message stands and how it is written. In YAML it
// is a mapping, or the path alone.
type Time struct {
	Path string `yaml:"path"`
	Form string `yaml:"form,omitempty"` // iso, unix_s, unix_ms; empty: text is iso, numbers are unix_ms from 10^11 on
	Zone string `yaml:"zone,omitempty"` // IANA name, for a time that has none
}

// UnmarshalYAML reads both forms.
func (t *Time) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Time
	return scalar(unmarshal, &t.Path, (*plain)(t))
}

// Readings is a list of entries that each have a name and a value:
// [{"name": "BATT", "value": 87, "unit": "%"}].
type Readings struct {
	Path  string `yaml:"path"`
	Name  string `yaml:"name,omitempty"`  // path in an entry; empty is name
	Topic string `yaml:"topic,omitempty"` // instead: the level of the topic that is the name; path then leads to the value, $ to all of the payload
	Value string `yaml:"value,omitempty"` // empty is value
	Unit  string `yaml:"unit,omitempty"`  // of the unit of measure; empty: none is sent

	Metrics    map[string]mapping.Metric    `yaml:"metrics,omitempty"` // by the entry's name, as all that follows
	Conditions map[string]mapping.Condition `yaml:"conditions,omitempty"`
	Codes      map[string]mapping.Codes     `yaml:"codes,omitempty"`
}

// Events is a list of what happened: entries with a code, or the codes alone.
type Events struct {
	Path      string        `yaml:"path"`
	Code      string        `yaml:"code,omitempty"`  // path in an entry; empty is the entry itself
	Codes     mapping.Codes `yaml:"codes,omitempty"` // code: condition; what is not listed is looked up among the makers' own codes
	Phase     string        `yaml:"phase,omitempty"` // of all: start, continue, end, instant (the default)
	PhaseFrom *From         `yaml:"phase_from,omitempty"`
	Priority  *From         `yaml:"priority_from,omitempty"` // words: high, medium, low, none
	Time      *Time         `yaml:"time,omitempty"`          // empty is the message's
}

func scalar(unmarshal func(any) error, one *string, all any) error {
	if err := unmarshal(one); err == nil {
		return nil
	}
	return unmarshal(all)
}
