package api

import (
	"errors"
	"math"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"medfleet"
)

// Paging is how a list is asked for. It is exported, like the other parts of
// parameters, because the library reads embedded fields only then.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"most items to answer"`
	Cursor string `query:"cursor" maxLength:"200" doc:"the member next of the list before"`
}

// Named is a device in the path.
type Named struct {
	ID string `path:"id" maxLength:"64" doc:"device, by its id or an alias" example:"pump-104482"`
}

// Window is a time [from, to).
type Window struct {
	From moment `query:"from" doc:"begin, RFC 3339; an hour before the end if not given" example:"2026-03-01T07:15:00Z"`
	To   moment `query:"to" doc:"end, RFC 3339; now if not given" example:"2026-03-01T08:15:00Z"`
}

// longest bounds a window: five years and a bit, which a capital plan looks at.
const longest = 2000 * 24 * time.Hour

// bounds gives the window in ms, with what was not given filled in.
func (w Window) bounds() (from, to medfleet.Millis, err error) {
	to = w.To.at
	if !w.To.given {
		to = medfleet.AsMillis(time.Now())
	}
	from = w.From.at
	if !w.From.given {
		from = to.Add(-time.Hour)
	}
	if from >= to {
		return 0, 0, invalid("query.from", "%s is not before the end %s: give from < to", from, to)
	}
	if to.Sub(from) > longest {
		return 0, 0, invalid("query.from", "the window is longer than %d days: ask for less", int(longest/(24*time.Hour)))
	}
	return from, to, nil
}

// invalid is a fault in a parameter that the library could not see.
func invalid(location, message string, args ...any) *Problem {
	p := problem(kindInvalid, message, args...)
	p.Errors = []Fault{{Location: location, Message: p.Detail}}
	return p
}

// moment is a time in a query.
type moment struct {
	at    medfleet.Millis
	given bool
}

// UnmarshalText reads RFC 3339.
func (m *moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("want an RFC 3339 time such as 2026-03-01T08:15:00Z; in a query the + of an offset is written %2B")
	}
	if t.Year() < 1971 || t.Year() > 2200 {
		return errors.New("want a year between 1971 and 2200")
	}
	*m = moment{medfleet.AsMillis(t), true}
	return nil
}

// Schema describes a time.
func (moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// stride is a step of time in a query.
type stride struct {
	step  time.Duration
	given bool
}

// UnmarshalText reads a duration such as 90s, 5m or 1h30m.
func (s *stride) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d%time.Millisecond != 0 {
		return errors.New("want a duration in whole milliseconds such as 30s, 5m or 1h, or 0s for every value")
	}
	*s = stride{d, true}
	return nil
}

// Schema describes a duration.
func (stride) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "a duration: 30s, 5m, 1h", Examples: []any{"5m"}}
}

// wellFormed makes of every device one that JSON can carry: no reading that is
// not a finite number, no missing lists.
type wellFormed struct{ roster Devices }

// Devices gives all devices.
func (w wellFormed) Devices() []medfleet.Device {
	all := w.roster.Devices()
	for i := range all {
		form(&all[i])
	}
	return all
}

// Device gives one device.
func (w wellFormed) Device(id medfleet.DeviceID) (medfleet.Device, bool) {
	d, ok := w.roster.Device(id)
	form(&d)
	return d, ok
}

func form(d *medfleet.Device) {
	if d.Active == nil {
		d.Active = []string{}
	}
	if d.Readings == nil {
		d.Readings = map[string]float64{}
	}
	for _, v := range d.Readings {
		if !finite(v) {
			d.Readings = finiteOnly(d.Readings)
			return
		}
	}
}

// finiteOnly copies: the map may be the roster's.
func finiteOnly(readings map[string]float64) map[string]float64 {
	clean := make(map[string]float64, len(readings))
	for metric, v := range readings {
		if finite(v) {
			clean[metric] = v
		}
	}
	return clean
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
