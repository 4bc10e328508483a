package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"medfleet"
	"medfleet/alerting"
	"medfleet/alerting/alarms"
	"medfleet/api"
	"medfleet/collector/roster"
	"medfleet/collector/store"
	"medfleet/dashboards/board"
)

// readers are what the API and the board read. Each says in its own words what it
// needs; here the words are joined.
type readers struct {
	roster  *roster.Roster
	records roster.Records
	store   store.Store
	engine  *alerting.Engine
}

// history reads a metric of a device, whatever class it is of.
func (r readers) history(ctx context.Context, id medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]store.Sample, error) {
	d, ok := r.roster.Device(id)
	if !ok {
		return nil, fmt.Errorf("read history: device %s is not known", id)
	}
	return r.store.History(ctx, store.Query{
		Measurement: string(d.Class), Metric: metric, Devices: r.roster.IDs(d.ID),
		From: from, To: to, Step: step, Limit: store.MaxSamples,
	})
}

type apiHistory struct{ readers }

// History reads a metric for the API.
func (h apiHistory) History(ctx context.Context, id medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]api.Sample, error) {
	samples, err := h.history(ctx, id, metric, from, to, step)
	out := make([]api.Sample, len(samples))
	for i, s := range samples {
		out[i] = api.Sample{Time: s.Time, Value: s.Value}
	}
	return out, err
}

type boardHistory struct{ readers }

// History reads a metric for the board.
func (h boardHistory) History(ctx context.Context, id medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]board.Sample, error) {
	samples, err := h.history(ctx, id, metric, from, to, step)
	out := make([]board.Sample, len(samples))
	for i, s := range samples {
		out[i] = board.Sample{Time: s.Time, Value: s.Value}
	}
	return out, err
}

type apiAlarms struct{ readers }

// Alarms lists alarms for the API.
func (a apiAlarms) Alarms(ctx context.Context, f api.AlarmFilter) ([]medfleet.Alarm, string, error) {
	if !ulidOrEmpty(f.Cursor) {
		return nil, "", api.ErrCursor
	}
	return a.engine.Alarms(ctx, alarms.Filter{
		States: f.States, Device: f.Device, Unit: f.Unit, Class: f.Class, Priority: f.Priority,
		ChangedSince: f.ChangedSince, Limit: f.Limit, Cursor: f.Cursor,
	})
}

// Alarm reads one alarm and its life.
func (a apiAlarms) Alarm(ctx context.Context, id string) (medfleet.Alarm, []api.Transition, error) {
	alarm, steps, err := a.engine.Alarm(ctx, id)
	out := make([]api.Transition, len(steps))
	for i, s := range steps {
		out[i] = api.Transition{ID: s.ID, Time: s.At, State: s.State, Who: s.Who, Note: s.Note}
	}
	return alarm, out, inAPIWords(err)
}

// Acknowledge acknowledges an alarm as the principal of the context.
func (a apiAlarms) Acknowledge(ctx context.Context, id, note string) (medfleet.Alarm, error) {
	alarm, err := a.engine.Acknowledge(ctx, id, note)
	return alarm, inAPIWords(err)
}

// inAPIWords says an error of the alarm book's as the API knows it.
func inAPIWords(err error) error {
	var ended *alarms.StateError
	switch {
	case errors.Is(err, alarms.ErrUnknown):
		return fmt.Errorf("%w: %w", api.ErrUnknown, err)
	case errors.As(err, &ended):
		return fmt.Errorf("%w: %w", api.ErrState, err)
	}
	return err
}

type apiPages struct{ readers }

// Pages lists pages for the API.
func (p apiPages) Pages(ctx context.Context, limit int, cursor string) ([]medfleet.Page, string, error) {
	if !ulidOrEmpty(cursor) {
		return nil, "", api.ErrCursor
	}
	return p.engine.Pages(ctx, limit, cursor)
}

func ulidOrEmpty(cursor string) bool {
	_, err := ulid.ParseStrict(cursor)
	return cursor == "" || err == nil
}

type boardAlarms struct{ readers }

// Alarms lists alarms for the board.
func (a boardAlarms) Alarms(ctx context.Context, q board.AlarmQuery) ([]medfleet.Alarm, string, error) {
	return a.engine.Alarms(ctx, alarms.Filter{States: q.States, Device: q.Device, Limit: q.Limit, Cursor: q.Cursor})
}
