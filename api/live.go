package api

import (
	"context"
	"errors"
	"net/http"

	"medfleet"
	"medfleet/api/stream"
)

// newHub joins the live stream to the readers.
func (s *Server) newHub() (*stream.Hub, error) {
	o := s.o.Stream
	o.Source = stream.Source{Devices: s.o.Devices, Alarms: liveAlarms{s.o.Alarms}, Pages: livePages{s.o.Pages}, Gateways: liveGateways{s}}
	o.Live = s.o.Live
	o.Allowed = func(r *http.Request) bool { return s.may(r, medfleet.RoleViewer) }
	o.Refuse = func(w http.ResponseWriter, r *http.Request, status int, why string) {
		k := byStatus(status)
		if status == http.StatusForbidden {
			k = kindCrossOrigin
		}
		refuse(w, r, problem(k, "%s", why))
	}
	o.Troubled = func(err error) {
		if err == nil {
			s.log.Info("live boards follow again")
			return
		}
		s.log.Error("live boards stand still", "error", err)
	}
	return stream.New(o)
}

type liveGateways struct{ s *Server }

// Gateways gives every gateway.
func (l liveGateways) Gateways() []medfleet.Gateway { return l.s.gateways() }

type livePages struct{ Pages }

// Latest gives the newest n pages.
func (l livePages) Latest(ctx context.Context, n int) ([]medfleet.Page, error) {
	pages, _, err := l.Pages.Pages(ctx, n, "")
	return pages, err
}

type liveAlarms struct{ Alarms }

// Bounds of what a snapshot holds of alarms. A board with more open ones than
// this has another problem; the list of the API has them all.
const (
	alarmsAtOnce = 500
	maxOpen      = 5000
)

// Recent gives the open alarms and those that ended since.
func (l liveAlarms) Recent(ctx context.Context, since medfleet.Millis) ([]medfleet.Alarm, error) {
	var all []medfleet.Alarm
	filter := AlarmFilter{States: []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged}, Limit: alarmsAtOnce}
	for len(all) < maxOpen {
		some, next, err := l.Alarms.Alarms(ctx, filter)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if next == "" {
			break
		}
		filter.Cursor = next
	}
	ended, _, err := l.Alarms.Alarms(ctx, AlarmFilter{
		States:       []medfleet.AlarmState{medfleet.Cleared, medfleet.Closed, medfleet.Withdrawn},
		ChangedSince: since, Limit: alarmsAtOnce,
	})
	if err != nil {
		return nil, err
	}
	for _, a := range ended {
		if a.ChangedAt >= since {
			all = append(all, a)
		}
	}
	return all, nil
}

// Alarm gives one alarm.
func (l liveAlarms) Alarm(ctx context.Context, id string) (medfleet.Alarm, bool, error) {
	a, _, err := l.Alarms.Alarm(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return medfleet.Alarm{}, false, nil
	}
	return a, err == nil, err
}
