package pcd

import (
	"medfleet"
	"medfleet/profiles"
)

// Reasons why a message is for us and yet of no use.
const (
	noName      = "no device identity: OBX-18 of the device's row, MDC_ATTR_SYS_ID, serial number, UDI, PRT-10 and PRT-20 are all empty: set `identity` for this sender"
	noBed       = "no device identity: the bed is not in the table `aliases` of this sender"
	noTemplate  = "no device identity: a field that `identity` of this sender names is empty"
	oddName     = "no usable device identity: the one that is there is too long, has odd characters or no digit: set `identity` for this sender to another field"
	severalName = "no device identity: the rows of one device carry different OBX-18, so they name its modules: set `identity` for this sender"
	noClass     = "the type of the device has no profile: set `class` for this sender, or add a profile with its code"
	noValue     = "no value about equipment could be used: each is no number or no word that is known, is not plausible, or has no unit or another than it needs"
	tooMany     = "too many devices in one message: send them in several"
)

// name gives each device its id and class, and files an observation for it.
func (r *reading) name(res *Result) {
	for d := range r.devices {
		v := &r.devices[d]
		if v.profile == nil && v.refid != rackType {
			v.profile = r.classOf(v)
		}
		v.id = r.identify(v)
		v.model = first(v.model, modelInName(v.names[fromInstance]))
	}
	for d := range r.devices {
		v := &r.devices[d]
		if v.id == "" {
			r.inherit(d)
		}
		if v.id != "" && v.profile != nil {
			r.file(res, v)
		}
	}
	if !r.presence {
		r.attach(res)
	}
}

// classOf gives the class of a device whose row does not tell it: the one its
// sender is configured for, or the one whose measurements it sends.
func (r *reading) classOf(v *device) *profiles.Profile {
	switch {
	case r.presence:
		return nil // an implant's number is its patient's, whatever the sender is configured for
	case r.sender.profile != nil:
		return r.sender.profile
	case v.unlike, v.typed && v.refid != generalType:
		return nil
	}
	return v.implied
}

// identify resolves what the message calls a device to its id.
func (r *reading) identify(v *device) medfleet.DeviceID {
	g := &r.groups[v.group]
	v.names[fromPRT], v.names[fromPRTSerial] = first(v.names[fromPRT], g.instance), first(v.names[fromPRTSerial], g.serial)
	if v.several {
		v.names[fromRow] = ""
	}
	return r.resolve(r.whole(v, r.natural(v)))
}

// whole puts the letter of its class before a number that came without.
func (r *reading) whole(v *device, name string) string {
	if len(r.sender.Prefix) == 0 || v.profile == nil || name == "" || !isDigit(name[0]) {
		return name
	}
	if p, ok := r.sender.Prefix[v.profile.Class]; ok {
		return r.sieve.join(p, name)
	}
	return name
}

// resolve gives the id for a name as it was sent, empty for none.
func (r *reading) resolve(name string) medfleet.DeviceID {
	if name == "" {
		return ""
	}
	if id, ok := r.sender.aliases[name]; ok || r.sender.byTable {
		return id
	}
	id := medfleet.DeviceID(name)
	if id.Valid() && name[len(name)-1] != '-' {
		return id // clean already
	}
	id, err := medfleet.CleanDeviceID(name)
	if err != nil {
		return ""
	}
	if alias, ok := r.sender.aliases[string(id)]; ok {
		return alias
	}
	return id
}

// natural is the identity as it was sent.
func (r *reading) natural(v *device) string {
	if len(r.sender.identity) == 0 {
		for _, s := range trust {
			if v.names[s] != "" {
				return v.names[s]
			}
		}
		return ""
	}
	return r.joined(v, r.sender.identity)
}

// joined gives what a template says, empty when one of its fields is.
func (r *reading) joined(v *device, template []source) string {
	name := ""
	for i, s := range template {
		part := r.part(v, s)
		switch {
		case part == "":
			return ""
		case i == 0:
			name = part
		default:
			name = r.sieve.join(name, "-", part)
		}
	}
	return name
}

func (r *reading) part(v *device, s source) string {
	switch s {
	case fromInstance:
		return first(v.names[fromInstance], v.names[fromRow])
	case fromApplication:
		return r.sieve.text(0, mshApplication)
	case fromApplicationID:
		return r.sieve.text(0, mshApplicationID)
	case fromFacility:
		return r.sieve.text(0, mshFacility)
	case fromPeer:
		return r.address()
	case fromBed:
		return r.groups[v.group].bed
	}
	return v.names[s]
}

// address gives where the message came from.
func (r *reading) address() string {
	if !r.peer.IsValid() {
		return ""
	}
	var room [64]byte
	return r.sieve.known.keep(r.peer.AppendTo(room[:0]))
}

// inherit gives a device without a name that of the only one before it in the
// message with the same number and the same type: some senders name a device
// in the first group and go on about it in the next.
func (r *reading) inherit(d int) {
	v, from := &r.devices[d], -1
	for e := range d {
		o := &r.devices[e]
		if o.id == "" || o.number != v.number || v.typed && o.mds != v.mds {
			continue
		}
		if from >= 0 && r.devices[from].id != o.id {
			return
		}
		from = e
	}
	if from < 0 {
		return
	}
	o := &r.devices[from]
	v.id, v.model = o.id, first(v.model, o.model)
	if v.profile == nil {
		v.profile = o.profile
	}
}

// nameless says why something for us cannot be filed under a device.
func (r *reading) nameless(v *device) string {
	switch {
	case v.id != "":
		return noClass
	case v.odd:
		return oddName
	case v.several:
		return severalName
	case r.sender.byTable:
		return noBed
	case len(r.sender.identity) > 0:
		return noTemplate
	}
	return noName
}
