package record_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

func pump() medfleet.Observation {
	return medfleet.Observation{
		Equipment: medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Model: "Alpha 3", Site: "north", Unit: "ICU 2"},
		Time:      1_790_000_000_123, DeviceTime: -1, Gateway: "edge-1", Feed: "hl7",
		Readings: []medfleet.Reading{{Metric: "state", Value: 2}, {Metric: "battery_charge", Value: 87.5}, {Metric: "operating_hours", Value: 12043}},
	}
}

func alert() medfleet.Event {
	return medfleet.Event{
		Equipment: pump().Equipment, ID: "00112233445566778899aabbccddeeff", Time: 1_790_000_000_456,
		Condition: "battery_low", Phase: medfleet.Start, Code: "196802^MDC_EVT_BATT_LO^MDC", Text: `battery "low", says \ it`,
		Priority: "high", Kind: medfleet.Technical, Gateway: "edge-1", Feed: "mqtt broker", DeviceTime: 946_684_800_000,
	}
}

func decode(t *testing.T, line []byte) record.Line {
	t.Helper()
	var l record.Line
	require.NoError(t, record.NewDecoder().Decode(line, &l), "%q", line)
	return l
}

func TestEveryKindComesBackAsItWas(t *testing.T) {
	var e record.Encoder
	t.Run("observation", func(t *testing.T) {
		want := pump()
		l := decode(t, e.Observation(nil, &want))
		var got medfleet.Observation
		l.Observation(&got)
		require.Equal(t, want, got)
		require.Equal(t, "infusion_pump", l.Measurement)
	})
	t.Run("observation without a reading", func(t *testing.T) {
		want := pump()
		want.Readings = nil
		l := decode(t, e.Observation(nil, &want))
		var got medfleet.Observation
		l.Observation(&got)
		require.Equal(t, want.Equipment, got.Equipment)
		require.Equal(t, "edge-1", got.Gateway)
		require.Empty(t, got.Readings)
	})
	t.Run("event", func(t *testing.T) {
		want := alert()
		l := decode(t, e.Event(nil, &want))
		require.Equal(t, want, l.Event())
		require.Equal(t, record.EventMeasurement, l.Measurement)
	})
	t.Run("gap", func(t *testing.T) {
		want := medfleet.Gap{
			Gateway: "edge-1", Site: "north", Stream: "telemetry", Epoch: math.MaxUint64, First: 5, Last: 1 << 52, Count: 7,
			From: 1_789_000_000_000, To: 1_790_000_000_000, Reason: "dropped-oldest",
		}
		l := decode(t, e.Gap(nil, &want))
		require.Equal(t, want, l.Gap())
	})
	t.Run("attachment", func(t *testing.T) {
		want := medfleet.Attachment{
			Part: "NIBP-77", Type: "MDC_DEV_METER_PRESS_BLD_NONINV_VMD", Model: "M3 ü", Parent: "MON-4", Slot: "1.2 a",
			Site: "north", Time: 1_790_000_000_000, Gateway: "edge-1",
		}
		l := decode(t, e.Attachment(nil, &want))
		require.Equal(t, want, l.Attachment())
		require.Equal(t, record.AttachmentMeasurement, l.Measurement)
		want = medfleet.Attachment{Part: "a", Parent: "b", Gateway: "edge-1", Time: 1}
		l = decode(t, e.Attachment(nil, &want))
		require.Equal(t, want, l.Attachment())
	})
	t.Run("heartbeat", func(t *testing.T) {
		want := medfleet.Heartbeat{
			Gateway: "edge-1", Site: "north", Time: 1_790_000_000_000, EventsDepth: 3, TelemetryDepth: 4,
			OldestSeconds: 1.5, ClockOffset: -0.25, ClockKnown: true, FeedsUp: 1, FeedsConfigured: 2,
		}
		l := decode(t, e.Heartbeat(nil, &want))
		require.Equal(t, want, l.Heartbeat())
		require.Equal(t, record.HeartbeatMeasurement, l.Measurement)
		want.ClockOffset, want.ClockKnown = 0, false
		l = decode(t, e.Heartbeat(nil, &want))
		require.Equal(t, want, l.Heartbeat(), "a clock that nobody has compared is not one that is right")
	})
	t.Run("feed", func(t *testing.T) {
		for _, silent := range []time.Duration{-1, 0, 1500 * time.Millisecond, 400 * 24 * time.Hour} {
			want := medfleet.FeedReport{Gateway: "edge-1", Site: "north", Feed: "mqtt broker", Time: 1_790_000_000_000, Up: silent == 0, Caller: silent < 0, Silent: silent, Messages: 1 << 40}
			l := decode(t, e.Feed(nil, &want))
			require.Equal(t, want, l.Feed())
			require.Equal(t, record.FeedMeasurement, l.Measurement)
		}
	})
}

func TestARecordWithoutAFeedIsReadAsBefore(t *testing.T) {
	l := decode(t, []byte(`infusion_pump,class=infusion_pump,device=pump-17,site=north battery_charge=87.5,gateway="edge-1" 1790000000123`))
	var o medfleet.Observation
	o.Feed, o.DeviceTime = "left over", 5
	l.Observation(&o)
	require.Equal(t, "edge-1", o.Gateway)
	require.Empty(t, o.Feed)
	require.Zero(t, o.DeviceTime)
}

func TestWhatALineCannotCarryIsCleaned(t *testing.T) {
	for name, c := range map[string]struct{ in, tag, text string }{
		"plain":                     {"Alpha 3", "Alpha 3", "Alpha 3"},
		"newline":                   {"Al\npha", "Al pha", "Al pha"},
		"carriage return and tab":   {"a\r\tb", "a  b", "a  b"},
		"NUL":                       {"a\x00b", "a b", "a b"},
		"next line, line separator": {"a\u0085b\u2028c", "a b c", "a b c"},
		"turned writing":            {"a\u202eb", "a b", "a b"},
		"invalid UTF-8":             {"a\xff\xfeb", "a\ufffdb", "a\ufffdb"},
		"half a rune":               {"a\xe2\x82", "a\ufffd", "a\ufffd"},
		"a trailing backslash":      {`C:\`, "C:", `C:\`},
		"many of them":              {`a \ \\`, "a", `a \ \\`},
		"script":                    {"<script>alert(1)</script>", "<script>alert(1)</script>", "<script>alert(1)</script>"},
		"separators":                {`a,b=c d"e`, `a,b=c d"e`, `a,b=c d"e`},
		"blanks around":             {"  x ", "x", "x"},
		"beyond ASCII":              {"Größe 7 µ", "Größe 7 µ", "Größe 7 µ"},
		"nothing":                   {"", "", ""},
		"nothing but dirt":          {"\n \x00", "", ""},
		"nothing but backslashes":   {`\\`, "", `\\`},
		"long":                      {strings.Repeat("é", 400), strings.Repeat("é", 64), strings.Repeat("é", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			ev := alert()
			ev.Model, ev.Text = c.in, c.in
			var e record.Encoder
			line := e.Event(nil, &ev)
			l := decode(t, line)
			require.Equal(t, c.tag, l.Tag("model"))
			require.Equal(t, c.text, l.Text("text"))
			require.Equal(t, "battery_low", l.Tag("condition"), "the other tags are untouched")
			require.True(t, record.Clean(l.Text("text")))
		})
	}
}

func TestReadingsThatAreNoNumberAreLeftOutAndTheOthersStay(t *testing.T) {
	huge := 1e300
	o := pump()
	o.Readings = []medfleet.Reading{
		{Metric: "a", Value: math.NaN()}, {Metric: "b", Value: math.Inf(1)}, {Metric: "c", Value: math.Inf(-1)},
		{Metric: "d", Value: huge * huge}, // 1e400 becomes this
		{Metric: "e", Value: -0.5}, {Metric: "f", Value: math.MaxFloat64}, {Metric: "g", Value: 5e-324},
	}
	var e record.Encoder
	l := decode(t, e.Observation(nil, &o))
	var got medfleet.Observation
	l.Observation(&got)
	require.Equal(t, []medfleet.Reading{{Metric: "e", Value: -0.5}, {Metric: "f", Value: math.MaxFloat64}, {Metric: "g", Value: 5e-324}}, got.Readings)
}

func TestNoTimeMakesARecordDisappear(t *testing.T) {
	for _, at := range []medfleet.Millis{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		o := pump()
		o.Time = at
		var e record.Encoder
		l := decode(t, e.Observation(nil, &o))
		require.Equal(t, "pump-17", l.Tag("device"), "time %d", at)
		if at == -1 || at == 0 || at == 1 {
			require.Equal(t, at, l.Time)
		}
	}
}

func TestAnEncoderGoesOnAfterWhatItCouldNotEncode(t *testing.T) {
	var e record.Encoder
	o := pump()
	o.Readings, o.Gateway, o.Feed, o.DeviceTime = nil, "", "", 0
	require.Equal(t, "before", string(e.Observation([]byte("before"), &o)), "a line needs a field")
	good := pump()
	l := decode(t, e.Observation(nil, &good))
	require.Equal(t, 87.5, l.Number("battery_charge"))
}

// Whatever is in an envelope beside the one line that is looked at would pass the
// write door unseen.
func TestADecoderTakesOneLineAndNothingBeside(t *testing.T) {
	for name, line := range map[string]string{
		"a second line":        "m f=1 1\nm name=\"Smith\" 2",
		"a newline at the end": "m f=1 1\n",
		"a comment before":     "# Smith\nm f=1 1",
		"a comment after":      "m f=1 1\n# Smith",
		"a comment only":       "# Smith",
		"blanks before":        "  m f=1 1",
		"words after the time": "m f=1 1 Smith",
		"a newline in a text":  "m f=\"a\nb\" 1",
		"nothing":              "",
		"no field":             "m,t=a 1",
		"an endless text":      `m f="abc`,
		"NaN":                  "m f=NaN 1",
		"1e400":                "m f=1e400 1",
		"a time out of range":  "m f=1 99999999999999999999",
	} {
		t.Run(name, func(t *testing.T) {
			var l record.Line
			err := record.NewDecoder().Decode([]byte(line), &l)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "Smith", "errors do not quote what they refuse")
		})
	}
}

func TestALineOfTooManyPartsIsRefused(t *testing.T) {
	var l record.Line
	d := record.NewDecoder()
	require.ErrorContains(t, d.Decode([]byte("m"+strings.Repeat(",t=a", record.MaxTags+1)+" f=1 1"), &l), "tags")
	require.ErrorContains(t, d.Decode([]byte("m f=1"+strings.Repeat(",f=1", record.MaxFields)+" 1"), &l), "fields")
	require.NoError(t, d.Decode([]byte("m"+strings.Repeat(",t=a", record.MaxTags)+" f=1"+strings.Repeat(",f=1", record.MaxFields-1)+" 1"), &l))
}

func TestIntegersAndFlagsAreReadAsNumbers(t *testing.T) {
	l := decode(t, []byte(`m a=1.5,b=2i,c=3u,d=true,e=f,f="7"`))
	for key, want := range map[string]float64{"a": 1.5, "b": 2, "c": 3, "d": 1, "e": 0, "f": 0} {
		require.Equal(t, want, l.Number(key), key)
	}
	require.Equal(t, "7", l.Text("f"))
	require.Zero(t, l.Time, "no time is 0")
}

func FuzzCleanedLineIsOneLine(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb", `\`, `a\ `, "\xff", "a,b=c d", `"`, "\u2028", "é", "#", "\\n", `a\" f=1`} {
		f.Add(s, 1.5, int64(1_790_000_000_000))
	}
	f.Fuzz(func(t *testing.T, s string, v float64, at int64) {
		ev := alert()
		ev.Model, ev.Unit, ev.Code, ev.Text, ev.ID, ev.Time = s, medfleet.CareUnit(s), s, s, s, medfleet.Millis(at)
		o := pump()
		o.Model, o.Gateway = s, s
		o.Readings[0].Value, o.Time = v, medfleet.Millis(at)
		var e record.Encoder
		for _, line := range [][]byte{e.Event(nil, &ev), e.Observation(nil, &o)} {
			require.True(t, utf8.Valid(line))
			require.NotContains(t, string(line), "\n")
			for _, r := range string(line) {
				require.False(t, unicode.IsControl(r), "%q", line)
			}
			l := decode(t, line)
			require.Equal(t, "pump-17", l.Tag("device"))
			require.NotEmpty(t, l.Fields)
		}
		l := decode(t, e.Event(nil, &ev))
		again := l.Event()
		require.Equal(t, l.Event(), func() medfleet.Event { l := decode(t, e.Event(nil, &again)); return l.Event() }(), "what was cleaned stays as it is")
		require.Equal(t, medfleet.Start, again.Phase, "what a device says cannot become another field")
	})
}

func TestReadingTheSameFeedAllocatesNothingPerRecord(t *testing.T) {
	var e record.Encoder
	o := pump()
	line := e.Observation(nil, &o)
	d := record.NewDecoder()
	var l record.Line
	var seen medfleet.Observation
	read := func() {
		if d.Decode(line, &l) != nil {
			t.Fail()
		}
		l.Observation(&seen)
	}
	require.Zero(t, testing.AllocsPerRun(100, read))
	buffer := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() { buffer = e.Observation(buffer[:0], &o) }))
}

func BenchmarkEncodeObservation(b *testing.B) {
	var e record.Encoder
	o := pump()
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer = e.Observation(buffer[:0], &o)
	}
	b.SetBytes(int64(len(buffer)))
}

func BenchmarkDecodeObservation(b *testing.B) {
	var e record.Encoder
	o := pump()
	line := e.Observation(nil, &o)
	d := record.NewDecoder()
	var l record.Line
	var seen medfleet.Observation
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := d.Decode(line, &l); err != nil {
			b.Fatal(err)
		}
		l.Observation(&seen)
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	var enc record.Encoder
	o := pump()
	e := sample()
	e.Line = enc.Observation(nil, &o)
	buffer := e.Append(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(buffer)))
	for b.Loop() {
		if _, err := record.Parse(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzADecoderReadsOnAfterWhatItCouldNotRead(f *testing.F) {
	for _, s := range []string{"", "m f=1 1", "m f=\"a", "m\\", "# x", "m f=1 1\r", "m,", "m,t=\\", "m f=1 1 ", "m f=", "m f=1,"} {
		f.Add([]byte(s))
	}
	var e record.Encoder
	o := pump()
	good := e.Observation(nil, &o)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := record.NewDecoder()
		var l, want record.Line
		err := d.Decode(b, &l)
		fresh := record.NewDecoder().Decode(b, &want)
		require.Equal(t, fresh == nil, err == nil)
		require.NoError(t, d.Decode(good, &l))
		var got medfleet.Observation
		l.Observation(&got)
		require.Equal(t, o, got)
		if fresh == nil {
			require.NoError(t, d.Decode(b, &l), "the same line reads the same again")
			require.ElementsMatch(t, want.Tags, l.Tags)
			require.Equal(t, want.Fields, l.Fields)
			require.Equal(t, want.Time, l.Time)
		}
	})
}
