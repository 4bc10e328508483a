package roster_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/collector/state/statetest"
	"medfleet/record"
)

func wardIn(t require.TestingT, db *sql.DB) *ward {
	return &ward{t: t, r: newRoster(), db: db, decoder: record.NewDecoder()}
}

// dump gives all that the roster has written.
func (w *ward) dump() string {
	var b strings.Builder
	for _, query := range []string{
		`SELECT id, class, model, serial, firmware, software, hardware, site, unit, gateway, feed, first_seen, last_seen FROM devices ORDER BY id`,
		`SELECT name, site, last_seen, up, events_depth, telemetry_depth, oldest_ms, clock_offset_ms, clock_known, feeds_up, feeds FROM gateways ORDER BY name`,
		`SELECT gateway, name, site, up, quiet, last_heard, messages, devices FROM feeds ORDER BY gateway, name`,
		`SELECT device, site, from_ms, COALESCE(to_ms, -1) AS to_ms, state, native, occupied FROM state_intervals ORDER BY device, from_ms`,
		`SELECT id, device, class, model, site, unit, at, received, condition, phase, code, text, priority, kind, gateway, feed, flags, device_time FROM events ORDER BY id`,
		`SELECT id, device, type, model, parent, slot, site, from_ms, COALESCE(to_ms, -1) AS to_ms, seen_ms FROM attachments ORDER BY id`,
		`SELECT class, model, code, site, device, first_ms FROM model_codes ORDER BY class, model, code`,
		`SELECT id, gateway, site, stream, epoch, first, last, count, from_ms, to_ms, reason FROM gaps ORDER BY id`,
	} {
		rows, err := w.db.Query(query)
		require.NoError(w.t, err)
		columns, err := rows.Columns()
		require.NoError(w.t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(string)
			}
			require.NoError(w.t, rows.Scan(values...))
			for i, v := range values {
				fmt.Fprintf(&b, "%s=%q ", columns[i], *v.(*string))
			}
			b.WriteByte('\n')
		}
		require.NoError(w.t, rows.Err())
		require.NoError(w.t, rows.Close())
	}
	return b.String()
}

// allEvents pages through a device's events.
func (w *ward) allEvents(id medfleet.DeviceID, limit int) []medfleet.Event {
	var all []medfleet.Event
	for cursor, more := "", true; more; more = cursor != "" {
		part, next, err := roster.Records{DB: w.db}.Events(ctx(), id, limit, cursor)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(part), limit)
		all = append(all, part...)
		cursor = next
	}
	return all
}

// Whatever happens, both databases hold the same and answer the same.
func TestEveryDatabaseTellsTheSame(t *testing.T) {
	light, server := wardIn(t, statetest.SQLite(t)), wardIn(t, statetest.PostgreSQL(t))
	stretches, events := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		light.clean(rt)
		server.clean(rt)
		for _, s := range day(rt) {
			light.apply(s)
			server.apply(s)
			if rapid.IntRange(0, 9).Draw(rt, "commit") == 0 {
				light.flush()
				server.flush()
			}
		}
		light.flush()
		server.flush()
		require.Equal(rt, light.dump(), server.dump())
		from := after(time.Duration(rapid.IntRange(-1500, 60).Draw(rt, "from")) * min1)
		to := from.Add(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "for")) * min1)
		for _, id := range []medfleet.DeviceID{"p1", "p2", "p3"} {
			expected, err := roster.Records{DB: light.db}.Stretches(ctx(), id, from, to)
			require.NoError(rt, err)
			got, err := roster.Records{DB: server.db}.Stretches(ctx(), id, from, to)
			require.NoError(rt, err)
			require.Equal(rt, expected, got)
			stretches += len(got)
			limit := rapid.IntRange(1, 5).Draw(rt, "limit")
			require.Equal(rt, light.allEvents(id, limit), server.allEvents(id, limit))
			events += len(server.allEvents(id, 1000))
		}
		require.Equal(rt, light.recalled(), server.recalled())
	})
	require.Greater(t, stretches, 50, "void: hardly anything happened")
	require.Greater(t, events, 50, "void: hardly anything happened")
}

// recalled is what a new roster knows from the database alone.
func (w *ward) recalled() string {
	r := newRoster()
	require.NoError(w.t, r.Recall(ctx(), w.db))
	return picture(r)
}

func TestWhatTheWireCanCarryEveryDatabaseCanKeep(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		gap := medfleet.Gap{
			Gateway: "edge-1", Site: "Süd", Stream: "events", Epoch: 1<<64 - 1, First: 1, Last: 1 << 53, Count: 1 << 53,
			From: noon, To: after(min1), Reason: "größer; \\' \" \u2028",
		}
		var encoder record.Encoder
		w.hear(begin(noon), say{record.Envelope{Kind: record.Gap, Gateway: []byte("edge-1"), Stream: []byte("events"), Line: encoder.Gap(nil, &gap)}})
		require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM gaps WHERE epoch = 'ffffffffffffffff' AND last = 9007199254740992`))
		event := medfleet.Event{
			Equipment: medfleet.Equipment{Device: "p1", Class: "infusion_pump", Model: "Pümpe µ", Site: "Süd", Unit: "Känguru"},
			ID:        "id\x00\xff", Time: noon, Condition: "battery_low", Phase: medfleet.Start, Text: "a\x00b\xffc '; DROP TABLE events; -- ≥ 50 µl",
		}
		w.hear(say{record.Envelope{Kind: record.Event, Flags: 0xffff &^ record.Retained, Received: noon, Gateway: []byte("edge-1"), Stream: []byte("events"), Line: encoder.Event(nil, &event)}})
		list := w.allEvents("p1", 10)
		require.Len(t, list, 1)
		require.Equal(t, "a b\uFFFDc '; DROP TABLE events; -- ≥ 50 µl", list[0].Text)
		require.Equal(t, event.Equipment, list[0].Equipment)
		require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM events WHERE flags = 65531`))
	})
}

// A server's language may sort a before B: the pages hold every event once all
// the same.
func TestPagesOfEventsAreWholeInEveryLanguage(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		if t.Name()[strings.LastIndex(t.Name(), "/"):] == "/PostgreSQL" {
			_, err := db.Exec(`ALTER TABLE events ALTER COLUMN id TYPE TEXT COLLATE "en-x-icu"`)
			require.NoError(t, err)
		}
		w := wardIn(t, db)
		ids := []string{"B1", "a2", "_3", "b-4", "A5", "0x6", "ä7"}
		for i, id := range ids {
			w.hear(happened("p1", after(time.Duration(i/4)*min1), id, "battery_low", medfleet.Instant))
		}
		for limit := 1; limit <= len(ids); limit++ {
			var met []string
			for _, e := range w.allEvents("p1", limit) {
				met = append(met, e.ID)
			}
			require.Len(t, met, len(ids), "%d at a time", limit)
			slices.Sort(met)
			require.Equal(t, slices.Sorted(slices.Values(ids)), met)
		}
	})
}
