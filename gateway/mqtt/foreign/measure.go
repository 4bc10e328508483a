package foreign

import (
	"github.com/valyala/fastjson"

	"medfleet"
)

// measure reads the metrics.
func (r *Reader) measure(plan *classPlan, o *medfleet.Observation) {
	for _, u := range plan.metrics {
		if v := r.value(u.at); v != nil {
			r.reading(u, v, r.value(u.unitAt), u.unitAt.scope != nil, o)
		}
	}
	for _, at := range plan.others {
		if r.value(at) != nil {
			r.out.Dropped++
		}
	}
	for i := range r.plan.readings {
		u := &r.plan.readings[i]
		list := r.value(u.at)
		switch {
		case list == nil:
		case u.level >= 0:
			clear(r.frames[u.entry.id])
			r.scratch = append(r.scratch[:0], r.levels[u.level]...)
			r.named(u, plan.readings[i], r.scratch, list, o)
		case list.Type() == fastjson.TypeArray:
			for _, entry := range list.GetArray() {
				r.gather(u.entry, entry)
				if name, v := r.value(u.name), r.value(u.value); name != nil && v != nil {
					r.named(u, plan.readings[i], r.word(name), v, o)
				}
			}
		default:
			r.out.Refused++
		}
	}
}

// named reads a value by its name.
func (r *Reader) named(u *readingsUse, metrics map[string]*use, word []byte, v *fastjson.Value, o *medfleet.Observation) {
	if m := metrics[string(word)]; m != nil {
		r.reading(m, v, r.value(u.unit), u.unit.scope != nil, o)
		return
	}
	i, isSwitch := u.switches[string(word)]
	j, isCode := u.codes[string(word)]
	if !isSwitch && !isCode {
		r.out.Dropped++
		return
	}
	if isSwitch {
		r.switched(i, v)
	}
	if isCode {
		r.coded(j, v)
	}
}

// reading adds a value to the observation, or counts it.
func (r *Reader) reading(u *use, v, unit *fastjson.Value, units bool, o *medfleet.Observation) {
	sent, ok := r.sent(v)
	if !ok {
		r.out.Refused++
		return
	}
	from, ok := r.unit(u, unit, units)
	if !ok {
		r.out.Refused++
		return
	}
	n, ok := r.plan.reading(u, sent, from)
	if _, twice := o.Reading(u.metric); !ok || twice {
		r.out.Refused++
		return
	}
	o.Readings = append(o.Readings, medfleet.Reading{Metric: u.metric, Value: n})
}

// unit finds the conversion from the unit that is sent. A value whose unit is not
// known, or missing where units are sent, is never compared with others.
func (r *Reader) unit(u *use, v *fastjson.Value, units bool) (from *unitUse, ok bool) {
	switch {
	case !units || u.words || !u.measure:
		return nil, true
	case v == nil:
		return nil, u.unitless
	}
	known, ok := knownUnits.Named(r.word(v))
	if !ok {
		return nil, false
	}
	from, ok = u.units[known]
	return from, ok
}
