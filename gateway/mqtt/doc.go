// Package mqtt takes device status over MQTT: a broker of its own for small
// sites, and the contract by which JSON on medfleet's topics becomes
// observations and events.
//
// The contract: a device publishes with QoS 1, not retained, to
//
//	medfleet/v1/<site>/<gateway>/<device>/status   what it says of itself
//	medfleet/v1/<site>/<gateway>/<device>/event    what happened to it
//	medfleet/v1/<site>/<gateway>/<device>/online   whether it is connected: also its last will
//
// one JSON object each. Both need "class" and "time" (RFC 3339); "model",
// "unit" and "seq" are optional. A status carries the metrics of the class's
// profile under their names; "state" is the name of one of its states. An event
// carries "condition" and "phase", and may carry "code" and "priority"; without
// "condition" its "code" is looked up among those of the model's maker.
//
// "online" is {"online":true} when a device comes and {"online":false} as its last
// will; "class" may stand beside it. A lost connection is the condition "offline":
// silence, never a fault of the device.
//
// A retained message is state at an unknown time: with a "time" of its own it is
// filed under that and judged by nobody; without, it says that there is such a
// device and nothing more.
//
// Keys that the profile does not know are dropped and counted, so that patient
// data cannot pass; text is taken only where it names something that is
// declared, or has the shape of a model, a unit or a code.
package mqtt

import (
	"medfleet"
)

// Message is one PUBLISH as it came in.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool
}

// Reading is what a message says to us. Its slices are reused by the next.
type Reading struct {
	Observation *medfleet.Observation // nil when it is no status
	Event       *medfleet.Event       // nil when it is no event
	Key         uint64                // the same when the same message comes again
	Retained    bool                  // state at an unknown time
	Clamped     bool                  // its time was not plausible: the receiver's is used
	DeviceTime  medfleet.Millis       // its own time when Clamped
	Sent        medfleet.Millis       // when the device says it sent it, which its clock is judged by; 0 for what a broker kept
	Dropped     int                   // keys that the profile does not know
	Refused     int                   // values that cannot be right
}
