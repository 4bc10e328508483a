package stream

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
)

// stalled connects a client that asks for a snapshot and then never reads.
func (r *running) stalled() *websocket.Conn {
	r.t.Helper()
	d := websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
		c, err := net.Dial(network, address)
		if err == nil {
			c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	conn, answer, err := d.Dial(r.url, nil)
	require.NoError(r.t, err)
	answer.Body.Close()
	r.t.Cleanup(func() { conn.Close() })
	require.NoError(r.t, conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"snapshot"}`)))
	return conn
}

const manyStalled = 300

func TestStalledClientsDelayNobodyAndAreDropped(t *testing.T) {
	w := newWorld()
	o := quick(w)
	o.WriteWait = 5 * time.Second // for whoever reads on a slow machine too
	o.Beat = time.Hour            // a snapshot is out of date when something has changed, not before
	r := run(t, o)
	for i := range 40 {
		w.device(r.Hub, "big-"+jsonOf(i), strings.Repeat("x", 4<<10))
	}
	for range manyStalled {
		r.stalled()
	}
	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	v.until("snapshot")
	for i := range 50 { // each is shown while the others stand still
		w.alarm(r.Hub, "A1", medfleet.AlarmState(jsonOf(i)))
		v.shows("A1", jsonOf(i))
	}
	require.Eventually(t, func() bool { return r.Counts().Clients == 1 }, soon, time.Millisecond)
	require.Equal(t, uint64(manyStalled), r.Counts().Slow)
	require.LessOrEqual(t, r.Counts().Snapshots, uint64(100), "they share what is made for them")
	w.alarm(r.Hub, "A1", "and goes on")
	v.shows("A1", "and goes on")
}

// A client that stops reading for a while is owed one delta with the newest of
// everything, not each that there was.
func TestSlowClientGetsNewerStateNotAQueue(t *testing.T) {
	w := newWorld()
	r := run(t, quick(w))
	slow := &viewer{t: t, conn: r.stalled(), view: map[string]string{}}
	slow.conn.SetReadDeadline(time.Now().Add(soon))
	require.NoError(t, slow.conn.ReadJSON(&slow.hello))
	slow.until("snapshot")

	v := r.connect()
	v.say(`{"type":"snapshot"}`)
	const turns = 60
	for i := range turns {
		what := jsonOf(i) + strings.Repeat("x", 8<<10)
		w.device(r.Hub, "pump-1", what)
		w.device(r.Hub, "pump-2", what)
		v.shows("pump-1", what)
	}
	last := jsonOf(turns-1) + strings.Repeat("x", 8<<10)
	deltas := 0
	for slow.view["pump-1"] != last || slow.view["pump-2"] != last {
		if m := slow.next(); m.Type == "delta" {
			deltas++
		}
	}
	require.Less(t, deltas, turns/2)
	require.NotZero(t, r.Counts().Late)
	require.Zero(t, r.Counts().Slow, "slow is not stalled")
}

// Clients that come and go at any time and catch up at any time show, whenever
// they are at the hub's sequence number and nothing is pending, what the source
// holds.
func TestAnyOrderEndsAtThePresent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		w := newWorld()
		o := quick(w)
		o.MaxChanges = rapid.IntRange(1, 12).Draw(t, "memory")
		o.Beat = time.Hour // nothing made goes out of date: only a change does that
		h, err := New(o)
		require.NoError(t, err)
		h.clients = 1
		tick(t, h, true)

		type model struct {
			live bool
			seq  uint64
			view map[string]string
		}
		clients := make([]model, 3)
		take := func(c *model, f *frame) {
			m := decode(t, f)
			if m.Type == "snapshot" || c.view == nil {
				c.view = map[string]string{}
			}
			for _, d := range m.Devices {
				c.view[string(d.ID)] = d.Native
			}
			for _, a := range m.Alarms {
				c.view[a.ID] = string(a.State)
			}
			c.live, c.seq = true, max(c.seq, f.to)
		}
		follow := func(c *model) {
			state := h.now.Load()
			if !c.live || c.seq >= state.seq {
				return
			}
			f := state.delta
			if f == nil || f.from != c.seq {
				f, err = h.catchUp(ctx, c.seq, state.seq)
				require.NoError(t, err)
			}
			take(c, f)
		}
		one := rapid.IntRange(0, len(clients)-1)
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		word := rapid.StringMatching("[a-z]{3}")
		t.Repeat(map[string]func(*rapid.T){
			"device": func(t *rapid.T) { w.device(h, "dev-"+id.Draw(t, "id"), word.Draw(t, "word")) },
			"alarm":  func(t *rapid.T) { w.alarm(h, "alarm-"+id.Draw(t, "id"), medfleet.AlarmState(word.Draw(t, "word"))) },
			"tick": func(t *rapid.T) {
				tick(t, h, rapid.Bool().Draw(t, "beat"))
			},
			"unwatched tick": func(t *rapid.T) {
				h.clients = 0
				tick(t, h, false)
				h.clients = 1
			},
			"troubled tick": func(t *rapid.T) {
				w.fail(context.DeadlineExceeded)
				h.publish(ctx, true)
				w.fail(nil)
			},
			"come": func(t *rapid.T) {
				f, err := h.snapshot(ctx)
				require.NoError(t, err)
				take(&clients[one.Draw(t, "client")], f)
			},
			"follow": func(t *rapid.T) { follow(&clients[one.Draw(t, "client")]) },
			"": func(t *rapid.T) {
				require.LessOrEqual(t, h.changes.held, o.MaxChanges)
				require.LessOrEqual(t, len(h.changes.pending), o.MaxChanges)
			},
		})
		tick(t, h, true)
		truth := map[string]string{}
		for id, d := range w.devices {
			truth[string(id)] = d.Native
		}
		for id, a := range w.alarms {
			truth[id] = string(a.State)
		}
		for i := range clients {
			if !clients[i].live {
				continue
			}
			follow(&clients[i])
			require.Equal(t, h.now.Load().seq, clients[i].seq)
			require.Equal(t, truth, clients[i].view)
		}
	})
}

func tick(t require.TestingT, h *Hub, due bool) {
	_, err := h.publish(context.Background(), due)
	require.NoError(t, err)
}

// decode reads a frame as a client would.
func decode(t require.TestingT, f *frame) message {
	var m message
	require.NoError(t, json.Unmarshal(f.text(), &m))
	return m
}

func TestFrameLeavesOutWhatHasNoForm(t *testing.T) {
	b := body{devices: []medfleet.Device{
		{ID: "a"}, {ID: "b", Readings: map[string]float64{"x": math.NaN()}}, {ID: "<c>\u2028"},
	}}
	f, err := b.frame("delta", 1, 2, 1772349300000)
	require.NoError(t, err)
	m := decode(t, f)
	require.Len(t, m.Devices, 2)
	require.Equal(t, medfleet.DeviceID("a"), m.Devices[0].ID)
	require.Equal(t, medfleet.DeviceID("<c>\u2028"), m.Devices[1].ID)
	require.Equal(t, medfleet.Millis(1772349300000), m.Time)
}

func TestMarkingAllocatesNothingInSteadyState(t *testing.T) {
	h, err := New(quick(newWorld()))
	require.NoError(t, err)
	ids := make([]string, 500)
	for i := range ids {
		ids[i] = "pump-" + jsonOf(i)
	}
	round := func() {
		for _, id := range ids {
			h.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: id})
			h.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: id})
		}
		h.changes.cut()
	}
	for range maxCuts + 10 {
		round()
	}
	require.Zero(t, testing.AllocsPerRun(100, round))
}

func BenchmarkChanged(b *testing.B) {
	h, err := New(quick(newWorld()))
	require.NoError(b, err)
	ids := make([]string, 10000)
	for i := range ids {
		ids[i] = "pump-" + jsonOf(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: ids[i%len(ids)]})
		if i%1000 == 0 {
			h.changes.cut()
		}
	}
}

// How long from a change to a client that reads it, with nobody else and with a
// thousand that do not read.
func BenchmarkAlarmToBoard(b *testing.B) {
	for _, stalled := range []int{0, 1000} {
		b.Run(jsonOf(stalled)+"stalled", func(b *testing.B) {
			w := newWorld()
			o := quick(w)
			o.WriteWait, o.PongWait, o.MaxClients = time.Hour, time.Hour, 2000
			r := run(b, o)
			for i := range 40 {
				w.device(r.Hub, "big-"+jsonOf(i), strings.Repeat("x", 4<<10))
			}
			r.settled()
			for range stalled {
				r.stalled()
			}
			v := r.connect()
			v.say(`{"type":"snapshot"}`)
			v.until("snapshot")
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				w.alarm(r.Hub, "A1", medfleet.AlarmState(jsonOf(i)))
				v.shows("A1", jsonOf(i))
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			b.ReportMetric(float64(r.Counts().Clients-1), "stalled")
		})
	}
}

func BenchmarkDeltaOf1000Devices(b *testing.B) {
	w := newWorld()
	h, err := New(quick(w))
	require.NoError(b, err)
	h.clients = 1
	for i := range 1000 {
		id := medfleet.DeviceID("pump-" + jsonOf(i))
		w.devices[id] = medfleet.Device{
			ID: id, Class: "infusion_pump", Model: "VP-200", Site: "main", Unit: "4W", State: medfleet.InUse, Native: "infusing",
			Readings: map[string]float64{"battery_charge": 61, "on_mains": 1, "rate": 12.5, "hours": 8123}, Active: []string{},
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for id := range w.devices {
			h.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: string(id)})
		}
		if _, err := h.publish(context.Background(), false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(h.now.Load().delta.size), "B/frame")
}
