package pcd

import (
	"strings"

	"medfleet/profiles"
)

// makersOwn finds what an alert means that has a code of the maker's own: in
// OBX-5 or OBX-3, in the first triple or the second, within its coding system or
// alone, or in the words the device shows. Only what the fault table has comes
// out, in the table's words. An odd event code stays unknown whatever stands
// beside it.
func (r *reading) makersOwn(a *alert) meaning {
	if oddEvent(a.number) || a.segment < 0 {
		return meaning{}
	}
	f, sent, ok := r.faultOf(a)
	if !ok {
		return meaning{}
	}
	c, ok := r.mapper.profiles.Condition(f.Condition)
	if !ok {
		return meaning{}
	}
	code := f.Code
	if strings.ContainsAny(code, "*?") {
		code = first(sent, r.wordsOf(code))
	}
	return meaning{c, code, f.Meaning}
}

// wordsOf gives a pattern without its wildcards: what a message is called that
// fits it.
func (r *reading) wordsOf(pattern string) string {
	var room [96]byte
	b := room[:0]
	for i := range len(pattern) {
		if c := pattern[i]; c != '*' && c != '?' && len(b) < cap(b) {
			b = append(b, c)
		}
	}
	return r.sieve.known.keep(b)
}

// codePlaces are where a maker's code may stand, and its coding system beside it.
type codePlaces struct{ code, system place }

var (
	ownCodes   = [...]codePlaces{{obxVendorCode, obxSystem}, {obxOtherVendorCode, obxOtherSystem}}
	eventCodes = [...]codePlaces{{obxEventVendorCode, obxEventSystem}, {obxOtherEventVendorCode, obxOtherEventSystem}}
	eventWords = [...]place{obxEventName, obxEventOriginal, obxEventWords}
)

// faultOf tries the places in their order; sent is the code as the device sent
// it, empty when it is a message in words.
func (r *reading) faultOf(a *alert) (f *profiles.Fault, sent string, ok bool) {
	i, model := a.segment, first(r.devices[a.device].model, r.sender.Model)
	if a.kind == rowVendorAlert {
		return r.vendorFault(a, model)
	}
	codes := &ownCodes
	if a.kind&rowCoded != 0 {
		codes = &eventCodes
	}
	for _, p := range codes {
		code := r.sieve.get(i, p.code)
		if system := r.sieve.get(i, p.system); system != nil {
			if f, ok = r.sieve.fault(model, system, code); ok {
				return f, r.sieve.known.keep(code), true
			}
		}
		if f, ok = r.sieve.fault(model, nil, code); ok {
			return f, r.sieve.known.keep(code), true
		}
	}
	for _, p := range eventWords {
		if f, ok = r.sieve.fault(model, nil, r.sieve.get(i, p)); ok {
			return f, "", true
		}
	}
	if a.words >= 0 {
		f, ok = r.sieve.fault(model, nil, r.sieve.get(a.words, obxEventWords))
	}
	return f, "", ok
}

// ownCode gives a maker's code as it was sent, with its coding system.
func (r *reading) ownCode(a *alert) string {
	codes := &ownCodes
	if a.kind&rowCoded != 0 {
		codes = &eventCodes
	}
	for _, p := range codes {
		code := r.sieve.text(a.segment, p.code)
		system := r.sieve.get(a.segment, p.system)
		switch {
		case code == "":
		case system == nil:
			return code
		default:
			return r.sieve.join(string(system), ":", code)
		}
	}
	return ""
}

// vendorFault is for a row that is an alert by its coding system: the message it
// carries says more than its code does.
func (r *reading) vendorFault(a *alert, model string) (*profiles.Fault, string, bool) {
	system := r.sieve.get(a.segment, obxSystem)
	if f, ok := r.sieve.fault(model, system, plainWords(r.sieve.get(a.segment, obxEventWords))); ok {
		return f, "", true
	}
	code := r.sieve.get(a.segment, obxVendorCode)
	f, ok := r.sieve.fault(model, system, code)
	return f, r.sieve.known.keep(code), ok
}

// plainWords cuts the marks of urgency off a monitor's message: **, !!!.
func plainWords(b []byte) []byte {
	for len(b) > 0 && (b[0] == '!' || b[0] == '*' || b[0] == ' ') {
		b = b[1:]
	}
	return b
}
