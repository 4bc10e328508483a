// Package api is the collector over HTTP: what it knows of devices, alarms, pages
// and gateways as JSON, the acknowledgement of an alarm, the live stream, the
// probes, and the doors of others (the write door, the board, the metrics).
//
// It keeps nothing itself. What it needs is stated as small interfaces; whoever
// joins the parts gives it readers of the roster, the alarm book and the stores.
//
// Three things hold for every route. It stands in one table with the weakest role
// that may use it, and what is not in the table is refused. Whatever is wrong is
// answered as application/problem+json (RFC 9457) with a type that stays the same
// between versions, except at the write door, which speaks InfluxDB's JSON. And a
// list is {"items": […], "next": cursor}, each item with an id.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"medfleet"
	"medfleet/api/stream"
	"medfleet/profiles"
)

// Devices reads the roster. Devices gives copies, sorted by id; Device also finds
// a device by an alias and reports false for one that was never heard of.
type Devices interface {
	Devices() []medfleet.Device
	Device(id medfleet.DeviceID) (medfleet.Device, bool)
}

// Records reads what was recorded of a device. Stretches gives the state
// intervals that touch [from, to), oldest first. Events gives at most limit
// events, newest first, older than the cursor before, and the next cursor, empty
// at the end. So does Attachments with where a part has been and which parts a
// device has had.
type Records interface {
	Stretches(ctx context.Context, id medfleet.DeviceID, from, to medfleet.Millis) ([]medfleet.Stretch, error)
	Events(ctx context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Event, string, error)
	Attachments(ctx context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Stay, string, error)
}

// Sample is a metric's value at a time, in the unit of the device's profile.
type Sample struct {
	Time  medfleet.Millis `json:"time"`
	Value float64         `json:"value"`
}

// History reads a metric over [from, to), oldest first: the newest value in each
// step, or every value when step is 0.
type History interface {
	History(ctx context.Context, id medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]Sample, error)
}

// AlarmFilter selects alarms; what is zero selects all. ChangedSince asks for
// those that changed at that time or later; whoever reads may ignore it.
type AlarmFilter struct {
	States       []medfleet.AlarmState
	Device       medfleet.DeviceID
	Unit         medfleet.CareUnit
	Class        medfleet.Class
	Priority     medfleet.Priority
	ChangedSince medfleet.Millis
	Limit        int
	Cursor       string
}

// Transition is one step in an alarm's life: when it came into which state, by
// whom, and what they noted.
type Transition struct {
	ID    string              `json:"id"`
	Time  medfleet.Millis     `json:"time"`
	State medfleet.AlarmState `json:"state" enum:"active,acknowledged,cleared,closed,withdrawn"`
	Who   string              `json:"who,omitempty" doc:"empty when nobody did it: the device, or the rule"`
	Note  string              `json:"note,omitempty"`
}

// Alarms reads the alarm book and acknowledges in it, as the principal of the
// context. Lists are newest first. An unknown id is ErrUnknown, an alarm that is
// no longer open ErrState; acknowledging twice is one transition.
type Alarms interface {
	Alarms(ctx context.Context, filter AlarmFilter) ([]medfleet.Alarm, string, error)
	Alarm(ctx context.Context, id string) (medfleet.Alarm, []Transition, error)
	Acknowledge(ctx context.Context, id, note string) (medfleet.Alarm, error)
}

// What an implementation of Alarms answers with; it may wrap them.
var (
	ErrUnknown = errors.New("no such alarm")
	ErrState   = errors.New("alarm is not open")
)

// ErrCursor is what a reader answers to a cursor that it did not give.
var ErrCursor = errors.New("cursor is not one that a list gave")

// Pages reads the pages, newest first.
type Pages interface {
	Pages(ctx context.Context, limit int, cursor string) ([]medfleet.Page, string, error)
}

// Gateways reads every gateway, sorted by name.
type Gateways interface {
	Gateways() []medfleet.Gateway
}

// Check is one thing that must hold for the collector to be ready.
type Check struct {
	Name   string `json:"id"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Readers are where the API reads. All are needed.
type Readers struct {
	Devices  Devices
	Records  Records
	History  History
	Alarms   Alarms
	Pages    Pages
	Gateways Gateways
	Profiles *profiles.Set
}

// Doors are handlers of others that are served beside the API; a door that is
// nil answers 404. Write authenticates by itself and answers as InfluxDB does.
type Doors struct {
	Write   http.Handler // POST /api/v2/write
	Metrics http.Handler // GET /metrics
	Board   http.Handler // everything that nobody else answers
}

// Options sets a server up. Readers and Auth are needed.
type Options struct {
	Readers
	Doors
	Auth    Authenticator
	Ready   func() []Check // nil is ready
	Live    func() error   // why the readers do not show the present; nil: they do
	Version string
	Log     *slog.Logger
	Stream  stream.Options // times and bounds only; zero is the default
}

// Server is the API: a handler and the loop behind its live stream.
type Server struct {
	o       Options
	log     *slog.Logger
	hub     *stream.Hub
	mux     *guardedMux
	handler http.Handler
	api     huma.API
	spec    []byte
	traffic *traffic
}

// New builds the handler and starts nothing. It fails when a reader is missing
// or a route has no row in the table of roles.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	s := &Server{o: o, log: o.Log, traffic: newTraffic()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.o.Devices = wellFormed{o.Devices}
	hub, err := s.newHub()
	if err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	s.hub = hub
	s.mux = newGuardedMux(s.guard)
	s.api = newHuma(s.mux, o.Version)
	s.mount()
	if err := s.mux.complete(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	if s.spec, err = s.describe(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	s.handler = s.secured(s.mux)
	return s, nil
}

func (o *Options) check() error {
	missing := func(name string) error { return fmt.Errorf("%s is missing", name) }
	switch {
	case o.Devices == nil:
		return missing("reader of devices")
	case o.Records == nil:
		return missing("reader of records")
	case o.History == nil:
		return missing("reader of history")
	case o.Alarms == nil:
		return missing("reader of alarms")
	case o.Pages == nil:
		return missing("reader of pages")
	case o.Gateways == nil:
		return missing("reader of gateways")
	case o.Profiles == nil:
		return missing("set of profiles")
	case o.Auth == nil:
		return missing("authenticator")
	}
	return nil
}

// Handler serves everything.
func (s *Server) Handler() http.Handler { return s.handler }

// Run feeds the live stream until ctx ends and every client of it is gone.
func (s *Server) Run(ctx context.Context) error { return s.hub.Run(ctx) }

// Changed notes that something is different now. It never waits.
func (s *Server) Changed(c medfleet.Change) { s.hub.Changed(c) }

func (s *Server) mount() {
	s.mountDevices()
	s.mountRecords()
	s.mountAlarms()
	s.mountPages()
	s.mountGateways()
	s.mountDoors()
	s.mountProbes()
}
