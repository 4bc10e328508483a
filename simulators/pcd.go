package simulators

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/profiles"
	"medfleet/simulators/physics"
)

// pcd is the speech of devices over HL7: IHE PCD-01 for what they do, PCD-15 for
// battery and power, PCD-04 for alerts. The message of a report is written as a
// central station writes it, which is the sending application for its devices.
type pcd struct {
	profiles *profiles.Set
	profile  *profiles.Profile
	station  string
	mds      profiles.Code // device type on the MDS row
	vmd      profiles.Code
	alerts   map[string]*alert
	reports  int
	told     [2]float64 // mains and full charge as last told
	readings []medfleet.Reading
}

// alert is a condition that has begun: its first message's id, by which later
// ones name it, and when it was last repeated.
type alert struct {
	id   string
	last time.Time
}

const (
	powerEvery  = 3                // every third report brings the battery and power
	repeatAlert = 30 * time.Second // an alert that lasts is told again
)

func newPCD(set *profiles.Set, station string, d *device) (*pcd, error) {
	p, ok := set.Class(d.Class)
	if !ok || len(p.Devices) < 2 {
		return nil, fmt.Errorf("give %s its language: profile of %s has no device types for MDS and VMD", d.ID, d.Class)
	}
	return &pcd{profiles: set, profile: p, station: station, mds: p.Devices[0], vmd: p.Devices[1], alerts: map[string]*alert{}}, nil
}

// stationName is what a central station calls itself.
func stationName(unit medfleet.CareUnit, i int) string {
	return fmt.Sprintf("CENTRAL-%s-%d", unit, i+1)
}

func (s *pcd) status(dst []parcel, d *device, at time.Time) []parcel {
	s.readings = d.machine.AppendReadings(s.readings[:0])
	dst = append(dst, s.report(d, at))
	if s.reports%powerEvery == 0 || s.powerNews() {
		dst = append(dst, s.power(d, at))
	}
	s.reports++
	for _, name := range slices.Sorted(maps.Keys(s.alerts)) {
		if at.Sub(s.alerts[name].last) >= repeatAlert {
			dst = append(dst, s.alert(d, physics.Event{At: at, Condition: name, Phase: medfleet.Continue}))
		}
	}
	return dst
}

func (s *pcd) event(dst []parcel, d *device, e physics.Event) []parcel {
	if _, ok := s.code(e.Condition); !ok || e.Phase == medfleet.Instant {
		return dst
	}
	return append(dst, s.alert(d, e))
}

// report is a PCD-01: state, hours, model and firmware, and measurements of a
// patient, for nobody of ours.
func (s *pcd) report(d *device, at time.Time) parcel {
	w := s.open(d, at, pcd01)
	w.request("182777000", "monitoring of patient", "SCT")
	w.structure(s.mds, "1.0.0.0", d)
	w.value("ST", "67880^MDC_ATTR_ID_MODEL", "1.0.0.1", d.Model, "")
	w.value("ST", "531976^MDC_ID_PROD_SPEC_FW", "1.0.0.2", d.Firmware, "")
	w.reading(s, "operating_hours", "67980^MDC_ATTR_TIME_PD_OP_HRS", "1.0.0.3", "264384^MDC_DIM_HR")
	w.structure(s.vmd, "1.1.0.0", nil)
	if word := s.stateWord(d.machine.State()); word != "" {
		w.coded("184418^MDC_VENT_OPERATIONAL_STATE", "1.1.0.1", word)
	}
	s.measure(w, d)
	return w.close()
}

// measure writes physiological rows; a lead that is off gives no value.
func (s *pcd) measure(w *pcdWriter, d *device) {
	if d.Class == physics.Ventilator {
		if d.machine.State() == "ventilating" {
			w.value("NM", "151562^MDC_RESP_RATE", "1.1.1.1", strconv.Itoa(12+d.rng.IntN(8)), "264928^MDC_DIM_RESP_PER_MIN")
		}
		return
	}
	valid := d.machine.State() == "monitoring"
	for i, m := range [...]struct {
		code, unit  string
		low, spread int
	}{
		{"147842^MDC_ECG_CARD_BEAT_RATE", "264864^MDC_DIM_BEAT_PER_MIN", 58, 45},
		{"150456^MDC_PULS_OXIM_SAT_O2", "262688^MDC_DIM_PERCENT", 91, 9},
		{"150033^MDC_PRESS_BLD_ART_SYS", "266016^MDC_DIM_MMHG", 95, 50},
	} {
		place := fmt.Sprintf("1.1.%d.1", i+1)
		if valid {
			w.value("NM", m.code, place, strconv.Itoa(m.low+d.rng.IntN(m.spread)), m.unit)
		} else {
			w.missing("NM", m.code, place, m.unit)
		}
	}
}

// power is a PCD-15: the source of power and the battery block.
func (s *pcd) power(d *device, at time.Time) parcel {
	w := s.open(d, at, pcd15)
	w.request("69135", "MDC_OBS_MEM", "MDC")
	w.structure(s.mds, "1.0.0.0", d)
	source, battery := "onMains(0)", "batt-charging"
	if !d.machine.Mains() {
		source, battery = "onBattery(1)", "batt-discharging"
	}
	w.coded("67925^MDC_ATTR_POWER_STAT", "1.0.0.1", source)
	w.structure(profiles.Code{Number: 65577, RefID: "MDC_MOC_BATT"}, "1.2.0.0", nil)
	w.coded("68020^MDC_ATTR_BATT_STAT", "1.2.0.1", battery)
	w.reading(s, "battery_charge", "67996^MDC_ATTR_VAL_BATT_CHARGE", "1.2.0.2", "262688^MDC_DIM_PERCENT")
	w.reading(s, "battery_runtime", "67976^MDC_ATTR_TIME_BATT_REMAIN", "1.2.0.3", "264352^MDC_DIM_MIN")
	w.reading(s, "battery_capacity", "68023^MDC_ATTR_CAPAC_BATT_FULL", "1.2.0.4", "268242^MDC_DIM_MILLI_AMP_HR")
	w.reading(s, "battery_capacity_rated", "68025^MDC_ATTR_CAPAC_BATT_SPECN", "1.2.0.5", "268242^MDC_DIM_MILLI_AMP_HR")
	w.reading(s, "battery_cycles", "68018^MDC_ATTR_BATT_CHARGE_CYCLES", "1.2.0.6", "262656^MDC_DIM_DIMLESS")
	w.reading(s, "battery_voltage", "68021^MDC_ATTR_BATT_VOLTAGE", "1.2.0.7", "266400^MDC_DIM_VOLT")
	w.reading(s, "battery_temperature", "68070^MDC_ATTR_TEMP_BATT", "1.2.0.8", "268192^MDC_DIM_DEGC")
	return w.close()
}

// powerNews reports whether the power source or the battery is another than
// last told: then the battery block does not wait for its turn.
func (s *pcd) powerNews() bool {
	seen := medfleet.Observation{Readings: s.readings}
	mains, _ := seen.Reading("on_mains")
	full, _ := seen.Reading("battery_capacity")
	before := s.told
	s.told = [2]float64{mains, full}
	return before[0] != mains || math.Abs(before[1]-full) > 0.02*full
}

// alert is a PCD-04. The first message of an alert gives it its id; the others
// name that as their parent (OBR-29).
func (s *pcd) alert(d *device, e physics.Event) parcel {
	w := s.open(d, e.At, pcd04)
	w.p.Condition, w.p.Phase = e.Condition, e.Phase
	a, known := s.alerts[e.Condition], true
	if a == nil || e.Phase == medfleet.Start {
		a, known = &alert{id: w.p.ID + "-A"}, false
		s.alerts[e.Condition] = a
	}
	a.last = e.At
	if e.Phase == medfleet.End {
		delete(s.alerts, e.Condition)
	}
	own, parent := a.id, ""
	if known {
		own, parent = w.p.ID+"-U", a.id
	}
	w.alertRequest(own, parent)
	w.structure(s.mds, "1.0.0.0", d)
	w.structure(s.vmd, "1.1.0.0", nil)
	w.facets(s, e)
	return w.close()
}

// code gives the event code that a condition is sent under.
func (s *pcd) code(condition string) (profiles.Code, bool) {
	c, ok := s.profiles.Condition(condition)
	if !ok || len(c.Codes) == 0 {
		return profiles.Code{}, false
	}
	for _, code := range c.Codes {
		if condition == "sensor" && code.RefID == "LEADS_OFF" {
			return code, true
		}
	}
	return c.Codes[0], true
}

// stateWord is the first word that the profile knows a state by on the wire.
func (s *pcd) stateWord(state string) string {
	for _, st := range s.profile.States {
		if st.Name == state && len(st.Wire) > 0 {
			return st.Wire[0]
		}
	}
	return ""
}

func (s *pcd) open(d *device, at time.Time, t transaction) *pcdWriter {
	seq, stamp := d.stamp(at)
	w := &pcdWriter{d: d, station: s.station, b: hl7.NewBuilder(make([]byte, 0, 2048), hl7.Standard())}
	w.p.Message = Message{
		Device: d.ID, Class: d.Class, Protocol: d.Protocol,
		ID: string(d.ID) + "-" + strconv.FormatUint(seq, 10), Seq: seq, Time: stamp,
	}
	w.header(t)
	w.patient()
	return w
}
