package hl7

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawSeparators draws encoding characters, all different, with an escape
// character, so that every text can be written.
func drawSeparators(t *rapid.T, label string) Separators {
	list := rapid.Permutation([]byte("|^~\\&#!$%*/:;=?@_{}<>()[]',`")).Draw(t, label)
	s := Separators{Field: list[0], Component: list[1], Repetition: list[2], Escape: list[3], Subcomponent: list[4]}
	if rapid.Bool().Draw(t, label+": truncation") {
		s.Truncation = list[5]
	}
	return s
}

// drawMessage writes a message of random values, any text in any place.
func drawMessage(t *rapid.T, sep Separators) []byte {
	value := rapid.OneOf(rapid.String(), rapid.StringMatching(`[|^~\\&#A-Z0-9.\r\n]{0,9}`), rapid.SampledFrom([]string{
		"", `""`, "PID", "xPV1", `\X41\`, `\.br\`, `C:\alarm`, "a\rb", "\x0b\x1c", "泵", "\u00e9",
	}))
	name := rapid.SampledFrom([]string{"PID", "PV1", "OBR", "OBX", "NTE", "ZX9", "PRT"})
	b := NewBuilder(nil, sep)
	b.Segment("MSH").To(9).Field("ORU", "R01").Field("1").Field("P").Field("2.6").To(18).Field("UNICODE UTF-8")
	for range rapid.IntRange(0, 3).Draw(t, "more in MSH") {
		b.Field(value.Draw(t, "value"))
	}
	for range rapid.IntRange(0, 6).Draw(t, "segments") {
		b.Segment(name.Draw(t, "name"))
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			b.NextField().Text(value.Draw(t, "value"))
			for range rapid.IntRange(0, 4).Draw(t, "parts") {
				next := rapid.SampledFrom([]func() *Builder{b.NextRepetition, b.NextComponent, b.NextSubcomponent}).Draw(t, "next")
				next().Text(value.Draw(t, "value"))
			}
		}
	}
	return b.Bytes()
}

// TestEncodingKeepsEveryValue holds the writer and the reader to each other: what is
// read, written with other separators and read again has the same values in the
// same places.
func TestEncodingKeepsEveryValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, two := drawSeparators(t, "one"), drawSeparators(t, "two")
		m, err := Parse(drawMessage(t, one))
		require.NoError(t, err)
		require.Equal(t, one, m.Separators())
		written := m.Encode([]byte("> "), two)
		require.Equal(t, "> ", string(written[:2]))
		again, err := Parse(written[2:])
		require.NoError(t, err)
		require.Equal(t, two, again.Separators())
		require.Equal(t, leaves(&m), leaves(&again))
		require.Equal(t, written[2:], again.Encode(nil, two), "writing what was written changes nothing")
	})
}

// TestAcknowledgementsAreForTheirMessage holds every answer to naming its message,
// in the message's own separators, and to being no reason for another answer.
func TestAcknowledgementsAreForTheirMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sep := drawSeparators(t, "separators")
		id := rapid.StringMatching(`[ -~é泵]{1,40}`).Draw(t, "id")
		b := NewBuilder(nil, sep)
		b.Segment("MSH").To(3).Field(rapid.String().Draw(t, "sender")).To(9).Field("ORU", "R01").Field(id).Field("P").Field("2.6")
		b.To(15).Field(rapid.SampledFrom([]string{"", "AL", "NE", "ER", "SU"}).Draw(t, "MSH-15"))
		b.Field(rapid.SampledFrom([]string{"", "AL", "NE", "ER", "SU"}).Draw(t, "MSH-16"))
		m, err := Parse(b.Bytes())
		require.NoError(t, err)
		outcome := rapid.SampledFrom([]Outcome{Accepted, Failed, Rejected}).Draw(t, "outcome")
		out, wanted := Ack(nil, &m, outcome, AckOptions{Now: ackTime})
		if !wanted {
			return
		}
		answer, err := Parse(out)
		require.NoError(t, err)
		require.Equal(t, sep, answer.Separators())
		require.Equal(t, id, answer.First("MSA").Field(2).String())
		require.True(t, slices.Contains([]string{"AA", "AE", "AR", "CA", "CE", "CR"}, answer.First("MSA").Field(1).String()))
		_, again := Ack(nil, &answer, Accepted, AckOptions{Now: ackTime})
		require.False(t, again)
	})
}
