package pcd

import (
	"bytes"

	"medfleet"
	"medfleet/profiles"
)

// Metrics that are made here rather than read.
const (
	metricMains      = "on_mains"
	metricHealth     = "battery_health"
	metricFull       = "battery_capacity"
	metricRated      = "battery_capacity_rated"
	metricMonitoring = "monitoring"

	stateMonitoring = "monitoring"
	stateLeadsOff   = "leads_off"
	stateOff        = "off"
)

// observe turns the rows about readings into readings.
func (r *reading) observe(res *Result) {
	for i := range r.rows {
		row := &r.rows[i]
		v := &r.devices[row.device]
		switch {
		case row.kind&rowReading != 0:
			v.useful = true
		case row.kind == rowMeasurement:
			res.Dropped.Rows++
			if r.groups[row.group].kind == reportGroup { // in an alert it is the value that alarmed
				r.channel(v, row)
			}
			continue
		default:
			continue
		}
		if v.observed < 0 {
			continue
		}
		if !r.take(&res.Observations[v.observed], v, row) {
			r.refuse(res, v, row)
		}
	}
	for i := range r.tallies {
		r.settle(res, i)
	}
	for d := range r.devices {
		if v := &r.devices[d]; v.useful && v.observed < 0 {
			res.Dropped.Devices++
			r.inTrouble(r.nameless(v))
		}
	}
}

// take reads one row; it says false when there was a value and it was refused.
func (r *reading) take(o *medfleet.Observation, v *device, row *row) bool {
	switch row.kind {
	case rowMetric:
		return r.metric(o, v, row)
	case rowPower:
		return r.power(o, v, row)
	case rowPowerState:
		return r.powerState(v, row)
	}
	return r.state(v, row)
}

func (r *reading) metric(o *medfleet.Observation, v *device, row *row) bool {
	m, ok := v.profile.Metric(row.metric)
	if !ok {
		return false
	}
	value, ok := r.value(row.segment)
	if !ok {
		return r.sieve.blank(row.segment, obxNumber) && r.sieve.blank(row.segment, obxStructured)
	}
	value, ok = r.convert(value, row.segment, m.Unit)
	if !ok || !m.Plausible(value) {
		return false
	}
	set(o, m.Name, value)
	return true
}

// value reads a number, or a structured number (SN) without a comparator.
// 32767 is what many devices send for "no value".
func (r *reading) value(i int) (float64, bool) {
	value, ok := r.sieve.number(i, obxNumber)
	if !ok && (r.sieve.blank(i, obxNumber) || r.sieve.get(i, obxComparator) != nil) {
		value, ok = r.sieve.number(i, obxStructured)
	}
	return value, ok && value != 32767 && value != -32768
}

// set adds a reading. The first of several values of one metric counts: with
// two batteries the sender's first stays the first.
func set(o *medfleet.Observation, metric string, value float64) {
	if _, ok := o.Reading(metric); !ok {
		o.Readings = append(o.Readings, medfleet.Reading{Metric: metric, Value: value})
	}
}

// power reads where the power comes from: onMains(0), onBattery(1), alone or
// among further bits.
func (r *reading) power(o *medfleet.Observation, v *device, row *row) bool {
	if _, ok := v.profile.Metric(metricMains); !ok {
		return false
	}
	const repetitions = 4
	for n := 1; n <= repetitions; n++ {
		switch w := r.sieve.word(row.segment, n); {
		case sameWord(w, "onmains"):
			set(o, metricMains, 1)
			return true
		case sameWord(w, "onbattery"):
			set(o, metricMains, 0)
			return true
		}
	}
	return false
}

// sameWord compares with a word in lower case: onBattery, ON_BATTERY and on-battery
// are one.
func sameWord(w []byte, word string) bool {
	n := 0
	for _, c := range w {
		if c == '_' || c == '-' {
			continue
		}
		if n == len(word) || lower(c) != word[n] {
			return false
		}
		n++
	}
	return n == len(word)
}

// powerState reads whether the device is switched on; only off says what it does.
func (r *reading) powerState(v *device, row *row) bool {
	w := r.sieve.word(row.segment, 1)
	if bytes.EqualFold(w, []byte("OFF")) || bytes.HasSuffix(w, []byte("POWER_STATE_OFF")) {
		if off, ok := v.profile.StateValue(stateOff); ok {
			r.tallies[v.observed].tell(off, rankOff)
		}
		return true
	}
	return bytes.EqualFold(w, []byte("ON")) || bytes.HasSuffix(w, []byte("POWER_STATE_ON"))
}

// Ranks of states: a pump that delivers through one of its channels is in use
// whatever the others say; when none does, the reason is more precise than the
// bare status; a device that is off does nothing else.
const (
	rankStatus = 10
	rankReason = 20
	rankInUse  = 30
	rankOff    = 40
)

func (r *reading) state(v *device, row *row) bool {
	w := r.sieve.word(row.segment, 1)
	if len(w) == 0 {
		return r.sieve.blank(row.segment, obxWord) && r.sieve.blank(row.segment, obxWordText)
	}
	value, ok := v.profile.StateOnWire(r.sieve.known.keep(w))
	if !ok {
		return false
	}
	base := rankStatus
	switch st, _ := v.profile.StateAt(value); {
	case row.kind == rowReason:
		base = rankReason
	case st != nil && st.Means == medfleet.InUse:
		base = rankInUse
	}
	r.tallies[v.observed].tell(value, base+row.rank)
	return true
}

// channel counts a measurement of a device whose use shows in whether it
// measures anything. Settings do not show it, nor does a single cuff reading,
// which stays on the screen long after the cuff is gone.
func (r *reading) channel(v *device, row *row) {
	if v.profile == nil || v.observed >= 0 && r.tallies[v.observed].measures {
		return
	}
	if _, ok := v.profile.Metric(metricMonitoring); !ok {
		return
	}
	switch string(r.sieve.get(row.segment, obxMethod)) {
	case "MSET", "ASET", "APERIODIC", "MDC_OBS_NONCTS":
		return
	}
	if r.stale(row) {
		return
	}
	if v.id == "" && v.profile == v.implied && r.sender.profile == nil {
		r.unnamed = true // a patient's measurements, and we only guess what takes them
		return
	}
	v.useful = true
	if v.observed < 0 {
		return
	}
	t := &r.tallies[v.observed]
	t.monitors = true
	t.measures = r.sieve.measured(row.segment) && !withdrawn(r.sieve.get(row.segment, obxStatus))
}

// stale says that a measurement is older than the message by its own time.
func (r *reading) stale(row *row) bool {
	at := r.stamp(row.segment, obxTime)
	now := r.sent
	if g := r.groups[row.group].at; g != 0 {
		now = g
	}
	return at != 0 && now.Sub(at) > staleAfter
}

// staleAfter is how old a measurement may be and still show that somebody is
// being monitored.
const staleAfter = medfleet.MaxFuture

// settle ends an observation: what several rows tell together.
func (r *reading) settle(res *Result, i int) {
	o, t := &res.Observations[i], &r.tallies[i]
	if t.demo {
		res.ObservationMarks[i].NotInService = true
	}
	if t.monitors {
		t.monitoring(o)
	}
	if t.rank > 0 {
		set(o, profiles.StateMetric, t.state)
	}
	health(o, t.profile)
}

// tally is what an observation's rows add up to.
type tally struct {
	profile  *profiles.Profile
	state    float64 // best of the states told so far
	rank     int     // how precise it is; 0: none
	monitors bool    // there could be a measurement
	measures bool    // there is one
	demo     bool
}

func (t *tally) tell(state float64, rank int) {
	if rank > t.rank {
		t.state, t.rank = state, rank
	}
}

// monitoring reduces all measurements to one flag.
func (t *tally) monitoring(o *medfleet.Observation) {
	flag, name := 0.0, stateLeadsOff
	if t.measures {
		flag, name = 1, stateMonitoring
	}
	set(o, metricMonitoring, flag)
	if state, ok := t.profile.StateValue(name); ok {
		t.tell(state, 1)
	}
}

// health is the full charge as a share of the rated one, where a battery tells
// both.
func health(o *medfleet.Observation, p *profiles.Profile) {
	full, ok1 := o.Reading(metricFull)
	rated, ok2 := o.Reading(metricRated)
	m, ok3 := p.Metric(metricHealth)
	if !ok1 || !ok2 || !ok3 || rated <= 0 {
		return
	}
	if v := 100 * full / rated; m.Plausible(v) {
		set(o, metricHealth, v)
	}
}
