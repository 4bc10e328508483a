package pcd

import (
	"slices"
	"strings"

	"medfleet"
	"medfleet/profiles"
)

// A monitor that has alerts of its maker's own says what stands with each of its
// reports, and nothing else says when one has ended. One that is missing from two
// reports has: a report of a single cuff reading may leave it out.

// repeatSystem is the coding system of such alerts.
const repeatSystem = "MDIL-ALERT"

// repeats says that an alert is told again with each report for as long as it lasts.
func (r *reading) repeats(a *alert) bool {
	v := &r.devices[a.device]
	return a.kind == rowVendorAlert && r.groups[a.group].kind == reportGroup && v.id != "" && v.profile != nil
}

// repeated tells which alerts of the report have begun, and which conditions have
// ended since the reports before.
func (r *reading) repeated(res *Result) {
	for d := range r.devices {
		v := &r.devices[d]
		if v.id == "" || v.profile == nil || r.groups[v.group].kind != reportGroup || r.devicesBefore(d) {
			continue
		}
		now := r.standingIn(v.id)
		if r.transaction != unprofiled && len(now) == 0 {
			continue
		}
		r.repeatedBy(res, d, now)
	}
}

// devicesBefore says that a device of the message was that one already.
func (r *reading) devicesBefore(d int) bool {
	return slices.ContainsFunc(r.devices[:d], func(o device) bool { return o.id == r.devices[d].id })
}

// standingIn gives the alerts of the report that a device says stand.
func (r *reading) standingIn(id medfleet.DeviceID) (now []listedAlarm) {
	for i := range r.alerts {
		a := &r.alerts[i]
		if !r.repeats(a) || a.gone || r.devices[a.device].id != id {
			continue
		}
		if m := r.meaningOf(a); m.condition != nil && len(now) < maxAtOnce {
			now = append(now, listedAlarm{meaning: m, number: m.code, segment: i})
		}
	}
	return now
}

func (r *reading) repeatedBy(res *Result, d int, now []listedAlarm) {
	v := &r.devices[d]
	before := r.mapper.standing.repeat(v.id, now, func() []*profiles.Condition {
		if r.ownCodes(d) {
			return r.mapper.repeatConditions
		}
		return nil
	})
	for _, c := range r.mapper.repeatConditions {
		over := slices.ContainsFunc(before, func(s stands) bool { return s.condition == c && s.missed })
		lasting := slices.ContainsFunc(before, func(s stands) bool { return s.condition == c && !s.missed })
		if over && !lasting && !lasts(now, c) {
			r.fileEvent(res, &alert{device: d, group: v.group}, meaning{condition: c, text: c.Title}, medfleet.End) // under whatever code it began
		}
	}
	begun := 0
	for _, l := range now {
		if !slices.ContainsFunc(before, func(s stands) bool { return s.condition == l.condition && s.number == l.number }) {
			r.fileEvent(res, &r.alerts[l.segment], l.meaning, medfleet.Start)
			begun++
		}
	}
	r.unchanged = r.unchanged || len(now) > 0 && begun == 0
}

// ownCodes says that rows of a device have the codes of such a maker.
func (r *reading) ownCodes(d int) bool {
	return slices.ContainsFunc(r.rows, func(w row) bool {
		return w.device == d && r.sieve.get(w.segment, obxHexCode) != nil
	})
}

// repeatConditions are the conditions that such alerts can tell of.
func repeatConditions(set *profiles.Set) (list []*profiles.Condition) {
	for _, f := range set.Faults() {
		if c, ok := set.Condition(f.Condition); ok && strings.HasPrefix(f.Code, repeatSystem+":") && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// repeat notes what stands by a report. What is missing for the first time stands
// for one more. Of a device that is not known all that may stand may have ended
// while nobody listened.
func (s *standing) repeat(id medfleet.DeviceID, now []listedAlarm, may func() []*profiles.Condition) []stands {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.devices[id]
	if known && len(before)+len(now) == 0 {
		return nil
	}
	var list []stands
	if !known {
		list = doubtful(now, may())
	}
	for _, l := range now {
		list = append(list, stands{condition: l.condition, number: l.number})
	}
	for _, b := range before {
		if b.missed || slices.Contains(list, b) {
			continue
		}
		b.missed = true
		list = append(list, b)
	}
	s.put(id, list, known)
	return before
}
