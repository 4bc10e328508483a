package pcd

import (
	"net/netip"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// reading is one message on its way through the stages: route, walk, name,
// observe, alert. It is part of the Result so that its memory is reused.
type reading struct {
	mapper      *Mapper
	sender      *sender
	sieve       sieve
	peer        netip.Addr // who sent it
	received    medfleet.Millis
	sent        medfleet.Millis // MSH-7
	transaction transaction
	presence    bool   // the message tells no more than that its devices are there
	debugging   bool   // MSH-11: the message is not about service
	unnamed     bool   // there are measurements by a device without a name or a type
	listing     bool   // the message is a list of all technical alarms that stand
	unchanged   bool   // and it says what the one before said
	noZone      bool   // a stamp without zone was read as UTC
	trouble     string // why something that is for us could not be used

	groups  []group
	devices []device
	parts   []part
	rows    []row
	rack    int     // index of the latest rack, -1 if there is none
	tallies []tally // by observation
	alerts  []alert
}

// group is an OBR and what follows it. unit is the care unit of the PV1 before.
type group struct {
	segment  int // the OBR, -1 if there is none
	kind     groupKind
	at       medfleet.Millis // OBR-7 or OBR-8, 0 if there is none
	unit     string
	bed      string // of the same PV1; read only where the sender's configuration asks for it
	instance string // PRT-10 after the OBR itself
	serial   string // PRT-20 likewise
}

type groupKind uint8

const (
	reportGroup groupKind = iota
	alertGroup
	skippedGroup // waveforms
)

// row is an OBX that belongs to a device.
type row struct {
	segment int
	group   int
	device  int
	subject
}

// device is a device as one group of the message tells of it.
type device struct {
	group    int
	number   uint32            // first number of OBX-4
	slot     uint32            // second number, where it is a module of another device, else 0
	within   int               // index of the device it is in, -1 if it stands by itself
	typed    bool              // there was a row of the device itself
	mds      uint32            // code of that row
	refid    string            // name of that row
	profile  *profiles.Profile // what the type stands for
	implied  *profiles.Profile // what its measurements stand for, where it tells no type
	unlike   bool              // they stand for several
	module   uint32            // part the following rows belong to, 0 if it is the device itself
	object   bool              // that part is no module but something like a battery
	part     int               // index of that part, -1 if it is the device itself
	names    [sources]string   // what the message calls it
	several  bool              // its rows name different devices
	odd      bool              // a name was there, of no usable shape
	model    string
	making   making
	unit     string          // care unit, where the device itself tells it
	newest   medfleet.Millis // newest OBX-14 of its readings
	demo     bool
	useful   bool // it has readings or events for us
	id       medfleet.DeviceID
	observed int // index in Result.Observations, -1 if there is none
}

func (r *reading) begin(m *Mapper, msg *Message, peer netip.Addr, received medfleet.Millis) {
	r.mapper, r.peer, r.received = m, peer.Unmap(), received
	r.sender, r.sent, r.transaction = nil, 0, 0
	r.presence, r.debugging, r.unnamed, r.noZone, r.trouble = false, false, false, false, ""
	r.listing, r.unchanged = false, false
	r.groups, r.devices, r.rows = r.groups[:0], r.devices[:0], r.rows[:0]
	r.parts, r.rack = r.parts[:0], -1
	r.tallies, r.alerts = r.tallies[:0], r.alerts[:0]
	r.sieve.begin(m, msg)
}

// end lets go of the message and of what a very long one has left behind.
func (r *reading) end() {
	const keep = 4096
	if cap(r.rows) > keep {
		r.rows, r.sieve.subjects = nil, nil
	}
	r.mapper, r.sender = nil, nil
	r.sieve.end()
}

// stamp reads a time of the message, 0 if there is none.
func (r *reading) stamp(i int, p place) medfleet.Millis {
	t := r.time(i, p)
	r.noZone = r.noZone || t.at != 0 && !t.zoned && !r.sender.zoned
	return t.at
}

// time reads a time in the sender's zone. At the end of summer time a clock shows
// one hour twice: the one nearer to now is meant.
func (r *reading) time(i int, p place) stamp {
	t := r.sieve.time(i, p, r.sender.zone)
	if t.at == 0 || t.zoned || !r.sender.zoned {
		return t
	}
	shown := t.at.Time().In(r.sender.zone)
	for _, step := range [...]time.Duration{-time.Hour, time.Hour} {
		other := shown.Add(step)
		if at := medfleet.AsMillis(other); other.Hour() == shown.Hour() && at.Sub(r.received).Abs() < t.at.Sub(r.received).Abs() {
			t.at = at
		}
	}
	return t
}

// inTrouble keeps the first reason why something for us could not be used.
func (r *reading) inTrouble(why string) {
	if r.trouble == "" {
		r.trouble = why
	}
}
