package simulators

import (
	"strconv"
	"strings"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/profiles"
	"medfleet/simulators/physics"
)

// transaction is what tells one IHE profile from another: MSH-9 and MSH-21.
type transaction struct{ event, structure, name, oid string }

var ( // structs cannot be constants; nothing writes these
	pcd01 = transaction{"R01", "ORU_R01", "IHE_PCD_001", "1.3.6.1.4.1.19376.1.6.1.1.1"}
	pcd04 = transaction{"R40", "ORU_R40", "IHE_PCD_ACM_001", "1.3.6.1.4.1.19376.1.6.1.4.1"}
	pcd15 = transaction{"R01", "ORU_R01", "IHE_PCD_015", "1.3.6.1.4.1.19376.1.6.1.15.1"}
)

// stationEUI is the number of all central stations' maker and of the station.
const stationEUI = "0250C2FFFE000001"

// pcdWriter writes one message.
type pcdWriter struct {
	b       *hl7.Builder
	d       *device
	station string
	p       parcel
	set     int // OBX-1
}

// header writes MSH: asks for a commit acknowledgement only (AL, NE), as IHE senders do.
func (w *pcdWriter) header(t transaction) {
	w.b.Segment("MSH").Field(w.station, stationEUI, "EUI-64").Field(w.d.Maker).Field("MEDFLEET").Field("HTM")
	w.b.Time(w.p.Time.Time(), hl7.Fraction)
	w.b.To(9).Field("ORU", t.event, t.structure).Field(w.p.ID).Field("P").Field("2.6")
	w.b.To(15).Field("AL").Field("NE")
	w.b.To(18).Field("UNICODE UTF-8")
	w.b.To(21).Field(t.name, "IHE PCD", t.oid, "ISO")
}

// patient writes PID and PV1: somebody made up while the device is in use,
// nobody otherwise. The bed is the device's place either way.
func (w *pcdWriter) patient() {
	w.b.Segment("PID")
	if w.bound() {
		p := w.d.patient()
		w.b.To(3).Field(p.number, "", "", "HOSPITAL", "MR").To(5).Field(p.family, p.given, "", "", "", "", "L")
		w.b.To(7).Field(p.birth).Field(p.sex)
		w.b.Segment("PV1").To(2).Field("I").Field(string(w.d.Unit), "", w.d.Bed, "MAIN").To(19).Field(p.visit)
		return
	}
	w.b.To(3).Field("", "", "", "HOSPITAL", "PI").To(5).Field("", "", "", "", "", "", "U").To(31).Field("Y")
	w.b.Segment("PV1").To(2).Field("I").Field(string(w.d.Unit), "", w.d.Bed, "MAIN")
}

func (w *pcdWriter) bound() bool {
	state := w.d.machine.State()
	return state == "ventilating" || state == "monitoring"
}

// request writes OBR for observations, and beside it a nurse's remark.
func (w *pcdWriter) request(code, name, system string) {
	w.b.Segment("OBR").Field("1").Field(w.p.ID, w.station).Field(w.p.ID, w.station).Field(code, name, system)
	w.b.To(7).Time(w.p.Time.Time(), hl7.Fraction)
	if w.bound() {
		w.b.Segment("NTE").Field("1").To(3).Field("see chart of " + w.d.patient().family)
	}
}

// alertRequest writes OBR of an alert: its id, and that of its first message.
func (w *pcdWriter) alertRequest(own, parent string) {
	w.b.Segment("OBR").Field("1").Field(own, w.station).Field(own, w.station, stationEUI, "EUI-64")
	w.b.Field("196616", "MDC_EVT_ALARM", "MDC").To(7).Time(w.p.Time.Time(), hl7.Fraction)
	if parent == "" {
		return
	}
	w.b.To(29).NextField().NextComponent().Text(parent)
	for _, part := range [...]string{w.station, stationEUI, "EUI-64"} {
		w.b.NextSubcomponent().Text(part)
	}
}

// row begins an OBX up to OBX-4.
func (w *pcdWriter) row(kind, code, place string) *hl7.Builder {
	w.set++
	return w.b.Segment("OBX").Field(strconv.Itoa(w.set)).Field(kind).Field(append(strings.Split(code, "^"), "MDC")...).Field(place)
}

// structure writes a row of the containment tree; with a device it carries its
// identity in OBX-18.
func (w *pcdWriter) structure(code profiles.Code, place string, d *device) {
	w.row("", strconv.Itoa(int(code.Number))+"^"+code.RefID, place).To(11).Field("X")
	if d != nil {
		w.b.To(18).Field(string(d.ID), d.Maker, d.EUI64, "EUI-64")
	}
}

// value writes a row with a value and, unless empty, a unit.
func (w *pcdWriter) value(kind, code, place, value, unit string) {
	w.row(kind, code, place).Field(value)
	if unit != "" {
		w.b.Field(append(strings.Split(unit, "^"), "MDC")...)
	}
	w.b.To(11).Field("R")
}

// coded writes an enumeration: the word in CWE.2, CWE.1 empty.
func (w *pcdWriter) coded(code, place, word string) {
	w.row("CWE", code, place).Field("", word).To(11).Field("R")
}

// missing writes a row without a valid value.
func (w *pcdWriter) missing(kind, code, place, unit string) {
	w.row(kind, code, place).Field("-?-").Field(append(strings.Split(unit, "^"), "MDC")...).To(11).Field("X")
}

// reading writes one of the machine's metrics.
func (w *pcdWriter) reading(s *pcd, metric, code, place, unit string) {
	for _, r := range s.readings {
		if r.Metric == metric {
			w.value("NM", code, place, strconv.FormatFloat(r.Value, 'f', -1, 64), unit)
		}
	}
}

// facets writes the rows of an alert: event, source, phase, state, inactivation,
// priority, type, in this order.
func (w *pcdWriter) facets(s *pcd, e physics.Event) {
	code, _ := s.code(e.Condition)
	state, priority, kind := "active", alertPriority(say(e.Condition).priority), s.alertType(e.Condition)
	if e.Phase == medfleet.End {
		state = "inactive"
	}
	w.row("CWE", "196616^MDC_EVT_ALARM", "1.1.0.1.1").Field(strconv.Itoa(int(code.Number)), "MDC_EVT_"+code.RefID, "MDC")
	w.b.To(8).Field("A").Repeat(priority).Repeat(kind).To(11).Field("R").To(14).Time(w.p.Time.Time(), hl7.Fraction)
	w.row("CWE", "68480^MDC_ATTR_ALERT_SOURCE", "1.1.0.1.2").Field(strconv.Itoa(int(s.vmd.Number)), s.vmd.RefID, "MDC").To(11).Field("R")
	for i, facet := range [...][2]string{
		{"68481^MDC_ATTR_EVENT_PHASE", string(e.Phase)},
		{"68482^MDC_ATTR_ALARM_STATE", state},
		{"68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "enabled"},
		{"68484^MDC_ATTR_ALARM_PRIORITY", priority},
		{"68485^MDC_ATTR_ALERT_TYPE", kind},
	} {
		w.value("ST", facet[0], "1.1.0.1."+strconv.Itoa(i+3), facet[1], "")
	}
}

// alertPriority gives the code of PCD-04 facet 6.
func alertPriority(words string) string {
	switch words {
	case "high":
		return "PH"
	case "medium":
		return "PM"
	}
	return "PL"
}

// alertType gives the code of PCD-04 facet 7. A lead that is off is a technical
// alert in a monitor's eyes.
func (s *pcd) alertType(condition string) string {
	if c, ok := s.profiles.Condition(condition); ok && c.Kind == medfleet.Advisory {
		return "SA"
	}
	return "ST"
}

func (w *pcdWriter) close() parcel {
	w.p.payload = w.b.Bytes()
	return w.p
}
