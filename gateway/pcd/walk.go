package pcd

import "medfleet"

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
