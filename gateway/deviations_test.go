package gateway

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"medfleet/record"
)

// What devices send is often not quite HL7. Each of these messages says that
// ventilator V-1007 has 87 % in its battery, in a way of its own.

// lines makes a message of lines ended by something else than CR.
func lines(message, end string) string { return strings.ReplaceAll(message, "\r", end) }

// replaced is a report with one thing written otherwise.
func replaced(m, old, other string) string {
	if !strings.Contains(m, old) {
		panic("the report has no " + old)
	}
	return strings.Replace(m, old, other, 1)
}

func wide(message string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune("\ufeff" + message)) {
		pair := []byte{byte(u), byte(u >> 8)}
		if big {
			pair[0], pair[1] = pair[1], pair[0]
		}
		b.Write(pair)
	}
	return b.String()
}

func chinese(message string) string {
	text, err := simplifiedchinese.GB18030.NewEncoder().String(message)
	if err != nil {
		panic(err)
	}
	return text
}

// deviations gives the bytes on the wire by what is odd about them. The control
// id of each message is d.
func deviations() map[string]string {
	report := battery("d") // one for all, of one time
	_, stamp, _ := strings.Cut(report, "|HOSP|")
	stamp = stamp[:len("20060102150405")]
	other := strings.NewReplacer("|", "$", "^", "%", "&", "@", `\`, "!").Replace(report)
	row := "OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|87|262688^MDC_DIM_PERCENT^MDC|||||R\r"
	swap := func(old, other string) string { return frame(replaced(report, old, other)) }
	return map[string]string{
		"as the standard has it":              frame(report),
		"lines end with LF":                   frame(lines(report, "\n")),
		"lines end with CR LF":                frame(lines(report, "\r\n")),
		"empty lines between":                 frame(lines(report, "\r\r\n\n")),
		"no end of the last line":             frame(strings.TrimSuffix(report, "\r")),
		"a byte order mark":                   frame("\xef\xbb\xbf" + report),
		"UTF-16, little end first":            frame16(report, false),
		"UTF-16, big end first":               frame16(report, true),
		"GB 18030, in a patient's name":       frame(chinese(replaced(report, "Quintero^Ana", "欧阳^娜娜||||||||||||"))),
		"GB 18030, declared":                  frame(chinese(strings.Replace(battery("d", "||||||GB 18030-2000"), "Quintero^Ana", "欧阳娜娜", 1))),
		"UTF-8 declared, Latin-1 sent":        frame(strings.Replace(battery("d", "||||||UNICODE UTF-8"), "Quintero^Ana", "M\xfcller^Ana", 1)),
		"a line feed inside a field":          swap("|d|P|", "|d|\nP|"),
		"segment names in lower case":         frame(strings.NewReplacer("\rOBX|", "\robx|", "\rOBR|", "\robr|", "\rPV1|", "\rpv1|").Replace(report)),
		"a segment of the maker's own":        swap("\rOBR|", "\rZPU|1|x\rOBR|"),
		"PV1 glued to PID":                    swap("|F\rPV1|", "|FPV1|"),
		"PID glued to MSH":                    frame(strings.Replace(battery("d", "|||||||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"), "\rPID|", "PID|", 1)),
		"separators of its own":               frame(other),
		"a fifth encoding character":          swap(`|^~\&|`, `|^~\&#|`),
		"no escape character":                 swap(`|^~\&|`, `|^~|`),
		"a type of one component":             swap("|ORU^R01^ORU_R01|", "|ORU|"),
		"a type of two components":            swap("|ORU^R01^ORU_R01|", "|ORU^R01|"),
		"version 2.3":                         swap("|2.6", "|2.3"),
		"no version":                          swap("|P|2.6", ""),
		"a stamp without a zone":              frame(strings.ReplaceAll(report, "+0000|", "|")),
		"a stamp with a fraction, no dot":     swap("+0000||ORU", "000+0000||ORU"),
		"a blank before the zone":             swap("+0000||ORU", "- 0000||ORU"),
		"a date only":                         strings.Replace(frame(report), stamp[8:]+"+0000||ORU", "||ORU", 1),
		"a clock that stands in 2013":         strings.ReplaceAll(frame(report), stamp[:4], "2013"),
		"no clock at all":                     swap("|HOSP|"+stamp, "|HOSP|"),
		"no OBR":                              frame(withoutLine(report, "OBR")),
		"no set ids":                          frame(strings.NewReplacer("OBX|1|", "OBX||", "OBX|2|", "OBX||", "OBX|3|", "OBX||").Replace(report)),
		"the same set id each time":           frame(strings.NewReplacer("OBX|2|", "OBX|1|", "OBX|3|", "OBX|1|").Replace(report)),
		"code and name swapped":               swap("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "MDC_ATTR_VAL_BATT_CHARGE^67996^MDC"),
		"a name without a code":               swap("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "^MDC_ATTR_VAL_BATT_CHARGE^MDC"),
		"a code without a name":               swap("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "67996^^MDC"),
		"a name with a wrong code":            swap("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "1^MDC_ATTR_VAL_BATT_CHARGE^MDC"),
		"the maker's code before the world's": swap("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "BAT^Battery^99VENT^67996^MDC_ATTR_VAL_BATT_CHARGE^MDC"),
		"a unit by UCUM only":                 swap("262688^MDC_DIM_PERCENT^MDC", "%^%^UCUM"),
		"a unit by UCUM in second place":      swap("262688^MDC_DIM_PERCENT^MDC", "^^^%^%^UCUM"),
		"a value that stands for none before": swap(row, strings.Replace(row, "|87|", "|32767|", 1)+row),
		"a deleted value before":              swap(row, strings.Replace(row, "|87|", `|""|`, 1)+row),
		"dashes for a value before":           swap(row, strings.Replace(row, "|87|", "|-?-|", 1)+row),
		"a value beyond the range before":     swap(row, strings.Replace(row, "|87|", "|>99|", 1)+row),
		"a value with blanks around":          swap("|87|", "| 87 |"),
		"a value with a sign":                 swap("|87|", "|+87.0|"),
		"a structured number":                 swap("|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|87|", "|SN|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|=^87|"),
		"structure that is no number":         frame(strings.ReplaceAll(report, "|1.0.0.", "|LOC")),
		"no X in the structure's row":         swap("|||||||X|||||||V-1007", "||||||||||||||V-1007"),
		"trailing separators":                 frame(strings.ReplaceAll(report, "\r", "||||||^^^~~&&|\r")),
		"the device's name escaped":           swap("|V-1007", `|V\X2D\1007`),
		"the end block alone":                 strings.TrimSuffix(frame(report), "\r"),
		"the end block and a line feed":       strings.TrimSuffix(frame(report), "\r") + "\n",
		"blanks and lines between frames":     "\r\n \x00\r" + frame(report),
		"a start inside":                      "\x0b" + report[:80] + frame(report),
		"a frame of a batch":                  frame("FHS|^~\\&\rBHS|^~\\&\r" + report + "BTS|7\rFTS|3\r"),
	}
}

// frame16 is a frame whose message is in UTF-16, which may hold any byte.
func frame16(message string, big bool) string {
	text := wide(message, big)
	for _, c := range []string{"\x0b", "\x1c"} {
		if strings.Contains(text, c) {
			panic("it cannot be framed")
		}
	}
	return "\x0b" + text + "\x1c\r"
}

func withoutLine(message, name string) string {
	var kept []string
	for l := range strings.SplitAfterSeq(message, "\r") {
		if !strings.HasPrefix(l, name) {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "")
}

func TestWhatIsNotQuiteHL7IsUnderstoodAllTheSame(t *testing.T) {
	all := deviations()
	require.Greater(t, len(all), 50)
	for name, sends := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			centre := newCentre(t)
			e := startEdge(t, centre, t.TempDir())
			answers, closed := converse(t, e.hl7, sends)
			require.Equal(t, []string{"AA d"}, answers)
			require.False(t, closed)
			require.Eventually(t, func() bool { return len(centre.of(record.Observation)) == 2 }, soon, time.Millisecond)
			l := centre.of(record.Observation)[0]
			require.Equal(t, "V-1007", l.Tag("device"))
			require.Equal(t, "ventilator", l.Tag("class"))
			require.Equal(t, 87.0, l.Number("battery_charge"))
			require.WithinDuration(t, time.Now(), l.Time.Time(), time.Hour, "a clock that cannot be right is not believed")
			require.Empty(t, e.letters())
			for _, never := range []string{"Quintero", "8812345", "欧阳"} {
				require.NotContains(t, string(e.written()), never)
			}
		})
	}
}
