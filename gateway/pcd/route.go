package pcd

import (
	"bytes"
	"time"
)

// transaction is an IHE device transaction (Device TF-2), told by the message
// profile.
type transaction uint8

const (
	unprofiled         transaction = 0  // ORU without a profile: read like PCD-01
	communicateData    transaction = 1  // PCD-01
	infusionOrder      transaction = 3  // PCD-03
	reportAlert        transaction = 4  // PCD-04
	implantedDevice    transaction = 9  // PCD-09
	infusionEvent      transaction = 10 // PCD-10
	deviceManagement   transaction = 15 // PCD-15
	locationObservable transaction = 16 // PCD-16
)

// route decides what kind of message it is, and says whether to read on.
func (r *reading) route(res *Result) bool {
	kind := r.sieve.text(0, mshType)
	r.clock(res)
	switch kind {
	case "":
		res.Verdict, res.Reason = NotUnderstood, "no message type that can be read: MSH-9 must say what kind of message it is, such as ORU^R01"
		return false
	case "QRY", "QBP", "QCN", "QSB", "QVR", "QSX", "EQQ", "SPQ", "VQQ", "RQQ":
		res.Verdict, res.Reason = AsksUs, r.sieve.join(kind, " asks for data: this receiver answers no queries")
		return false
	case "ORU", "ORF": // ORF answers a query with the same rows
	default:
		res.Verdict, res.Reason = NothingForUs, r.sieve.join(kind, " messages ", aboutOf(kind))
		return false
	}
	switch m := r.sieve.get(0, mshMode); {
	case string(m) == "D", string(m) == "T":
		r.debugging = true // SDPi: a device in demo, service or maintenance mode
	}
	r.transaction = r.profile()
	r.presence = r.transaction == infusionOrder || r.transaction == implantedDevice // no more than that the sender's device was heard
	return true
}

// aboutOf says what messages that are no observations are about.
func aboutOf(kind string) string {
	switch kind {
	case "ADT", "BAR", "DFT", "SIU", "MDM", "VXU", "PPR":
		return "are about patients, not about equipment"
	case "ORM", "OMG", "OML", "OMP", "ORR", "RDE", "RDS", "RGV", "RAS", "RRG":
		return "are orders, not about equipment"
	case "ORA":
		return "say what became of an alert (PCD-05), not how equipment is"
	case "ACK", "MCF":
		return "acknowledge another message and are not about equipment"
	}
	return "are not about equipment"
}

// ofNoUse is the reason for a profile that is read for signs of life only.
const ofNoUse = "its IHE profile is not about the state of equipment"

// clock reads MSH-7: when the message was sent by the sender's clock, and how
// far that is from ours.
func (r *reading) clock(res *Result) {
	t := r.time(0, mshTime)
	r.sent, res.Sent = t.at, t.at
	if t.at == 0 {
		return
	}
	zoned, skew := t.zoned || r.sender.zoned, t.at.Sub(r.received)
	r.noZone = r.noZone || !zoned
	if zoned && t.exact || skew.Abs() > widestZone {
		res.Skew, res.SkewKnown = skew, true
	}
}

// widestZone is more than any zone is away from UTC: a clock that is further off is
// wrong, whatever zone it shows.
const widestZone = 15 * time.Hour

// profile reads the message profile: MSH-21, or MSH-20 where one maker puts it,
// all repetitions. Without one that we know the trigger event decides.
func (r *reading) profile() transaction {
	const repetitions = 4
	for _, p := range [...]place{mshProfile, mshProfileEarly, mshProfileName} {
		for n := 1; n <= repetitions; n++ {
			if t, ok := transactionOf(r.sieve.nth(0, p, n)); ok {
				return t
			}
		}
	}
	switch string(r.sieve.get(0, mshEvent)) {
	case "R40":
		return reportAlert
	case "R42":
		return infusionEvent
	}
	return unprofiled
}

// transactionOf reads the object identifier of a profile. Two forms are in
// use: …19376.1.6.4.n, and the older …19376.1.6.1.n.1.
func transactionOf(oid []byte) (transaction, bool) {
	rest, ok := bytes.CutPrefix(oid, []byte("1.3.6.1.4.1.19376.1.6."))
	if !ok {
		return 0, false
	}
	number, ok := bytes.CutPrefix(rest, []byte("4."))
	if !ok {
		if number, ok = bytes.CutPrefix(rest, []byte("1.")); !ok {
			return 0, false
		}
		number, _ = bytes.CutSuffix(number, []byte(".1"))
	}
	switch n := decimal(number); n {
	case 1, 3, 4, 9, 10, 15, 16:
		return transaction(n), true
	}
	return 0, false
}

// groupKindOf reads OBR-4.
func (r *reading) groupKindOf(i int) groupKind {
	refid := r.sieve.text(i, obrRefID)
	switch r.sieve.code(i, obrCode) {
	case 196616:
		return alertGroup
	case 69121:
		return skippedGroup
	}
	switch refid {
	case "MDC_EVT_ALARM":
		return alertGroup
	case "MDC_OBS_WAVE_CTS":
		return skippedGroup
	}
	switch string(r.sieve.get(i, obrWord)) {
	case "ALARM":
		return alertGroup
	case "WAVEFORM", "CONTINUOUS WAVEFORM", "BOUNDED WAVEFORM", "BOUNDED WAVEFORMS":
		return skippedGroup
	}
	if r.transaction == reportAlert {
		return alertGroup
	}
	return reportGroup
}
