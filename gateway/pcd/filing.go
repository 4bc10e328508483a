package pcd

import "medfleet"

// file finds or adds the observation of a device at its time. Several groups
// about one device at one time become one.
func (r *reading) file(res *Result, v *device) {
	own := r.ownTime(v)
	at, clamped := medfleet.Believe(own, r.received)
	if !r.presence {
		r.identity(res, v, at)
	}
	for i := range res.Observations {
		if o := &res.Observations[i]; o.Device == v.id && o.Time == at && o.Class == v.profile.Class {
			v.observed = i
			r.tallies[i].demo = r.tallies[i].demo || v.demo
			return
		}
	}
	if len(res.Observations) == MaxDevices {
		res.Dropped.Devices++
		r.inTrouble(tooMany)
		return
	}
	res.addObservation(r.equipment(v), at, r.mapper.gateway)
	mark := Mark{Clamped: clamped, NotInService: r.debugging}
	if clamped {
		mark.DeviceTime = own
	}
	res.ObservationMarks = append(res.ObservationMarks, mark)
	r.tallies = append(r.tallies, tally{profile: v.profile, demo: v.demo})
	v.observed = len(res.Observations) - 1
}

// ownTime is when a device was as the message tells it, by its own clock.
func (r *reading) ownTime(v *device) medfleet.Millis {
	if own := max(r.groups[v.group].at, v.newest); own != 0 {
		return own
	}
	return r.sent
}

func (r *reading) equipment(v *device) medfleet.Equipment {
	return medfleet.Equipment{
		Device: v.id, Class: v.profile.Class, Model: first(v.model, r.sender.Model),
		Site: r.mapper.site, Unit: medfleet.CareUnit(first(r.sender.Unit, first(r.groups[v.group].unit, v.unit))),
	}
}
