package board

import (
	"context"
	"time"

	"medfleet"
)

// Devices finds a device as it stands now.
type Devices interface {
	Device(id medfleet.DeviceID) (medfleet.Device, bool)
}

// Records is a device's past: its times in each state that touch [from, to),
// oldest first, and its events, newest first. before is the cursor that the last
// call gave, empty at first; an empty cursor in the answer means that was all.
type Records interface {
	Stretches(ctx context.Context, id medfleet.DeviceID, from, to medfleet.Millis) ([]medfleet.Stretch, error)
	Events(ctx context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Event, string, error)
}

// Sample is one value of a metric, in the profile's unit.
type Sample struct {
	Time  medfleet.Millis
	Value float64
}

// History is a metric of a device over [from, to), oldest first, about one
// sample per step.
type History interface {
	History(ctx context.Context, id medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]Sample, error)
}

// AlarmQuery asks for alarms. No states mean all, no device means any. Cursor
// is what the last answer gave.
type AlarmQuery struct {
	Device medfleet.DeviceID
	States []medfleet.AlarmState
	Limit  int
	Cursor string
}

// Alarms lists alarms, newest first, and the cursor to those before them, empty
// at the end.
type Alarms interface {
	Alarms(ctx context.Context, q AlarmQuery) ([]medfleet.Alarm, string, error)
}

// Pages lists pages, newest first, and the cursor to those before them.
type Pages interface {
	Pages(ctx context.Context, limit int, cursor string) ([]medfleet.Page, string, error)
}
