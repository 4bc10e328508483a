package simulators

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/profiles"
	"medfleet/simulators/physics"
)

// listener reads one device's HL7 messages, as a receiver would keep it.
type listener struct {
	set    *profiles.Set
	member Member
	open   map[string]string // condition → id of the alert
	seen   map[string]int
}

// TestMessagesOverHL7 reads overMQTTAndHL7 a ward says over HL7 on a bad day.
func TestMessagesOverHL7(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, _, f := live(t, Config{Seed: 2, Scenario: "bad-day", Speed: 20}, 10*time.Minute)
		listeners := map[medfleet.DeviceID]*listener{}
		seen := map[string]int{}
		for _, m := range f.Members() {
			listeners[m.ID] = &listener{f.profiles, m, map[string]string{}, seen}
		}
		for _, p := range said {
			if p.Protocol == HL7 {
				listeners[p.Device].hear(t, p)
			}
		}
		for _, what := range []string{
			"PCD-01", "PCD-15", "start", "continue", "end", "patient", "nobody", "valid", "invalid",
			"battery_charge", "battery_capacity", "battery_capacity_rated", "battery_runtime", "battery_cycles",
			"battery_voltage", "battery_temperature", "operating_hours", "onMains(0)", "onBattery(1)",
			"self_test_failed", "battery_low", "sensor", "on_battery", "ventilating", "standby",
		} {
			require.Positive(t, seen[what], what)
		}
	})
}

func (l *listener) hear(t *testing.T, p parcel) {
	m, err := hl7.Parse(p.payload)
	require.NoError(t, err)
	require.NotContains(t, string(p.payload), "\n", "segments end with CR alone")
	msh := m.Header()
	require.Equal(t, p.ID, msh.Field(10).String())
	at, precision, err := msh.Time(7, time.UTC)
	require.NoError(t, err)
	require.Equal(t, hl7.Fraction, precision)
	require.Equal(t, p.Time, medfleet.AsMillis(at))
	require.Equal(t, "AL", msh.Field(15).String())
	require.Equal(t, "NE", msh.Field(16).String())
	require.Equal(t, string(l.member.Unit), m.First("PV1").Field(3).Component(1).String())
	l.patient(t, &m)

	equipment := false
	for _, s := range m.Segments() {
		if s.Name() != "OBX" {
			continue
		}
		if s.Field(11).String() == "X" && s.Field(18).Component(1).String() == string(p.Device) {
			class, ok := l.set.ClassOf(code(s.Field(3)))
			require.True(t, ok)
			require.Equal(t, l.member.Class, class.Class)
			equipment = true
		}
		l.row(t, s)
	}
	require.True(t, equipment, "it says whose it is")
	switch msh.Field(21).Component(3).String() {
	case "1.3.6.1.4.1.19376.1.6.1.1.1":
		l.seen["PCD-01"]++
	case "1.3.6.1.4.1.19376.1.6.1.15.1":
		l.seen["PCD-15"]++
	case "1.3.6.1.4.1.19376.1.6.1.4.1":
		require.Equal(t, "R40", msh.Field(9).Component(2).String())
		l.alert(t, &m, p)
	default:
		t.Fatalf("profile %s", msh.Field(21).String())
	}
}

// code reads number and reference id of OBX-3.
func code(v hl7.Value) (uint32, string) {
	n, _ := strconv.ParseUint(v.Component(1).String(), 10, 32)
	return uint32(n), v.Component(2).String()
}

// patient checks that a made-up patient is known for what he is wherever he stands.
func (l *listener) patient(t *testing.T, m *hl7.Message) {
	pid, pv1 := m.First("PID"), m.First("PV1")
	if pid.Field(31).String() == "Y" {
		require.False(t, bytes.Contains(m.Raw(), []byte(PatientMark)))
		l.seen["nobody"]++
		return
	}
	l.seen["patient"]++
	for _, v := range []hl7.Value{pid.Field(3), pid.Field(5), pv1.Field(19)} {
		require.True(t, strings.HasPrefix(v.Component(1).String(), PatientMark))
	}
}

// row checks one OBX: numbers are plausible for the profile's metric.
func (l *listener) row(t *testing.T, s hl7.Segment) {
	number, refid := code(s.Field(3))
	if word := s.Field(5).Component(2).String(); refid == "MDC_ATTR_POWER_STAT" {
		l.seen[word]++
	}
	profile, _ := l.set.Class(l.member.Class)
	if refid == "MDC_VENT_OPERATIONAL_STATE" {
		v, ok := profile.StateOnWire(s.Field(5).Component(2).String())
		require.True(t, ok)
		state, _ := profile.StateAt(v)
		l.seen[state.Name]++
	}
	if s.Field(5).String() == "-?-" {
		require.Equal(t, "X", s.Field(11).String())
		l.seen["invalid"]++
	}
	if refid == "MDC_PULS_OXIM_SAT_O2" && s.Field(11).String() == "R" {
		l.seen["valid"]++
	}
	name, ok := l.set.MetricOf(number, refid)
	if !ok {
		return
	}
	metric, ok := profile.Metric(name)
	require.True(t, ok, name)
	v, err := s.Number(5)
	require.NoError(t, err)
	require.True(t, metric.Plausible(v), "%s %v", name, v)
	require.NotEmpty(t, s.Field(6).String(), "%s has a unit", name)
	l.seen[name]++
}

// alert checks the life of an alert: the first message gives its id, the others
// name it as their parent.
func (l *listener) alert(t *testing.T, m *hl7.Message, p parcel) {
	facet := func(refid string) hl7.Segment {
		for _, s := range m.Segments() {
			if s.Name() == "OBX" && s.Field(3).Component(2).String() == refid {
				return s
			}
		}
		return hl7.Segment{}
	}
	condition, ok := l.set.ConditionOf(code(facet("MDC_EVT_ALARM").Field(5)))
	require.True(t, ok)
	require.Equal(t, p.Condition, condition.Name)
	l.seen[condition.Name]++
	phase := facet("MDC_ATTR_EVENT_PHASE").Field(5).String()
	require.Equal(t, string(p.Phase), phase)
	l.seen[phase]++

	obr := m.First("OBR")
	own, parent := obr.Field(3).Component(1).String(), obr.Field(29).Component(2).Subcomponent(1).String()
	state := "active"
	switch p.Phase {
	case medfleet.Start:
		require.Empty(t, parent)
		require.NotContains(t, l.open, condition.Name)
		l.open[condition.Name] = own
	case medfleet.End:
		state = "inactive"
		fallthrough
	default:
		require.Equal(t, l.open[condition.Name], parent)
		require.NotEqual(t, own, parent)
	}
	if p.Phase == medfleet.End {
		delete(l.open, condition.Name)
	}
	require.Equal(t, state, facet("MDC_ATTR_ALARM_STATE").Field(5).String())
	if condition.Kind == medfleet.Technical {
		require.Equal(t, "ST", facet("MDC_ATTR_ALERT_TYPE").Field(5).String())
	}
}

func TestEveryVentilatorStateHasAWord(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	p, _ := set.Class(physics.Ventilator)
	s := pcd{profile: p}
	for _, state := range []string{"off", "standby", "ventilating", "self_test"} {
		v, ok := p.StateOnWire(s.stateWord(state))
		require.True(t, ok, state)
		back, _ := p.StateAt(v)
		require.Equal(t, state, back.Name)
	}
}

func BenchmarkSpeech(b *testing.B) {
	f, err := New(Config{MQTT: Broker{URL: "tcp://localhost"}, HL7: "localhost:2575", Devices: 4})
	require.NoError(b, err)
	devices, err := f.build(time.Now())
	require.NoError(b, err)
	for _, d := range devices {
		if d.Class == physics.SyringePump || d.Class == physics.Ventilator {
			continue
		}
		b.Run(string(d.Protocol), func(b *testing.B) {
			var out []parcel
			n := 0
			for b.Loop() {
				out = d.speech.status(out[:0], d, time.Now())
				n += len(out)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
