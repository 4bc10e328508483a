package record

import (
	"strconv"
	"time"

	"medfleet"
)

// Equipment gives the tags that every record about a device has.
func (l *Line) Equipment() medfleet.Equipment {
	var q medfleet.Equipment
	for i := range l.Tags {
		switch l.Tags[i].Key {
		case "device":
			q.Device = medfleet.DeviceID(l.Tags[i].Value)
		case "class":
			q.Class = medfleet.Class(l.Tags[i].Value)
		case "model":
			q.Model = l.Tags[i].Value
		case "site":
			q.Site = l.Tags[i].Value
		case "unit":
			q.Unit = medfleet.CareUnit(l.Tags[i].Value)
		}
	}
	return q
}

// Observation fills o from the line of an observation; o's readings are reused.
func (l *Line) Observation(o *medfleet.Observation) {
	o.Equipment, o.Time, o.DeviceTime, o.Gateway, o.Feed = l.Equipment(), l.Time, 0, "", ""
	o.Readings = o.Readings[:0]
	for i := range l.Fields {
		f := &l.Fields[i]
		switch {
		case f.Key == DeviceTimeField:
			o.DeviceTime = medfleet.Millis(f.Number)
		case !f.IsText:
			o.Readings = append(o.Readings, medfleet.Reading{Metric: f.Key, Value: f.Number})
		case f.Key == "gateway":
			o.Gateway = f.Text
		case f.Key == "feed":
			o.Feed = f.Text
		}
	}
}

// Event gives the event that the line tells.
func (l *Line) Event() medfleet.Event {
	return medfleet.Event{
		Equipment: l.Equipment(),
		ID:        l.Text("id"), Time: l.Time,
		Condition: l.Tag("condition"), Phase: medfleet.Phase(l.Tag("phase")), Code: l.Tag("code"),
		Text: l.Text("text"), Priority: l.Text("priority"), Kind: medfleet.Kind(l.Text("kind")),
		Gateway: l.Text("gateway"), Feed: l.Text("feed"), DeviceTime: medfleet.Millis(l.Number(DeviceTimeField)),
	}
}

// Gap gives the loss that the line declares.
func (l *Line) Gap() medfleet.Gap {
	epoch, _ := strconv.ParseUint(l.Text("epoch"), 16, 64)
	return medfleet.Gap{
		Gateway: l.Tag("gateway"), Site: l.Tag("site"), Stream: l.Text("stream"), Reason: l.Text("reason"),
		Epoch: epoch, First: uint64(l.Number("first")), Last: uint64(l.Number("last")),
		Count: uint64(l.Number("count")), From: medfleet.Millis(l.Number("from")), To: l.Time,
	}
}

// Heartbeat gives what a gateway says of itself.
func (l *Line) Heartbeat() medfleet.Heartbeat {
	_, known := l.number("clock_offset_seconds")
	return medfleet.Heartbeat{
		Gateway: l.Tag("gateway"), Site: l.Tag("site"), Time: l.Time,
		EventsDepth: uint64(l.Number("events_depth")), TelemetryDepth: uint64(l.Number("telemetry_depth")),
		OldestSeconds: l.Number("oldest_seconds"), ClockOffset: l.Number("clock_offset_seconds"), ClockKnown: known,
		FeedsUp: uint64(l.Number("feeds_up")), FeedsConfigured: uint64(l.Number("feeds_configured")),
	}
}

// Feed gives what a gateway says of one of its feeds.
func (l *Line) Feed() medfleet.FeedReport {
	f := medfleet.FeedReport{
		Gateway: l.Tag("gateway"), Site: l.Tag("site"), Feed: l.Tag("feed"), Time: l.Time,
		Up: l.Number("up") != 0, Caller: l.Number("caller") != 0, Silent: -1, Messages: uint64(l.Number("messages")),
	}
	if seconds, ok := l.number("silent_seconds"); ok {
		f.Silent = time.Duration(min(seconds, maxSilent.Seconds()) * float64(time.Second))
	}
	return f
}

// maxSilent bounds how long a feed can say that it has heard nothing.
const maxSilent = 10 * 365 * 24 * time.Hour

// Attachment gives the place that the line says a part was seen in.
func (l *Line) Attachment() medfleet.Attachment {
	return medfleet.Attachment{
		Part: medfleet.DeviceID(l.Tag("device")), Parent: medfleet.DeviceID(l.Tag("parent")), Slot: l.Tag("slot"), Site: l.Tag("site"),
		Type: l.Text("type"), Model: l.Text("model"), Time: l.Time, Gateway: l.Text("gateway"),
	}
}
