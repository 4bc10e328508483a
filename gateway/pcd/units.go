package pcd

// dimension is what a unit measures. Values are only ever converted within one.
type dimension uint8

const (
	dimensionless dimension = iota + 1
	percent
	duration
	charge
	voltage
	current
	temperature
)

// unit is a unit of measure: its number and name in IEEE 11073-10101 (0 where
// no source gives the number), its UCUM code, and how many of the dimension's
// base it is. Units with an offset, such as degrees Fahrenheit, are left out.
type unit struct {
	number    uint32
	refid     string
	ucum      string
	dimension dimension
	factor    float64
}

var unitsOfMeasure = [...]unit{
	{262656, "MDC_DIM_DIMLESS", "1", dimensionless, 1},
	{262688, "MDC_DIM_PERCENT", "%", percent, 1},
	{264320, "MDC_DIM_SEC", "s", duration, 1},
	{264320, "MDC_DIM_X_SEC", "s", duration, 1},
	{264352, "MDC_DIM_MIN", "min", duration, 60},
	{264384, "MDC_DIM_HR", "h", duration, 3600},
	{264416, "MDC_DIM_DAY", "d", duration, 86400},
	{268224, "MDC_DIM_X_AMP_HR", "A.h", charge, 1000},
	{268224, "MDC_DIM_AMP_HR", "A.h", charge, 1000},
	{268242, "MDC_DIM_MILLI_AMP_HR", "mA.h", charge, 1},
	{266400, "MDC_DIM_VOLT", "V", voltage, 1000},
	{266400, "MDC_DIM_X_VOLT", "V", voltage, 1000},
	{266418, "MDC_DIM_MILLI_VOLT", "mV", voltage, 1},
	{0, "MDC_DIM_X_AMP", "A", current, 1000},
	{0, "MDC_DIM_AMP", "A", current, 1000},
	{0, "MDC_DIM_MILLI_AMP", "mA", current, 1},
	{268192, "MDC_DIM_DEGC", "Cel", temperature, 1},
}

// spellings are further ways in which senders write the units.
var spellings = [...][2]string{
	{"mA.h", "mAh"}, {"A.h", "Ah"}, {"h", "hr"}, {"s", "sec"}, {"mA.h", "mA*h"}, {"A.h", "A*h"},
}

// unitTable finds units by name, UCUM code or spelling, and by number.
type unitTable struct {
	byName   map[string]*unit
	byNumber map[uint32]*unit
}

func newUnitTable() unitTable {
	t := unitTable{map[string]*unit{}, map[uint32]*unit{}}
	for i := range unitsOfMeasure {
		u := &unitsOfMeasure[i]
		t.byName[u.refid], t.byName[u.ucum] = u, u
		if u.number != 0 {
			t.byNumber[u.number] = u
		}
	}
	for _, s := range spellings {
		t.byName[s[1]] = t.byName[s[0]]
	}
	return t
}

// unit reads OBX-6. It is nil when no unit is given, none is known, or two are
// given that contradict each other: a value without a known unit is worth
// nothing.
func (r *reading) unit(i int) (u *unit, given bool) {
	first := r.unitAt(i, obxUnit, obxUnitName)
	second := r.unitAt(i, obxOtherUnit, obxOtherUnitName)
	given = !r.sieve.blank(i, obxUnit) || !r.sieve.blank(i, obxUnitName) ||
		!r.sieve.blank(i, obxOtherUnit) || !r.sieve.blank(i, obxOtherUnitName)
	switch {
	case first == nil:
		return second, given
	case second != nil && (first.dimension != second.dimension || first.factor != second.factor):
		return nil, given
	}
	return first, given
}

// unitAt reads one of the two triples: the name decides, then the code, which
// is a number of IEEE 11073 or a UCUM code.
func (r *reading) unitAt(i int, code, name place) *unit {
	t := &r.mapper.units
	if u, ok := t.byName[string(r.sieve.get(i, name))]; ok {
		return u
	}
	b := r.sieve.get(i, code)
	if u, ok := t.byName[string(b)]; ok {
		return u
	}
	return t.byNumber[decimal(b)]
}

// convert gives a value in the metric's unit. Dimensionless metrics may come
// without a unit; nothing else may.
func (r *reading) convert(v float64, i int, want string) (float64, bool) {
	u, given := r.unit(i)
	if want == "" || want == "1" {
		return v, !given || u != nil && u.dimension == dimensionless
	}
	to, ok := r.mapper.units.byName[want]
	if !ok || u == nil || u.dimension != to.dimension {
		return 0, false
	}
	if u.factor == to.factor {
		return v, true
	}
	return v * u.factor / to.factor, true
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
