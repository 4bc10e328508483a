package record_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/record"
)

func sample() record.Envelope {
	return record.Envelope{
		Kind: record.Event, Flags: record.Late | record.Clamped, Epoch: 0xfedcba9876543210, Sequence: 1 << 60,
		Received: 1_790_000_000_123, Gateway: []byte("edge-1"), Stream: []byte("events"), Line: []byte("m f=1 1"),
	}
}

func TestAnEnvelopeComesBackAsItWas(t *testing.T) {
	for _, kind := range []record.Kind{record.Observation, record.Event, record.Gap, record.Heartbeat, record.Attachment} {
		want := sample()
		want.Kind = kind
		got, err := record.Parse(want.Append(nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	e := record.Envelope{Kind: record.Heartbeat, Gateway: []byte{}, Stream: []byte{}, Line: []byte{}, Received: -1}
	got, err := record.Parse(e.Append(nil))
	require.NoError(t, err)
	require.Equal(t, e, got)
}

// A collector of the first version must go on reading what it knows, and say what
// to do about the rest.
func TestARecordCarriesTheLowestVersionThatCanTellIt(t *testing.T) {
	for kind, version := range map[record.Kind]byte{
		record.Observation: 1, record.Event: 1, record.Gap: 1, record.Heartbeat: 1, record.Attachment: 2,
	} {
		e := sample()
		e.Kind = kind
		b := e.Append(nil)
		require.Equal(t, version, b[0], kind)
		b[0] = 2
		_, err := record.Parse(b)
		require.NoError(t, err, kind)
	}
}

func TestWhatIsNoEnvelopeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		want  error
	}{
		"nothing":              {func([]byte) []byte { return nil }, record.ErrBroken},
		"of a newer version":   {func(b []byte) []byte { b[0] = 3; return b }, record.ErrNewer},
		"of version 0":         {func(b []byte) []byte { b[0] = 0; return b }, record.ErrBroken},
		"of kind 0":            {func(b []byte) []byte { b[1] = 0; return b }, record.ErrBroken},
		"of an unknown kind":   {func(b []byte) []byte { b[1] = 6; return b }, record.ErrBroken},
		"a kind of later":      {func(b []byte) []byte { b[1] = 5; return b }, record.ErrBroken},
		"cut in its head":      {func(b []byte) []byte { return b[:27] }, record.ErrBroken},
		"cut in the gateway":   {func(b []byte) []byte { return b[:31] }, record.ErrBroken},
		"cut in the stream":    {func(b []byte) []byte { return b[:38] }, record.ErrBroken},
		"a name over 64":       {func(b []byte) []byte { b[28] = 65; return append(b, make([]byte, 100)...) }, record.ErrBroken},
		"a stream name of 255": {func(b []byte) []byte { b[35] = 255; return append(b, make([]byte, 300)...) }, record.ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			e := sample()
			_, err := record.Parse(c.spoil(e.Append(nil)))
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestLongNamesAreCutSoThatTheEnvelopeStaysReadable(t *testing.T) {
	e := sample()
	e.Gateway, e.Stream = bytes.Repeat([]byte("g"), 300), bytes.Repeat([]byte("s"), 65)
	got, err := record.Parse(e.Append(nil))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("g", 64), string(got.Gateway))
	require.Equal(t, strings.Repeat("s", 64), string(got.Stream))
	require.Equal(t, e.Line, got.Line)
}

func TestStampGivesTheNumberAndNothingElse(t *testing.T) {
	e := sample()
	b := e.Append(nil)
	record.Stamp(b, 7, 8)
	got, err := record.Parse(b)
	require.NoError(t, err)
	e.Epoch, e.Sequence = 7, 8
	require.Equal(t, e, got)
}

func TestFramesComeApartInOrder(t *testing.T) {
	want := [][]byte{[]byte("a"), bytes.Repeat([]byte("b"), 127), bytes.Repeat([]byte("c"), 128), {}, bytes.Repeat([]byte("d"), 70_000)}
	var body []byte
	for _, e := range want {
		body = record.AppendFrame(body, e)
	}
	for _, e := range want {
		got, rest, err := record.NextFrame(body)
		require.NoError(t, err)
		require.Equal(t, e, append([]byte{}, got...))
		body = rest
	}
	require.Empty(t, body)
}

func TestFramesThatLieAboutTheirLengthAreRefused(t *testing.T) {
	whole := record.AppendFrame(nil, bytes.Repeat([]byte("x"), 300))
	for n := range len(whole) {
		_, _, err := record.NextFrame(whole[:n])
		require.ErrorIs(t, err, record.ErrBroken, "cut at %d", n)
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'} // 2^64-1
	_, _, err := record.NextFrame(huge)
	require.ErrorIs(t, err, record.ErrBroken)
	_, _, err = record.NextFrame(bytes.Repeat([]byte{0xff}, 20))
	require.ErrorIs(t, err, record.ErrBroken)
}

func FuzzEnvelope(f *testing.F) {
	e := sample()
	f.Add(e.Append(nil))
	f.Add([]byte{})
	f.Add(make([]byte, 30))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := record.Parse(b)
		if err != nil {
			return
		}
		again := e.Append(nil)
		require.Equal(t, b, again, "what was read is what was written")
		back, err := record.Parse(again)
		require.NoError(t, err)
		require.Equal(t, e, back)
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(record.AppendFrame(record.AppendFrame(nil, []byte("a")), []byte("bc")))
	f.Fuzz(func(t *testing.T, body []byte) {
		n := 0
		for rest := body; len(rest) > 0; n++ {
			envelope, after, err := record.NextFrame(rest)
			if err != nil {
				return
			}
			require.Less(t, len(envelope), len(rest))
			require.Less(t, len(after), len(rest), "each frame takes something off")
			rest = after
		}
	})
}
