package pcd

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/hl7"
)

func TestTheAllowListIsWhole(t *testing.T) {
	list := AllowList()
	require.Len(t, list, int(places))
	for p, a := range list {
		require.NotEmpty(t, a.Why, "place %d has no rule", p)
		require.NotEmpty(t, a.Segment)
		require.NotEmpty(t, a.Shape)
		require.NotContains(t, []string{"PID", "PD1", "NK1", "PV2", "GT1", "NTE", "AL1", "DG1"}, a.Segment)
		if a.Segment == "PV1" && a.Where() != "PV1-3.1" {
			require.Equal(t, "PV1-3.3", a.Where(), "nothing of a visit but where it is")
			require.Equal(t, fates[forgotten], a.Fate, "and of that only the care unit stays")
			require.False(t, a.Letter)
		}
		if a.Segment == "OBX" && a.Field == 5 {
			require.NotEmpty(t, a.Rows, "%s: values are read in named rows only", a.Where())
			require.NotContains(t, a.Rows, "other")
			require.False(t, a.Letter, "no value may stand in a dead letter")
		}
	}
}

// TestNothingGoesRoundTheSieve: one file sees HL7 messages, and nothing else
// reaches into what that file keeps of them.
func TestNothingGoesRoundTheSieve(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	inside := []string{"segments", "fields"}
	methods := []string{"Segments", "Header", "First", "Raw", "Component", "Repetition", "AppendText", "field", "cut"}
	seen := 0
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "sieve.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		seen++
		for _, i := range f.Imports {
			require.NotContains(t, i.Path.Value, "gateway/hl7", name)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				require.NotContains(t, inside, sel.Sel.Name, name)
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					require.NotContains(t, methods, sel.Sel.Name, name)
				}
			}
			return true
		})
	}
	require.Greater(t, seen, 8)
}

// bearers are messages with patients in them; the first has all segments that
// carry them.
func bearers() map[string][]string {
	people := []string{
		"PD1|||CLINIC", "NK1|1|Quintero^Luis", "PV2|||REASON", "ORC|RE|1|2", "ROL|1|AD|AT|x",
		"DG1|1||I21", "AL1|1|DA|PEN", "GT1|1||Quintero", "IN1|1|x", "ZPI|1|x", "NTE|1||note", prtRow,
	}
	battery := []string{
		"OBX|2|CWE|67925^MDC_ATTR_POWER_STAT^MDC|1.0.0.1|^onBattery(1)||||||R",
		"OBX|3||65577^MDC_MOC_BATT^MDC|1.2.0.0|||||||X",
		"OBX|4|ST|68546^MDC_ATTR_ALERT_TEXT^MDC|1.2.0.4|text||||||F",
		"OBX|5|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.2.0.5|71|263875^MDC_DIM_KILO_G^MDC|||||F",
	}
	monitor := []string{
		header("R01", "ORU_R01", "1.1.1"), patient, visit,
		"OBR|1|1|1|182777000^monitoring of patient^SCT|||20260314102650+0100|||^Weiss|||||||^Weiss",
		"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1",
		"OBX|2|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.5.1.1|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R",
		"OBX|3|ST|184330^MDC_DRUG_NAME_TYPE^MDC|1.5.1.2|drug||||||R",
	}
	making := []string{
		header("R01", "ORU_R01", "4.15"), visit, "OBR|1|1|1|69135^MDC_OBS_MEM^MDC|||20260314102650+0100",
		"OBX|1||70101^MDC_DEV_PUMP_INFUS_RACK_MDS^MDC|1.0.0.0|||||||X|||||||RACK-3",
		"OBX|2||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|2.0.0.0|||||||X|||||||P7",
		"OBX|3|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|2.0.0.1|Pump Firmware = 1.1.13, Wifi Firmware = 1.4.59||||||F",
		"OBX|4|ST|531975^MDC_ID_PROD_SPEC_SW^MDC|2.0.0.2|2.0.1||||||F", "OBX|5|ST|531970^MDC_ID_MODEL_MANUFACTURER^MDC|2.0.0.3|Acme||||||F",
		"OBX|6|ST|67880^MDC_ATTR_ID_MODEL^MDC|2.0.0.4|manufacturer=Acme model=Pump 7||||||F", serialRow,
		"OBX|7||65577^MDC_MOC_BATT^MDC|2.2.0.0|||||||X|||||||BAT-9",
		"OBX|8|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|2.2.0.1|BAT-9||||||F", "OBX|9|ST|0^MDCX_LS_ATTR_NAME^MDC|LOC|Room 4||||||F|||||||TAG-1",
		"OBR|2|A1^x|A1^x|196616^MDC_EVT_ALARM^MDC|||20260314102650+0100||||||||||||||||||||||^A0&x",
		"OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|2.0.0.0|||||||X|||||||P7",
		"OBX|2|CWE|196616^MDC_EVT_ALARM^MDC|2.1.0.1.1|E77^x^99ACME|||A~PL~ST|||R",
	}
	own := []string{
		`MSH|^~\&|MON^7|PHILIPS|||20260314102655+0100||ORU^R01^ORU_R01|7|P|2.4`, patient, visit, "OBR||||ALARM|||20260314102650+0100",
		"OBX||NM|0002-4bb8^SpO2^MDIL|0|96|0004-0220^%^MDIL|||||F|||||||MON-7",
		"OBX||TX|5^HardInop^MDIL-ALERT||No Pulse||||||F",
		"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|E77^Motor stalls^99ACME^E78^x^99ACME||||||F",
		"OBX|4|ST|68546^MDC_ATTR_ALERT_TEXT^MDC|1.1.0.1.8|Motor stalls||||||F",
	}
	return map[string][]string{
		"making":            making,
		"a maker's own":     own,
		"report":            append(pumpReport(), people...),
		"device management": append(report("P1", battery...), patient, systemIDRow, serialRow, udiRow, prtRow),
		"alert":             alertMessage(batteryLow, phaseStart, stateActive, priorityHigh, typeTechnical),
		"monitor":           monitor,
	}
}

// plant puts text into component c of field n of a segment. In MSH, field 3 is
// the third.
func plant(segment string, n, c int, text string) string {
	fields := strings.Split(segment, "|")
	if strings.HasPrefix(segment, "MSH") {
		n--
	}
	for len(fields) <= n {
		fields = append(fields, "")
	}
	components := strings.Split(strings.Split(fields[n], "~")[0], "^")
	for len(components) < c {
		components = append(components, "")
	}
	components[c-1] = text
	fields[n] = strings.Join(components, "^")
	return strings.Join(fields, "|")
}

// secret is a token and a way of writing it.
type secret struct{ name, token, written string }

func secrets() []secret {
	const plain, odd, number = "Zq4711kX", "Quintero, Ana", "47.1193"
	inHex := func(s string) string { return `\X` + strings.ToUpper(hex.EncodeToString([]byte(s))) + `\` }
	return []secret{
		{"plain", plain, plain},
		{"hexadecimal", plain, inHex(plain)},
		{"half escaped", plain, plain[:3] + inHex(plain[3:])},
		{"a person", odd, odd},
		{"a person, escaped", odd, inHex(odd)},
		{"another charset", "Zoë Müñoz", "Zo\xeb M\xfc\xf1oz"},
		{"a number", number, number},
		{"a subcomponent", plain, "x&" + plain},
		{"a repetition", plain, "x~" + plain},
	}
}

// spoken is all that leaves the package about a message.
func spoken(t *testing.T, res *Result) string {
	t.Helper()
	b, err := json.Marshal(res)
	require.NoError(t, err)
	return string(b)
}

// survives says whether the table lets a token at a place go on: into the
// result, or into a dead letter.
func survives(m *Mapper, msg *hl7.Message, i, field, component int, token string, letter bool) bool {
	var s sieve
	s.begin(m, msg)
	kind := s.kind(i)
	rows := rowKind(0)
	if kind == segmentOBX {
		rows = s.subject(i).kind
	}
	for _, r := range allowed {
		if r.segment != kind || r.field != field || r.component != component || !shapes[r.shape].is([]byte(token)) {
			continue
		}
		if letter && r.letter || !letter && (r.fate == asText || r.fate == asNumber) && (r.rows == 0 || r.rows&rows != 0) {
			return true
		}
	}
	return false
}

// plantings puts tokens into every position of every message, each position in
// some of the ways of writing, and gives how often one was found where the table
// does not allow it. With the filter on that fails the test.
func plantings(t *testing.T, m *Mapper, ways int, messages ...string) (positions, inResult, inLetter int) {
	t.Helper()
	survivors := 0
	defer func() { require.Positive(t, survivors, "what the table allows comes through") }()
	var res Result
	var msg hl7.Message
	all := secrets()
	for _, name := range messages {
		base := bearers()[name]
		for i, segment := range base {
			from := 1
			if segment[:3] == "MSH" {
				from = 3
			}
			for field := from; field <= 24; field++ {
				for component := 1; component <= 6; component++ {
					positions++
					for k := range ways {
						s := all[(positions+k*4)%len(all)]
						planted := slices.Clone(base)
						planted[i] = plant(segment, field, component, s.written)
						if msg.Parse([]byte(message(planted...))) != nil {
							continue
						}
						m.Map(&res, &msg, peer, now)
						where := fmt.Sprintf("%s: %s-%d.%d, %s", name, segment[:3], field, component, s.name)
						if said := strings.Contains(spoken(t, &res), s.token); said && survives(m, &msg, i, field, component, s.token, false) {
							survivors++
						} else if said {
							inResult++
							require.True(t, m.open, "%s is in the result: %s", where, spoken(t, &res))
						}
						if strings.Contains(string(letter(m, &msg)), s.token) && !survives(m, &msg, i, field, component, s.token, true) {
							inLetter++
							require.True(t, m.open, "%s is in the dead letter: %s", where, letter(m, &msg))
						}
					}
				}
			}
		}
	}
	return positions, inResult, inLetter
}

// letter is Skeleton with the mapper's filter.
func letter(m *Mapper, msg *hl7.Message) []byte {
	if !m.open {
		return Skeleton(nil, msg)
	}
	var s sieve
	s.begin(m, msg)
	return s.skeleton(nil)
}

func TestNoPatientDataComesThrough(t *testing.T) {
	positions, _, _ := plantings(t, newMapper(t), 2, slices.Sorted(maps.Keys(bearers()))...)
	require.Greater(t, positions, 300)
	t.Logf("%d positions, %d ways of writing", positions, len(secrets()))
}

// TestWithoutTheFilterPatientDataComesThrough shows that the test above can fail.
func TestWithoutTheFilterPatientDataComesThrough(t *testing.T) {
	m := newMapper(t)
	m.open = true
	_, inResult, inLetter := plantings(t, m, len(secrets()), "monitor")
	require.Positive(t, inResult)
	require.Positive(t, inLetter)
	t.Logf("%d in results, %d in dead letters", inResult, inLetter)
}

// TestBrokenMessagesLeakNothing: lines that are no segments, segments that run
// into one another, other separators.
func TestBrokenMessagesLeakNothing(t *testing.T) {
	const secret = "Quintero, Ana"
	m := newMapper(t)
	for name, base := range bearers() {
		whole := message(base...)
		for i := range base {
			for _, line := range []string{secret, "ANA|" + secret + "|" + secret, "QU9|" + secret, "obx|1|ST|x^y|1.0.0.1|" + secret, "PRT|" + secret} {
				broken := slices.Insert(slices.Clone(base), i+1, line)
				checkBroken(t, m, name, message(broken...), secret)
			}
			glued := slices.Clone(base)
			glued[i] += secret
			checkBroken(t, m, name, message(glued...), secret)
		}
		checkBroken(t, m, name, strings.NewReplacer("|", "@", "^", "*", "~", "#").Replace(whole), "Quintero")
		checkBroken(t, m, name, strings.ReplaceAll(whole, "\r", ""), "Quintero")
	}
}

func checkBroken(t *testing.T, m *Mapper, name, text, secret string) {
	t.Helper()
	msg, err := hl7.Parse([]byte(text))
	if err != nil {
		require.NotContains(t, err.Error(), secret)
	}
	var res Result
	m.Map(&res, &msg, peer, now)
	require.NotContains(t, spoken(t, &res), secret, name)
	require.NotContains(t, string(Skeleton(nil, &msg)), secret, name)
}

func TestASkeletonTellsATechnicianWhatItWas(t *testing.T) {
	got := string(Skeleton(nil, parse(t, message(pumpReport()...))))
	require.True(t, json.Valid([]byte(got)))
	for _, want := range []string{
		`{"segments":[{"name":"MSH","bytes":`, `"3.1":"SPACESTATION7"`, `"9.1":"ORU"`, `"10.1":"M4711"`, `"21.3":"1.3.6.1.4.1.19376.1.6.1.1.1"`,
		fmt.Sprintf(`{"name":"PID","bytes":%d}`, len(patient)), `"3.1":"4W"`, `"18.1":"P2449"`, `"3.2":"MDC_FLOW_FLUID_PUMP"`, `"more":0}`,
	} {
		require.Contains(t, got, want)
	}
	for _, never := range []string{"Quintero", "V99182", "412", "12.5", "Norepinephrine", "Weiss"} {
		require.NotContains(t, got, never)
	}

	finding := string(Skeleton(nil, parse(t, message(header("R40", "ORU_R40", "1.4.1"), "OBX|1|ST|199728^MDC_EVT_ECG_TACHY^MDC|1.1|x"))))
	require.NotContains(t, finding, "TACHY")
	require.NotContains(t, finding, "199728")

	many := slices.Repeat([]string{"ZZZ|1"}, maxSkeleton)
	got = string(Skeleton(nil, parse(t, message(append([]string{header("R01", "x", "1.1.1")}, many...)...))))
	require.Contains(t, got, `"more":1}`)
	require.True(t, json.Valid([]byte(got)))
}
