package foreign

import (
	"slices"

	"github.com/valyala/fastjson"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/profiles"
)

// coded tells of what is wrong now when that has changed: a code, or a list of all
// the codes that stand. One code that nobody knows leaves what was known as it is;
// in a list the others count.
func (r *Reader) coded(i int, v *fastjson.Value) {
	if r.retained {
		return // state at an unknown time
	}
	r.now = r.now[:0]
	strange, list := uint64(0), v.Type() == fastjson.TypeArray
	if list {
		for _, entry := range v.GetArray() {
			strange ^= r.stands(i, entry)
		}
	} else if strange = r.stands(i, v); len(r.now) == 0 {
		r.puzzled(i, strange, v)
		return
	}
	before := r.set.lasting.moved(r.plan, r.at.Device, i, r.now)
	r.ended(i, before)
	for _, code := range r.now {
		if code.Condition != nil && !before.has(code) {
			r.tellCode(code.Condition, code.Text, medfleet.Start)
		}
	}
	r.puzzled(i, strange, v.GetArray()...)
}

// stands adds what a code stands for to what is wrong now, or gives the digest of
// one that nobody knows.
func (r *Reader) stands(i int, v *fastjson.Value) (strange uint64) {
	sent, ok := r.sent(v)
	if !ok {
		r.out.Refused++
		return 0
	}
	if code, ok := r.plan.codes[i].table.Find(r.at.Model, sent); ok {
		if !slices.Contains(r.now, code) {
			r.now = append(r.now, code)
		}
		return 0
	}
	return r.digest(sent)
}

// ended tells the end of what stood before and stands no more; where that is not
// known, of all that the table has, since any may have ended while the gateway was
// away.
func (r *Reader) ended(i int, before standing) {
	if !before.known {
		for _, c := range r.plan.codes[i].ends {
			if !wrong(r.now, c) {
				r.tellCode(c, "", medfleet.End)
			}
		}
		return
	}
	for k, code := range before.codes {
		if code.Condition != nil && !wrong(r.now, code.Condition) && !wrong(before.codes[:k], code.Condition) {
			r.tellCode(code.Condition, "", medfleet.End) // under whatever code it began
		}
	}
}

// wrong reports whether a condition is among the codes'.
func wrong(codes []mapping.Code, c *profiles.Condition) bool {
	for _, code := range codes {
		if code.Condition == c {
			return true
		}
	}
	return false
}

// puzzled counts the codes that nobody knows, and tells of them when they are
// others than before.
func (r *Reader) puzzled(i int, strange uint64, values ...*fastjson.Value) {
	news := r.set.lasting.strange(r.plan, r.at.Device, i, strange)
	for _, v := range values {
		sent, ok := r.sent(v)
		if !ok {
			continue
		}
		if _, known := r.plan.codes[i].table.Find(r.at.Model, sent); known {
			continue
		}
		if news {
			r.nobodys(sent)
			continue
		}
		r.out.Unknown++
	}
}

func (r *Reader) tellCode(c *profiles.Condition, code string, phase medfleet.Phase) {
	e := mapping.Event(c, phase == medfleet.Start)
	e.Phase, e.Code = phase, code
	r.tell(e)
}
