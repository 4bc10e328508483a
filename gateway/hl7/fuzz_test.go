package hl7

import (
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func seed(f *testing.F) {
	for _, s := range []string{
		ventilator, string(pumpReport(2)),
		"MSH$%*!@$PUMP$$$$$$ORU%R01\rOBX$1$ST$x%y@z*w$$a!T!b|c^d\r",
		"msh|^~\\&#|A\nOBX|1|a\nb|\\X41\\\\.sp9\\\\Zq\\\\\r\nPV1\nx",
		"MSH|^~\\&|A|||||||||||||||GB 18030-2000\rOBX|\x81|\x81^|\\XB1C3\\",
		"MSH|^~\\&|A|||||||||||||||~ISO IR87\rOBX|\x1b$B%]%s%W\x1b(B",
		"MSH|^~\\&|A|||||||||||||||~ISO IR87\rPID|\x1b$B%]%\rOBX|\xce\xdf\x1b$(D0l\n|2",
		"MSH|^~\\&|A|||||||||||||||CNS 11643-1992\rOBX|\xf3\xd9\x8e\xa2\xa1\xa1\xd6|\\X8EA2A1A1\\\x8e\xa2",
		"MSH|^~\\&|A|||||||||||||||~CNS 11643-1992\rOBX|\x1b$(G||\x1b(B|\x1b$)G\x0esY\x0f|\x1b$*H\x1bN!!\x1bO|\x1b$(Gs\rOBX|2",
		"\xff\xfeM\x00S\x00H\x00|\x00", "FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|\rBTS|1\rFTS|", "MSH|", "MSH||\r\x1c",
	} {
		f.Add([]byte(s))
	}
}

// FuzzParse holds reading to three promises: every value lies within the
// message's bytes, text is valid UTF-8, and what is written anew is read back
// the same.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		m, err := Parse(input)
		if err != nil {
			return
		}
		for _, s := range m.Segments() {
			requireWithin(t, m.Raw(), s.Bytes())
			require.Equal(t, string(s.Bytes()), string(m.Raw()[s.Offset():s.Offset()+len(s.Bytes())]))
			for n := 0; n <= min(s.Fields(), 40)+1; n++ {
				requireWithin(t, m.Raw(), s.Field(n).Bytes())
				requireWithin(t, m.Raw(), s.Field(n).Component(2).Bytes())
				require.True(t, utf8.ValidString(s.Field(n).String()))
			}
			requireCut(t, s)
		}
		again, err := Parse(m.Encode(nil, Standard()))
		require.NoError(t, err)
		require.Equal(t, leaves(&m), leaves(&again))
	})
}

// requireCut holds what is cut at once against what is read one by one.
func requireCut(t *testing.T, s Segment) {
	t.Helper()
	var fields Fields
	fields.Of(Segment{raw: []byte("OBX|left|over"), name: nameOBX, coding: newCoding(Standard())})
	fields.Of(s)
	for n := -1; n <= 300; n++ {
		require.Equal(t, s.Field(n).Bytes(), fields.Field(n).Bytes(), "%s-%d", s.Name(), n)
		require.Equal(t, s.Field(n).String(), fields.Field(n).String(), "%s-%d", s.Name(), n)
	}
	for n := range 20 {
		field := s.Field(n)
		for c := -1; c <= 12; c++ {
			require.Equal(t, field.Repetition(1).part(field.coding.component(), c).Bytes(), field.Component(c).Bytes(), "%s-%d.%d", s.Name(), n, c)
		}
	}
}

func requireWithin(t *testing.T, whole, part []byte) {
	t.Helper()
	if len(part) == 0 {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	require.True(t, at >= from && at+uintptr(len(part)) <= from+uintptr(len(whole)))
}

// FuzzText holds the builder to writing any text so that it is read back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"plain", "a|b^c&d~e\\f#", "\r\n\x00\x0b\x1c\x7f", "Größe", `\X41\`, `\.br\`, "\"\""} {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if !utf8.ValidString(one) || !utf8.ValidString(two) {
			return
		}
		b := NewBuilder(nil, Standard())
		b.Segment("MSH").To(18).Field("UNICODE UTF-8")
		b.Segment("ZZZ").Field(one, two).NextSubcomponent().Text(one).NextRepetition().Text(two)
		m, err := Parse(b.Bytes())
		require.NoError(t, err)
		v := m.First("ZZZ").Field(1)
		require.Len(t, m.Segments(), 2)
		require.Equal(t, one, v.Component(1).String())
		require.Equal(t, two, v.Component(2).Subcomponent(1).String())
		require.Equal(t, one, v.Component(2).Subcomponent(2).String())
		require.Equal(t, two, v.Repetition(2).String())
	})
}

// FuzzAnswer holds answers to being one readable message that names the
// request, carries no framing bytes, and that nobody would answer.
func FuzzAnswer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		o := AckOptions{Now: time.Unix(1769255260, 0).UTC(), ID: "1"}
		answers := make([][]byte, 2)
		m, err := Parse(input)
		if err == nil {
			answers[0], _ = Ack(nil, &m, Accepted, o)
		}
		answers[1], _ = Reject(nil, input, o)
		for _, out := range answers {
			if len(out) == 0 {
				continue
			}
			require.NotContains(t, string(out), "\x0b")
			require.NotContains(t, string(out), "\x1c")
			answer, err := Parse(out)
			require.NoError(t, err)
			require.Len(t, answer.Segments(), 2)
			require.Equal(t, "MSA", answer.Segments()[1].Name())
			_, again := Ack(nil, &answer, Accepted, o)
			require.False(t, again)
		}
	})
}

// FuzzMessages holds the batch reader to losing no message: every line that
// begins with MSH and a separator begins one.
func FuzzMessages(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		want, got, all := 0, 0, 0
		for line := range lines(input) {
			if boundary(input[line.from:line.to]) == nameMSH {
				want++
			}
		}
		for m, err := range Messages(input) {
			if all++; err != nil {
				continue
			}
			got++
			require.Equal(t, "MSH", m.Header().Name())
		}
		require.LessOrEqual(t, got, max(want, 1))
		require.GreaterOrEqual(t, all, want)
	})
}

// FuzzParseTime holds times to being written back as they were read.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026", "20260124124738000+0800", "20150119221713- 0000", "20260124124738.25Z", "20240229"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		at, precision, err := ParseTime(input, nil)
		if err != nil {
			return
		}
		again, p, err := ParseTime(AppendTime(nil, at, precision), nil)
		if at.Year() > 9999 || at.Year() < 1 {
			return
		}
		require.NoError(t, err)
		require.Equal(t, precision, p)
		if precision == Second {
			require.True(t, at.Equal(again))
		}
	})
}
