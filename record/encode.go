package record

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"medfleet"
)

// Measurements beside the classes of device.
const (
	EventMeasurement      = "event"
	GapMeasurement        = "gap"
	HeartbeatMeasurement  = "gateway"
	FeedMeasurement       = "feed"
	AttachmentMeasurement = "attachment"
)

// DeviceTimeField holds a device's own time in ms, where it is not plausible and
// the line's is its receiver's. It is a number that is no metric.
const DeviceTimeField = "device_time"

// Encoder writes lines. It cleans what line protocol cannot carry, so that
// whatever a device sends becomes a valid line: control characters in tags and
// text become blanks, a tag loses its trailing backslashes, invalid UTF-8 is
// replaced, and readings that are no number are left out. The zero value is
// ready; an Encoder is not for concurrent use.
type Encoder struct {
	lines lines
}

// Observation appends an observation's line to dst. Without a number in it, it
// is a sign of life only; it then needs a gateway, since a line needs a field.
func (e *Encoder) Observation(dst []byte, o *medfleet.Observation) []byte {
	e.start(string(o.Class))
	e.equipment(&o.Equipment)
	for i := range o.Readings {
		e.number(o.Readings[i].Metric, o.Readings[i].Value)
	}
	e.from(o.Gateway, o.Feed, o.DeviceTime)
	return e.end(dst, o.Time)
}

// Event appends an event's line to dst.
func (e *Encoder) Event(dst []byte, ev *medfleet.Event) []byte {
	e.start(EventMeasurement)
	e.tag("class", string(ev.Class))
	e.tag("code", ev.Code)
	e.tag("condition", ev.Condition)
	e.tag("device", string(ev.Device))
	e.tag("model", ev.Model)
	e.tag("phase", string(ev.Phase))
	e.tag("site", ev.Site)
	e.tag("unit", string(ev.Unit))
	e.text("id", ev.ID)
	e.text("text", ev.Text)
	e.text("priority", ev.Priority)
	e.text("kind", string(ev.Kind))
	e.from(ev.Gateway, ev.Feed, ev.DeviceTime)
	return e.end(dst, ev.Time)
}

// from writes how a record came in, and the device's own time where it is not the
// line's.
func (e *Encoder) from(gateway, feed string, deviceTime medfleet.Millis) {
	e.text("gateway", gateway)
	e.text("feed", feed)
	if deviceTime != 0 {
		e.lines.whole(DeviceTimeField, int64(deviceTime))
	}
}

// Gap appends a gap's line to dst; its time is when the loss ended.
func (e *Encoder) Gap(dst []byte, g *medfleet.Gap) []byte {
	e.start(GapMeasurement)
	e.tag("gateway", g.Gateway)
	e.tag("site", g.Site)
	e.text("stream", g.Stream)
	e.text("reason", g.Reason)
	e.text("epoch", strconv.FormatUint(g.Epoch, 16))
	e.count("first", g.First)
	e.count("last", g.Last)
	e.count("count", g.Count)
	e.count("from", uint64(max(g.From, 0)))
	return e.end(dst, g.To)
}

// Heartbeat appends a gateway's heartbeat to dst.
func (e *Encoder) Heartbeat(dst []byte, h *medfleet.Heartbeat) []byte {
	e.start(HeartbeatMeasurement)
	e.tag("gateway", h.Gateway)
	e.tag("site", h.Site)
	e.number("events_depth", float64(h.EventsDepth))
	e.number("telemetry_depth", float64(h.TelemetryDepth))
	e.number("oldest_seconds", h.OldestSeconds)
	if h.ClockKnown {
		e.number("clock_offset_seconds", h.ClockOffset)
	}
	e.number("feeds_up", float64(h.FeedsUp))
	e.number("feeds_configured", float64(h.FeedsConfigured))
	return e.end(dst, h.Time)
}

// Feed appends what a gateway says of one of its feeds to dst. The reports of all
// its feeds come before the heartbeat of the same time, which closes them: a feed
// that is not among them is configured no more.
func (e *Encoder) Feed(dst []byte, f *medfleet.FeedReport) []byte {
	e.start(FeedMeasurement)
	e.tag("feed", f.Feed)
	e.tag("gateway", f.Gateway)
	e.tag("site", f.Site)
	up := 0.0
	if f.Up {
		up = 1
	}
	e.number("up", up)
	if f.Caller {
		e.number("caller", 1)
	}
	if f.Silent >= 0 {
		e.number("silent_seconds", f.Silent.Seconds())
	}
	e.number("messages", float64(f.Messages))
	return e.end(dst, f.Time)
}

// Attachment appends to dst that a part was seen in a parent. It needs a gateway,
// since a line needs a field.
func (e *Encoder) Attachment(dst []byte, a *medfleet.Attachment) []byte {
	e.start(AttachmentMeasurement)
	e.tag("device", string(a.Part))
	e.tag("parent", string(a.Parent))
	e.tag("site", a.Site)
	e.tag("slot", a.Slot)
	e.text("type", a.Type)
	e.text("model", a.Model)
	e.text("gateway", a.Gateway)
	return e.end(dst, a.Time)
}

func (e *Encoder) start(measurement string) { e.lines.start(measurement) }

// Times that a line can carry: it counts nanoseconds.
const (
	minTime medfleet.Millis = math.MinInt64/1_000_000 + 1
	maxTime medfleet.Millis = math.MaxInt64/1_000_000 - 1
)

// end closes the line and appends it without its newline.
func (e *Encoder) end(dst []byte, at medfleet.Millis) []byte { return e.lines.end(dst, at) }

// equipment writes the five tags in the order line protocol sorts them.
func (e *Encoder) equipment(q *medfleet.Equipment) {
	e.tag("class", string(q.Class))
	e.tag("device", string(q.Device))
	e.tag("model", q.Model)
	e.tag("site", q.Site)
	e.tag("unit", string(q.Unit))
}

func (e *Encoder) tag(key, value string) {
	if value = cleanTag(value); value != "" {
		e.lines.tag(key, value)
	}
}

func (e *Encoder) text(key, value string) {
	if value = cleanText(value); value != "" {
		e.lines.text(key, value)
	}
}

func (e *Encoder) number(key string, value float64) { e.lines.number(key, value) }

// count writes a whole number as an integer field; its top bit is left out,
// since unsigned fields are not read by every InfluxDB.
func (e *Encoder) count(key string, value uint64) { e.lines.whole(key, int64(value&math.MaxInt64)) }

// MaxTag and MaxText bound what a device can put into a tag or a text, in bytes.
const (
	MaxTag  = 128
	MaxText = 512
)

func cleanTag(s string) string {
	return strings.TrimRight(clean(s, MaxTag), `\ `)
}

func cleanText(s string) string { return clean(s, MaxText) }

// clean gives valid UTF-8 without control characters, line ends and marks that
// turn the direction of writing, trimmed, at most limit bytes. A string that is clean already is returned as it is.
func clean(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return s
	}
	s = strings.ToValidUTF8(s, "�")
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return ' '
		}
		return r
	}, s)
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

// plain reports whether s is printable ASCII without blanks at its ends.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// Clean reports whether a text has the form that an Encoder gives it.
func Clean(text string) bool { return cleanText(text) == text }
