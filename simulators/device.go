package simulators

import (
	"math/rand/v2"
	"time"

	"medfleet"
	"medfleet/simulators/physics"
)

// device is a member of the fleet in operation. Its keeper owns it; only the
// outbox is shared with its link.
type device struct {
	Member
	machine *physics.Machine
	speech  speech
	box     *outbox
	rng     *rand.Rand

	seq      uint64
	stamped  medfleet.Millis // newest time used
	report   time.Time       // when the next report is due
	wake     time.Time       // when the keeper looks at it next
	reported uint64          // machine's changes that were reported
	silent   bool
	worn     bool // told already
	steady   int  // events sent in steady mode
}

// speech turns what a device has to say into messages of its protocol.
type speech interface {
	// status appends the messages of one report.
	status(dst []parcel, d *device, at time.Time) []parcel
	// event appends the message about a condition, if the protocol has one for it.
	event(dst []parcel, d *device, e physics.Event) []parcel
}

// stamp gives a message its identity: the next number and a time of its own.
func (d *device) stamp(at time.Time) (seq uint64, t medfleet.Millis) {
	d.seq++
	d.stamped = max(medfleet.AsMillis(at), d.stamped+1)
	return d.seq, d.stamped
}

// firstSeq lets numbers rise over restarts of the simulator, as those of a
// device with a boot counter do: up to a thousand messages a second.
func firstSeq(at time.Time) uint64 { return uint64(at.Unix()) * 1000 }
