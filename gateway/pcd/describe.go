package pcd

import (
	"strings"

	"medfleet"
)

// nameByOwnRow takes OBX-18 of the row that stands for the device.
func (r *reading) nameByOwnRow(v *device, i int) {
	v.names[fromInstance] = r.named(v, i, obxInstance)
	v.names[fromInstanceName] = r.sieve.text(i, obxInstanceName)
	v.names[fromInstanceID] = r.named(v, i, obxInstanceID)
}

// enter notes the module that the following rows belong to: it has a serial
// number and a model of its own, which are not the device's. One whose type has a
// profile is the device itself, unless it has another name: a pump's head in a
// frame. Where the device's row does not tell the type, a module's may.
func (r *reading) enter(d, i int, sub subject, at path) {
	if r.housed(d, i, sub, at) {
		return
	}
	v := &r.devices[d]
	v.module, v.part, v.object = 0, -1, strings.HasPrefix(sub.refid, objectPrefix)
	if sub.profile == nil || r.ownName(v, i) {
		v.module = at.numbers[1]
		v.part = r.addPart(d, i, sub, at)
	}
	if v.profile == nil && sub.profile != nil {
		v.profile = sub.profile
	}
}

// ownName says that a module's row has a name other than its device's.
func (r *reading) ownName(v *device, i int) bool {
	name := r.sieve.text(i, obxInstance)
	return name != "" && v.names[fromInstance] != "" && name != v.names[fromInstance]
}

// describe takes from a row what it tells about the device itself.
func (r *reading) describe(d *device, i int, sub subject, at path) {
	inside := d.module != 0 && at.numbers[1] == d.module
	switch sub.kind {
	case rowSystemID:
		r.nameBy(d, fromSystemID, i, inside)
	case rowSerial:
		r.nameBy(d, fromSerial, i, inside)
	case rowUDI:
		r.nameBy(d, fromUDI, i, inside)
	case rowWhere:
		const ward = 3 // the repetitions are slots of an assembly; the third is the ward, the fourth the house
		d.unit = first(d.unit, r.sieve.known.keep(r.sieve.nth(i, obxWhere, ward)))
		return
	default:
		if sub.kind&rowMaking != 0 && !inside {
			r.madeOf(d, i, sub.kind)
		}
	}
	if inside && d.part >= 0 {
		r.describePart(&r.parts[d.part], i, sub.kind)
	}
	if !d.typed || d.profile == nil {
		d.imply(r.mapper.profiles.Implied(sub.number, sub.refid))
	}
	if d.names[fromInstance] == "" && !at.elsewhere && !(inside && d.object) {
		r.nameByRow(d, i)
	}
	d.demo = d.demo || r.flagged(i, "DEMO")
	if sub.kind&rowReading != 0 {
		if t := r.stamp(i, obxTime); t > d.newest && r.believable(t) {
			d.newest = t
		}
	}
}

// flagged says whether one of the repetitions of OBX-8 is that word.
func (r *reading) flagged(i int, word string) bool {
	const repetitions = 4
	for n := 1; n <= repetitions && !r.sieve.blank(i, obxFlag); n++ {
		if string(r.sieve.nth(i, obxFlag, n)) == word {
			return true
		}
	}
	return false
}

func (r *reading) believable(t medfleet.Millis) bool {
	_, clamped := medfleet.Believe(t, r.received)
	return !clamped
}

// nameBy takes a name from a row about it. The first one counts.
func (r *reading) nameBy(d *device, s source, i int, inside bool) {
	if d.names[s] == "" && !inside {
		d.names[s] = r.named(d, i, obxIdentity)
	}
}

// nameByRow takes OBX-18 of a row that is about something else: some makers
// write it there and not into the device's own row. Rows that disagree name
// modules, not the device.
func (r *reading) nameByRow(d *device, i int) {
	name := r.named(d, i, obxInstance)
	switch {
	case name == "":
	case d.names[fromRow] == "":
		d.names[fromRow] = name
	case d.names[fromRow] != name:
		d.several = true
	}
}

// named reads a name and notes when there is one of no usable shape.
func (r *reading) named(d *device, i int, p place) string {
	name := r.sieve.text(i, p)
	if name == "" && !r.sieve.blank(i, p) {
		d.odd = true
	}
	return name
}

// participation reads a PRT: the equipment of the OBR or OBX before it.
func (r *reading) participation(i int, after segmentKind) {
	if len(r.groups) == 0 {
		return
	}
	instance, serial := r.sieve.text(i, prtInstance), r.sieve.text(i, prtSerial)
	if n := len(r.devices); after == segmentOBX && n > 0 && r.devices[n-1].group == len(r.groups)-1 {
		d := &r.devices[n-1]
		d.names[fromPRT], d.names[fromPRTSerial] = first(d.names[fromPRT], instance), first(d.names[fromPRTSerial], serial)
		return
	}
	g := &r.groups[len(r.groups)-1]
	g.instance, g.serial = first(g.instance, instance), first(g.serial, serial)
}
