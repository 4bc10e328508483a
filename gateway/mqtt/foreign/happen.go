package foreign

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/valyala/fastjson"

	"medfleet"
	"medfleet/gateway/mapping"
)

// offline is told each time: a device that speaks again is heard again without
// saying so.
const offline = "offline"

// switched tells of a condition when its value begins or ends it.
func (r *Reader) switched(i int, v *fastjson.Value) {
	s := r.plan.switches[i].lasts
	sent, ok := r.sent(v)
	is, tells := s.Lasts(sent)
	switch {
	case !ok || !tells:
		r.out.Refused++
	case r.retained: // state at an unknown time
	case r.set.lasting.turned(r.plan, r.at.Device, i, is) || s.Condition.Name == offline:
		r.tell(s.Event(is))
	}
}

// happened reads one entry of a list of events.
func (r *Reader) happened(u *eventsUse, v *fastjson.Value) {
	r.gather(u.entry, v)
	at := r.value(u.code)
	if at == nil {
		r.out.Refused++
		return
	}
	sent, ok := r.sent(at)
	if !ok {
		r.out.Refused++
		return
	}
	code, known := u.table.Find(r.at.Model, sent)
	if known && code.Condition == nil {
		return // it says that nothing is wrong
	}
	time, clamped, deviceTime := r.time, r.clamped, r.deviceTime
	defer func() { r.time, r.clamped, r.deviceTime = time, clamped, deviceTime }()
	switch {
	case !r.stamped(u):
		r.out.Refused++
	case known:
		r.occurred(u, code)
	default:
		r.nobodys(sent)
	}
}

// stamped settles the time of an entry that has one of its own.
func (r *Reader) stamped(u *eventsUse) bool {
	if u.clock == nil {
		return true
	}
	v := r.value(u.clock.at)
	if v == nil {
		return false
	}
	own, err := u.clock.read(v)
	if err != nil {
		return false
	}
	r.believe(own)
	return true
}

func (r *Reader) occurred(u *eventsUse, code mapping.Code) {
	e := mapping.Event(code.Condition, true)
	e.Code = code.Text
	e.Phase = medfleet.Phase(r.say(&u.phase, nobody))
	e.Priority = r.say(&u.priority, nobody)
	if e.Phase == "" {
		r.out.Refused++
		return
	}
	r.tell(e)
}

// unknownCode is the condition of codes that no table has.
const unknownCode = "unknown_code"

// nobodys counts a code that no table has, and tells of it so that somebody looks
// it up: where it can be nothing but a code, of a device that alarms about nobody.
func (r *Reader) nobodys(v mapping.Value) {
	r.out.Unknown++
	condition, ok := r.plan.set.Condition(unknownCode)
	if !ok || r.time == 0 || !r.class.profile.Harmless {
		return
	}
	r.scratch = v.Append(r.scratch[:0])
	if !codeShaped(r.scratch) {
		return
	}
	e := mapping.Event(condition, true)
	e.Phase, e.Code = medfleet.Instant, r.intern(r.scratch)
	r.tell(e)
}

// codeShaped tells texts that can be nothing but a code: up to three letters, a
// separator, up to five digits. A name has no digits, and a patient's number more.
func codeShaped(b []byte) bool {
	n := 0
	for n < len(b) && n < 3 && isLetter(b[n]) {
		n++
	}
	if n > 0 && n < len(b) && (b[n] == '-' || b[n] == '_' || b[n] == '.') {
		n++
	}
	digits := b[n:]
	for _, c := range digits {
		if !isDigit(c) {
			return false
		}
	}
	return len(digits) >= 1 && len(digits) <= 5
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func nobody(string) bool { return false }

// tell adds an event about the device at hand.
func (r *Reader) tell(e medfleet.Event) {
	if r.time == 0 {
		return
	}
	e.Equipment, e.Time, e.Gateway = r.at, r.time, r.set.gateway
	e.ID = r.eventID(&e)
	r.out.Events = append(r.out.Events, e)
	r.out.EventMarks = append(r.out.EventMarks, r.mark())
}

// eventID names an event by what it says: the same message sent again gives the
// same id, where it has a time of its own. Of events in one message that say the
// same, each has an id of its own.
func (r *Reader) eventID(e *medfleet.Event) string {
	said := saying{e.Device, e.Condition, e.Phase, e.Code, e.Time}
	same := r.said[said]
	r.said[said] = same + 1
	b := append(r.scratch[:0], "foreign\x00"...)
	for _, part := range []string{e.Site, string(e.Device), e.Condition, string(e.Phase), e.Code} {
		b = append(append(b, part...), 0)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.idTime()))
	b = binary.BigEndian.AppendUint64(b, same)
	r.scratch = b
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// saying is what tells one event of a message from another.
type saying struct {
	device    medfleet.DeviceID
	condition string
	phase     medfleet.Phase
	code      string
	time      medfleet.Millis
}

// idTime is the time in the sender's own words where there is one: what has to be
// clamped is clamped to another time when it comes again.
func (r *Reader) idTime() medfleet.Millis {
	if r.clamped {
		return r.deviceTime
	}
	return r.time
}
