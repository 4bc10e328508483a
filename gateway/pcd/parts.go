package pcd

import (
	"strconv"

	"medfleet"
	"medfleet/profiles"
)

// part is a module as one group of the message tells of it: a row of its own
// below a device, and what the rows within say of it.
type part struct {
	device int    // index of the device it is in
	number uint32 // second number of OBX-4: its slot
	refid  string
	name   string // OBX-18 of its row
	serial string
	model  string
}

// addPart notes a module; it gives -1 when there are too many.
func (r *reading) addPart(d, i int, sub subject, at path) int {
	if len(r.parts) >= MaxParts {
		return -1
	}
	r.parts = append(r.parts, part{device: d, number: at.numbers[1], refid: sub.refid, name: r.sieve.text(i, obxInstance)})
	return len(r.parts) - 1
}

// describePart takes from a row what it tells about the module it is within.
func (r *reading) describePart(p *part, i int, kind rowKind) {
	switch kind {
	case rowSerial, rowSystemID:
		p.serial = first(p.serial, r.sieve.text(i, obxIdentity))
	case rowModel:
		p.model = first(p.model, r.sieve.text(i, obxModel))
	}
}

// rackOf remembers a rack, and puts the devices after it into it.
func (r *reading) rackOf(d int) {
	v := &r.devices[d]
	switch {
	case v.refid == rackType || v.refid == "" && v.mds == rackNumber:
		r.rack = d
	case r.rack >= 0:
		v.within = r.rack
	}
}

// housed says that a module is a device of its own: it has a type with a profile
// and a name, and what it is in has neither the one type nor that name. It
// becomes a device in its slot.
func (r *reading) housed(d, i int, sub subject, at path) bool {
	host := &r.devices[d]
	if sub.profile == nil || !host.typed || host.profile != nil || r.sieve.text(i, obxInstance) == "" {
		return false
	}
	own := r.addDevice(host.group, at.device())
	if own < 0 {
		return false
	}
	v := &r.devices[own]
	v.typed, v.mds, v.refid, v.profile = true, sub.number, sub.refid, sub.profile
	v.slot, v.within = at.numbers[1], d
	r.nameByOwnRow(v, i)
	return true
}

// attach tells which parts were seen in which device.
func (r *reading) attach(res *Result) {
	for i := range r.parts {
		p := &r.parts[i]
		if v := &r.devices[p.device]; v.id != "" && v.profile != nil {
			if id := r.resolve(first(p.name, p.serial)); id != "" {
				r.attachment(res, v, medfleet.Attachment{Part: id, Type: p.refid, Model: p.model, Parent: v.id, Slot: slotText(p.number)})
			}
		}
	}
	for i := range r.devices {
		v := &r.devices[i]
		if v.id == "" || v.profile == nil {
			continue
		}
		if parent, slot := r.parentOf(v); parent != "" {
			r.attachment(res, v, medfleet.Attachment{Part: v.id, Type: v.refid, Model: first(v.model, r.sender.Model), Parent: parent, Slot: slot})
		}
	}
}

// parentOf gives the device that a device stands in: a rack in the message, or
// what the sender's configuration says the sender itself is.
func (r *reading) parentOf(v *device) (medfleet.DeviceID, string) {
	if v.within >= 0 {
		host := &r.devices[v.within]
		switch {
		case v.slot != 0:
			return host.id, slotText(v.slot)
		case v.number != host.number:
			return host.id, slotText(v.number)
		}
		return host.id, ""
	}
	if len(r.sender.rack) == 0 {
		return "", ""
	}
	return r.resolve(r.joined(v, r.sender.rack)), ""
}

// slotText gives the number of a slot, empty for none.
func slotText(n uint32) string {
	if n == 0 {
		return ""
	}
	if n < uint32(len(slots)) {
		return slots[n]
	}
	return strconv.FormatUint(uint64(n), 10)
}

// slots are the small numbers, so that they need no memory.
var slots = func() (list [100]string) {
	for n := range list {
		list[n] = strconv.Itoa(n)
	}
	return list
}()

// attachment files one, once for each part of a message.
func (r *reading) attachment(res *Result, v *device, a medfleet.Attachment) {
	if a.Part == a.Parent {
		return
	}
	for i := range res.Attachments {
		if have := &res.Attachments[i]; have.Part == a.Part && have.Parent == a.Parent {
			return
		}
	}
	if len(res.Attachments) >= MaxParts {
		return
	}
	own := r.ownTime(v)
	at, clamped := medfleet.Believe(own, r.received)
	a.Site, a.Time, a.Gateway = r.mapper.site, at, r.mapper.gateway
	mark := Mark{Clamped: clamped, NotInService: r.debugging || v.demo}
	if clamped {
		mark.DeviceTime = own
	}
	res.Attachments, res.AttachmentMarks = append(res.Attachments, a), append(res.AttachmentMarks, mark)
}

// imply notes which class sends a measurement. A device whose measurements stand
// for several classes stays without one.
func (d *device) imply(p *profiles.Profile, ok bool) {
	switch {
	case !ok || d.implied == p:
	case d.implied == nil:
		d.implied = p
	default:
		d.unlike = true
	}
}
