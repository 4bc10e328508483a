package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting"
	"medfleet/collector/roster"
	"medfleet/collector/state"
	"medfleet/profiles"
	"medfleet/record"
)

// watched is a roster and the alarm engine with the built-in rules, as the watch
// joins them, over fifty bedside monitors behind a broker of one gateway. Its hours
// are as fast as the machine.
type watched struct {
	t        *testing.T
	db       *sql.DB
	roster   *roster.Roster
	engine   *alerting.Engine
	decoder  *record.Decoder
	encoder  record.Encoder
	line     record.Line
	sequence uint64
	now      medfleet.Millis
	heard    medfleet.Millis // by the feed

	noGateway, noFeed bool
	mute              func(monitor int) bool
	offset            float64
}

const monitors = 50

func watch(t *testing.T) *watched {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	set, err := profiles.Load("")
	require.NoError(t, err)
	engine, err := alerting.New(alerting.Options{Profiles: set, DB: db, Audit: audit, Console: io.Discard, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w := &watched{
		t: t, db: db, roster: roster.New(roster.Options{Profiles: set}), engine: engine, decoder: record.NewDecoder(),
		now: medfleet.AsMillis(time.Date(2026, 7, 30, 12, 0, 0, 0, time.UTC)), mute: func(int) bool { return false },
	}
	w.tick(true)
	return w
}

// pass lets time pass: each monitor reports every 30 s, the gateway beats every 10.
func (w *watched) pass(d time.Duration) {
	for end := w.now.Add(d); w.now < end; {
		w.now = w.now.Add(5 * time.Second)
		seconds := int64(w.now) / 1000
		if !w.noGateway && seconds%30 == 0 && !w.noFeed {
			w.report()
		}
		if !w.noGateway && seconds%10 == 0 {
			w.beat()
		}
		w.tick(false)
	}
}

func (w *watched) report() {
	for i := range monitors {
		if w.mute(i) {
			continue
		}
		w.heard = w.now
		w.apply(record.Observation, "telemetry", w.encoder.Observation(nil, &medfleet.Observation{
			Equipment: medfleet.Equipment{Device: medfleet.DeviceID(fmt.Sprintf("MON-%02d", i)), Class: "patient_monitor", Site: "north", Unit: "ICU"},
			Time:      w.now, Gateway: "edge-1", Feed: "mqtt broker.example", Readings: []medfleet.Reading{{Metric: "state", Value: 2}},
		}))
	}
}

func (w *watched) beat() {
	w.apply(record.Heartbeat, "events", w.encoder.Feed(nil, &medfleet.FeedReport{
		Gateway: "edge-1", Site: "north", Feed: "mqtt broker.example", Time: w.now, Up: !w.noFeed, Silent: w.now.Sub(w.heard),
	}))
	w.apply(record.Heartbeat, "events", w.encoder.Heartbeat(nil, &medfleet.Heartbeat{
		Gateway: "edge-1", Site: "north", Time: w.now, ClockKnown: true, ClockOffset: w.offset, FeedsConfigured: 1,
	}))
}

func (w *watched) apply(kind record.Kind, stream string, line []byte) {
	w.sequence++
	require.NoError(w.t, w.decoder.Decode(line, &w.line))
	release := w.roster.Hold()
	defer release()
	e := record.Envelope{Kind: kind, Received: w.now, Gateway: []byte("edge-1"), Stream: []byte(stream), Line: line}
	w.roster.Apply(w.sequence, &e, &w.line, w.engine.See)
}

// tick is a clock record and what the watch writes after it.
func (w *watched) tick(started bool) {
	w.sequence++
	release := w.roster.Hold()
	w.roster.Tick(w.sequence, w.now, started, w.engine.See)
	w.engine.Tick(w.now, w.sequence)
	release()
	if !w.roster.Waits() && !w.engine.Waits(false) {
		return
	}
	tx, err := w.db.BeginTx(context.Background(), nil)
	require.NoError(w.t, err)
	require.NoError(w.t, w.roster.Flush(context.Background(), tx))
	require.NoError(w.t, w.engine.Flush(context.Background(), tx, false))
	require.NoError(w.t, tx.Commit())
	w.engine.Committed()
	w.roster.Committed(func(medfleet.Change) {})
}

// alarms lists "rule device state" of all alarms, and counts the pages of raises.
func (w *watched) alarms() (list []string, pages int) {
	rows, err := w.db.Query(`SELECT rule, device, state FROM alarms ORDER BY id`)
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var rule, device, state string
		require.NoError(w.t, rows.Scan(&rule, &device, &state))
		list = append(list, rule+" "+device+" "+state)
	}
	require.NoError(w.t, rows.Err())
	require.NoError(w.t, w.db.QueryRow(`SELECT COUNT(*) FROM pages WHERE about = 'raised'`).Scan(&pages))
	return list, pages
}

// TestOneCauseIsOneAlarm: fifty monitors that cannot be heard are one alarm and one
// page, about what they cannot be heard through, and come back without another.
func TestOneCauseIsOneAlarm(t *testing.T) {
	for name, c := range map[string]struct {
		bad   func(*watched)
		alarm string
		pages int
	}{
		"the broker's link is down": {func(w *watched) { w.noFeed = true }, "FeedSilent feed:edge-1:mqtt-broker.example", 1},
		"the gateway is gone":       {func(w *watched) { w.noGateway = true }, "GatewaySilent gateway:edge-1", 1},
		"nothing comes by the feed": {func(w *watched) { w.mute = func(int) bool { return true } }, "FeedSilent feed:edge-1:mqtt-broker.example", 1},
		"one monitor is silent":     {func(w *watched) { w.mute = func(i int) bool { return i == 7 } }, "DeviceSilent MON-07", 1},
		"the gateway's clock":       {func(w *watched) { w.offset = -90 }, "GatewayClock gateway:edge-1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t)
			w.pass(10 * time.Minute)
			list, pages := w.alarms()
			require.Empty(t, list)
			require.Zero(t, pages)
			c.bad(w)
			w.pass(30 * time.Minute)
			list, pages = w.alarms()
			require.Equal(t, []string{c.alarm + " active"}, list)
			require.Equal(t, c.pages, pages)
			w.noFeed, w.noGateway, w.mute, w.offset = false, false, func(int) bool { return false }, 0
			w.pass(45 * time.Minute)
			list, pages = w.alarms()
			require.Equal(t, []string{c.alarm + " cleared"}, list, "all is well again, and nobody else was missed")
			require.Equal(t, c.pages, pages)
		})
	}
}
