package hl7

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuilder(t *testing.T) {
	b := NewBuilder(nil, Standard())
	b.Segment("MSH").Field("PUMPLINK", "00A1B2FFFE000007", "EUI-64").To(7)
	b.Time(time.Date(2026, 1, 24, 12, 47, 38, 0, time.FixedZone("", 3600)), Second)
	b.To(9).Field("ORU", "R01", "ORU_R01").Field("17").Field("P").Field("2.6")
	b.Segment("OBR").Int(1).To(29).Field("").NextComponent().Text("PUMP-17").NextSubcomponent().Text("ns")
	b.Segment("OBX").Int(1).Field("ST").To(5).Field("audio-off").Repeat("alert-acknowledged").To(3).To(11).Field("R")
	b.Segment("PV1")
	require.Equal(t, "MSH|^~\\&|PUMPLINK^00A1B2FFFE000007^EUI-64||||20260124124738+0100||ORU^R01^ORU_R01|17|P|2.6\r"+
		"OBR|1||||||||||||||||||||||||||||^PUMP-17&ns\r"+
		"OBX|1|ST|||audio-off~alert-acknowledged||||||R\r"+
		"PV1\r", string(b.Bytes()))
}

func TestBuilderEscapes(t *testing.T) {
	tests := map[string]string{
		"a|b^c&d~e\\f":  `a\F\b\S\c\T\d\R\e\E\f`,
		"two\r\nlines":  `two\X0D\\X0A\lines`,
		"\x0b\x1c\x7f":  `\X0B\\X1C\\X7F\`,
		"Größe 日本":      `Größe 日本`,
		"bad \xff byte": "bad \uFFFD byte",
		"#5":            "#5",
		`\.br\`:         `\E\.br\E\`,
	}
	for text, want := range tests {
		out := NewBuilder([]byte("x"), Standard()).Segment("ZZZ").Field(text).Bytes()
		require.Equal(t, "xZZZ|"+want+"\r", string(out))
	}
	truncating := Standard()
	truncating.Truncation = '#'
	require.Equal(t, "ZZZ|\\P\\5\r", string(NewBuilder(nil, truncating).Segment("ZZZ").Field("#5").Bytes()))
	require.Equal(t, "ZZZ|a b c\r", string(NewBuilder(nil, Separators{Field: '|', Component: '^'}).Segment("ZZZ").Field("a|b^c").Bytes()))
}

func TestBuilderRawCannotBreakOut(t *testing.T) {
	out := NewBuilder(nil, Standard()).Segment("ZZZ").NextField().Raw([]byte("a^b\rPID|1\x1c\n\x0b\\T\\")).Bytes()
	require.Equal(t, "ZZZ|a^bPID|1\\T\\\r", string(out))
}

// leaves lists every value with its place.
func leaves(m *Message) []string {
	var out []string
	for _, s := range m.Segments() {
		out = append(out, "segment "+s.Name())
		for n := 1; n <= s.Fields(); n++ {
			if s.header() && (n <= 2 || n == 18) {
				continue
			}
			for rep := range s.Field(n).Repetitions() {
				for comp := range rep.Components() {
					for sub := range comp.Subcomponents() {
						out = append(out, "sub "+sub.String())
					}
					out = append(out, "end of component")
				}
				out = append(out, "end of repetition")
			}
			out = append(out, "end of field")
		}
	}
	return out
}

func TestWritingAnewKeepsEveryValue(t *testing.T) {
	for name, input := range map[string]string{
		"ventilator":       ventilator,
		"pump":             string(pumpReport(3)),
		"own separators":   "MSH$%*!@$PUMP$$$$$$ORU%R01\rOBX$1$ST$x%y@z*w$$a!T!b|c^d\\e\r",
		"escapes":          "MSH|^~\\&|A\rOBX|1|FT|1||a\\F\\b\\.br\\c\\Zxx\\\\X0D\\d C:\\dir||\\",
		"other characters": "MSH|^~\\&|A|||||||||||||||8859/5\rOBX|1|ST|\xbd\xd0\xe1\xde\xe1\\XBD\\",
		"empty parts":      "MSH|^~\\&|A||\rOBX||^^a^^~~&b&||\"\"|\rZZ9\rZZ8|",
	} {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, input)
			again := mustParse(t, string(m.Encode(nil, Standard())))
			require.Equal(t, leaves(m), leaves(again))
			other := Separators{Field: '$', Component: '%', Repetition: '*', Escape: '!', Subcomponent: '@', Truncation: '?'}
			again = mustParse(t, string(m.Encode(nil, other)))
			require.Equal(t, leaves(m), leaves(again))
		})
	}
}
