package pcd

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/profiles"
)

// now is the gateway's clock in the tests; the messages are stamped just before.
var now = medfleet.AsMillis(time.Date(2026, 3, 14, 9, 27, 0, 0, time.UTC))

var peer = netip.MustParseAddr("10.4.7.21")

// loaded reads the profiles once for all tests.
var loaded = sync.OnceValues(func() (*profiles.Set, error) { return profiles.Load("") })

func profileSet(t testing.TB) *profiles.Set {
	t.Helper()
	set, err := loaded()
	require.NoError(t, err)
	return set
}

func newMapper(t testing.TB, senders ...Sender) *Mapper {
	t.Helper()
	m, err := New(Options{Config: Config{Senders: senders}, Profiles: profileSet(t), Site: "north", Gateway: "edge-1"})
	require.NoError(t, err)
	return m
}

func parse(t testing.TB, text string) *hl7.Message {
	t.Helper()
	m, err := hl7.Parse([]byte(text))
	require.NoError(t, err)
	return &m
}

// message joins segments.
func message(segments ...string) string { return strings.Join(segments, "\r") + "\r" }

func mapOne(t testing.TB, m *Mapper, segments ...string) *Result {
	t.Helper()
	var res Result
	m.Map(&res, parse(t, message(segments...)), peer, now)
	return &res
}

// readings gives an observation's readings by name.
func readings(o medfleet.Observation) map[string]float64 {
	m := map[string]float64{}
	for _, r := range o.Readings {
		m[r.Metric] = r.Value
	}
	return m
}

// state gives the number of a class's state.
func state(t testing.TB, class medfleet.Class, name string) float64 {
	t.Helper()
	p, ok := profileSet(t).Class(class)
	require.True(t, ok)
	v, ok := p.StateValue(name)
	require.True(t, ok, "%s has no state %s", class, name)
	return v
}

func header(event, structure, profile string) string {
	return `MSH|^~\&|SPACESTATION7^00137A0000A1B2C3^EUI-64|BBRAUN|HUB|HOSP|20260314102655+0100||ORU^` + event + "^" + structure +
		"|M4711|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD^IHE PCD^1.3.6.1.4.1.19376.1.6." + profile + "^ISO"
}

const (
	patient = "PID|||8812345^^^HOSP^MR||Quintero^Ana^^^^^L||19580203|F|||Am Ring 3^^Ulm"
	visit   = "PV1||I|4W^412^A^NORTH||||||||||||||||V99182"
)

// pumpReport is a syringe pump's PCD-01, containment as IHE draws it. The rack
// writes the same number into OBX-18.3 of every pump.
func pumpReport() []string {
	return []string{
		header("R01", "ORU_R01", "1.1.1"), patient, visit,
		"OBR|1|4711^SPACE|4711^SPACE|Norepinephrine^Norepinephrine|||20260314102650+0100",
		"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||P2449^^0012210000000000^EUI-64",
		"OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.1|Perfusor Space||||||R",
		"OBX|3|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.2|87|262688^MDC_DIM_PERCENT^MDC^%^%^UCUM|||||R",
		"OBX|4|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.3|12480|264352^MDC_DIM_MIN^MDC|||||R",
		"OBX|5||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.1.0.0|||||||X",
		"OBX|6||70067^MDC_DEV_PUMP_INFUS_CHAN_DELIVERY^MDC|1.1.1.0|||||||X",
		"OBX|7|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.1.1|^pump-delivery-status-delivering||||||R",
		"OBX|8|CWE|184519^MDC_PUMP_INFUSING_STATUS^MDC|1.1.1.2|^pump-status-infusing||||||R",
		"OBX|9|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.3|12.5|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R",
		"OBX|10|ST|184330^MDC_DRUG_NAME_TYPE^MDC|1.1.1.4|Norepinephrine||||||R",
		"NTE|1||ask Dr. Weiss about bed 412",
	}
}

// alertMessage is a PCD-04 about one event.
func alertMessage(event string, facets ...string) []string {
	list := []string{
		header("R40", "ORU_R40", "1.4.1"), patient, visit,
		"OBR|1|A77^VENT|A77^VENT^00137A0000A1B2C3^EUI-64|196616^MDC_EVT_ALARM^MDC|||20260314102640+0100||||||||||||||||||||||^A70&VENT",
		"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V-1007",
		"OBX|2||70002^MDC_DEV_SYS_PT_VENT_VMD^MDC|1.1.0.0|||||||X",
		"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|" + event + "|||A~PM~ST|||R|||20260314102630+0100",
		"OBX|4|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.0.1.2|70002^MDC_DEV_SYS_PT_VENT_VMD^MDC||||||R",
	}
	for _, f := range facets {
		list = append(list, facet(f))
	}
	return list
}

// facet writes one facet given as number^REFID=value.
func facet(f string) string {
	code, value, _ := strings.Cut(f, "=")
	return "OBX|9|ST|" + code + "^MDC|1.1.0.1.3|" + value + "||||||R"
}

const (
	phaseStart    = "68481^MDC_ATTR_EVENT_PHASE=start"
	phaseEnd      = "68481^MDC_ATTR_EVENT_PHASE=end"
	stateActive   = "68482^MDC_ATTR_ALARM_STATE=active"
	stateInactive = "68482^MDC_ATTR_ALARM_STATE=inactive"
	priorityHigh  = "68484^MDC_ATTR_ALARM_PRIORITY=PH"
	typeTechnical = "68485^MDC_ATTR_ALERT_TYPE=ST"
	typePatient   = "68485^MDC_ATTR_ALERT_TYPE=SP"
	batteryLow    = "196802^MDC_EVT_BATT_LO^MDC^^^^^^Battery low, patient Quintero"
)
