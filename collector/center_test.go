package collector_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/collector"
	"medfleet/collector/state"
	"medfleet/collector/store"
	"medfleet/profiles"
	"medfleet/record"
)

func TestMain(m *testing.M) {
	// database/sql ends its own goroutine after Close has returned.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// soon is how long what must come is waited for: long, since a machine may be slow, and
// it costs nothing where it comes.
const soon = time.Minute

var set = sync.OnceValue(func() *profiles.Set {
	s, err := profiles.Load("")
	if err != nil {
		panic(err)
	}
	return s
})

// engine notes what it is shown and, as an alarm engine would, has effects in the
// database: one row for each event, with nothing to keep it from writing twice.
type engine struct {
	mu      sync.Mutex
	seen    []string // of this run, replays included
	waiting []string
	ticks   []uint64
	behind  []bool // of every Flush with something to write
	failing int    // Flushes that fail
	resumed int
	at      func(point string) // told where it is; nil for nobody
}

func (e *engine) See(s *medfleet.Sighting) {
	if strings.HasPrefix(string(s.Device.ID), "gateway:") {
		return // what the clock finds of a gateway is nobody's record
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	what := fmt.Sprintf("%s quiet %s", s.Device.ID, s.Device.State)
	switch {
	case s.Event != nil:
		what = s.Event.ID
		e.waiting = append(e.waiting, what)
	case len(s.Readings) > 0:
		what = fmt.Sprintf("%s %g", s.Device.ID, s.Readings[0].Value)
	}
	e.seen = append(e.seen, what)
}

func (e *engine) Tick(_ medfleet.Millis, sequence uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ticks = append(e.ticks, sequence)
}

func (e *engine) Waits(bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting) > 0
}

func (e *engine) Flush(ctx context.Context, tx *sql.Tx, behind bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.waiting {
		if _, err := tx.ExecContext(ctx, `INSERT INTO effects (what) VALUES ($1)`, w); err != nil {
			return err
		}
	}
	if len(e.waiting) > 0 {
		e.behind = append(e.behind, behind)
		e.point("in the transaction")
	}
	if e.failing > 0 && len(e.waiting) > 0 {
		e.failing--
		return errors.New("the database does not answer")
	}
	return nil
}

func (e *engine) point(name string) {
	if e.at != nil {
		e.at(name)
	}
}

func (e *engine) Committed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) > 0 {
		e.waiting = nil
		e.point("after the commit")
	}
}

func (e *engine) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = nil
}

func (e *engine) Snapshot(w io.Writer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.point("while it saves")
	_, err := io.WriteString(w, "engine")
	return err
}

func (e *engine) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if string(b) != "engine" {
		return fmt.Errorf("it is %q: %w", b, err)
	}
	return err
}

func (e *engine) Resume(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumed++
	return nil
}

func (e *engine) count(what string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.seen {
		if s == what {
			n++
		}
	}
	return n
}

// history is a store in memory. What was not synced is gone when it says so.
type history struct {
	mu             sync.Mutex
	points         map[string]float64
	writing, saved error
	writes         int
}

func (h *history) Write(_ context.Context, points []store.Point) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes++
	if h.writing != nil {
		return h.writing
	}
	for _, p := range points {
		for _, f := range p.Fields {
			h.points[fmt.Sprintf("%s %d %s", p.Device, p.Time, f.Metric)] = f.Value
		}
	}
	return nil
}

func (h *history) Sync(context.Context) error                                   { return h.saved }
func (h *history) History(context.Context, store.Query) ([]store.Sample, error) { return nil, nil }
func (h *history) Close() error                                                 { return nil }

func (h *history) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.points)
}

// center is a collector on a folder.
type center struct {
	t      *testing.T
	folder string
	db     *sql.DB
	engine *engine
	store  store.Store
	c      *collector.Collector
	stop   func()
}

// open opens a collector on a folder; run makes it work.
func open(t *testing.T, folder string, change ...func(*collector.Options)) *center {
	t.Helper()
	db, err := state.Open(t.Context(), folder, "")
	require.NoError(t, err)
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS effects (what TEXT NOT NULL)`)
	require.NoError(t, err)
	s := &center{t: t, folder: folder, db: db, engine: &engine{}}
	o := collector.Options{
		Config:   collector.Config{Site: "north", DataDir: folder, Clock: 10 * time.Second},
		Profiles: set(), DB: db, Store: &history{points: map[string]float64{}}, Engine: s.engine, Log: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (medfleet.Principal, error) {
			return medfleet.Principal{Name: "edge-1", Gateway: "edge-1"}, nil
		},
	}
	for _, c := range change {
		c(&o)
	}
	s.store = o.Store
	s.c, err = collector.New(t.Context(), o)
	require.NoError(t, err)
	s.stop = sync.OnceFunc(func() { require.NoError(t, errors.Join(s.c.Close(), db.Close())) })
	t.Cleanup(func() { s.stop() })
	return s
}

func start(t *testing.T, folder string, change ...func(*collector.Options)) *center {
	t.Helper()
	return open(t, folder, change...).run()
}

func (s *center) run() *center {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.c.Run(ctx) }()
	closing := s.stop
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(s.t, err)
		case <-time.After(2 * soon):
			s.t.Error("the collector does not end")
		}
		closing()
	})
	return s
}

// send sends a gateway's events n, n+1, … to (not with) end, each followed by an
// observation.
func (s *center) send(n, end int) {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/v2/write", bytes.NewReader(body(n, end)))
	for key, value := range map[string]string{
		"Medfleet-Gateway": "edge-1", "Medfleet-Stream": "events", "Medfleet-Epoch": "7", "Medfleet-First-Sequence": strconv.Itoa(2*n + 1),
	} {
		r.Header.Set(key, value)
	}
	s.c.Door().ServeHTTP(w, r)
	require.Equal(s.t, http.StatusNoContent, w.Code, w.Body.String())
}

func body(n, end int) (b []byte) {
	for i := n; i < end; i++ {
		b = record.AppendFrame(b, event(i))
		b = record.AppendFrame(b, observation(i))
	}
	return b
}

var began = time.Now().Add(-time.Minute) // so that an event sent again has the same time

func event(i int) []byte {
	at := medfleet.AsMillis(began) + medfleet.Millis(i)
	var encoder record.Encoder
	e := record.Envelope{Kind: record.Event, Epoch: 7, Sequence: uint64(2*i + 1), Received: at, Gateway: []byte("edge-1"), Stream: []byte("events")}
	e.Line = encoder.Event(nil, &medfleet.Event{
		Equipment: medfleet.Equipment{Device: medfleet.DeviceID(fmt.Sprintf("p%d", i%5)), Class: "infusion_pump", Site: "north"},
		ID:        fmt.Sprintf("e%d", i), Time: at, Condition: "battery_low", Phase: medfleet.Start, Kind: medfleet.Technical,
	})
	return e.Append(nil)
}

func observation(i int) []byte {
	at := medfleet.AsMillis(began) + medfleet.Millis(i)
	var encoder record.Encoder
	e := record.Envelope{Kind: record.Observation, Epoch: 7, Sequence: uint64(2*i + 2), Received: at, Gateway: []byte("edge-1"), Stream: []byte("events")}
	e.Line = encoder.Observation(nil, &medfleet.Observation{
		Equipment: medfleet.Equipment{Device: medfleet.DeviceID(fmt.Sprintf("p%d", i%5)), Class: "infusion_pump", Site: "north"},
		Time:      at, Gateway: "edge-1", Readings: []medfleet.Reading{{Metric: "operating_hours", Value: float64(i)}, {Metric: "state", Value: float64(i % 3)}},
	})
	return e.Append(nil)
}

func (s *center) number(query string) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRow(query).Scan(&n))
	return n
}

// settled waits until n events have had their effects.
func (s *center) settled(n int) *center {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.number(`SELECT count(*) FROM effects`) >= n }, 5*soon, 10*time.Millisecond, "the watch stands still")
	return s
}

// exactly holds the database against what must be true: each event is there once,
// and has had its effect once.
func (s *center) exactly(n int) {
	s.t.Helper()
	s.settled(n)
	require.Equal(s.t, n, s.number(`SELECT count(*) FROM events`))
	require.Equal(s.t, n, s.number(`SELECT count(DISTINCT what) FROM effects`))
	require.Equal(s.t, n, s.number(`SELECT count(*) FROM effects`), "an effect was repeated")
}

// copied copies what a power cut would leave of a folder.
func copied(t *testing.T, from string) string {
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Error(err)
	}
	return to
}

func damage(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte("this is no snapshot"), 0o600))
}

func gone(t *testing.T, folder string, pattern string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, pattern))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, n := range names {
		require.NoError(t, os.RemoveAll(n))
	}
}
