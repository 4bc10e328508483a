// Package pcd turns the HL7 messages of medical devices into medfleet's own
// words: observations and events, which part stands in which device, and what
// devices say of their own making. It reads the IHE device profiles (PCD-01
// device data, PCD-04 alerts, PCD-10 infusion pump events, PCD-15 device
// management) and the ORU messages of makers who came close to them.
//
// It is also where patient data ends. A message is a patient's as much as a
// device's, so nothing is read from it but what the table in allow.go lists,
// each value in its declared shape and, for OBX-5, only in rows about
// equipment. All reading goes through the sieve (sieve.go), the only file that
// sees the HL7 message; no other way to a value exists in this package. What
// leaves is numbers, words of our own tables, and texts checked by shape: a
// device's identity, its maker, model and revisions, the care unit, and codes,
// those that begin with MDC and makers' own.
//
// It takes bytes and gives values: no I/O, no log, nothing running. HL7 stamps
// have a resolution of one second; telling apart two observations of one device
// with the same stamp is left to the caller.
package pcd

import (
	"errors"
	"fmt"
	"net/netip"

	"medfleet"
	"medfleet/profiles"
)

// unfiltered switches the filter off. Nothing in the program sets it: it is the
// control of a test that looks for patient data in all that the program writes.
var unfiltered bool

// Options is what a Mapper needs to know. Profiles is required.
type Options struct {
	Config
	Profiles *profiles.Set
	Site     string // copied into every observation and event
	Gateway  string // likewise
}

// Mapper reads messages. Any number of goroutines may use one, each with a Result
// of its own: all it remembers is which alerts stand.
type Mapper struct {
	profiles         *profiles.Set
	site             string
	gateway          string
	senders          []sender
	terms            termTable
	units            profiles.Units
	codes            codeTable
	lives            *lives
	standing         *standing
	listConditions   []*profiles.Condition // that a list of technical alarms can tell of
	repeatConditions []*profiles.Condition // that alerts repeated with each report can
	open             bool                  // the sieve lets everything through: the control of its tests
}

// New checks the configuration and gives a Mapper. Errors name every wrong key
// and its remedy.
func New(o Options) (*Mapper, error) {
	if o.Profiles == nil {
		return nil, errors.New("make device mapper: Profiles is missing: load them with profiles.Load")
	}
	senders, err := o.compile(o.Profiles)
	if err != nil {
		return nil, fmt.Errorf("make device mapper: %w", err)
	}
	return &Mapper{
		profiles: o.Profiles, site: o.Site, gateway: o.Gateway, senders: senders,
		terms: newTermTable(), units: profiles.NewUnits(), codes: newCodeTable(o.Profiles), lives: newLives(),
		standing: new(standing), listConditions: listConditions(o.Profiles), repeatConditions: repeatConditions(o.Profiles),
	}, nil
}

// Map reads one message into res, dropping what res held. peer is who sent it
// and received the gateway's clock. What res then holds is valid until the
// next Map or Reset, and longer than msg.
func (m *Mapper) Map(res *Result, msg *Message, peer netip.Addr, received medfleet.Millis) {
	res.Reset()
	r := &res.reading
	r.begin(m, msg, peer, received)
	defer r.end()
	r.sender = m.senderOf(r)
	res.Sender = &r.sender.Sender
	if !r.route(res) {
		return
	}
	r.walk(res)
	r.name(res)
	switch {
	case r.presence:
	case r.listing:
		r.list(res)
	default:
		r.observe(res)
		r.alert(res)
	}
	r.conclude(res)
}

// conclude gives the verdict on a message that was read to its end.
func (r *reading) conclude(res *Result) {
	something := len(res.Events) > 0 || len(res.Attachments) > 0 || len(res.Identities) > 0
	for i := range res.Observations {
		something = something || len(res.Observations[i].Readings) > 0
	}
	res.NoZone = r.noZone
	switch {
	case r.presence:
		res.Verdict, res.Reason = NothingForUs, ofNoUse
	case something:
		res.Verdict, res.Reason = Understood, r.trouble
	case r.trouble != "":
		res.Verdict, res.Reason = NotUnderstood, r.trouble
	case len(r.rows) == 0 && res.Dropped.Rows == 0:
		res.Verdict, res.Reason = NothingForUs, "it has no observations"
	case r.unchanged:
		res.Verdict, res.Reason = NothingForUs, "its list of technical alarms says what the one before said"
	case r.unnamed:
		res.Verdict, res.Reason = NothingForUs, "a patient's measurements only, by a device without a name: set `identity` for this sender to know when it is in use"
	case res.Dropped.Values > 0:
		res.Verdict, res.Reason = NothingForUs, noValue
	case res.Dropped.OddCodes > 0:
		res.Verdict, res.Reason = NothingForUs, "an odd event code, whose meaning no source tells: it is counted, and raises nothing"
	case res.Dropped.Alerts > 0 && len(res.Dropped.Unknown) > 0:
		res.Verdict, res.Reason = NothingForUs, "an alert under a code that no table knows: it is counted, and raises nothing"
	default:
		res.Verdict, res.Reason = NothingForUs, "nothing in it is about equipment"
	}
}
