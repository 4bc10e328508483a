package hl7

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ventilator is a report as a ventilator's gateway might send it, made up.
const ventilator = `MSH|^~\&|VENTLINK^00A1B2FFFE000009^EUI-64|AERTEC|medfleet|CLINIC|20260124124738.25+0100||ORU^R01^ORU_R01|VL-7781|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ORU_R01^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO
PID|||^^^Hospital^PI||^^^^^^U|||||||||||||||||||||||||Y
PV1||I|ICU1^4^A^CLINIC&1.2.3&ISO
OBR|1|||69135^MDC_OBS_MEM^MDC|||20260124124730+0100
OBX|1||69985^MDC_DEV_VENT_MDS^MDC|1.0.0.0|||||||X|||||||AV-20311^AERTEC^00A1B2FFFE20311A^EUI-64
OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.1|87.5|262688^MDC_DIM_PERCENT^MDC^%^%^UCUM|||||R|||20260124124731+0100
OBX|3|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.2.0.2|audio-off~alert-acknowledged||||||R
`

func mustParse(t testing.TB, s string) *Message {
	t.Helper()
	m, err := Parse([]byte(s))
	require.NoError(t, err)
	return &m
}

func texts(m *Message) []string {
	var out []string
	for _, s := range m.Segments() {
		out = append(out, string(s.Bytes()))
	}
	return out
}

func TestFieldsAreNumberedAsInTheStandard(t *testing.T) {
	m := mustParse(t, ventilator)
	require.Len(t, m.Segments(), 7)
	msh := m.Header()
	for n, want := range map[int]string{
		1: "|", 2: `^~\&`, 4: "AERTEC", 9: "ORU^R01^ORU_R01", 10: "VL-7781", 12: "2.6", 15: "AL", 18: "UNICODE UTF-8", 22: "", 99: "", 0: "", -1: "",
	} {
		require.Equal(t, want, msh.Field(n).String(), "MSH-%d", n)
	}
	require.Equal(t, 21, msh.Fields())
	require.Equal(t, "EUI-64", msh.Field(3).Component(3).String())

	mds := m.First("OBX")
	require.Equal(t, "1", mds.Field(1).String())
	require.Equal(t, "AV-20311", mds.Field(18).Component(1).String())
	require.True(t, mds.Field(5).IsEmpty())
	require.Equal(t, "1.2.3", m.First("PV1").Field(3).Component(4).part('&', 2).String())
	require.Equal(t, "ICU1", m.First("PV1").Field(3).Subcomponent(1).String())

	var states []string
	for rep := range m.Segments()[6].Field(5).Repetitions() {
		states = append(states, rep.String())
	}
	require.Equal(t, []string{"audio-off", "alert-acknowledged"}, states)
	require.Equal(t, "audio-off", m.Segments()[6].Field(5).Component(1).String())
	require.Equal(t, "alert-acknowledged", m.Segments()[6].Field(5).Repetition(2).String())
	require.Equal(t, "", m.Segments()[6].Field(5).Repetition(3).String())

	require.Empty(t, m.First("ZZZ").Name())
	require.True(t, m.First("ZZZ").Field(3).Component(2).IsEmpty())
}

func TestPartsOfParts(t *testing.T) {
	v := mustParse(t, "MSH|^~\\&\rZZZ|a1&a2^b1&b2~c1&c2^d").First("ZZZ").Field(1)
	require.Equal(t, "a1", v.Subcomponent(1).String())
	require.Equal(t, "a2", v.Subcomponent(2).String())
	require.Equal(t, "b2", v.Component(2).Subcomponent(2).String())
	require.Equal(t, "c2", v.Repetition(2).Component(1).Subcomponent(2).String())
	var got []string
	for comp := range v.Components() {
		for sub := range comp.Subcomponents() {
			got = append(got, sub.String())
		}
	}
	require.Equal(t, []string{"a1", "a2", "b1", "b2"}, got)
	for range (Value{}).Components() {
		t.Fatal("an empty value has no parts")
	}
}

func TestSegmentsAreFoundHoweverTheyEnd(t *testing.T) {
	want := []string{`MSH|^~\&|PUMP||||||ORU^R01|7|P|2.3`, `OBX|1|NM|5^A^L||12`, `ZBX|own|data`}
	msh, obx, z := want[0], want[1], want[2]
	tests := map[string]string{
		"CR":                      msh + "\r" + obx + "\r" + z + "\r",
		"LF":                      msh + "\n" + obx + "\n" + z + "\n",
		"CRLF":                    msh + "\r\n" + obx + "\r\n" + z + "\r\n",
		"mixed":                   msh + "\n\r" + obx + "\r" + z + "\n",
		"no last one":             msh + "\r" + obx + "\r" + z,
		"empty lines":             "\r\n" + msh + "\r\r\n\n" + obx + "\r   \r" + z + "\r\r",
		"byte order mark":         "\xef\xbb\xbf" + msh + "\r" + obx + "\r" + z,
		"still framed":            "\x0b" + msh + "\r" + obx + "\r" + z + "\r\x1c\r",
		"framed, no last CR":      "\x0b" + msh + "\r" + obx + "\r" + z + "\x1c\r",
		"LF inside a segment":     msh + "\r" + obx[:9] + "\n" + obx[9:] + "\r" + z,
		"LF inside the header":    msh[:15] + "\n" + msh[15:] + "\r" + obx + "\r" + z,
		"several inside":          msh + "\r" + obx[:9] + "\n" + obx[9:13] + "\r\n" + obx[13:] + "\r" + z,
		"UTF-16 little endian":    utf16le("\ufeff" + msh + "\r" + obx + "\r" + z),
		"UTF-16 without its mark": utf16le(msh + "\r" + obx + "\r" + z),
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, want, texts(mustParse(t, input))) })
	}
}

func utf16le(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}

func TestOddSegments(t *testing.T) {
	tests := map[string]struct {
		input string
		want  []string
	}{
		"a name alone is a segment":        {"MSH|^~\\&|A\rPV1\rOBX|1", []string{"MSH|^~\\&|A", "PV1", "OBX|1"}},
		"a name alone, then its rest":      {"MSH|^~\\&|A\rPV1\n||I\rOBX|1", []string{"MSH|^~\\&|A", "PV1||I", "OBX|1"}},
		"a name alone, then text":          {"MSH|^~\\&|A\rNTE\nfoo bar\rOBX|1", []string{"MSH|^~\\&|A", "NTE|foo bar", "OBX|1"}},
		"two letters are no segment":       {"MSH|^~\\&|A\rOBX|1\nab|c", []string{"MSH|^~\\&|A", "OBX|1ab|c"}},
		"a digit begins no segment":        {"MSH|^~\\&|A\rOBX|1\n1OB|c", []string{"MSH|^~\\&|A", "OBX|11OB|c"}},
		"another separator is no segment":  {"MSH|^~\\&|A\rOBX|1\nOBX^2", []string{"MSH|^~\\&|A", "OBX|1OBX^2"}},
		"lower-case words are no segment":  {"MSH|^~\\&|A\rNTE|turned\noff", []string{"MSH|^~\\&|A", "NTE|turnedoff"}},
		"many names alone and a straggler": {"MSH|^~\\&|A\rPV1\rPV1\rPV1\nx", []string{"MSH|^~\\&|A", "PV1", "PV1", "PV1|x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, texts(mustParse(t, tt.input))) })
	}
}

func TestNamesInLowerCase(t *testing.T) {
	m := mustParse(t, "msh|^~\\&|PUMP||||||ORU^R01|7\robx|1|NM\r")
	require.Equal(t, "MSH", m.Header().Name())
	require.Equal(t, "7", m.Header().Field(10).String())
	require.Equal(t, "NM", m.First("OBX").Field(2).String())
}

func TestSeparatorsComeFromTheMessage(t *testing.T) {
	tests := map[string]struct {
		input string
		want  Separators
	}{
		"standard":       {"MSH|^~\\&|A", Standard()},
		"since 2.7":      {"MSH|^~\\&#|A", Separators{'|', '^', '~', '\\', '&', '#'}},
		"own":            {"MSH$%*!@$A", Separators{'$', '%', '*', '!', '@', 0}},
		"short":          {"MSH|^~|A", Separators{'|', '^', '~', 0, 0, 0}},
		"empty":          {"MSH||A", Standard()},
		"blank":          {"MSH| |A", Standard()},
		"nothing after":  {"MSH|", Standard()},
		"longer":         {"MSH|^~\\&#!|A", Separators{'|', '^', '~', '\\', '&', '#'}},
		"repeated":       {"MSH|^^\\&|A", Separators{'|', '^', 0, 0, 0, 0}},
		"blank after":    {"MSH|^~ |A", Separators{'|', '^', '~', 0, 0, 0}},
		"caret is MSH-1": {"MSH^^A", Separators{'^', 0, '~', '\\', '&', 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, mustParse(t, tt.input).Separators()) })
	}
	m := mustParse(t, "MSH$%*!@$PUMP$$$$$$ORU%R01\rOBX$1$ST$x%y@z*w$$a!T!b|c^d\r")
	require.Equal(t, "R01", m.Header().Field(9).Component(2).String())
	require.Equal(t, "z", m.First("OBX").Field(3).Component(2).part('@', 2).String())
	require.Equal(t, "a@b|c^d", m.First("OBX").Field(5).String())
	short := mustParse(t, "MSH|^~|A\rOBX|1|ST|a&b\\T\\c")
	require.Equal(t, `a&b\T\c`, short.First("OBX").Field(3).Subcomponent(1).String(), "nothing to unescape or divide with")
}

func TestWhatIsRefused(t *testing.T) {
	tests := map[string]struct {
		input string
		want  error
	}{
		"nothing":             {"", ErrNotHL7},
		"blank":               {" \r\n", ErrNotHL7},
		"a web browser":       {"GET / HTTP/1.1\r\n\r\n", ErrNotHL7},
		"cut off":             {"MSH", ErrNotHL7},
		"another segment":     {"PID|1||secret", ErrNotHL7},
		"a batch":             {"FHS|^~\\&|A\rMSH|^~\\&|A", ErrNotHL7},
		"a blank for MSH-1":   {"MSH secret", ErrSeparators},
		"a high byte in it":   {"MSH\xe9^~\\&", ErrSeparators},
		"letters in MSH-2":    {"MSH|^~AB|", ErrSeparators},
		"no MSH-2 but a name": {"MSH|secret|", ErrSeparators},
		"two messages":        {"MSH|^~\\&|A\rMSH|^~\\&|B", ErrSeveralMessages},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.input))
			require.ErrorIs(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret")
			var syntax *SyntaxError
			require.True(t, errors.As(err, &syntax))
		})
	}
}

func TestTooManySegmentsKeepTheHeader(t *testing.T) {
	input := "MSH|^~\\&|A||||||ORU^R01|77|P|2.6\r" + strings.Repeat("OBX|1\r", MaxSegments)
	m, err := Parse([]byte(input))
	require.ErrorIs(t, err, ErrTooManySegments)
	require.Equal(t, "77", m.Header().Field(10).String())
	require.Len(t, m.Segments(), MaxSegments)
	_, err = Parse([]byte(input[:len(input)-6]))
	require.NoError(t, err)
}

func TestErrorsNamePlaceAndNoValue(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&|A|B|C|D|Jane Doe\rOBX|1|NM|5^Jane||Jane Doe^x\r")
	_, _, err := m.Header().Time(7, nil)
	var syntax *SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, SyntaxError{Segment: "MSH", Field: 7, Offset: 17, Err: ErrTime}, *syntax)
	require.Equal(t, byte('J'), m.Raw()[syntax.Offset])
	require.NotContains(t, err.Error(), "Jane")

	_, err = m.First("OBX").Number(5)
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, "OBX", syntax.Segment)
	require.Equal(t, "Jane Doe^x", string(m.Raw()[syntax.Offset:syntax.Offset+10]))
	require.EqualError(t, err, "read OBX-5: byte 43: "+ErrNumber.Error())
}

func TestParsingAgainKeepsNothing(t *testing.T) {
	var m Message
	require.NoError(t, m.Parse([]byte("MSH|^~\\&|A||||||||||||||||BIG-5\rOBX|1\rOBX|2\rOBX|3")))
	require.NoError(t, m.Parse([]byte("MSH$%|$B\rPV1$1")))
	require.Equal(t, []string{"MSH$%|$B", "PV1$1"}, texts(&m))
	require.Equal(t, newCoding(Separators{'$', '%', '|', 0, 0, 0}), m.coding)
	require.Error(t, m.Parse(nil))
	require.Empty(t, m.Segments())
	require.Empty(t, m.Header().Name())
}

func TestReadingDoesNotAllocate(t *testing.T) {
	input := pumpReport(24)
	var m Message
	require.NoError(t, m.Parse(input))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if m.Parse(input) != nil {
			t.Fatal("parse failed")
		}
		for _, s := range m.Segments() {
			if s.Name() == "OBX" && s.Field(5).Component(1).IsEmpty() {
				t.Fatal("value lost")
			}
		}
	}))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = Parse(input) }), 2.0)
}

func TestTheInputIsNotChanged(t *testing.T) {
	input := []byte("\r\nMSH|^~\\&|A\rOBX|1|ST|\\T\\ \xe9\nwrapped\rPV1")
	before := bytes.Clone(input)
	m, err := Parse(input)
	require.NoError(t, err)
	text := m.First("OBX").Field(3)
	_ = append(text.Bytes(), "overwrite what follows"...)
	require.Equal(t, "& éwrapped", text.String())
	require.Equal(t, before, input)
}

func TestTimesAndNumbersOfFields(t *testing.T) {
	m := mustParse(t, ventilator)
	at, precision, err := m.Header().Time(7, nil)
	require.NoError(t, err)
	require.Equal(t, Fraction, precision)
	require.True(t, at.Equal(time.Date(2026, 1, 24, 11, 47, 38, 250e6, time.UTC)))
	charge, err := m.Segments()[5].Number(5)
	require.NoError(t, err)
	require.Equal(t, 87.5, charge)
	_, err = m.Segments()[4].Number(5)
	require.ErrorIs(t, err, ErrNumber)
}
