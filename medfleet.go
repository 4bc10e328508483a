// Package medfleet is the vocabulary of medfleet: the words that every other
// package shares. It names devices, what they say of themselves (observations
// and events), what the rules make of that (alarms) and whom it is told to
// (pages). It holds no behaviour beyond what keeps these words well formed and
// imports nothing but the standard library.
//
// medfleet is about equipment, never about the patient: none of these types
// has a place for a patient's name, number or measurement, and none may get one.
package medfleet

import "time"

// Equipment is what every record carries so that it can be filed: which device
// it is about, and where that device was. In line protocol these are the tags.
type Equipment struct {
	Device DeviceID `json:"device"`
	Class  Class    `json:"class"`
	Model  string   `json:"model,omitempty"`
	Site   string   `json:"site"`
	Unit   CareUnit `json:"unit,omitempty"`
}

// Class names a kind of equipment as the profiles declare it: infusion_pump,
// ventilator. It is also the measurement its observations are stored under.
type Class string

// The classes under which the rules know medfleet's own parts: a gateway, and a
// feed of a gateway. No device is of them.
const (
	GatewayClass Class = "gateway"
	FeedClass    Class = "feed"
)

// CareUnit is the ward or unit that a device was reported from: ICU, 4W.
type CareUnit string

// Reading is one metric's value in the unit its profile declares. Flags are 0
// or 1; the metric "state" is the index of the profile's state.
type Reading struct {
	Metric string
	Value  float64
}

// Observation is what one device said of itself at one time. Feed is the way by
// which it came into its gateway. DeviceTime is the device's own time where that
// is not plausible and Time is its receiver's; 0 where Time is the device's.
type Observation struct {
	Equipment
	Time       Millis
	DeviceTime Millis
	Readings   []Reading
	Gateway    string
	Feed       string
}

// Reading returns the value of a metric and whether the observation has it.
func (o *Observation) Reading(metric string) (float64, bool) {
	for i := range o.Readings {
		if o.Readings[i].Metric == metric {
			return o.Readings[i].Value, true
		}
	}
	return 0, false
}

// Phase says where in its life a condition is.
type Phase string

// The phases of a condition. A condition that has no duration, such as a
// completed self-test, is an Instant.
const (
	Start    Phase = "start"
	Continue Phase = "continue"
	End      Phase = "end"
	Instant  Phase = "instant"
)

// Kind says what an event is about. Equipment events can raise alarms; clinical
// ones (occlusion, lead off) are counted and compared, and never page by
// themselves.
type Kind string

// The kinds of event.
const (
	Technical Kind = "technical"
	Clinical  Kind = "clinical"
	Advisory  Kind = "advisory"
)

// Event is something that happened to a device: a condition began or ended.
// ID is a hash of the sender, its message id and the place in the message, so
// that a message sent again changes nothing. Feed and DeviceTime are as an
// Observation's.
type Event struct {
	Equipment
	ID        string `json:"id"`
	Time      Millis `json:"time"`
	Condition string `json:"condition"`
	Phase     Phase  `json:"phase"`
	Code      string `json:"code,omitempty"`
	Text      string `json:"text,omitempty"`
	Priority  string `json:"priority,omitempty"`
	Kind      Kind   `json:"kind,omitempty"`
	Gateway   string `json:"gateway,omitempty"`
	Feed      string `json:"feed,omitempty" doc:"way by which it came into the gateway"`

	DeviceTime Millis `json:"device_time,omitempty" doc:"the device's own time, where it is not plausible and time is its gateway's"`
}

// Gap declares records that were lost: which, how many, from when to when and
// why. It is delivered like data, so that a loss is never silent.
type Gap struct {
	Gateway string
	Site    string
	Stream  string
	Epoch   uint64
	First   uint64
	Last    uint64
	Count   uint64
	From    Millis
	To      Millis
	Reason  string
}

// Heartbeat is what a gateway says of itself: how much waits in its spools, how
// old the oldest record is, and how its clock stands. ClockOffset is by how many
// seconds it is ahead of the collector's, as far as ClockKnown. Feeds are its
// ways in; a FeedReport of each comes before. A collector's own heartbeat is the
// clock of its watch.
type Heartbeat struct {
	Gateway         string
	Site            string
	Time            Millis
	EventsDepth     uint64
	TelemetryDepth  uint64
	OldestSeconds   float64
	ClockOffset     float64
	ClockKnown      bool
	FeedsUp         uint64
	FeedsConfigured uint64
}

// FeedReport is what a gateway says of one feed, a way in that is configured: a
// listener, a sender known by name, a station that is dialled, a monitor that is
// asked, a broker. Up says that it works: whoever should be there is connected.
// Caller is a sender that connects by itself: until it first did it is missing to
// nobody. Silent is how long nothing was heard by it, below 0 when nothing ever
// was; Messages is how many were since the gateway's start.
type FeedReport struct {
	Gateway  string
	Site     string
	Feed     string
	Time     Millis
	Up       bool
	Caller   bool
	Silent   time.Duration
	Messages uint64
}
