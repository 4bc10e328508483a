package api

import (
	"context"
	"errors"
	"time"

	"medfleet"
	"medfleet/profiles"
)

func (s *Server) mountRecords() {
	register(s, operation{
		id: "get-history", pattern: "GET /api/v1/devices/{id}/history", tag: "devices", summary: "Get a metric over time",
		about:   "The newest value in each step of [from, to), oldest first, in the unit that the answer names. A step without a value is left out.",
		example: exampleHistory, errors: []int{404},
	}, s.getHistory)
	register(s, operation{
		id: "list-events", pattern: "GET /api/v1/devices/{id}/events", tag: "devices", summary: "List a device's events, newest first",
		about:   "Conditions that began or ended and things that happened, as the device reported them. Where the maker's own error code is known, its meaning and what to check first.",
		example: list[Event]{Items: []Event{exampleEvent}}, errors: []int{404},
	}, s.listEvents)
	register(s, operation{
		id: "list-attachments", pattern: "GET /api/v1/devices/{id}/attachments", tag: "devices", summary: "List where a part has been and what parts a device has had, the latest first",
		about:   "Modules in the slots of a monitor, pumps in a rack: which was where, from when to when. The id may be that of a part that is no device of its own, or of a rack that says nothing of itself.",
		example: list[medfleet.Stay]{Items: []medfleet.Stay{exampleStay}}, errors: []int{404},
	}, s.listAttachments)
	register(s, operation{
		id: "list-stretches", pattern: "GET /api/v1/devices/{id}/stretches", tag: "devices", summary: "Get a device's states and minutes over a time",
		about:   "What the device was doing in [from, to), from when it was first heard and not beyond now: its state intervals without holes, and how long it was in each state. The milliseconds of all states sum to the window exactly.",
		example: exampleStretches, errors: []int{404},
	}, s.listStretches)
}

type historyInput struct {
	Named
	Metric string `query:"metric" required:"true" maxLength:"64" doc:"a metric of the device's class" example:"battery_charge"`
	Window
	Step stride `query:"step" doc:"a duration; the window in about 360 steps if not given, 0s for every value"`
}

// Series is a metric of one device over a time.
type Series struct {
	Device medfleet.DeviceID `json:"device"`
	Metric string            `json:"metric"`
	Title  string            `json:"title"`
	Unit   string            `json:"unit,omitempty" doc:"UCUM; empty for flags and states"`
	From   medfleet.Millis   `json:"from"`
	To     medfleet.Millis   `json:"to"`
	Step   float64           `json:"step_seconds" doc:"seconds; 0 is every value"`
	Items  []Sample          `json:"samples" nullable:"false"`
}

// What a history may hold: samples, and for every value as it came a day.
const (
	maxSamples = 11000
	maxRaw     = 24 * time.Hour
	aimSamples = 360
)

func (s *Server) getHistory(ctx context.Context, in *historyInput) (*answer[Series], error) {
	d, err := s.device(in.ID)
	if err != nil {
		return nil, err
	}
	from, to, err := in.bounds()
	if err != nil {
		return nil, err
	}
	step, err := in.Step.over(to.Sub(from))
	if err != nil {
		return nil, err
	}
	m, err := s.metric(d.Class, in.Metric)
	if err != nil {
		return nil, err
	}
	samples, err := s.o.History.History(ctx, d.ID, m.Name, from, to, step)
	if err != nil {
		return nil, s.unreadable(ctx, "the history", err)
	}
	series := Series{Device: d.ID, Metric: m.Name, Title: m.Title, Unit: m.Unit, From: from, To: to, Step: step.Seconds(), Items: []Sample{}}
	for _, sample := range samples {
		if finite(sample.Value) {
			series.Items = append(series.Items, sample)
		}
	}
	return &answer[Series]{series}, nil
}

// over gives the step for a window, or says why it is too fine for it.
func (s stride) over(window time.Duration) (time.Duration, error) {
	switch {
	case !s.given:
		return niceStep(window / aimSamples), nil
	case s.step == 0 && window > maxRaw:
		return 0, invalid("query.step", "every value is given for a day at most: give a step such as %s, or a shorter window", niceStep(window/aimSamples))
	case s.step > 0 && window/s.step > maxSamples:
		return 0, invalid("query.step", "that makes more than %d samples: give a step such as %s, or a shorter window", maxSamples, niceStep(window/aimSamples))
	}
	return s.step, nil
}

// niceStep rounds a step up to one that falls on the clock.
func niceStep(at time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if at <= step {
			return step
		}
	}
	return (at + day - 1).Truncate(day)
}

func (s *Server) metric(class medfleet.Class, name string) (*profiles.Metric, error) {
	p, ok := s.o.Profiles.Class(class)
	if !ok {
		return nil, problem(kindUnknownMetric, "no profile declares the class %q: add one to the folder of profiles", class)
	}
	if m, ok := p.Metric(name); ok {
		return m, nil
	}
	known := make([]string, len(p.Metrics))
	for i := range p.Metrics {
		known[i] = p.Metrics[i].Name
	}
	return nil, problem(kindUnknownMetric, "the class %s has no metric %q: it has %s", class, name, words(known))
}

type eventsInput struct {
	Named
	Paging
}

// Event is an event with what its maker says of the code.
type Event struct {
	medfleet.Event
	Meaning string `json:"meaning,omitempty" doc:"what the maker's error code stands for"`
	Check   string `json:"check,omitempty" doc:"what to look at first"`
}

func (s *Server) listEvents(ctx context.Context, in *eventsInput) (*answer[list[Event]], error) {
	d, err := s.device(in.ID)
	if err != nil {
		return nil, err
	}
	events, next, err := s.o.Records.Events(ctx, d.ID, in.Limit, in.Cursor)
	if err != nil {
		return nil, s.failed(ctx, "the events", err)
	}
	items := make([]Event, len(events))
	for i := range events {
		items[i].Event = events[i]
		if f, ok := s.o.Profiles.Fault(events[i].Model, events[i].Code); ok {
			items[i].Meaning, items[i].Check = f.Meaning, f.Check
		}
	}
	return listOf(items, next), nil
}

// listAttachments answers for a part that is no device too. What has neither been
// a part nor had one is unknown.
func (s *Server) listAttachments(ctx context.Context, in *eventsInput) (*answer[list[medfleet.Stay]], error) {
	id := medfleet.DeviceID(in.ID)
	d, err := s.device(in.ID)
	if err == nil {
		id = d.ID
	}
	stays, next, wrong := s.o.Records.Attachments(ctx, id, in.Limit, in.Cursor)
	switch {
	case wrong != nil:
		return nil, s.failed(ctx, "the attachments", wrong)
	case err != nil && len(stays) == 0:
		return nil, err
	}
	return listOf(stays, next), nil
}

// failed answers a reader's error: a cursor is the asker's fault, the rest is not.
func (s *Server) failed(ctx context.Context, what string, err error) error {
	if errors.Is(err, ErrCursor) {
		return wrongCursor()
	}
	return s.unreadable(ctx, what, err)
}
