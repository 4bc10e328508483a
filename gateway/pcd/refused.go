package pcd

// Refusal says why the value of a row about equipment could not be used.
type Refusal struct {
	Code string `json:"code"` // of the row: number^REFID
	Why  string `json:"why"`
}

// Why a value is refused.
const (
	refusedMetric = "devices of this class have no such metric"
	refusedNumber = "no number, or what stands for none"
	refusedUnit   = "no unit"
	refusedUnits  = "a unit that is not known, or two that differ"
	refusedOther  = "a unit of something else"
	refusedValue  = "not plausible"
	refusedWord   = "no word that is known here"
)

// refuse counts a value that could not be used, and notes why.
func (r *reading) refuse(res *Result, v *device, row *row) {
	d := &res.Dropped
	d.Values++
	refusal := Refusal{r.sieve.codeText(row.number, row.refid), r.whyRefused(v, row)}
	if len(d.Refused) >= MaxUnknown {
		return
	}
	for _, have := range d.Refused {
		if have == refusal {
			return
		}
	}
	d.Refused = append(d.Refused, refusal)
}

func (r *reading) whyRefused(v *device, row *row) string {
	if row.kind != rowMetric {
		return refusedWord
	}
	m, ok := v.profile.Metric(row.metric)
	if !ok {
		return refusedMetric
	}
	value, ok := r.value(row.segment)
	if !ok {
		return refusedNumber
	}
	u, given := r.unit(row.segment)
	switch {
	case !given:
		return refusedUnit
	case u == nil:
		return refusedUnits
	}
	if _, ok := r.convert(value, row.segment, m.Unit); !ok {
		return refusedOther
	}
	return refusedValue
}
