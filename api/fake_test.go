package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/profiles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ward is a collector in memory: every reader of the API.
type ward struct {
	mu        sync.Mutex
	devices   map[medfleet.DeviceID]medfleet.Device
	alarms    []medfleet.Alarm // newest first
	steps     map[string][]Transition
	pages     []medfleet.Page
	gates     []medfleet.Gateway
	stays     []medfleet.Stay
	stretches []medfleet.Stretch
	events    []medfleet.Event
	samples   []Sample
	asked     struct {
		step     time.Duration
		from, to medfleet.Millis
	}
	err error // what every reader answers, when set
}

func newWard() *ward {
	return &ward{devices: map[medfleet.DeviceID]medfleet.Device{}, steps: map[string][]Transition{}}
}

func (w *ward) put(d medfleet.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.devices[d.ID] = d
}

func (w *ward) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *ward) Devices() []medfleet.Device {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []medfleet.Device
	for _, d := range w.devices {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b medfleet.Device) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

func (w *ward) Device(id medfleet.DeviceID) (medfleet.Device, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.devices[id]
	return d, ok
}

func (w *ward) Stretches(_ context.Context, _ medfleet.DeviceID, _, _ medfleet.Millis) ([]medfleet.Stretch, error) {
	return w.stretches, w.err
}

func (w *ward) Events(_ context.Context, _ medfleet.DeviceID, limit int, before string) ([]medfleet.Event, string, error) {
	return turn(w.events, limit, before, func(e medfleet.Event) string { return e.ID }, w.err)
}

func (w *ward) Attachments(_ context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Stay, string, error) {
	var stays []medfleet.Stay
	for _, s := range w.stays {
		if s.Part == id || s.Parent == id {
			stays = append(stays, s)
		}
	}
	return turn(stays, limit, before, func(s medfleet.Stay) string { return s.ID }, w.err)
}

func (w *ward) History(_ context.Context, _ medfleet.DeviceID, _ string, from, to medfleet.Millis, step time.Duration) ([]Sample, error) {
	w.asked.from, w.asked.to, w.asked.step = from, to, step
	return w.samples, w.err
}

func (w *ward) Alarms(_ context.Context, f AlarmFilter) ([]medfleet.Alarm, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var chosen []medfleet.Alarm
	for _, a := range w.alarms {
		if (len(f.States) == 0 || slices.Contains(f.States, a.State)) && (f.Device == "" || f.Device == a.Device) &&
			(f.Unit == "" || f.Unit == a.Unit) && (f.Priority == "" || f.Priority == a.Priority) && (f.Class == "" || f.Class == a.Class) {
			chosen = append(chosen, a)
		}
	}
	return turn(chosen, f.Limit, f.Cursor, func(a medfleet.Alarm) string { return a.ID }, w.err)
}

func (w *ward) Alarm(_ context.Context, id string) (medfleet.Alarm, []Transition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.alarms {
		if a.ID == id {
			return a, w.steps[id], w.err
		}
	}
	return medfleet.Alarm{}, nil, fmt.Errorf("read alarm %s: %w", id, ErrUnknown)
}

func (w *ward) Acknowledge(ctx context.Context, id, note string) (medfleet.Alarm, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.alarms, func(a medfleet.Alarm) bool { return a.ID == id })
	if i < 0 {
		return medfleet.Alarm{}, fmt.Errorf("acknowledge: %w", ErrUnknown)
	}
	a := &w.alarms[i]
	if !a.State.Open() {
		return *a, fmt.Errorf("acknowledge: %w", ErrState)
	}
	if a.State == medfleet.Active {
		a.State, a.AcknowledgedBy, a.Note = medfleet.Acknowledged, medfleet.PrincipalFrom(ctx).Name, note
		w.steps[id] = append(w.steps[id], Transition{ID: fmt.Sprint(len(w.steps[id])), State: a.State, Who: a.AcknowledgedBy, Note: note})
	}
	return *a, nil
}

func (w *ward) Pages(_ context.Context, limit int, cursor string) ([]medfleet.Page, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return turn(w.pages, limit, cursor, func(p medfleet.Page) string { return p.ID }, w.err)
}

func (w *ward) Gateways() []medfleet.Gateway {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.gates)
}

// turn gives a page of a list whose cursor is the last id.
func turn[T any](all []T, limit int, cursor string, id func(T) string, err error) ([]T, string, error) {
	if err != nil {
		return nil, "", err
	}
	if cursor != "" {
		i := slices.IndexFunc(all, func(t T) bool { return id(t) == cursor })
		if i < 0 {
			return nil, "", fmt.Errorf("read list: %w", ErrCursor)
		}
		all = all[i+1:]
	}
	if len(all) > limit {
		return all[:limit], id(all[limit-1]), nil
	}
	return all, "", nil
}

// Everybody that tests may be, by the role's name as the token's beginning.
func secretOf(r medfleet.Role) string { return r.String() + "-secret-0123456789" }

func testTokens(t *testing.T) *Tokens {
	t.Helper()
	var list []Token
	for r := medfleet.RoleNone; r <= medfleet.RoleAdmin; r++ {
		token, err := NewToken(medfleet.Principal{Name: "the-" + r.String(), Role: r}, secretOf(r))
		require.NoError(t, err)
		list = append(list, token)
	}
	tokens, err := NewTokens(list)
	require.NoError(t, err)
	return tokens
}

func testProfiles(t *testing.T) *profiles.Set {
	t.Helper()
	set, err := profiles.Load("")
	require.NoError(t, err)
	return set
}

// testOptions has every reader on one ward, and tokens before loopback.
func testOptions(t *testing.T, w *ward) Options {
	t.Helper()
	return Options{
		Readers: Readers{Devices: w, Records: w, History: w, Alarms: w, Pages: w, Gateways: w, Profiles: testProfiles(t)},
		Auth:    FirstOf(testTokens(t), Loopback{medfleet.Principal{Name: "demo", Role: medfleet.RoleAdmin}}),
		Version: "test",
	}
}

// served is an API behind a real server, its hub running.
type served struct {
	*Server
	t   *testing.T
	url string
}

func serve(t *testing.T, o Options) *served {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &served{s, t, server.URL}
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (s *served) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, s.url+path, content)
	require.NoError(s.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return reply{answer.StatusCode, answer.Header, text}
}

func (s *served) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", headers...)
}

// read decodes an answer that must be good.
func read[T any](t *testing.T, r reply) T {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	var v T
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&v), "%s", r.body)
	return v
}

// problemOf decodes an answer that must be a problem of a kind.
func problemOf(t *testing.T, r reply, k kind) Problem {
	t.Helper()
	require.Equal(t, k.status, r.status, "%s", r.body)
	require.Equal(t, problemType, r.header.Get("Content-Type"))
	var p Problem
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&p), "%s", r.body)
	require.Equal(t, k.uri(), p.Type)
	require.Equal(t, k.title, p.Title)
	require.Equal(t, k.status, p.Status)
	require.NotEmpty(t, p.Detail)
	return p
}
