package hl7

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// deviant is a report as the standard has it. Each deviation that was seen in the
// field writes it otherwise, and it must say the same.
const deviant = "MSH|^~\\&|PUMP|MAKER|||20260124124738+0100||ORU^R01^ORU_R01|4711|P|2.6\r" +
	"PID|||^^^Hospital^PI||Doe^Jane\r" +
	"PV1||I|ICU1^4^A\r" +
	"OBR|1|||69135^MDC_OBS_MEM^MDC|||20150119221713-0000\r" +
	"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.1|87.5\r" +
	"OBX|2|NM|67997^MDC_ATTR_X^MDC|1.2.0.2|1\r"

// said is what is asked of a report: where it stands, what it holds.
func said(t *testing.T, m *Message) []string {
	t.Helper()
	sent, _, err := m.Header().Time(7, nil)
	require.NoError(t, err)
	taken, _, err := m.First("OBR").Time(7, nil)
	require.NoError(t, err)
	out := []string{
		m.Header().Field(10).String(), m.Header().Field(9).Component(2).String(), sent.Format(time.RFC3339), taken.Format(time.RFC3339),
		m.First("PID").Field(5).Component(2).String(), m.First("PV1").Field(3).Component(1).String(),
	}
	for _, s := range m.Segments() {
		if s.Name() == "OBX" {
			out = append(out, s.Field(3).Component(2).String()+"="+s.Field(5).Component(1).String())
		}
	}
	return out
}

// otherwise replaces one thing in the report, which must be there.
func otherwise(old, other string) string {
	if !strings.Contains(deviant, old) {
		panic("the report has no " + old)
	}
	return strings.Replace(deviant, old, other, 1)
}

func TestDeviationsSeenInTheField(t *testing.T) {
	want := []string{"4711", "R01", "2026-01-24T11:47:38Z", "2015-01-19T22:17:13Z", "Jane", "ICU1", "MDC_ATTR_VAL_BATT_CHARGE=87.5", "MDC_ATTR_X=1"}
	require.Equal(t, want, said(t, mustParse(t, deviant)))
	for name, input := range map[string]string{
		"LF":                                  strings.ReplaceAll(deviant, "\r", "\n"),
		"CR LF":                               strings.ReplaceAll(deviant, "\r", "\r\n"),
		"LF CR and empty lines":               strings.ReplaceAll(deviant, "\r", "\n\r\r\n"),
		"no last terminator":                  strings.TrimSuffix(deviant, "\r"),
		"indented lines":                      strings.ReplaceAll(deviant, "\r", "\r\t  "),
		"byte order mark":                     "\xef\xbb\xbf" + deviant,
		"MSH-10 wrapped":                      otherwise("|4711|", "|47\n11|"),
		"a wrap behind MSH-10":                otherwise("|4711|", "|4711\n|"),
		"a wrap before a separator":           otherwise("|87.5\r", "\n|87.5\r"),
		"PID glued to MSH":                    otherwise("2.6\rPID", "2.6PID"),
		"PID glued to an empty field of MSH":  otherwise("2.6\rPID", "2.6|||||||PID"),
		"PV1 glued to PID":                    otherwise("Jane\rPV1", "JanePV1"),
		"PV1 glued to an empty field of PID":  otherwise("Jane\rPV1", "Jane||||PV1"),
		"PID and PV1 glued":                   strings.Replace(otherwise("2.6\rPID", "2.6PID"), "Jane\rPV1", "JanePV1", 1),
		"OBR glued to PV1":                    otherwise("^A\rOBR", "^AOBR"),
		"glued, with LF":                      strings.ReplaceAll(otherwise("Jane\rPV1", "JanePV1"), "\r", "\n"),
		"a blank inside a time stamp":         otherwise("20150119221713-0000", "20150119221713- 0000"),
		"MSH-7 with a fraction, without dot":  otherwise("20260124124738+0100", "20260124124738000+0100"),
		"no zone":                             otherwise("20260124124738+0100", "20260124114738"),
		"segment names in lower case":         strings.NewReplacer("MSH|", "msh|", "OBX|", "obx|", "PID|", "Pid|", "OBR|", "obr|").Replace(deviant),
		"Z-segments anywhere":                 strings.ReplaceAll(deviant, "\r", "\rZX9|x^y\rZPV\r"),
		"OBX without OBR":                     strings.Replace(deviant, "OBR|1|||69135^MDC_OBS_MEM^MDC|||20150119221713-0000\r", "", 1) + "OBR|||||||20150119221713-0000\r",
		"OBX-1 empty":                         otherwise("OBX|2|", "OBX||"),
		"OBX-1 repeated":                      otherwise("OBX|2|", "OBX|1|"),
		"MSH-2 short":                         otherwise(`^~\&`, `^`),
		"MSH-2 of five":                       otherwise(`^~\&`, `^~\&#`),
		"MSH-2 odd":                           strings.NewReplacer("|", "!", "^", "/", "~", "*", "\\", "?", "&", "=").Replace(deviant),
		"trailing separators":                 strings.ReplaceAll(deviant, "\r", "^&~||\r"),
		"more fields than the standard knows": strings.ReplaceAll(deviant, "\r", strings.Repeat("|", 60)+"x\r"),
		"blanks before MSH":                   " \r\n \t" + deviant,
		"UTF-16":                              wide16(deviant),
		"UTF-32":                              wide32(deviant),
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, want, said(t, mustParse(t, input))) })
	}
}

func wide16(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		b.Write([]byte{byte(u >> 8), byte(u)})
	}
	return b.String()
}

func wide32(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.Write([]byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)})
	}
	return b.String()
}

func TestMSH10Empty(t *testing.T) {
	m := mustParse(t, otherwise("|4711|", "||"))
	require.True(t, m.Header().Field(10).IsEmpty())
	out, wanted := Ack(nil, m, Accepted, AckOptions{Now: ackTime, ID: "A1"})
	require.True(t, wanted)
	require.Equal(t, "MSA|AA|", string(mustParse(t, string(out)).First("MSA").Bytes()))
}

func TestWhatIsNotGlued(t *testing.T) {
	for name, input := range map[string]string{
		"a sender called PID":                      "MSH|^~\\&|PID|PV1|OBX|PID|20260124124738||ORU^R01|4711|P|2.6\rOBX|1\r",
		"a component called PV1":                   "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6\rPID|||x^PV1^y||Doe\r",
		"a name at the end":                        "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6PID\rPID|||JanePV1\r",
		"a name in lower case":                     "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6pid|\rPID|||Janepv1|\r",
		"a segment that does not follow it":        "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6ZZZ|\rPID|||JaneMSH|\r",
		"a name in a segment that is mostly whole": "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6\rOBX|1|ST|xPV1|y\r",
		"a place called NORC":                      "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6\rPV1||I|NORC|xOBX|y\r",
		"a name in the first place":                "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6\rPID|PV1|x\r",
	} {
		t.Run(name, func(t *testing.T) { require.Len(t, mustParse(t, input).Segments(), 2) })
	}
	m := mustParse(t, "MSH|^~\\&|A||||||ORU^R01|4711|P|2.6PID|1||x^y~zOBX|1|NM\r")
	require.Equal(t, []string{"MSH|^~\\&|A||||||ORU^R01|4711|P|2.6", "PID|1||x^y~z", "OBX|1|NM"}, texts(m))
	require.Equal(t, 34, m.Segments()[1].Offset())
	_, _, err := m.First("OBX").Time(2, nil)
	require.ErrorContains(t, err, "read OBX-2: byte 52: ")
}

// What the builder writes is never taken for glued.
func TestTheBuilderWritesNothingGlued(t *testing.T) {
	b := NewBuilder(nil, Standard())
	b.Segment("MSH").To(12).Field("2.6PID").Field("x")
	b.Segment("PID").To(5).Field("Doe", "PV1").Field("y").NextField().Raw([]byte("NK1")).Field("")
	m := mustParse(t, string(b.Bytes()))
	require.Len(t, m.Segments(), 2)
	require.Equal(t, "2.6PID", m.Header().Field(12).String())
	require.Equal(t, "PV1", m.First("PID").Field(5).Component(2).String())
	require.Equal(t, "NK1", m.First("PID").Field(7).String())
}

func TestABatchInUTF16(t *testing.T) {
	var ids []string
	file := wide16("\ufeffFHS|^~\\&\rBHS|^~\\&\r" + deviant + otherwise("4711", "4712") + "BTS|2\rFTS|1\r")
	require.True(t, IsBatch([]byte(file)))
	for m, err := range Messages([]byte(file)) {
		require.NoError(t, err)
		ids = append(ids, m.Header().Field(10).String())
	}
	require.Equal(t, []string{"4711", "4712"}, ids)
}

func TestHexInUTF16(t *testing.T) {
	m := mustParse(t, wide16("MSH|^~\\&|A\rOBX|1|ST|\\X6CF5\\ 泵\r"))
	require.Equal(t, "泵 泵", m.First("OBX").Field(3).String())
	m = mustParse(t, wide32("MSH|^~\\&|A\rOBX|1|ST|\\X00006CF5\\ 泵\r"))
	require.Equal(t, "泵 泵", m.First("OBX").Field(3).String())
}
