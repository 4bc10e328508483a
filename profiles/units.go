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
}

// Units with an offset, such as degrees Fahrenheit, are left out.
var unitsOfMeasure = [...]Unit{
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

// Numbered finds a unit by its number, nil when there is none.
func (t *Units) Numbered(number uint32) *Unit { return t.byNumber[number] }

// Same reports whether a value means the same in both units.
func (u *Unit) Same(o *Unit) bool { return u.dimension == o.dimension && u.factor == o.factor }

// Dimensionless reports whether it is the unit of bare numbers.
func (u *Unit) Dimensionless() bool { return u.dimension == dimensionless }

// Convert gives a value of unit u in another one of the same dimension; false when
// they measure different things.
func (u *Unit) Convert(v float64, to *Unit) (float64, bool) {
	switch {
	case u.dimension != to.dimension:
		return 0, false
	case u.factor == to.factor:
		return v, true
	}
	return v * u.factor / to.factor, true
}
