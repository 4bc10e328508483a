package pcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestAnAlert(t *testing.T) {
	res := mapOne(t, newMapper(t), alertMessage(batteryLow, phaseStart, stateActive, priorityHigh, typeTechnical)...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Len(t, res.Events, 1)
	id := res.Events[0].ID
	require.Regexp(t, `^[0-9a-f]{32}$`, id)
	require.Equal(t, medfleet.Event{
		Equipment: medfleet.Equipment{Device: "V-1007", Class: "ventilator", Site: "north", Unit: "4W"},
		ID:        id, Time: now - 30_000, Condition: "battery_low", Phase: medfleet.Start, Code: "196802^MDC_EVT_BATT_LO",
		Text: "battery low", Priority: "high", Kind: medfleet.Technical, Gateway: "edge-1",
	}, res.Events[0])
	require.Equal(t, []Mark{{}}, res.EventMarks)
	require.Len(t, res.Observations, 1, "and a sign of life")
	require.Empty(t, res.Observations[0].Readings)
}

func TestPhases(t *testing.T) {
	const word = "68481^MDC_ATTR_EVENT_PHASE="
	for name, c := range map[string]struct {
		facets []string
		want   medfleet.Phase
	}{
		"start":                       {[]string{phaseStart, stateActive}, medfleet.Start},
		"continue":                    {[]string{word + "continue", stateActive}, medfleet.Continue},
		"update":                      {[]string{word + "update", stateActive}, medfleet.Continue},
		"escalate":                    {[]string{word + "escalate"}, medfleet.Continue},
		"deescalate":                  {[]string{word + "deescalate"}, medfleet.Continue},
		"de-escalate":                 {[]string{word + "de-escalate", stateActive}, medfleet.Continue},
		"present":                     {[]string{word + "present", stateActive}, medfleet.Continue},
		"a point in time":             {[]string{word + "tpoint", stateActive}, medfleet.Instant},
		"a point in time, over":       {[]string{word + "tpoint", stateInactive}, medfleet.Instant},
		"update while latched":        {[]string{word + "update", "68482^MDC_ATTR_ALARM_STATE=latched"}, medfleet.Continue},
		"end":                         {[]string{phaseEnd, stateInactive}, medfleet.End},
		"reset":                       {[]string{word + "reset"}, medfleet.End},
		"inactive whatever the phase": {[]string{word + "update", stateInactive}, medfleet.End},
		"off":                         {[]string{"68482^MDC_ATTR_ALARM_STATE=off"}, medfleet.End},
		"in capitals":                 {[]string{word + "END"}, medfleet.End},
		"as a coded word":             {[]string{word + "^end"}, medfleet.End},
		"none":                        {nil, medfleet.Start},
		"with the numbers two makers use": {
			[]string{"68165^MDC_ATTR_EVENT_PHASE=end", "68166^MDC_ATTR_ALARM_STATE=inactive"}, medfleet.End},
		"with the number alone": {[]string{"68481=end"}, medfleet.End},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), alertMessage(batteryLow, c.facets...)...)
			require.Len(t, res.Events, 1)
			require.Equal(t, c.want, res.Events[0].Phase)
		})
	}
}

func TestWhichAlertsAreAboutEquipment(t *testing.T) {
	for name, c := range map[string]struct {
		event, kind string
		condition   string // empty: it stays behind
		code        string
		unknown     []string
	}{
		"technical":                              {"198216^MDC_EVT_SELFTEST_FAILURE^MDC", typeTechnical, "self_test_failed", "198216^MDC_EVT_SELFTEST_FAILURE", nil},
		"whatever the type says":                 {"198216^MDC_EVT_SELFTEST_FAILURE^MDC", typePatient, "self_test_failed", "198216^MDC_EVT_SELFTEST_FAILURE", nil},
		"clinical ones of the device":            {"196688^MDC_EVT_OBSTRUC^MDC", typePatient, "occlusion", "196688^MDC_EVT_OBSTRUC", nil},
		"the name wins":                          {"196804^MDC_EVT_BATT_LO^MDC", typeTechnical, "battery_low", "196802^MDC_EVT_BATT_LO", nil},
		"else the number":                        {"196802^OWN_NAME^MDC", typeTechnical, "battery_low", "196802^MDC_EVT_BATT_LO", nil},
		"only the number":                        {"196802", typeTechnical, "battery_low", "196802^MDC_EVT_BATT_LO", nil},
		"only the name":                          {"0^MDC_EVT_BATT_LO^MDC", typeTechnical, "battery_low", "196802^MDC_EVT_BATT_LO", nil},
		"the maker's own code first":             {"E 77^low^99MAKER^196802^MDC_EVT_BATT_LO^MDC", typeTechnical, "battery_low", "196802^MDC_EVT_BATT_LO", nil},
		"a number whose name no source gives":    {"198252", typeTechnical, "air_in_line", "198252", nil},
		"a patient's":                            {"199728^MDC_EVT_ECG_TACHY^MDC", typePatient, "", "", nil},
		"a patient's in technical dress":         {"199728^MDC_EVT_ECG_TACHY^MDC", "", "", "", []string{"199728^MDC_EVT_ECG_TACHY"}},
		"unknown, technical":                     {"196670^MDC_EVT_PUMP_GENERAL_ALARM^MDC", typeTechnical, "", "", []string{"196670^MDC_EVT_PUMP_GENERAL_ALARM"}},
		"an odd number, whatever the name":       {"196803^MDC_EVT_BATT_LO^MDC", typeTechnical, "", "", []string{"196803^MDC_EVT_BATT_LO"}},
		"an odd number alone":                    {"196803", typeTechnical, "", "", nil},
		"a sign of life":                         {"198200^MDC_EVT_WATCHDOG^MDC", typeTechnical, "", "", nil},
		"a name that only begins like a code":    {"^MDC_EVT_Quintero Ana^MDC", typeTechnical, "", "", nil},
		"text where the code should be":          {"Battery low in room 412", typeTechnical, "", "", nil},
		"a private code":                         {"123455^MDC_PRIVATE_123455^MDC", typeTechnical, "", "", []string{"123455^MDC_PRIVATE_123455"}},
		"nothing":                                {"", typeTechnical, "", "", nil},
		"a number too long to be one of a table": {"123456789012^X^L", typeTechnical, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			message := alertMessage(c.event, phaseStart, stateActive)
			if c.kind != "" {
				message = append(message, facet(c.kind))
			}
			if c.kind == typePatient {
				message[6] = strings.Replace(message[6], "~ST", "~SP", 1)
			}
			res := mapOne(t, newMapper(t), message...)
			require.ElementsMatch(t, c.unknown, res.Dropped.Unknown)
			if c.condition == "" {
				require.Empty(t, res.Events)
				require.Equal(t, NothingForUs, res.Verdict)
				require.Len(t, res.Observations, 1, "the device was heard all the same")
				return
			}
			require.Len(t, res.Events, 1)
			require.Equal(t, c.condition, res.Events[0].Condition)
			require.Equal(t, c.code, res.Events[0].Code)
			set, _ := profileSet(t).Condition(c.condition)
			require.Equal(t, set.Title, res.Events[0].Text)
			require.Equal(t, set.Kind, res.Events[0].Kind)
		})
	}
}

func TestThePhysiologicalForm(t *testing.T) {
	form := func(code string) []string {
		m := alertMessage("", phaseStart, stateActive, typePatient)
		m[6] = "OBX|3|ST|" + code + "^MDC|1.1.0.1.1|low battery of Ana Quintero|||H~PH~SP|||R|||20260314102630+0100"
		m[7] = "OBX|4|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.1.0.1.2|180|/min^/min^UCUM|>140||||R"
		return m
	}
	res := mapOne(t, newMapper(t), form("196802^MDC_EVT_BATT_LO")...)
	require.Len(t, res.Events, 1)
	require.Equal(t, "battery_low", res.Events[0].Condition)
	require.Equal(t, "battery low", res.Events[0].Text)
	require.Equal(t, "high", res.Events[0].Priority)
	require.Empty(t, res.Observations[0].Readings)

	res = mapOne(t, newMapper(t), form("199728^MDC_EVT_ECG_TACHY")...)
	require.Empty(t, res.Events)
	require.Equal(t, NothingForUs, res.Verdict)
	require.Empty(t, res.Dropped.Unknown, "what ails a patient is not counted by name")
}

func TestAPatientsAlertOfANamelessDeviceIsNoDeadLetter(t *testing.T) {
	m := alertMessage("199728^MDC_EVT_ECG_TACHY^MDC", phaseStart, stateActive, typePatient)
	m[4] = "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X"
	res := mapOne(t, newMapper(t), append(m, "OBX|4|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.1.0.1.2|180|/min^/min^UCUM|>140||||R")...)
	require.Equal(t, NothingForUs, res.Verdict, res.Reason)

	m[6] = strings.Replace(m[6], "199728^MDC_EVT_ECG_TACHY", "196802^MDC_EVT_BATT_LO", 1)
	res = mapOne(t, newMapper(t), m...)
	require.Equal(t, NotUnderstood, res.Verdict)
	require.Equal(t, noName, res.Reason)
}

func TestPriorities(t *testing.T) {
	for word, want := range map[string]string{"PH": "high", "PM": "medium", "PL": "low", "PN": "none"} {
		res := mapOne(t, newMapper(t), alertMessage(batteryLow, phaseStart, "68484^MDC_ATTR_ALARM_PRIORITY="+word)...)
		require.Equal(t, want, res.Events[0].Priority)
	}
	res := mapOne(t, newMapper(t), alertMessage(batteryLow, phaseStart)...)
	require.Equal(t, "medium", res.Events[0].Priority, "from OBX-8")
}

func TestSeveralAlertsInOneMessage(t *testing.T) {
	first := alertMessage(batteryLow, phaseStart, priorityHigh)
	second := alertMessage("196688^MDC_EVT_OCCL^MDC", phaseEnd)[3:]
	inSameGroup := alertMessage("198216^MDC_EVT_SELFTEST_FAILURE^MDC", phaseStart)[6:]
	res := mapOne(t, newMapper(t), append(append(first, second...), inSameGroup...)...)
	require.Len(t, res.Events, 3)
	var got [][3]string
	ids := map[string]bool{}
	for _, e := range res.Events {
		got = append(got, [3]string{e.Condition, string(e.Phase), e.Priority})
		ids[e.ID] = true
	}
	require.Equal(t, [][3]string{{"battery_low", "start", "high"}, {"occlusion", "end", "medium"}, {"self_test_failed", "start", "medium"}}, got)
	require.Len(t, ids, 3)
	require.Len(t, res.Observations, 1)
}

func TestEventIDs(t *testing.T) {
	base := alertMessage(batteryLow, phaseStart, stateActive)
	idOf := func(t *testing.T, m []string) string {
		res := mapOne(t, newMapper(t), m...)
		require.Len(t, res.Events, 1)
		return res.Events[0].ID
	}
	change := func(old, new string) []string {
		return strings.Split(strings.Replace(strings.Join(base, "\r"), old, new, 1), "\r")
	}
	first := idOf(t, base)
	require.Equal(t, first, idOf(t, base), "a message sent again is the same")
	for name, m := range map[string][]string{
		"another sender":                  change("SPACESTATION7", "SPACESTATION8"),
		"another facility":                change("BBRAUN", "OTHER"),
		"another control id":              change("M4711", "M4712"),
		"another time":                    change("20260314102655", "20260314102656"),
		"another place in the message":    append(append([]string{}, base[:4]...), append([]string{"NTE|1||x"}, base[4:]...)...),
		"other content under the same id": change("196802^MDC_EVT_BATT_LO", "196800^MDC_EVT_BATT_FAIL"),
		"another device":                  change("V-1007", "V-1008"),
		"another phase":                   change("|start|", "|end|"),
	} {
		require.NotEqual(t, first, idOf(t, m), name)
	}
}

func TestAPumpsEvents(t *testing.T) {
	message := func(obr, own string) []string {
		return []string{
			header("R42", "ORU_R01", "1.10.1"), patient, visit,
			"OBR|1|1|1|Sodiumchloride0.9%^Sodiumchloride0.9%|||" + obr,
			"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||E0001^^0012210000000000^EUI-64",
			"OBX|2||69986^MDC_DEV_PUMP_INFUS_VMD^MDC|1.1.0.0|||||||X",
			"OBX|4|CWE|0^MDC_ATTR_EVT_COND^MDC|1.1.1.104|197288^MDC_EVT_PUMP_DELIV_START^MDC||||||R|||" + own,
			"OBX|6|CWE|184519^MDC_PUMP_INFUSING_STATUS^MDC|1.1.1.102|^pump-status-infusing||||||R",
			"OBX|7|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.103|915.0|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R",
		}
	}
	res := mapOne(t, newMapper(t), message("20260314102650+0100", "")...)
	require.Len(t, res.Events, 1)
	e := res.Events[0]
	require.Equal(t, []any{"infusion_started", medfleet.Instant, medfleet.Advisory, now - 10_000}, []any{e.Condition, e.Phase, e.Kind, e.Time})
	require.Equal(t, map[string]float64{"state": state(t, "infusion_pump", "infusing")}, readings(res.Observations[0]))
	require.Equal(t, Mark{}, res.EventMarks[0])

	bare := message("20260314102650+0100", "")
	bare = append(bare[:len(bare)-2], bare[len(bare)-1])
	require.Equal(t, map[string]float64{"state": state(t, "infusion_pump", "infusing")}, readings(mapOne(t, newMapper(t), bare...).Observations[0]),
		"the event says it where no status does")

	// Kept back while the pump was off the network.
	res = mapOne(t, newMapper(t), message("20260314080000+0100", "20260314075955+0100")...)
	require.Equal(t, now-(147*60+5)*1000, res.Events[0].Time)
	require.True(t, res.EventMarks[0].Historical)
	require.Equal(t, now-147*60_000, res.Observations[0].Time)

	// A clock that missed the change to summer time.
	res = mapOne(t, newMapper(t), message("20260314092650+0100", "")...)
	require.False(t, res.EventMarks[0].Historical)

	// An alert that began long ago and lasts is told as it stands now.
	res = mapOne(t, newMapper(t), strings.Split(strings.ReplaceAll(strings.Join(
		alertMessage(batteryLow, "68481^MDC_ATTR_EVENT_PHASE=continue"), "\r"), "|20260314102630+0100", "|20260314080000+0100"), "\r")...)
	require.False(t, res.EventMarks[0].Historical)
	require.Equal(t, now-147*60_000, res.Events[0].Time)

	res = mapOne(t, newMapper(t), message("20121205155333-0600", "")...)
	require.Equal(t, now, res.Events[0].Time)
	require.Equal(t, Mark{Clamped: true, DeviceTime: 1354744413000}, res.EventMarks[0])
}

// TestAnEventRowInAReportNeedsAPhase: without one nobody knows whether its
// value means that it is there or that it is not.
func TestAnEventRowInAReportNeedsAPhase(t *testing.T) {
	row := "OBX|2|ST|196802^MDC_EVT_BATT_LO^MDC|1.0.0.1.1|false||||||R"
	res := mapOne(t, newMapper(t), report("A1", row)...)
	require.Empty(t, res.Events)
	res = mapOne(t, newMapper(t), report("A1", row, facet(phaseEnd))...)
	require.Len(t, res.Events, 1)
	require.Equal(t, medfleet.End, res.Events[0].Phase)
}

// TestEveryCodeOfTheTableIsFound: the profiles and this package agree about
// what each code means.
func TestEveryCodeOfTheTableIsFound(t *testing.T) {
	m := newMapper(t)
	for _, want := range profileSet(t).Conditions() {
		for _, code := range want.Codes {
			got, text, ok := m.condition(code.Number, eventPrefix+code.RefID)
			require.True(t, ok)
			require.Equal(t, want.Name, got.Name)
			require.NotEmpty(t, text)
			_, _, ok = m.condition(code.Number+1, eventPrefix+code.RefID)
			require.False(t, ok, "the odd twin of %d", code.Number)
		}
	}
}
