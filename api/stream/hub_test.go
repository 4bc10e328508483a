package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a source in memory that tells a hub what changes.
type world struct {
	mu       sync.Mutex
	devices  map[medfleet.DeviceID]medfleet.Device
	alarms   map[string]medfleet.Alarm
	pages    []medfleet.Page
	gateways []medfleet.Gateway
	err      error
	reads    int
}

func newWorld() *world {
	return &world{devices: map[medfleet.DeviceID]medfleet.Device{}, alarms: map[string]medfleet.Alarm{}}
}

func (w *world) Devices() []medfleet.Device {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []medfleet.Device
	for _, d := range w.devices {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b medfleet.Device) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

func (w *world) Device(id medfleet.DeviceID) (medfleet.Device, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.devices[id]
	return d, ok
}

func (w *world) Recent(context.Context, medfleet.Millis) ([]medfleet.Alarm, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []medfleet.Alarm
	for _, a := range w.alarms {
		all = append(all, a)
	}
	w.reads++
	return all, w.err
}

func (w *world) Alarm(_ context.Context, id string) (medfleet.Alarm, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	a, ok := w.alarms[id]
	return a, ok, w.err
}

func (w *world) Latest(_ context.Context, n int) ([]medfleet.Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.pages[:min(n, len(w.pages))]), w.err
}

func (w *world) Gateways() []medfleet.Gateway {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.gateways)
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *world) device(h *Hub, id string, native string) {
	w.mu.Lock()
	w.devices[medfleet.DeviceID(id)] = medfleet.Device{ID: medfleet.DeviceID(id), State: medfleet.Idle, Native: native}
	w.mu.Unlock()
	h.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: id})
}

func (w *world) alarm(h *Hub, id string, state medfleet.AlarmState) {
	w.mu.Lock()
	w.alarms[id] = medfleet.Alarm{ID: id, State: state}
	w.mu.Unlock()
	h.Changed(medfleet.Change{Kind: medfleet.AlarmChanged, ID: id})
}

// quick has the default's proportions in a tenth of its time or less.
func quick(w *world) Options {
	return Options{
		Source:   Source{Devices: w, Alarms: w, Pages: w, Gateways: w},
		Interval: 10 * time.Millisecond, Beat: 40 * time.Millisecond,
		PongWait: soon, WriteWait: soon, AskWait: soon, Recheck: soon,
	}
}

// soon is how long what must come is waited for: long, since a machine may be slow, and
// it costs nothing where it comes.
const soon = time.Minute

// running is a hub behind a real server whose sockets hold little, so that a
// client that does not read is soon felt.
type running struct {
	*Hub
	t      testing.TB
	url    string
	stop   func()
	server *httptest.Server
}

type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	h, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	require.Eventually(t, func() bool { return h.now.Load().beat != nil }, soon, time.Millisecond)
	server := httptest.NewUnstartedServer(h)
	server.Listener = narrow{server.Listener}
	server.Start()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(func() {
		stop()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &running{h, t, "ws" + strings.TrimPrefix(server.URL, "http"), stop, server}
}

// settled waits until everything that changed is published.
func (r *running) settled() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.changes.mu.Lock()
		defer r.changes.mu.Unlock()
		return len(r.changes.pending) == 0 && r.now.Load().seq == r.changes.seq
	}, soon, time.Millisecond)
}

// viewer is a client that reads.
type viewer struct {
	t    testing.TB
	conn *websocket.Conn
	hello
	view map[string]string // what it would show: device → native state, alarm → state
	seq  uint64
}

type hello struct {
	Type  string `json:"type"`
	Epoch string `json:"epoch"`
	Beat  int    `json:"beat_ms"`
}

type message struct {
	Type     string             `json:"type"`
	Seq      uint64             `json:"seq"`
	Time     medfleet.Millis    `json:"time"`
	Devices  []medfleet.Device  `json:"devices"`
	Alarms   []medfleet.Alarm   `json:"alarms"`
	Pages    []medfleet.Page    `json:"pages"`
	Gateways []medfleet.Gateway `json:"gateways"`
}

func (r *running) connect() *viewer {
	r.t.Helper()
	conn, answer, err := websocket.DefaultDialer.Dial(r.url, nil)
	require.NoError(r.t, err)
	answer.Body.Close()
	r.t.Cleanup(func() { conn.Close() })
	v := &viewer{t: r.t, conn: conn, view: map[string]string{}}
	conn.SetReadDeadline(time.Now().Add(soon))
	require.NoError(r.t, conn.ReadJSON(&v.hello))
	require.Equal(r.t, "hello", v.Type)
	require.Equal(r.t, r.epoch, v.Epoch)
	return v
}

func (v *viewer) say(text string) {
	v.t.Helper()
	require.NoError(v.t, v.conn.WriteMessage(websocket.TextMessage, []byte(text)))
}

// next reads a frame and applies it.
func (v *viewer) next() message {
	v.t.Helper()
	v.conn.SetReadDeadline(time.Now().Add(soon))
	_, text, err := v.conn.ReadMessage()
	require.NoError(v.t, err)
	var m message
	require.NoError(v.t, json.Unmarshal(text, &m), "%s", text)
	require.NotZero(v.t, m.Time)
	v.apply(m)
	return m
}

func (v *viewer) apply(m message) {
	v.t.Helper()
	require.GreaterOrEqual(v.t, m.Seq, v.seq, "sequence numbers do not go back")
	switch m.Type {
	case "snapshot":
		clear(v.view)
	case "delta":
		require.Greater(v.t, m.Seq, v.seq)
	case "beat":
		require.Equal(v.t, v.seq, m.Seq, "a beat never says more than was shown")
	}
	v.seq = m.Seq
	for _, d := range m.Devices {
		v.view[string(d.ID)] = d.Native
	}
	for _, a := range m.Alarms {
		v.view[a.ID] = string(a.State)
	}
}

// until reads frames until one is of a type.
func (v *viewer) until(kind string) message {
	v.t.Helper()
	for {
		if m := v.next(); m.Type == kind {
			return m
		}
	}
}

func (v *viewer) shows(id, what string) {
	v.t.Helper()
	for v.view[id] != what {
		v.next()
	}
}

// cut1006 is what closed gives when the connection ended without a close frame.
const cut1006 = websocket.CloseAbnormalClosure

// closed reads until the connection ends and gives the code.
func (v *viewer) closed() int {
	v.t.Helper()
	v.conn.SetReadDeadline(time.Now().Add(soon))
	for {
		if _, _, err := v.conn.ReadMessage(); err != nil {
			var c *websocket.CloseError
			if errors.As(err, &c) {
				return c.Code
			}
			require.False(v.t, errors.Is(err, os.ErrDeadlineExceeded), "still open")
			return cut1006
		}
	}
}

func TestSnapshotThenDeltasAndBeats(t *testing.T) {
	w := newWorld()
	r := run(t, quick(w))
	w.pages = []medfleet.Page{{ID: "P1"}}
	w.gateways = []medfleet.Gateway{{Name: "gw-1"}, {Name: "gw-2"}}
	w.device(r.Hub, "pump-1", "standby")
	w.alarm(r.Hub, "A1", medfleet.Active)
	r.settled()

	v := r.connect()
	require.Equal(t, 40, v.Beat)
	v.say(`{"type":"snapshot"}`)
	m := v.next()
	require.Equal(t, "snapshot", m.Type)
	require.Equal(t, map[string]string{"pump-1": "standby", "A1": "active"}, v.view)
	require.Equal(t, "P1", m.Pages[0].ID)
	require.Len(t, m.Gateways, 2)
	v.until("beat")

	w.device(r.Hub, "pump-2", "infusing")
	m = v.until("delta")
	require.Equal(t, map[string]string{"pump-1": "standby", "pump-2": "infusing", "A1": "active"}, v.view)
	require.Equal(t, []medfleet.Alarm{}, m.Alarms, "lists are never null")

	r.Changed(medfleet.Change{Kind: medfleet.GatewayChanged, ID: "gw-2"})
	m = v.until("delta")
	require.Len(t, m.Gateways, 1)
	require.Equal(t, "gw-2", m.Gateways[0].Name)
	r.Changed(medfleet.Change{Kind: medfleet.PageChanged, ID: "P1"})
	m = v.until("delta")
	require.Equal(t, "P1", m.Pages[0].ID)
	r.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: "gone"})
	m = v.until("delta")
	require.Empty(t, m.Devices, "what is gone is left out")
}

func TestManyChangesOfOneThingAreOne(t *testing.T) {
	w := newWorld()
	o := quick(w)
	o.Interval, o.Beat = 200*time.Millisecond, time.Hour
	r := run(t, o)
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	began := time.Now()
	for i := range 1000 {
		w.device(r.Hub, "pump-1", strings.Repeat("x", i%7)+"y")
	}
	w.device(r.Hub, "pump-1", "last")
	frames := 0
	for v.view["pump-1"] != "last" {
		m := v.until("delta")
		frames++
		require.Len(t, m.Devices, 1)
	}
	require.LessOrEqual(t, frames, 2+int(time.Since(began)/o.Interval), "the changes within an interval are one object")
}

func TestResume(t *testing.T) {
	w := newWorld()
	r := run(t, quick(w))
	w.device(r.Hub, "pump-1", "standby")
	r.settled()
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	known := v.seq
	v.conn.Close()

	w.device(r.Hub, "pump-2", "infusing")
	r.settled()
	again := r.connect()
	again.seq = known
	again.say(`{"type":"resume","epoch":"` + r.epoch + `","seq":` + jsonOf(known) + `}`)
	m := again.next()
	require.Equal(t, "delta", m.Type)
	require.Equal(t, map[string]string{"pump-2": "infusing"}, again.view, "only what was missed")
	again.conn.Close()

	upToDate := r.connect()
	upToDate.seq = m.Seq
	upToDate.say(`{"type":"resume","epoch":"` + r.epoch + `","seq":` + jsonOf(m.Seq) + `}`)
	require.Equal(t, "beat", upToDate.next().Type, "nothing was missed")
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestResumeThatCannotBeIsASnapshot(t *testing.T) {
	w := newWorld()
	o := quick(w)
	o.MaxChanges = 8
	r := run(t, o)
	for i := range 20 { // more than the hub remembers
		w.device(r.Hub, "pump-"+jsonOf(i), "standby")
		before := uint64(i)
		require.Eventually(t, func() bool { return r.now.Load().seq > before }, soon, time.Millisecond)
	}
	for name, say := range map[string]string{
		"another epoch":     `{"type":"resume","epoch":"of-before-the-restart","seq":19}`,
		"no epoch":          `{"type":"resume","seq":19}`,
		"from the future":   `{"type":"resume","epoch":"` + r.epoch + `","seq":1000}`,
		"too long away":     `{"type":"resume","epoch":"` + r.epoch + `","seq":3}`,
		"from before it":    `{"type":"resume","epoch":"` + r.epoch + `","seq":0}`,
		"asks for one":      `{"type":"snapshot"}`,
		"asks, with a past": `{"type":"snapshot","epoch":"` + r.epoch + `","seq":19}`,
	} {
		t.Run(name, func(t *testing.T) {
			v := r.connect()
			v.say(say)
			require.Equal(t, "snapshot", v.next().Type)
			require.Len(t, v.view, 20)
		})
	}
	v := r.connect()
	v.seq = 14
	v.say(`{"type":"resume","epoch":"` + r.epoch + `","seq":14}`)
	require.Equal(t, "delta", v.next().Type, "what it remembers is enough")
}

func TestMoreAtOnceThanIsRememberedIsASnapshot(t *testing.T) {
	w := newWorld()
	o := quick(w)
	o.MaxChanges = 4
	o.Interval = 100 * time.Millisecond
	r := run(t, o)
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	for i := range 50 {
		w.device(r.Hub, "pump-"+jsonOf(i), "standby")
	}
	v.until("snapshot")
	for i := range 50 {
		v.shows("pump-"+jsonOf(i), "standby")
	}
}

func TestSilentWhileTheSourceCannotBeRead(t *testing.T) {
	w := newWorld()
	o := quick(w)
	troubles := make(chan error, 100_000)
	o.Troubled = func(err error) {
		select {
		case troubles <- err:
		default:
		}
	}
	r := run(t, o)
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	w.fail(errors.New("disk is gone"))
	w.alarm(r.Hub, "A1", medfleet.Active)
	require.ErrorContains(t, <-troubles, "read alarm A1: disk is gone")
	beats := r.now.Load().beats
	for range 10 {
		require.Error(t, <-troubles)
	}
	require.Equal(t, beats, r.now.Load().beats, "no beat says that all is well")

	late := r.connect()
	late.say(`{"type":"snapshot"}`)
	w.fail(nil)
	for err := error(errors.New("")); err != nil; {
		err = <-troubles
	}
	v.shows("A1", "active")
	late.shows("A1", "active")
	v.until("beat")
}

func TestSilentWhileThePresentIsNotKnown(t *testing.T) {
	w := newWorld()
	o := quick(w)
	var mu sync.Mutex
	var stuck error
	o.Live = func() error { mu.Lock(); defer mu.Unlock(); return stuck }
	troubles := make(chan error, 100_000)
	o.Troubled = func(err error) { troubles <- err }
	r := run(t, o)
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("beat")
	mu.Lock()
	stuck = errors.New("watch is 20 s behind")
	mu.Unlock()
	require.ErrorContains(t, <-troubles, "20 s behind")
	beats := r.now.Load().beats
	require.Error(t, <-troubles)
	require.Equal(t, beats, r.now.Load().beats)
	mu.Lock()
	stuck = nil
	mu.Unlock()
	v.until("beat")
}

func TestStopSaysGoodbye(t *testing.T) {
	r := run(t, quick(newWorld()))
	v, idle := r.connect(), r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	go r.stop()
	require.Equal(t, websocket.CloseGoingAway, v.closed())
	require.Equal(t, websocket.CloseGoingAway, idle.closed())
	r.stop()
	require.Zero(t, r.Counts().Clients)
	_, answer, err := websocket.DefaultDialer.Dial(r.url, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Error(t, r.Run(context.Background()), "it runs once")
}

func TestWhoIsRefused(t *testing.T) {
	o := quick(newWorld())
	o.MaxClients = 2
	r := run(t, o)
	_, answer, err := websocket.DefaultDialer.Dial(r.url, http.Header{"Origin": {"http://evil.example"}})
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, answer.StatusCode)

	plain, err := http.Get(strings.Replace(r.url, "ws", "http", 1))
	require.NoError(t, err)
	plain.Body.Close()
	require.Equal(t, http.StatusBadRequest, plain.StatusCode)

	r.connect()
	second := r.connect()
	_, answer, err = websocket.DefaultDialer.Dial(r.url, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.NotEmpty(t, answer.Header.Get("Retry-After"))
	require.Equal(t, uint64(3), r.Counts().Refused)

	second.conn.Close()
	require.Eventually(t, func() bool { return r.Counts().Clients == 1 }, soon, time.Millisecond)
	r.connect()
}

func TestWhoIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		do     func(*viewer)
		code   int
	}{
		"speaks nonsense":     {nil, func(v *viewer) { v.say("hello?") }, websocket.ClosePolicyViolation},
		"asks something else": {nil, func(v *viewer) { v.say(`{"type":"devices"}`) }, websocket.ClosePolicyViolation},
		"says too much": {nil, func(v *viewer) {
			v.conn.WriteMessage(websocket.TextMessage, []byte(`"`+strings.Repeat("x", 2*readLimit)+`"`))
		}, websocket.CloseMessageTooBig},
		"never asks": {func(o *Options) { o.AskWait = 50 * time.Millisecond }, func(*viewer) {}, websocket.ClosePolicyViolation},
		"may no longer look": {func(o *Options) {
			o.Recheck, o.Allowed = 50*time.Millisecond, func(*http.Request) bool { return false }
		}, func(v *viewer) { v.say(`{"type":"snapshot"}`) }, websocket.ClosePolicyViolation},
		"says goodbye himself": {nil, func(v *viewer) { v.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "")) }, websocket.CloseNormalClosure},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick(newWorld())
			if c.change != nil {
				c.change(&o)
			}
			r := run(t, o)
			v := r.connect()
			c.do(v)
			code := v.closed()
			if code != cut1006 || c.code != websocket.CloseMessageTooBig { // what was not read may reset the connection first
				require.Equal(t, c.code, code)
			}
			require.Eventually(t, func() bool { return r.Counts().Clients == 0 }, soon, time.Millisecond)
		})
	}
}

// A client that is there answers pings while it reads; one whose machine was
// switched off does not, and goes.
func TestWhoNoLongerAnswersGoes(t *testing.T) {
	for wait := 2 * time.Second; !outlives(t, wait); wait *= 3 {
		require.Less(t, wait, soon, "both go")
	}
}

// outlives says whether a client that answers pings is there when one that does not has
// gone. A tenth of wait is what a pong may take, for which a machine may be too slow.
func outlives(t *testing.T, wait time.Duration) bool {
	o := quick(newWorld())
	o.PongWait = wait
	r := run(t, o)
	there := r.connect()
	there.say(`{"type":"snapshot"}`)
	r.connect().say(`{"type":"snapshot"}`) // never reads again, so never answers
	for r.Counts().Clients == 2 {          // the one that came first outlives the other only by its pongs
		if _, _, err := there.conn.ReadMessage(); err != nil {
			return false
		}
	}
	_, _, err := there.conn.ReadMessage()
	return err == nil && r.Counts().Clients == 1
}

func TestNewNeedsASource(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "source")
}
