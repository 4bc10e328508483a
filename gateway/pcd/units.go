package pcd

import "medfleet/profiles"

// unit reads OBX-6. It is nil when no unit is given, none is known, or two are
// given that contradict each other: a value without a known unit is worth
// nothing.
func (r *reading) unit(i int) (u *profiles.Unit, given bool) {
	first := r.unitAt(i, obxUnit, obxUnitName)
	second := r.unitAt(i, obxOtherUnit, obxOtherUnitName)
	given = !r.sieve.blank(i, obxUnit) || !r.sieve.blank(i, obxUnitName) ||
		!r.sieve.blank(i, obxOtherUnit) || !r.sieve.blank(i, obxOtherUnitName)
	switch {
	case first == nil:
		return second, given
	case second != nil && !first.Same(second):
		return nil, given
	}
	return first, given
}

// unitAt reads one of the two triples: the name decides, then the code, which
// is a number of IEEE 11073, decimal or in Philips' hexadecimal, or a UCUM code.
func (r *reading) unitAt(i int, code, name place) *profiles.Unit {
	t := &r.mapper.units
	if u, ok := t.Named(r.sieve.get(i, name)); ok {
		return u
	}
	b := r.sieve.get(i, code)
	if u, ok := t.Named(b); ok {
		return u
	}
	if n := decimal(b); n != 0 {
		return t.Numbered(n)
	}
	return t.Numbered(hexCode(b))
}

// convert gives a value in the metric's unit. Dimensionless metrics may come
// without a unit; nothing else may.
func (r *reading) convert(v float64, i int, want string) (float64, bool) {
	u, given := r.unit(i)
	if want == "" || want == "1" {
		return v, !given || u != nil && u.Dimensionless()
	}
	to, ok := r.mapper.units.Named([]byte(want))
	if !ok || u == nil {
		return 0, false
	}
	return u.Convert(v, to)
}

// decimal reads up to 9 digits, 0 if b is anything else.
func decimal(b []byte) uint32 {
	if len(b) == 0 || len(b) > 9 {
		return 0
	}
	n := uint32(0)
	for _, c := range b {
		if !isDigit(c) {
			return 0
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}
