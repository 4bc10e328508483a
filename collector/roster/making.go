package roster

import "medfleet"

// makingKinds is how many things a device tells of its making.
const makingKinds = 4

// told gives where a device keeps what an event of that condition says of its
// making, and which of them it is; nil for all other conditions.
func told(d *medfleet.Device, condition string) (place *string, kind int) {
	switch condition {
	case "serial_number":
		return &d.Serial, 0
	case "firmware":
		return &d.Firmware, 1
	case "software":
		return &d.Software, 2
	case "hardware":
		return &d.Hardware, 3
	}
	return nil, 0
}

// tellsMaking takes serial number and revisions from the events that tell them. What
// was told later stays.
func (r *Roster) tellsMaking(en *entry, e *medfleet.Event) {
	place, kind := told(&en.device, e.Condition)
	if place == nil || e.Code == "" || e.Time < en.made[kind] {
		return
	}
	en.made[kind] = e.Time
	if *place == e.Code {
		return
	}
	*place = e.Code
	r.pending.devices[en.device.ID] = struct{}{}
}

// unmade forgets the making of a device that another has taken the place of.
func (en *entry) unmade() {
	d := &en.device
	d.Serial, d.Firmware, d.Software, d.Hardware = "", "", "", ""
	en.made = [makingKinds]medfleet.Millis{}
}
