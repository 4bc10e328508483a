package pcd

import (
	"strconv"
	"strings"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// alert is one alert (PCD-04) or one event (PCD-10) while its rows are read.
type alert struct {
	group     int
	device    int
	segment   int // of the event's row, -1 while only facets were seen
	last      int // segment of its latest row
	kind      rowKind
	words     int    // segment of the alert's text, -1 if there is none
	number    uint32 // code of the event
	refid     string
	at        medfleet.Millis
	phase     string
	state     string
	priority  string
	technical bool // the sender calls it technical
	gone      bool // a maker's alert whose row has no value any more
}

// alert gathers the rows of alerts and turns them into events. The code of the
// event decides whether it is about equipment; the type the sender gives does
// not: test messages of the conformance tool call a tachycardia technical.
func (r *reading) alert(res *Result) {
	for i := range r.rows {
		switch row := &r.rows[i]; {
		case row.kind&rowHappening != 0:
			r.eventRow(row)
		case row.kind&rowFacet != 0:
			r.facetRow(row)
		}
	}
	for i := range r.alerts {
		a := &r.alerts[i]
		if r.repeats(a) {
			continue
		}
		if a.segment >= 0 || r.groups[a.group].kind == alertGroup {
			r.event(res, a) // an end may leave out what it is the end of
		}
	}
	if r.transaction == unprofiled || len(r.alerts) > 0 {
		r.repeated(res)
	}
}

// open gives the alert that a row belongs to: the last one of its group and
// device. Facets may come before the event's own row.
func (r *reading) open(row *row, event bool) *alert {
	if n := len(r.alerts); n > 0 {
		a := &r.alerts[n-1]
		if a.group == row.group && a.device == row.device && !(event && a.segment >= 0) {
			return a
		}
	}
	r.alerts = append(r.alerts, alert{group: row.group, device: row.device, segment: -1, words: -1})
	return &r.alerts[len(r.alerts)-1]
}

// eventRow reads facet 1: the event's code stands in OBX-5 (technical form) or
// in OBX-3 (physiological form, where OBX-5 is text and stays unread).
func (r *reading) eventRow(row *row) {
	i, s := row.segment, &r.sieve
	a := r.open(row, true)
	a.segment, a.kind = i, row.kind
	a.number, a.refid = row.number, row.refid
	if row.kind == rowVendorAlert {
		a.technical = true
		a.gone = s.blank(i, obxEventWords) || withdrawn(s.get(i, obxStatus))
	}
	if row.kind&rowCoded != 0 {
		a.number, a.refid = s.code(i, obxEventCode), s.text(i, obxEventRefID)
		if _, _, ok := r.mapper.condition(a.number, a.refid); !ok && !s.blank(i, obxOtherEventRefID) {
			a.number, a.refid = s.code(i, obxOtherEventCode), s.text(i, obxOtherEventRefID)
		}
	}
	if a.at == 0 {
		a.at = r.stamp(i, obxTime)
	}
	for _, p := range priorities {
		if a.priority == "" && r.flagged(i, p.word) {
			a.priority = p.means
		}
	}
	a.technical = a.technical || r.flagged(i, "ST")
}

// facetRow reads the facets 3 to 8.
func (r *reading) facetRow(row *row) {
	a := r.open(row, false)
	a.last = row.segment
	w := r.sieve.word(row.segment, 1)
	switch row.kind {
	case rowAlertText:
		a.words = row.segment
	case rowPhase:
		a.phase = r.sieve.known.keep(w)
	case rowAlarmState:
		a.state = r.sieve.known.keep(w)
	case rowPriority:
		for _, p := range priorities {
			if string(w) == p.word {
				a.priority = p.means
			}
		}
	case rowAlertType:
		a.technical = string(w) == "ST"
	}
	if a.at == 0 {
		a.at = r.stamp(row.segment, obxTime)
	}
}

// priorities are those of table 0078 and facet 6.
var priorities = [...]struct{ word, means string }{
	{"PH", "high"}, {"PM", "medium"}, {"PL", "low"}, {"PN", "none"},
}

// event makes an event of an alert, if it is about equipment.
func (r *reading) event(res *Result, a *alert) {
	phase, told := a.phaseIn(r.groups[a.group].kind)
	m, was, ok := r.follow(a, r.meaningOf(a), phase)
	switch {
	case !ok && told && (phase == medfleet.Start || phase == medfleet.Instant) && r.unheardOf(res, a):
		return
	case !ok, !told:
		r.left(res, a)
		return
	case m.condition.Name == signOfLife:
		r.lastSign(res, a, m, phase)
		return
	}
	v := &r.devices[a.device]
	v.useful = true
	if v.id == "" || v.profile == nil {
		res.Dropped.Devices++
		r.inTrouble(r.nameless(v))
		return
	}
	if was.condition != nil && was.condition != m.condition {
		r.fileEvent(res, a, was, medfleet.End)
	}
	r.fileEvent(res, a, m, phase)
	if was.condition == m.condition {
		r.fileEvent(res, a, was, medfleet.End) // after it: the condition itself goes on
	}
	r.enters(res, v, m.condition.Name, phase)
}

// enters puts a device into the state that an event tells it has entered, where
// the message does not say the state itself.
func (r *reading) enters(res *Result, v *device, condition string, phase medfleet.Phase) {
	if v.observed < 0 || phase == medfleet.End || phase == medfleet.Continue {
		return
	}
	if value, ok := v.profile.StateOnWire(condition); ok {
		set(&res.Observations[v.observed], profiles.StateMetric, value)
	}
}

// unheardOf tells of a technical alert whose code no table has, of a device that
// alarms about nobody. With any other it could be a finding about a patient.
func (r *reading) unheardOf(res *Result, a *alert) bool {
	v := &r.devices[a.device]
	if !a.technical || v.id == "" || v.profile == nil || !v.profile.Harmless || oddEvent(a.number) || strings.Contains(a.refid, "PATIENT") {
		return false
	}
	code := r.sieve.codeText(a.number, a.refid)
	res.unknown(code)
	if code == "" && a.segment >= 0 {
		code = r.ownCode(a)
	}
	c, ok := r.mapper.profiles.Condition(unknownCode)
	if code == "" || !ok {
		return false
	}
	r.fileEvent(res, a, meaning{c, code, c.Title}, medfleet.Instant)
	return true
}

// meaningOf reads what the code of an alert stands for, nothing if nobody knows.
func (r *reading) meaningOf(a *alert) meaning {
	if c, code, ok := r.mapper.condition(a.number, a.refid); ok {
		return meaning{c, code, c.Title}
	}
	return r.makersOwn(a)
}

// lastSign reads a watchdog: that the device was heard is all it says, until the
// one that is inactive, which tells that the device is shut down in good order.
func (r *reading) lastSign(res *Result, a *alert, m meaning, phase medfleet.Phase) {
	v := &r.devices[a.device]
	c, ok := r.mapper.profiles.Condition(switchedOff)
	if phase == medfleet.End && ok && v.id != "" && v.profile != nil {
		r.fileEvent(res, a, meaning{c, m.code, c.Title}, medfleet.Instant)
	}
}

func (r *reading) fileEvent(res *Result, a *alert, m meaning, phase medfleet.Phase) {
	if len(res.Events) == MaxEvents {
		res.Dropped.Alerts++
		return
	}
	v := &r.devices[a.device]
	ev := medfleet.Event{
		Equipment: r.equipment(v), Condition: m.condition.Name, Kind: m.condition.Kind, Phase: phase, Code: m.code, Text: m.text,
		Priority: a.priority, Gateway: r.mapper.gateway,
	}
	own := a.at
	if own == 0 {
		own = r.groups[a.group].at
	}
	if own == 0 {
		own = r.sent
	}
	at, clamped := medfleet.Believe(own, r.received)
	ev.Time = at
	ev.ID = r.sieve.hash(max(a.segment, a.last), string(v.id), m.condition.Name, m.code, string(phase), r.unsent(at))
	mark := Mark{Clamped: clamped, NotInService: r.debugging || r.devices[a.device].demo}
	if clamped {
		mark.DeviceTime = own
	} else {
		// What lasts is told as it stands now, however long ago it began.
		mark.Historical = ev.Phase == medfleet.Instant && r.sent.Sub(own) > keptBack
	}
	res.Events, res.EventMarks = append(res.Events, ev), append(res.EventMarks, mark)
}

// unsent tells apart the events of messages that do not say when they were sent,
// where only the time of the event does.
func (r *reading) unsent(at medfleet.Millis) string {
	if r.sent != 0 {
		return ""
	}
	return strconv.FormatInt(int64(at), 10)
}

// left counts an alert that stays behind. The name of an unknown one is only
// counted when the sender calls it technical: others tell of a patient.
func (r *reading) left(res *Result, a *alert) {
	res.Dropped.Alerts++
	if oddEvent(a.number) {
		res.Dropped.OddCodes++
		if _, _, ok := r.mapper.condition(0, a.refid); ok {
			res.unknown(r.sieve.codeText(a.number, a.refid))
		}
		return
	}
	if a.technical {
		res.unknown(r.sieve.codeText(a.number, a.refid))
	}
}

// keptBack is how much older than its message an event must be to count as one
// that was kept back while the device was offline (PCD-10). A clock that missed
// the change to summer time is an hour off.
const keptBack = 90 * time.Minute

// signOfLife is the condition of events that a device sends to be heard,
// switchedOff that of its last words, unknownCode that of codes in no table.
const (
	signOfLife  = "watchdog"
	switchedOff = "powered_off"
	unknownCode = "unknown_code"
)

// phaseIn says where in its life the alert is (facets 3 and 4). Outside an
// alert an event row without a phase says nothing we could rely on, unless it
// is an event condition. A point in time (tpoint) has no end to wait for.
func (a *alert) phaseIn(kind groupKind) (medfleet.Phase, bool) {
	phase, state := a.phase, a.state
	is := strings.EqualFold
	switch {
	case is(phase, "tpoint"):
		return medfleet.Instant, true
	case is(state, "inactive"), is(state, "off"), is(phase, "end"), is(phase, "reset"):
		return medfleet.End, true
	case is(phase, "start"):
		return medfleet.Start, true
	case is(phase, "continue"), is(phase, "present"), is(phase, "update"), is(phase, "escalate"), is(phase, "deescalate"), is(phase, "de-escalate"):
		return medfleet.Continue, true
	case a.kind == rowCondition:
		return medfleet.Instant, true
	case kind == alertGroup && a.kind == rowVendorAlert && a.gone:
		return medfleet.End, true
	case kind == alertGroup:
		return medfleet.Start, true
	case a.kind == rowVendorAlert && !a.gone:
		return medfleet.Start, true
	}
	return "", false
}
