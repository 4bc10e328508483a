// Package roster knows every device: its class, model and place, the state it is
// in and since when, what it last said, which conditions it reports, through
// which gateway it was heard and when. It makes a sighting of every record for
// the alarm engine, and collects what has to be written for the next transaction.
//
// The roster is a function of the journal alone. Its clock is the clock records
// that the collector writes there, so that replaying the journal gives the same
// roster again.
package roster

import (
	"math"
	"sync"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// Options are what a roster needs.
type Options struct {
	Profiles *profiles.Set
	Silence  time.Duration // instead of the profiles' own when it is not 0
}

// GatewaySilence is how long a gateway may say nothing before what stands behind
// it is out of our sight. Three heartbeats are 30 s.
const GatewaySilence = 35 * time.Second

// Bounds of the roster: input decides how many devices there are.
const (
	MaxDevices  = 2_000_000
	maxActive   = 64 // conditions of one device at one time
	maxGateways = 20_000
)

// Roster is all devices. One goroutine, the watch, applies records; any number
// may read.
type Roster struct {
	o Options

	mu       sync.RWMutex
	devices  map[medfleet.DeviceID]*entry
	gateways map[string]*gateway
	direct   way // of devices that write to the collector itself
	aliases  map[medfleet.DeviceID]medfleet.DeviceID
	parts    parts
	models   map[modelName]*model
	clock    medfleet.Millis // of the newest clock record
	started  medfleet.Millis // when the collector last started
	shortest time.Duration   // the least time for which some device may be silent

	pending  pending
	sighting medfleet.Sighting
	added    []added
	silenced []*entry // of the newest tick
	counts   Counts
}

// Counts are what the watch met that is neither observation nor event.
type Counts struct {
	Late       uint64 // older than what was known: kept, but nothing is judged by it
	Repeated   uint64 // events that came again
	Gaps       uint64 // declared losses
	Suspects   uint64 // keys that came with other content
	Unreadable uint64
	Overflow   uint64 // devices beyond the bound
}

// New gives an empty roster.
func New(o Options) *Roster {
	return &Roster{
		o: o, devices: map[medfleet.DeviceID]*entry{}, gateways: map[string]*gateway{},
		aliases: map[medfleet.DeviceID]medfleet.DeviceID{}, parts: newParts(), models: map[modelName]*model{},
		pending: newPending(), shortest: shortest(o),
	}
}

func shortest(o Options) time.Duration {
	if o.Silence > 0 {
		return o.Silence
	}
	least := time.Duration(math.MaxInt64)
	for _, p := range o.Profiles.Classes() {
		least = min(least, p.Silence)
	}
	return least
}

// entry is a device with what the roster needs to know beside it.
type entry struct {
	device   medfleet.Device
	profile  *profiles.Profile
	way      *way            // by which it was last heard
	heard    medfleet.Millis // when, by the collector's clock
	observed medfleet.Millis // newest observation's time
	back     setBack
	known    known // the state it last reported
	active   []condition
	recent   [16]string // ids of the newest events
	next     int
	made     [makingKinds]medfleet.Millis // when it told of its making
	claim    *claim                       // the id is told from two places; nil is usual
}

// known is the state a device last reported, which it returns to when it is
// heard again after silence.
type known struct {
	state    medfleet.State
	native   string
	occupied bool
}

type gateway struct {
	medfleet.Gateway
	since   medfleet.Millis // when it was last heard after a silence
	horizon medfleet.Millis // up to when, by our clock, it has delivered all it heard; 0 is not known
	ways    map[string]*way // by the feed's name
	fresh   bool            // the rules have not judged it as it is
	written medfleet.Millis // when its row was last due
}

// Counts gives a copy of the counters.
func (r *Roster) Counts() Counts {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.counts
}
