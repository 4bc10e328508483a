package profiles

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

// Unit is a unit of measure: its number and name in IEEE 11073-10101 (0 where
// no source gives the number) and its UCUM code.
type Unit struct {
	Number uint32
	RefID  string
	UCUM   string

	dimension dimension
	factor    float64 // how many of the dimension's base it is
	zero      float64 // where it begins, in the base: not at nought for temperatures
}

var unitsOfMeasure = [...]Unit{
	{262656, "MDC_DIM_DIMLESS", "1", dimensionless, 1, 0},
	{262688, "MDC_DIM_PERCENT", "%", percent, 1, 0},
	{264320, "MDC_DIM_SEC", "s", duration, 1, 0},
	{264320, "MDC_DIM_X_SEC", "s", duration, 1, 0},
	{264352, "MDC_DIM_MIN", "min", duration, 60, 0},
	{264384, "MDC_DIM_HR", "h", duration, 3600, 0},
	{264416, "MDC_DIM_DAY", "d", duration, 86400, 0},
	{268224, "MDC_DIM_X_AMP_HR", "A.h", charge, 1000, 0},
	{268224, "MDC_DIM_AMP_HR", "A.h", charge, 1000, 0},
	{268242, "MDC_DIM_MILLI_AMP_HR", "mA.h", charge, 1, 0},
	{266400, "MDC_DIM_VOLT", "V", voltage, 1000, 0},
	{266400, "MDC_DIM_X_VOLT", "V", voltage, 1000, 0},
	{266418, "MDC_DIM_MILLI_VOLT", "mV", voltage, 1, 0},
	{0, "MDC_DIM_X_AMP", "A", current, 1000, 0},
	{0, "MDC_DIM_AMP", "A", current, 1000, 0},
	{0, "MDC_DIM_MILLI_AMP", "mA", current, 1, 0},
	{268192, "MDC_DIM_DEGC", "Cel", temperature, 1, 0},
	{0, "MDC_DIM_FAHR", "[degF]", temperature, 5.0 / 9, -160.0 / 9},
	{0, "MDC_DIM_KELVIN", "K", temperature, 1, -273.15},
	{0, "MDC_DIM_MILLI_SEC", "ms", duration, 0.001, 0},
}

// spellings are further ways in which senders write the units.
var spellings = [...][2]string{
	{"mA.h", "mAh"}, {"A.h", "Ah"}, {"h", "hr"}, {"s", "sec"}, {"mA.h", "mA*h"}, {"A.h", "A*h"},
	{"Cel", "°C"}, {"Cel", "degC"}, {"[degF]", "°F"}, {"[degF]", "degF"}, {"min", "minutes"}, {"h", "hours"}, {"s", "seconds"},
	{"d", "days"}, {"%", "percent"},
}

// Units finds units of measure by name and by number. It is made once and never
// changed.
type Units struct {
	byName   map[string]*Unit
	byNumber map[uint32]*Unit
}

// NewUnits gives all units that are known.
func NewUnits() Units {
	t := Units{map[string]*Unit{}, map[uint32]*Unit{}}
	for i := range unitsOfMeasure {
		u := &unitsOfMeasure[i]
		t.byName[u.RefID], t.byName[u.UCUM] = u, u
		if u.Number != 0 {
			t.byNumber[u.Number] = u
		}
	}
	for _, s := range spellings {
		t.byName[s[1]] = t.byName[s[0]]
	}
	return t
}

// Named finds a unit by its reference id, its UCUM code or a usual spelling,
// without allocating.
func (t *Units) Named(name []byte) (*Unit, bool) {
	u, ok := t.byName[string(name)]
	return u, ok
}

// All lists the units, one for each reference id.
func (t *Units) All() []*Unit {
	list := make([]*Unit, 0, len(unitsOfMeasure))
	for i := range unitsOfMeasure {
		list = append(list, &unitsOfMeasure[i])
	}
	return list
}

// Numbered finds a unit by its number, nil when there is none.
func (t *Units) Numbered(number uint32) *Unit { return t.byNumber[number] }

// Same reports whether a value means the same in both units.
func (u *Unit) Same(o *Unit) bool {
	return u.dimension == o.dimension && u.factor == o.factor && u.zero == o.zero
}

// Dimensionless reports whether it is the unit of bare numbers.
func (u *Unit) Dimensionless() bool { return u.dimension == dimensionless }

// Convert gives a value of unit u in another one of the same dimension; false when
// they measure different things.
func (u *Unit) Convert(v float64, to *Unit) (float64, bool) {
	switch {
	case u.dimension != to.dimension:
		return 0, false
	case u.Same(to):
		return v, true
	}
	return (v*u.factor + u.zero - to.zero) / to.factor, true
}
