package foreign

import (
	"errors"
	"unicode/utf8"

	"medfleet"
	"medfleet/gateway/mapping"
)

var (
	errDevice    = errors.New("no device: what the mapping takes for its id is missing or has not the shape of one: want up to 64 letters, digits and . _ - :, a digit among them; other shapes are allowed by device_pattern")
	errClass     = errors.New("no class: what the mapping takes for it is missing or stands for none: list it under class_from.words")
	errTopicOnly = errors.New("topic fits no mapping, nor medfleet's own contract: add a mapping for it, or subscribe to less")
)

// take gives a word about the device as it is sent, nil when there is none: from
// the payload, else from the topic.
func (r *Reader) take(u *wordUse) []byte {
	if v := r.value(u.at); v != nil {
		if b := r.word(v); len(b) > 0 {
			return b
		}
	}
	if u.level >= 0 {
		r.scratch = append(r.scratch[:0], r.levels[u.level]...)
		return r.scratch
	}
	return nil
}

// say gives a word in our own terms: by the table, or as it is where its shape is
// allowed. What has another shape is dropped and counted.
func (r *Reader) say(u *wordUse, shaped func(string) bool) string {
	b := r.take(u)
	if b == nil {
		return u.fixed
	}
	if u.words != nil {
		if ours, ok := u.words[string(b)]; ok {
			return ours
		}
		r.out.Dropped++
		return u.fixed
	}
	if len(b) <= maxWord {
		if s := r.intern(b); shaped(s) {
			return s
		}
	}
	r.out.Dropped++
	return u.fixed
}

const (
	maxWord  = 128
	maxNames = 1 << 16
)

// intern gives a text that messages share.
func (r *Reader) intern(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	s := string(b)
	r.names[s] = s
	return s
}

// device gives the id of the device a message is about. It is held against a shape
// whole: a name that does not fit is not made to fit.
func (r *Reader) device(p *plan) (medfleet.DeviceID, error) {
	b := r.take(&p.words.device)
	if p.compose != nil && (p.words.device.at.scope == nil || r.value(p.words.device.at) == nil) {
		r.scratch = p.compose.append(r.scratch[:0], r.levels[:])
		b = r.scratch
	}
	if p.words.device.words != nil {
		ours, ok := p.words.device.words[string(b)]
		if !ok {
			return "", errDevice
		}
		return medfleet.DeviceID(ours), nil
	}
	if len(b) == 0 || len(b) > medfleet.MaxDeviceID {
		return "", errDevice
	}
	id := medfleet.DeviceID(r.intern(b))
	switch {
	case !id.Valid(), p.pattern == nil && !numbered(b), p.pattern != nil && !p.pattern.Match(b):
		return "", errDevice
	}
	return id, nil
}

// numbered asks for a digit that is no nought: a person's name has none, and a row
// of noughts is what a device sends that knows no number.
func numbered(b []byte) bool {
	for _, c := range b {
		if c >= '1' && c <= '9' {
			return true
		}
	}
	return false
}

// equipment gives what a record is filed under, and the plan of its class.
func (r *Reader) equipment(p *plan) (q medfleet.Equipment, plan *classPlan, err error) {
	if q.Device, err = r.device(p); err != nil {
		return q, nil, err
	}
	plan = p.classes[medfleet.Class(r.say(&p.words.class, anyText))]
	if plan == nil {
		return q, nil, errClass
	}
	q.Class = plan.profile.Class
	q.Model = r.say(&p.words.model, mapping.Model)
	q.Unit = medfleet.CareUnit(r.say(&p.words.unit, mapping.Place))
	q.Site = r.say(&p.words.site, mapping.Place)
	return q, plan, nil
}

func anyText(s string) bool { return utf8.ValidString(s) }
