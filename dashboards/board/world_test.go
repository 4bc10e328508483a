package board

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/profiles"
)

// world is a small hospital that the tests look at: it gives the board what the
// collector would.
type world struct {
	mu        sync.Mutex
	start     medfleet.Millis
	devices   []medfleet.Device
	alarms    []medfleet.Alarm
	pages     []medfleet.Page
	gateways  []medfleet.Gateway
	events    []medfleet.Event
	stretches []medfleet.Stretch
	broken    error // what the records answer with
	noHistory error
	asked     AlarmQuery // the last one
}

var (
	wards   = []medfleet.CareUnit{"4W", "ED", "ICU", "NICU", "OR"}
	classes = []struct {
		class  medfleet.Class
		prefix string
		model  string
	}{
		{"infusion_pump", "PUMP", "Volumat 8"}, {"patient_monitor", "MON", "VistaCare M12"},
		{"syringe_pump", "SYR", "Perfuset S2"}, {"ventilator", "VENT", "Aerion 500"},
	}
)

// newWorld makes n devices, spread over the wards.
func newWorld(n int) *world {
	now := medfleet.AsMillis(time.Now())
	w := &world{start: now}
	for i := range n {
		c := classes[i%len(classes)]
		d := medfleet.Device{
			ID: medfleet.DeviceID(fmt.Sprintf("%s-%04d", c.prefix, 1001+i)), Class: c.class, Model: c.model,
			Site: "North", Unit: wards[i%len(wards)], State: medfleet.InUse, Native: "running",
			Since: now.Add(-time.Duration(3+i) * time.Minute), InService: true, FirstSeen: now.Add(-40 * 24 * time.Hour),
			LastSeen: now.Add(-4 * time.Second), Gateway: "gw-floor-2",
			Readings: map[string]float64{"battery_charge": 82, "operating_hours": 12345, "on_mains": 1},
		}
		switch i % 7 {
		case 3, 4:
			d.State, d.Native = medfleet.Idle, "standby"
		case 6:
			d.State, d.Native = medfleet.Off, "off"
		}
		w.devices = append(w.devices, d)
	}
	w.gateways = []medfleet.Gateway{
		{Name: "gw-floor-2", Site: "North", LastSeen: now.Add(-2 * time.Second), Up: true, Feeds: []medfleet.Feed{
			{Name: "hl7", Up: true, LastHeard: now.Add(-2 * time.Second), Messages: 90412, Devices: 31}, {Name: "mqtt", Up: true, LastHeard: now.Add(-4 * time.Second), Messages: 12, Devices: 1},
		}},
		{Name: "gw-theatre", Site: "North", LastSeen: now.Add(-7 * time.Second), Up: true, EventsDepth: 3, TelemetryDepth: 40, OldestSeconds: 4.2, ClockOffset: -90, ClockKnown: true, Feeds: []medfleet.Feed{
			{Name: "hl7 ward-rack", Up: true, Quiet: true, LastHeard: now.Add(-4 * time.Minute), Messages: 4021, Devices: 9}, {Name: "mqtt", Up: true, Messages: 0},
			{Name: "mqtt broker.example", LastHeard: now.Add(-7 * time.Minute), Messages: 311, Devices: 8},
		}},
		{Name: "gw-west", Site: "North", LastSeen: now.Add(-3 * time.Minute), Feeds: []medfleet.Feed{{Name: "hl7", Up: true, LastHeard: now.Add(-3 * time.Minute), Messages: 5, Devices: 2}}},
	}
	return w
}

// alarm raises one on the i-th device.
func (w *world) alarm(i int, p medfleet.Priority, rule, summary string, ago time.Duration) *medfleet.Alarm {
	d := w.devices[i]
	since := w.start.Add(-ago)
	w.alarms = append(w.alarms, medfleet.Alarm{
		ID: fmt.Sprintf("01JZ0000000000000000%06d", len(w.alarms)), Rule: rule, Device: d.ID, Class: d.Class, Model: d.Model,
		Site: d.Site, Unit: d.Unit, Priority: p, State: medfleet.Active, Since: since, RaisedAt: since, ChangedAt: since,
		Summary: summary, Action: "Take it out of use and bring a spare", Paged: p == medfleet.Now,
	})
	return &w.alarms[len(w.alarms)-1]
}

// busy puts the usual trouble into a world of 50.
func (w *world) busy() *world {
	w.alarm(3, medfleet.Now, "SelfTestFailed", "VENT-1004 failed its self-test", 4*time.Minute)
	w.alarm(12, medfleet.Today, "BatteryWearsOut", "PUMP-1013 battery holds 71 % of its rated charge", 3*time.Hour)
	w.alarm(22, medfleet.Today, "OcclusionSensor", "SYR-1023 had 14 occlusion alarms in an hour, peers 1.2", 50*time.Minute)
	w.alarm(33, medfleet.Round, "DoorChatter", "MON-1034 cuff inflates slowly, 41 s", 26*time.Hour)
	a := w.alarm(8, medfleet.Today, "BatteryWearsOut", "PUMP-1009 battery holds 64 % of its rated charge", 5*time.Hour)
	a.State, a.AcknowledgedBy, a.AcknowledgedAt = medfleet.Acknowledged, "j.ortiz", w.start.Add(-2*time.Hour)
	a.ChangedAt = a.AcknowledgedAt
	a = w.alarm(5, medfleet.Today, "DeviceSilent", "MON-1006 was not heard for 6 min", 20*time.Minute)
	a.State, a.ClearedAt, a.ChangedAt = medfleet.Cleared, w.start.Add(-8*time.Minute), w.start.Add(-8*time.Minute)
	w.devices[17].State, w.devices[17].Native = medfleet.Unheard, ""
	w.devices[29].State, w.devices[29].Native = medfleet.Blind, ""
	w.devices[40].State, w.devices[40].Native, w.devices[40].InService = medfleet.OutOfService, "service", false
	w.pages = []medfleet.Page{{
		ID: "01JZ00000000000000009P0001", Alarm: w.alarms[0].ID, Device: "VENT-1004", Rule: "SelfTestFailed", Site: "North", Priority: medfleet.Now,
		About: "raised", Channel: "webhook", To: "on-call BMET", Text: "P1 ICU VENT-1004 Aerion 500 self-test failed", State: medfleet.Sent, Attempts: 1,
		QueuedAt: w.start.Add(-4 * time.Minute), SentAt: w.start.Add(-4*time.Minute + time.Second),
	}}
	return w
}

// modular puts a pump and a module into a monitor, and makes the pump report codes.
func (w *world) modular() *world {
	pump, mon := &w.devices[0], &w.devices[1]
	pump.Model = "Perfusor compact S"
	pump.Parent, pump.Slot, pump.Attached = mon.ID, "10", w.start.Add(-3*time.Hour)
	mon.Parts = []medfleet.Stay{
		{ID: "1", Part: "NIBP-7", Type: "MDC_DEV_METER_PRESS_BLD_NONINV_VMD", Model: "MPM-12", Parent: mon.ID, Slot: "1", From: w.start.Add(-2 * time.Hour), Seen: w.start.Add(-20 * time.Minute)},
		{ID: "2", Part: pump.ID, Model: pump.Model, Parent: mon.ID, Slot: "10", From: pump.Attached, Seen: w.start.Add(-10 * time.Minute)},
	}
	q := medfleet.Equipment{Device: pump.ID, Class: pump.Class, Model: pump.Model}
	w.events = append(w.events,
		medfleet.Event{ID: "e1", Equipment: q, Time: w.start.Add(-time.Minute), Condition: "device_failure", Phase: medfleet.Start, Kind: medfleet.Technical, Text: "device failure", Code: "22"},
		medfleet.Event{ID: "e2", Equipment: q, Time: w.start.Add(-2 * time.Minute), Condition: "device_failure", Phase: medfleet.Start, Kind: medfleet.Technical, Text: "device failure", Code: "E-NEW"},
	)
	return w
}

func (w *world) Device(id medfleet.DeviceID) (medfleet.Device, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.devices, func(d medfleet.Device) bool { return d.ID == id })
	if i < 0 {
		return medfleet.Device{}, false
	}
	return w.devices[i], true
}

func (w *world) Stretches(_ context.Context, _ medfleet.DeviceID, from, to medfleet.Millis) ([]medfleet.Stretch, error) {
	if w.broken != nil || w.stretches != nil {
		return w.stretches, w.broken
	}
	states := []medfleet.State{medfleet.InUse, medfleet.Idle, medfleet.InUse, medfleet.Off, medfleet.Unheard, medfleet.InUse, medfleet.OutOfService, medfleet.Blind, medfleet.Idle, medfleet.InUse}
	step := (to - from) / medfleet.Millis(len(states))
	var out []medfleet.Stretch
	for i, s := range states {
		at := from + medfleet.Millis(i)*step
		out = append(out, medfleet.Stretch{State: s, From: at, To: at + step})
	}
	out[0].From -= 5000
	out[len(out)-1].To = 0
	return out, nil
}

func (w *world) Events(_ context.Context, id medfleet.DeviceID, limit int, _ string) ([]medfleet.Event, string, error) {
	var out []medfleet.Event
	for _, e := range w.events {
		if e.Device == id && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, "", nil
}

func (w *world) History(_ context.Context, _ medfleet.DeviceID, metric string, from, to medfleet.Millis, step time.Duration) ([]Sample, error) {
	if w.noHistory != nil {
		return nil, w.noHistory
	}
	curve := map[string]func(float64) float64{
		"battery_charge":      func(x float64) float64 { return 60 + 35*math.Cos(x*9) },
		"battery_health":      func(x float64) float64 { return 84 - 13*x },
		"on_mains":            func(x float64) float64 { return math.Round(0.5 + 0.5*math.Sin(x*9+1.5)) },
		"battery_temperature": func(x float64) float64 { return 31 + 3*math.Sin(x*12) },
		"operating_hours":     func(x float64) float64 { return 12325 + 20*x },
		"motor_current":       func(x float64) float64 { return 140 + 12*math.Sin(x*50)*math.Sin(x*3) },
	}[metric]
	if curve == nil {
		return nil, nil
	}
	var out []Sample
	for at := from; at < to; at = at.Add(step) {
		x := float64(at-from) / float64(to-from)
		if x > 0.4 && x < 0.5 {
			continue // the time in which it was unheard
		}
		out = append(out, Sample{at, curve(x)})
	}
	return out, nil
}

func (w *world) Alarms(_ context.Context, q AlarmQuery) ([]medfleet.Alarm, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = q
	if w.broken != nil {
		return nil, "", w.broken
	}
	var out []medfleet.Alarm
	for _, a := range w.alarms {
		if (q.Device == "" || q.Device == a.Device) && (len(q.States) == 0 || slices.Contains(q.States, a.State)) {
			out = append(out, a)
		}
	}
	if len(out) > 3 && q.Device == "" && q.Cursor == "" {
		return out, "after-these", nil
	}
	return out, "", nil
}

func (w *world) Pages(context.Context, int, string) ([]medfleet.Page, string, error) {
	return w.pages, "", w.broken
}

// acknowledge is what the server does for POST …/ack.
func (w *world) acknowledge(id, who string) (medfleet.Alarm, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.alarms {
		a := &w.alarms[i]
		if a.ID != id {
			continue
		}
		a.State, a.AcknowledgedBy, a.AcknowledgedAt = medfleet.Acknowledged, who, medfleet.AsMillis(time.Now())
		a.ChangedAt = a.AcknowledgedAt
		return *a, nil
	}
	return medfleet.Alarm{}, errors.New("no such alarm")
}

// handler gives the board over a world.
func (w *world) handler(t testing.TB) http.Handler {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	h, err := New(Options{Site: "North Hospital", Zone: time.UTC, Version: "test", Profiles: set, Devices: w, Records: w, History: w, Alarms: w, Pages: w})
	require.NoError(t, err)
	return h
}

// get asks the board for a page.
func (w *world) get(t testing.TB, address string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRecorder()
	w.handler(t).ServeHTTP(r, httptest.NewRequest(http.MethodGet, address, nil))
	return r
}
