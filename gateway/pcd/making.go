package pcd

import (
	"bytes"
	"strings"

	"medfleet"
)

// making is what a device says of its own making.
type making struct {
	maker                        string
	firmware, software, hardware string
}

// madeOf reads a row about the making of a device.
func (r *reading) madeOf(d *device, i int, kind rowKind) {
	switch kind {
	case rowModel:
		r.modelOf(d, i)
	case rowMaker:
		d.making.maker = first(d.making.maker, r.sieve.text(i, obxMaker))
	case rowFirmware:
		d.making.firmware = first(d.making.firmware, r.revision(i))
	case rowSoftware:
		d.making.software = first(d.making.software, r.revision(i))
	case rowHardware:
		d.making.hardware = first(d.making.hardware, r.revision(i))
	}
}

// modelOf reads the model, and the maker where one text has both.
func (r *reading) modelOf(d *device, i int) {
	if b := r.sieve.get(i, obxMakerModel); b != nil {
		maker, model := makerModel(b)
		d.making.maker = first(d.making.maker, r.sieve.known.keep(maker))
		d.model = first(d.model, r.sieve.known.keep(model))
		return
	}
	d.model = first(d.model, r.sieve.text(i, obxModel))
}

// makerModel takes "manufacturer=Smiths Medical model=Medfusion 4000" apart. Both
// are nil when it is anything else.
func makerModel(b []byte) (maker, model []byte) {
	rest, ok := bytes.CutPrefix(b, []byte("manufacturer="))
	if !ok {
		return nil, nil
	}
	maker, model, ok = bytes.Cut(rest, []byte(" model="))
	if !ok || !isModel(maker) || !isModel(model) {
		return nil, nil
	}
	return maker, model
}

// modelInName takes the model out of a name such as
// 7f2586c7-0506-46cd-a612-d8e75b838faa-IntelliVue MX500 - 866064: a UUID, the
// model, and its order number.
func modelInName(name string) string {
	const uuid = 36
	if len(name) < uuid+2 || name[uuid] != '-' || strings.Count(name[:uuid], "-") != 4 {
		return ""
	}
	model, _, ok := strings.Cut(name[uuid+1:], " - ")
	if !ok || len(model) > 40 {
		return ""
	}
	return model
}

// revision reads firmware, software or hardware: one revision, or several that
// each have their name.
func (r *reading) revision(i int) string {
	if text := r.sieve.text(i, obxRevision); text != "" {
		return text
	}
	const repetitions = 8
	text := ""
	for n := 1; n <= repetitions; n++ {
		if b := r.sieve.nth(i, obxRevisions, n); b != nil {
			text = r.listed(text, r.sieve.listed(b))
		}
	}
	return text
}

// listed adds a revision to a list of them, as far as that is worth reading.
func (r *reading) listed(list, more string) string {
	const most = 120
	switch {
	case list == "" || len(list)+len(more) > most:
		return first(list, more)
	case more == "":
		return list
	}
	return r.sieve.join(list, ", ", more)
}

// isRevision asks for a digit and no blanks: what has none of the one or some of
// the other could be a name.
func isRevision(b []byte) bool {
	return withDigit(b) && every(b, 32, func(c byte) bool {
		return isAlnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '/'
	})
}

func isRevisions(b []byte) bool {
	var room [128]byte
	return len(b) <= len(room) && appendRevisions(room[:0], b) != nil
}

// appendRevisions takes "Pump Firmware = 1.1.13, Wifi Firmware = 1.4.59" apart and
// appends "Pump 1.1.13, Wifi 1.4.59"; of "FW 7.12 Build 33" it makes "7.12 Build 33".
// It gives nil when a part is not made of words of the list and of revisions.
func appendRevisions(dst, b []byte) []byte {
	const most = 8
	parts := 0
	for part := range bytes.FieldsFuncSeq(b, func(c rune) bool { return c == ',' || c == ';' }) {
		if parts++; parts > most {
			return nil
		}
		if parts > 1 {
			dst = append(dst, ", "...)
		}
		var ok bool
		if dst, ok = appendRevised(dst, part); !ok {
			return nil
		}
	}
	return dst
}

// appendRevised appends one part: words = revision, or words and revisions mixed.
func appendRevised(dst, part []byte) ([]byte, bool) {
	words, revision, ok := bytes.Cut(part, []byte("="))
	if !ok {
		words, revision, ok = bytes.Cut(part, []byte(":"))
	}
	if !ok {
		return appendMixed(dst, part)
	}
	revision = bytes.TrimSpace(revision)
	if !isRevision(revision) {
		return nil, false
	}
	if dst, ok = appendPartWords(dst, words); !ok {
		return nil, false
	}
	return append(dst, revision...), true
}

// appendMixed appends "V2.1 Build 33". There must be both a word and a revision.
func appendMixed(dst, part []byte) ([]byte, bool) {
	words, revisions := 0, 0
	for w := range bytes.FieldsSeq(part) {
		w = bytes.Trim(w, "()")
		if more, ok := appendPartWords(dst, w); ok && len(w) > 0 {
			dst, words = more, words+1
			continue
		}
		if !isRevision(w) {
			return nil, false
		}
		dst, revisions = append(append(dst, w...), ' '), revisions+1
	}
	return bytes.TrimRight(dst, " "), words > 0 && revisions > 0
}

// appendPartWords appends the words that say which part a revision is of.
func appendPartWords(dst, words []byte) ([]byte, bool) {
	for w := range bytes.FieldsSeq(words) {
		var room [16]byte
		kept, ok := partWords[string(folded(room[:0], bytes.TrimSuffix(w, []byte("."))))]
		if !ok {
			return nil, false
		}
		if kept != "" {
			dst = append(append(dst, kept...), ' ')
		}
	}
	return dst, true
}

// folded appends w in small letters, as far as there is room.
func folded(dst, w []byte) []byte {
	for _, c := range w[:min(len(w), cap(dst))] {
		dst = append(dst, lower(c))
	}
	return dst
}

// partWords are the words a device may use for its parts. Those that only say
// that it is a revision are left out.
var partWords = map[string]string{
	"firmware": "", "software": "", "hardware": "", "version": "", "revision": "", "rev": "", "fw": "", "sw": "", "hw": "", "ver": "", "release": "", "rel": "", "build": "Build",
	"pump": "Pump", "wifi": "Wifi", "wlan": "Wifi", "radio": "Radio", "main": "Main", "boot": "Boot", "bootloader": "Boot",
	"app": "App", "application": "App", "os": "OS", "comm": "Comm", "communication": "Comm", "battery": "Battery", "motor": "Motor",
	"display": "Display", "ui": "UI", "module": "Module", "control": "Control", "controller": "Control", "processor": "Processor",
	"protection": "Protection", "system": "System", "monitor": "Monitor", "ventilator": "Ventilator", "syringe": "Syringe",
	"infuser": "Infuser", "engine": "Engine", "loader": "Loader", "connectivity": "Connectivity", "power": "Power", "board": "Board", "cpu": "CPU", "fpga": "FPGA", "language": "Language", "library": "Library",
}

// identity notes what a device said of its making, once for each device of the
// message.
func (r *reading) identity(res *Result, v *device, at medfleet.Millis) {
	serial, m := v.names[fromSerial], &v.making
	if serial == "" && m.firmware == "" && m.software == "" && m.hardware == "" {
		return
	}
	for i := range res.Identities {
		if id := &res.Identities[i]; id.Device == v.id {
			id.Serial, id.Firmware = first(id.Serial, serial), first(id.Firmware, m.firmware)
			id.Software, id.Hardware = first(id.Software, m.software), first(id.Hardware, m.hardware)
			id.Manufacturer, id.Model = first(id.Manufacturer, m.maker), first(id.Model, v.model)
			return
		}
	}
	res.Identities = append(res.Identities, Identity{
		Device: v.id, Class: v.profile.Class, Time: at, Manufacturer: m.maker, Model: first(v.model, r.sender.Model),
		Serial: serial, Firmware: m.firmware, Software: m.software, Hardware: m.hardware,
	})
}
