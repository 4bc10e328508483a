package sparkplug

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"medfleet"
	"medfleet/gateway/mapping"
)

// judge makes events of what a metric says about conditions.
func (s *speaker) judge(b *batch, known *metric, v mapping.Value, t stamp) {
	if w := known.use.condition; w != nil {
		if on, ok := w.Lasts(v); !ok {
			b.said.Refused++
		} else if turned(known, on, t.marks.Historical) {
			s.tell(b, w.Event(on), t)
		}
	}
	if known.use.codes == nil {
		return
	}
	code, ok := known.use.codes.Find(s.equipment.Model, v)
	if !ok {
		b.said.Codes++ // nobody knows it: it is no alarm, and what was wrong before is over
	}
	s.change(b, known, code, t)
}

// turned remembers what a value says of a condition, and reports whether that is
// new. What is history changes nothing.
func turned(known *metric, on, historical bool) bool {
	now := no
	if on {
		now = yes
	}
	if historical {
		return true
	}
	before := known.lasts
	known.lasts = now
	return before != now
}

// change ends the condition of the code before and begins that of the new one.
func (s *speaker) change(b *batch, known *metric, code mapping.Code, t stamp) {
	if t.marks.Historical {
		if code.Condition != nil {
			s.coded(b, code, true, t)
		}
		return
	}
	before := known.wrong
	if before != nil && *before == code {
		return
	}
	if before != nil {
		s.coded(b, *before, false, t)
	}
	known.wrong = nil
	if code.Condition != nil {
		known.wrong = &code
		s.coded(b, code, true, t)
	}
}

func (s *speaker) coded(b *batch, code mapping.Code, on bool, t stamp) {
	e := mapping.Event(code.Condition, on)
	if on { // it is over under whatever code it began
		e.Code = code.Text
	}
	s.tell(b, e, t)
}

// tell adds an event. Its id is that of the session, the message and the place in it.
func (s *speaker) tell(b *batch, e medfleet.Event, t stamp) {
	e.Equipment, e.Time, e.Gateway, e.DeviceTime = s.equipment, t.at, s.node.host.options.Gateway, t.device
	e.ID = s.eventID(&e, b.payload.GetTimestamp(), b.payload.GetSeq(), b.place)
	b.said.Events = append(b.said.Events, Event{e, t.marks})
	s.heard(b.said, b.at)
}

func (s *speaker) eventID(e *medfleet.Event, message, seq uint64, place int) string {
	h := sha256.New()
	fmt.Fprintf(h, "sparkplug\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d\x00%d\x00%d\x00%d\x00%d",
		s.node.id.Group, s.node.id.Edge, s.device, e.Condition, e.Phase, e.Code, e.Time, s.node.session, message, seq, place)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
