package simulators

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"medfleet"
	"medfleet/simulators/edgenode"
	"medfleet/simulators/physics"
)

// metrics is the speech of devices behind a Sparkplug B edge node. A metric has the
// name that the profile of the class gives it; Alarm/<condition> is true while the
// condition lasts. What is over as it happens, such as the start of an infusion, has
// no value to be told and so is not.
type metrics struct {
	lasts    map[string]bool // conditions that the class can have
	readings []medfleet.Reading
}

const alarmPrefix = "Alarm/"

// newMetrics makes a device's speech, and has the edge node know all its metrics: a
// birth is complete.
func newMetrics(d *device, behind *edgenode.Device) *metrics {
	s := &metrics{lasts: map[string]bool{}}
	for _, c := range lasting(d.Class) {
		s.lasts[c] = false
	}
	for name, text := range map[string]string{"Class": string(d.Class), "Model": d.Model, "Maker": d.Maker, "Firmware": d.Firmware, "Bed": d.Bed} {
		behind.Set(name, edgenode.Text(text))
	}
	for _, v := range s.values(d) {
		behind.Set(v.GetName(), v)
	}
	return s
}

// lasting lists the conditions of a class that last.
func lasting(c medfleet.Class) []string {
	list := []string{"on_battery", "battery_low", "battery_empty", "self_test_failed"}
	switch c {
	case physics.InfusionPump:
		return append(list, "occlusion", "air_in_line", "door_open")
	case physics.SyringePump:
		return append(list, "occlusion", "syringe")
	case physics.Ventilator:
		return append(list, "self_test_running")
	case physics.PatientMonitor:
		return append(list, "sensor")
	}
	return list
}

// status says all there is to say, and beside it two things of the patient's that
// pumps like to send.
func (s *metrics) status(dst []parcel, d *device, at time.Time) []parcel {
	p := d.parcel(at)
	p.metrics = stamped(p.Time, s.values(d))
	return append(dst, p)
}

func (s *metrics) values(d *device) []*edgenode.Value {
	s.readings = d.machine.AppendReadings(s.readings[:0])
	list := []*edgenode.Value{
		edgenode.Named("state", edgenode.Text(d.machine.State())),
		edgenode.Named("infusion_rate", edgenode.Double(d.machine.Rate())),
		edgenode.Named("Patient/Number", edgenode.Text(d.patient().number)),
	}
	for _, r := range s.readings {
		list = append(list, edgenode.Named(r.Metric, edgenode.Double(r.Value)))
	}
	for _, c := range lasting(d.Class) {
		list = append(list, edgenode.Named(alarmPrefix+c, edgenode.Bool(s.lasts[c])))
	}
	return list
}

func (s *metrics) event(dst []parcel, d *device, e physics.Event) []parcel {
	if _, lasts := s.lasts[e.Condition]; !lasts || e.Phase == medfleet.Instant {
		return dst
	}
	s.lasts[e.Condition] = e.Phase != medfleet.End
	p := d.parcel(e.At)
	p.Condition, p.Phase = e.Condition, e.Phase
	p.metrics = stamped(p.Time, []*edgenode.Value{edgenode.Named(alarmPrefix+e.Condition, edgenode.Bool(s.lasts[e.Condition]))})
	return append(dst, p)
}

func stamped(at medfleet.Millis, list []*edgenode.Value) []*edgenode.Value {
	for _, v := range list {
		v.Timestamp = proto.Uint64(uint64(at))
	}
	return list
}

// edgeName is what the i-th edge node calls itself; its group is its care unit.
func edgeName(unit medfleet.CareUnit, i int) string { return fmt.Sprintf("edge-%s-%d", unit, i+1) }
