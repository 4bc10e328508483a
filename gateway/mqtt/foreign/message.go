package foreign

import (
	"errors"

	"github.com/valyala/fastjson"

	"medfleet"
)

var errBatch = errors.New("no list of messages where the mapping's each says")

// batch reads the entries of a list; one that cannot be used costs no other.
func (r *Reader) batch() {
	list := r.value(r.plan.each)
	switch {
	case list == nil:
		r.lost(errBatch)
	case list.Type() == fastjson.TypeObject: // one alone is often sent without its list
		r.gather(r.plan.entry, list)
		r.message()
	case list.Type() == fastjson.TypeArray:
		for _, entry := range list.GetArray() {
			r.gather(r.plan.entry, entry)
			r.message()
		}
	default:
		r.lost(errBatch)
	}
}

func (r *Reader) lost(why error) {
	r.out.Lost++
	if r.out.Trouble == nil {
		r.out.Trouble = why
	}
}

// message reads what is about one device at one time.
func (r *Reader) message() {
	q, plan, err := r.equipment(r.plan)
	if err == nil {
		r.at, r.class = q, plan
		err = r.when()
	}
	if err != nil {
		r.lost(err)
		return
	}
	before := len(r.out.Events)
	o := r.observation()
	if r.time != 0 {
		r.measure(plan, o)
		r.last()
		r.happen()
	}
	r.close(o, len(r.out.Events) > before)
}

// when settles the time to file the message under, 0 when nobody knows it.
func (r *Reader) when() error {
	r.time, r.clamped, r.deviceTime = r.received, false, 0
	if r.plan.clock == nil {
		if r.retained {
			r.time = 0
		}
		return nil
	}
	v := r.value(r.plan.clock.at)
	switch {
	case v == nil && r.retained:
		r.time = 0
		return nil
	case v == nil:
		return errNoTime
	}
	stamp, err := r.plan.clock.read(v)
	if err != nil {
		return err
	}
	if !r.retained {
		r.out.Sent = max(r.out.Sent, stamp)
	}
	r.believe(stamp)
	return nil
}

func (r *Reader) believe(stamp medfleet.Millis) {
	r.deviceTime = 0
	if r.time, r.clamped = medfleet.Believe(stamp, r.received); r.clamped {
		r.deviceTime = stamp
	}
}

func (r *Reader) mark() Mark { return Mark{r.retained, r.clamped, r.deviceTime} }

// observation begins one; its memory is that of an earlier message.
func (r *Reader) observation() *medfleet.Observation {
	list := r.out.Observations
	if len(list) < cap(list) {
		list = list[:len(list)+1]
	} else {
		list = append(list, medfleet.Observation{})
	}
	r.out.Observations = list
	o := &list[len(list)-1]
	*o = medfleet.Observation{Equipment: r.at, Time: r.time, Gateway: r.set.gateway, Readings: o.Readings[:0]}
	return o
}

// close ends an observation. Without a reading it is a sign of life, or says that
// there is such a device; an event says as much.
func (r *Reader) close(o *medfleet.Observation, told bool) {
	if len(o.Readings) == 0 && told {
		r.out.Observations = r.out.Observations[:len(r.out.Observations)-1]
		return
	}
	if o.Time == 0 {
		o.Time = r.received
	}
	r.out.ObservationMarks = append(r.out.ObservationMarks, r.mark())
}

// last reads the values that say what lasts.
func (r *Reader) last() {
	for i := range r.plan.switches {
		if v := r.value(r.plan.switches[i].at); v != nil {
			r.switched(i, v)
		}
	}
	for i := range r.plan.codes {
		if v := r.value(r.plan.codes[i].at); v != nil {
			r.coded(i, v)
		}
	}
}

// happen reads the lists of events.
func (r *Reader) happen() {
	for i := range r.plan.events {
		u := &r.plan.events[i]
		v := r.value(u.at)
		switch {
		case v == nil:
		case v.Type() == fastjson.TypeArray:
			for _, entry := range v.GetArray() {
				r.happened(u, entry)
			}
		default:
			r.happened(u, v)
		}
	}
}
