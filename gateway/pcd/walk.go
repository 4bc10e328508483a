package pcd

import (
	"strings"

	"medfleet"
)

// walk goes through the segments once: it finds the groups, the devices in
// them, what names those, and which rows belong to whom.
func (r *reading) walk(res *Result) {
	unit, bed, last := "", "", segmentMSH
	r.listing = r.isList()
	for i := range r.sieve.count() {
		kind := r.sieve.kind(i)
		switch kind {
		case segmentPatient:
			unit, bed = "", "" // another patient's devices follow, perhaps elsewhere
			res.Dropped.Segments++
		case segmentPV1:
			if unit = r.sieve.text(i, pv1Unit); r.sender.byTable {
				bed = r.sieve.bed(i)
			}
		case segmentOBR:
			r.groups = append(r.groups, group{segment: i, kind: r.groupKindOf(i), at: r.reportTime(i), unit: unit, bed: bed})
		case segmentOBX:
			if len(r.groups) == 0 {
				r.groups = append(r.groups, group{segment: -1, kind: r.looseKind(), unit: unit, bed: bed}) // OBX without OBR
			}
			r.observation(res, i)
		case segmentPRT:
			r.participation(i, last)
		case segmentMSH:
		default:
			res.Dropped.Segments++
		}
		if kind != segmentPRT && kind != segmentOther {
			last = kind
		}
	}
	if r.listing && len(r.devices) == 0 {
		r.listEmpty()
	}
}

// looseKind is the kind of rows before any OBR.
func (r *reading) looseKind() groupKind {
	if r.transaction == reportAlert {
		return alertGroup
	}
	return reportGroup
}

func (r *reading) reportTime(i int) medfleet.Millis {
	if at := r.stamp(i, obrTime); at != 0 {
		return at
	}
	return r.stamp(i, obrEndTime)
}

// observation files an OBX under its device.
func (r *reading) observation(res *Result, i int) {
	g := len(r.groups) - 1
	if r.listing {
		r.listRow(i, g)
		return
	}
	if r.groups[g].kind == skippedGroup {
		res.Dropped.Rows++
		return
	}
	sub := r.sieve.subject(i)
	at := r.path(i)
	if r.samples(i) {
		res.Dropped.Rows++
		return
	}
	if sub.kind == rowOther && !sub.unknown && r.numeric(i) {
		sub.kind = rowMeasurement
		r.sieve.subjects[i] = sub
	}
	if sub.kind == rowStructure || sub.kind == rowOther && r.structural(i) {
		r.structure(res, i, sub, at)
		return
	}
	d := r.deviceAt(g, at)
	if d < 0 {
		res.Dropped.Rows++
		return
	}
	r.describe(&r.devices[d], i, sub, at)
	if sub.unknown {
		res.unknown(r.sieve.codeText(sub.number, sub.refid))
	}
	switch {
	case sub.kind == rowOther, sub.kind&(rowMeasurement|rowVendorAlert) == 0 && withdrawn(r.sieve.get(i, obxStatus)):
		res.Dropped.Rows++
	default:
		r.rows = append(r.rows, row{i, g, d, sub})
	}
}

// samples says that a row holds the samples of a wave or what belongs to them:
// numeric arrays and ranges, and encapsulated data.
func (r *reading) samples(i int) bool {
	switch string(r.sieve.get(i, obxType)) {
	case "NA", "MA", "NR", "ED":
		return true
	}
	return false
}

// numeric says that a row of a code we do not know is a measurement all the same:
// a number from a sender that is configured to be a monitor and speaks no IHE
// profile, in a message of measurements.
func (r *reading) numeric(i int) bool {
	return r.monitor() && !r.limits() && string(r.sieve.get(i, obxType)) == "NM"
}

// limits says that the message is one of a bedside monitor's own kinds that holds
// no current measurements. These monitors number the kinds in MSH-10 and send no
// time; 204 are the current ones.
func (r *reading) limits() bool {
	kind := r.sieve.get(0, mshControlID)
	return r.sent == 0 && len(kind) <= 3 && decimal(kind) != 0 && string(kind) != "204"
}

// withdrawn says that OBX-11 takes the value back or could not get one.
func withdrawn(status []byte) bool {
	switch string(status) {
	case "D", "W", "X", "N", "U":
		return true
	}
	return false
}

// structural says that an OBX of unknown name is a row without a value.
func (r *reading) structural(i int) bool {
	return string(r.sieve.get(i, obxStatus)) == "X" && r.sieve.blank(i, obxType)
}

// structure reads a row that stands for a device, module, channel or object.
func (r *reading) structure(res *Result, i int, sub subject, at path) {
	g := len(r.groups) - 1
	lvl := level(sub.refid)
	if lvl == 0 {
		lvl = at.level()
	}
	if lvl != levelDevice {
		if d := r.deviceAt(g, at); d >= 0 && lvl == levelModule {
			r.enter(d, i, sub, at)
		}
		return
	}
	d := r.addDevice(g, at.device())
	if d < 0 {
		res.Dropped.Devices++
		r.inTrouble(tooMany)
		return
	}
	v := &r.devices[d]
	v.typed, v.mds, v.refid, v.profile = true, sub.number, sub.refid, sub.profile
	r.rackOf(d)
	if sub.unknown {
		res.unknown(r.sieve.codeText(sub.number, sub.refid))
	}
	r.nameByOwnRow(v, i)
}

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

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// deviceAt finds the latest device of that number in the group, or makes one:
// many senders leave the device's own row out. A row whose OBX-4 cannot be read
// belongs to the latest device.
func (r *reading) deviceAt(g int, at path) int {
	for d := len(r.devices) - 1; d >= 0 && r.devices[d].group == g; d-- {
		v := &r.devices[d]
		if !at.ok || v.number == at.device() && (v.slot == 0 || v.slot == at.numbers[1]) {
			return d
		}
	}
	return r.addDevice(g, at.device())
}

func (r *reading) addDevice(g int, number uint32) int {
	if len(r.devices) >= MaxDevices {
		return -1
	}
	r.devices = append(r.devices, device{group: g, number: number, within: -1, part: -1, observed: -1})
	return len(r.devices) - 1
}

// path is an OBX-4: device, module, channel, metric, facet; 0 is "this level".
// Elsewhere is one that is no number at all, such as LOC: the row is not about
// a part of the device but about where it is.
type path struct {
	numbers   [5]uint32
	ok        bool
	elsewhere bool
}

func (p path) device() uint32 { return p.numbers[0] }

func (p path) level() int {
	switch {
	case !p.ok, p.numbers[3] != 0:
		return 0
	case p.numbers[1] == 0 && p.numbers[2] == 0:
		return levelDevice
	case p.numbers[2] == 0:
		return levelModule
	}
	return levelChannel
}

// path reads OBX-4. Fewer than two numbers place nothing.
func (r *reading) path(i int) path {
	var p path
	n, digits := 0, 0
	b := r.sieve.get(i, obxPath)
	p.elsewhere = b == nil && !r.sieve.blank(i, obxPath)
	for _, c := range b {
		switch {
		case c == '.' && n < len(p.numbers)-1:
			n, digits = n+1, 0
		case isDigit(c) && digits < 9:
			p.numbers[n], digits = p.numbers[n]*10+uint32(c-'0'), digits+1
		default:
			return path{}
		}
	}
	p.ok = n > 0
	return p
}
