package pcd

import (
	"slices"
	"sync"

	"medfleet"
	"medfleet/profiles"
)

// A bedside monitor that is asked for its technical alarms (Mindray, patient data
// share protocol) sends the list of all that stand, again and again, and nothing
// else says when one has ended. The number of such a message is 56; a row is
//
//	OBX||CE|level||number^message||||||F
//
// with the levels 1 (high) to 4 (prompt), and rows of state that have no message.

// listKind is MSH-10 of such a list. Its numbers are told under listSystem. Its
// messages are looked up for the model that the configuration says, then for
// listModel: the maker's monitors use much the same words.
const (
	listKind   = "56"
	listSystem = "MINDRAY"
	listMaker  = "Mindray"
	listModel  = "ePM"
)

// isList says that the message is a list of technical alarms. Its sender says no
// time and is configured to be a monitor.
func (r *reading) isList() bool {
	return r.monitor() && r.sent == 0 && string(r.sieve.get(0, mshControlID)) == listKind
}

// monitor says that the sender is configured to be a monitor, and speaks no IHE
// profile.
func (r *reading) monitor() bool {
	if r.transaction != unprofiled || r.sender.profile == nil {
		return false
	}
	_, ok := r.sender.profile.Metric(metricMonitoring)
	return ok
}

// listRow files a row of the list. All are about the one monitor.
func (r *reading) listRow(i, g int) {
	sub := subject{kind: rowListed, number: r.sieve.code(i, obxCode)}
	r.sieve.subjects[i] = sub
	if d := r.deviceAt(g, path{}); d >= 0 {
		r.rows = append(r.rows, row{i, g, d, sub})
	}
}

// listEmpty makes the device of a list on which nothing stands.
func (r *reading) listEmpty() {
	if len(r.groups) == 0 {
		r.groups = append(r.groups, group{segment: -1})
	}
	r.addDevice(len(r.groups)-1, 0)
}

// listedAlarm is an alarm of the list.
type listedAlarm struct {
	meaning
	number   string
	segment  int
	priority string
}

// list tells what of the list has begun, and which conditions have ended since the
// list before.
func (r *reading) list(res *Result) {
	v := &r.devices[0]
	if v.id == "" || v.profile == nil {
		r.inTrouble(r.nameless(v))
		return
	}
	var now []listedAlarm
	for i := range r.rows {
		l, ok := r.listedAt(res, r.rows[i].segment)
		switch {
		case ok && len(now) < maxAtOnce:
			now = append(now, l)
		case ok:
			res.Dropped.Alerts++
		}
	}
	before := r.mapper.standing.move(v.id, now, r.mapper.listConditions)
	for _, c := range r.mapper.listConditions {
		if !lasts(now, c) && slices.ContainsFunc(before, func(s stands) bool { return s.condition == c }) {
			r.fileEvent(res, &alert{}, meaning{condition: c, text: c.Title}, medfleet.End) // under whatever code it began
		}
	}
	for _, l := range now {
		if slices.Contains(before, stands{condition: l.condition, number: l.number}) {
			continue
		}
		phase := medfleet.Start
		if l.condition.Name == unknownCode {
			phase = medfleet.Instant
		}
		r.fileEvent(res, &alert{segment: l.segment, priority: l.priority}, l.meaning, phase)
	}
	r.unchanged = len(res.Events) == 0
}

func lasts(now []listedAlarm, c *profiles.Condition) bool {
	return slices.ContainsFunc(now, func(l listedAlarm) bool { return l.condition == c })
}

// listedAt reads a row by its message. One that no table has is told by its number
// alone, for somebody to look it up.
func (r *reading) listedAt(res *Result, i int) (listedAlarm, bool) {
	s := &r.sieve
	number := s.text(i, obxEventCode)
	if number == "" || s.blank(i, obxEventName) || withdrawn(s.get(i, obxStatus)) {
		return listedAlarm{}, false
	}
	l := listedAlarm{number: number, segment: i, priority: listPriority(s.code(i, obxCode))}
	words := plainWords(s.get(i, obxEventName))
	f, ok := s.fault(r.sender.Model, nil, words)
	if !ok {
		f, ok = s.fault(listModel, nil, words)
	}
	if !ok {
		l.code = s.join(listSystem, ":", number)
		res.unknown(l.code)
		if l.condition, ok = r.mapper.profiles.Condition(unknownCode); ok {
			l.text = l.condition.Title
		}
		return l, ok
	}
	l.condition, ok = r.mapper.profiles.Condition(f.Condition)
	l.code, l.text = r.wordsOf(f.Code), f.Meaning
	return l, ok
}

func listPriority(level uint32) string {
	switch level {
	case 1:
		return "high"
	case 2:
		return "medium"
	case 3:
		return "low"
	}
	return "none"
}

// listConditions are the conditions that a list can tell of.
func listConditions(set *profiles.Set) (list []*profiles.Condition) {
	for _, f := range set.Faults() {
		if c, ok := set.Condition(f.Condition); ok && f.Maker == listMaker && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// stands is an alarm that a monitor said stands.
type stands struct {
	condition *profiles.Condition
	number    string
	missed    bool // by the newest report, or nobody knows whether it stands
}

// standing remembers what stands at each monitor, so that only what has changed
// is told. Of a monitor that it does not know all that stands is told, and with the
// next message that the others do not.
type standing struct {
	mu      sync.Mutex
	devices map[medfleet.DeviceID][]stands
}

const (
	maxStanding = 50_000 // monitors that are remembered; beyond it, it starts anew
	maxAtOnce   = 64     // alarms of one monitor; what else it says is counted only
)

// doubtful gives those of the conditions that do not stand now, but may have stood
// when last somebody listened.
func doubtful(now []listedAlarm, may []*profiles.Condition) (list []stands) {
	for _, c := range may {
		if !lasts(now, c) {
			list = append(list, stands{condition: c, missed: true})
		}
	}
	return list
}

// move puts a list in the place of the one before.
func (s *standing) move(id medfleet.DeviceID, now []listedAlarm, may []*profiles.Condition) []stands {
	list := make([]stands, 0, len(now))
	for _, l := range now {
		list = append(list, stands{condition: l.condition, number: l.number})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.devices[id]
	if !known {
		list = append(list, doubtful(now, may)...)
	}
	s.put(id, list, known)
	return before
}

func (s *standing) put(id medfleet.DeviceID, list []stands, known bool) {
	if !known && (s.devices == nil || len(s.devices) >= maxStanding) {
		s.devices = map[medfleet.DeviceID][]stands{}
	}
	s.devices[id] = list
}

func (s *standing) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.devices)
}

// Forget is told that what was made of a message did not become durable: what the
// monitors' next lists say is told again.
func (m *Mapper) Forget() { m.standing.forget() }
