package roster_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/collector/state"
	"medfleet/profiles"
	"medfleet/record"
)

// noon is when every story begins.
var noon = medfleet.AsMillis(time.Date(2026, 7, 30, 12, 0, 0, 0, time.UTC))

func after(d time.Duration) medfleet.Millis { return noon.Add(d) }

var set = sync.OnceValue(func() *profiles.Set {
	s, err := profiles.Load("")
	if err != nil {
		panic(err)
	}
	return s
})

// say is one record as it stands in the journal.
type say struct {
	envelope record.Envelope
}

// observed is what a pump says of itself at a time; it is received a second later.
func observed(device string, at medfleet.Millis, state string, change ...func(*medfleet.Observation, *record.Envelope)) say {
	o := medfleet.Observation{
		Equipment: medfleet.Equipment{Device: medfleet.DeviceID(device), Class: "infusion_pump", Site: "north", Unit: "ICU"},
		Time:      at, Gateway: "edge-1",
	}
	if state != "" {
		p, _ := set().Class("infusion_pump")
		v, ok := p.StateValue(state)
		if !ok {
			panic("no state " + state)
		}
		o.Readings = append(o.Readings, medfleet.Reading{Metric: "state", Value: v})
	}
	e := record.Envelope{Kind: record.Observation, Received: at + 1000, Gateway: []byte("edge-1"), Stream: []byte("telemetry")}
	for _, c := range change {
		c(&o, &e)
	}
	var encoder record.Encoder
	e.Line = encoder.Observation(nil, &o)
	return say{e}
}

func happened(device string, at medfleet.Millis, id, condition string, phase medfleet.Phase, flags ...record.Flags) say {
	ev := medfleet.Event{
		Equipment: medfleet.Equipment{Device: medfleet.DeviceID(device), Class: "infusion_pump", Site: "north", Unit: "ICU"},
		ID:        id, Time: at, Condition: condition, Phase: phase, Kind: medfleet.Technical,
	}
	e := record.Envelope{Kind: record.Event, Received: at + 1000, Gateway: []byte("edge-1"), Stream: []byte("events")}
	for _, f := range flags {
		e.Flags |= f
	}
	var encoder record.Encoder
	e.Line = encoder.Event(nil, &ev)
	return say{e}
}

func beat(at medfleet.Millis, waits time.Duration) say {
	e := record.Envelope{Kind: record.Heartbeat, Received: at, Gateway: []byte("edge-1"), Stream: []byte("events")}
	var encoder record.Encoder
	e.Line = encoder.Heartbeat(nil, &medfleet.Heartbeat{Gateway: "edge-1", Site: "north", Time: at, OldestSeconds: waits.Seconds(), TelemetryDepth: uint64(waits.Seconds())})
	return say{e}
}

// attached is a part that was seen in a parent; it is received a second later.
func attached(part, parent, slot string, at medfleet.Millis, flags ...record.Flags) say {
	a := medfleet.Attachment{Part: medfleet.DeviceID(part), Parent: medfleet.DeviceID(parent), Slot: slot, Site: "north", Time: at, Gateway: "edge-1"}
	e := record.Envelope{Kind: record.Attachment, Received: at + 1000, Gateway: []byte("edge-1"), Stream: []byte("events")}
	for _, f := range flags {
		e.Flags |= f
	}
	var encoder record.Encoder
	e.Line = encoder.Attachment(nil, &a)
	return say{e}
}

// tells is what a gateway says of one of its feeds, before the beat of that time.
func tells(at medfleet.Millis, feed string, up bool, silent time.Duration) say {
	e := record.Envelope{Kind: record.Heartbeat, Received: at, Gateway: []byte("edge-1"), Stream: []byte("events")}
	var encoder record.Encoder
	e.Line = encoder.Feed(nil, &medfleet.FeedReport{Gateway: "edge-1", Site: "north", Feed: feed, Time: at, Up: up, Silent: silent, Messages: 7})
	return say{e}
}

// calls is what a gateway says of a sender that connects by itself.
func calls(at medfleet.Millis, feed string, up bool, silent time.Duration) say {
	e := record.Envelope{Kind: record.Heartbeat, Received: at, Gateway: []byte("edge-1"), Stream: []byte("events")}
	var encoder record.Encoder
	e.Line = encoder.Feed(nil, &medfleet.FeedReport{Gateway: "edge-1", Site: "north", Feed: feed, Time: at, Up: up, Caller: true, Silent: silent})
	return say{e}
}

// by lets an observation come by a feed.
func by(feed string) func(*medfleet.Observation, *record.Envelope) {
	return func(o *medfleet.Observation, _ *record.Envelope) { o.Feed = feed }
}

// clock is the collector's own clock record, begin that after a start.
func clock(at medfleet.Millis) say {
	return say{record.Envelope{Kind: record.Heartbeat, Received: at, Stream: []byte(roster.ClockStream)}}
}

func begin(at medfleet.Millis) say {
	return say{record.Envelope{Kind: record.Heartbeat, Received: at, Stream: []byte(roster.StartStream)}}
}

// ward is a roster with its database, fed as the watch feeds it.
type ward struct {
	t        require.TestingT
	r        *roster.Roster
	db       *sql.DB
	sequence uint64
	quiet    []string // devices whose state a tick changed
	own      []string // gateways and feeds that a tick told of, with their readings
	live     []bool   // of every sighting
	told     []string // events that the engine was told of
	decoder  *record.Decoder
	line     record.Line
}

func newRoster() *roster.Roster { return roster.New(roster.Options{Profiles: set()}) }

func newWard(t testing.TB) *ward {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return &ward{t: t, r: newRoster(), db: db, decoder: record.NewDecoder()}
}

func (w *ward) apply(s say) {
	release := w.r.Hold()
	defer release()
	w.sequence++
	if len(s.envelope.Gateway) == 0 && s.envelope.Kind == record.Heartbeat {
		w.r.Tick(w.sequence, s.envelope.Received, string(s.envelope.Stream) == roster.StartStream, func(seen *medfleet.Sighting) {
			if seen.Device.Class == medfleet.GatewayClass || seen.Device.Class == medfleet.FeedClass {
				w.own = append(w.own, fmt.Sprint(seen.Device.ID, seen.Device.Readings))
				return
			}
			w.quiet = append(w.quiet, string(seen.Device.ID))
		})
		return
	}
	require.NoError(w.t, w.decoder.Decode(s.envelope.Line, &w.line))
	w.r.Apply(w.sequence, &s.envelope, &w.line, w.saw)
}

// saw is what the engine is told.
func (w *ward) saw(seen *medfleet.Sighting) {
	w.live = append(w.live, seen.Live)
	if seen.Event != nil {
		w.told = append(w.told, fmt.Sprintf("%s %s %s %s", seen.Device.ID, seen.Event.Condition, seen.Event.Phase, seen.Event.Code))
	}
}

// hear applies records and writes what came of them in one transaction.
func (w *ward) hear(all ...say) {
	for _, s := range all {
		w.apply(s)
	}
	w.flush()
}

func (w *ward) flush() {
	tx, err := w.db.Begin()
	require.NoError(w.t, err)
	require.NoError(w.t, w.r.Flush(ctx(), tx))
	require.NoError(w.t, w.r.Flush(ctx(), tx), "a failed commit is tried again")
	require.NoError(w.t, tx.Commit())
	w.r.Committed(func(medfleet.Change) {})
}

func (w *ward) device(id string) medfleet.Device {
	d, ok := w.r.Device(medfleet.DeviceID(id))
	require.True(w.t, ok, "no device %s", id)
	return d
}

// states tells what the database says of a device as "state from-to", in minutes
// since noon.
func (w *ward) states(id string) string {
	list, err := roster.Records{DB: w.db}.Stretches(ctx(), medfleet.DeviceID(id), 0, noon.Add(100*time.Hour))
	require.NoError(w.t, err)
	var out []string
	for _, s := range list {
		to := ""
		if s.To != 0 {
			to = minutes(s.To)
		}
		out = append(out, fmt.Sprintf("%s %s-%s", s.State, minutes(s.From), to))
	}
	return strings.Join(out, ", ")
}

// stays tells what the database says of where a part has been, or of a device's
// parts, as "part in parent/slot from-to", oldest first, in minutes since noon.
func (w *ward) stays(id string) string {
	list, _, err := roster.Records{DB: w.db}.Attachments(ctx(), medfleet.DeviceID(id), 1000, "")
	require.NoError(w.t, err)
	var out []string
	for _, s := range slices.Backward(list) {
		to := ""
		if s.To != 0 {
			to = minutes(s.To)
		}
		out = append(out, fmt.Sprintf("%s in %s/%s %s-%s", s.Part, s.Parent, s.Slot, minutes(s.From), to))
	}
	return strings.Join(out, ", ")
}

func minutes(m medfleet.Millis) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", m.Sub(noon).Minutes()), ".0")
}

func (w *ward) count(query string) (n int) {
	require.NoError(w.t, w.db.QueryRow(query).Scan(&n))
	return n
}

// picture is all that people can see of a roster.
func picture(r *roster.Roster) string {
	return fmt.Sprintf("%+v\n%+v\n%v", r.Devices(), r.Gateways(), r.Clock())
}

func copied(t require.TestingT, r *roster.Roster) *roster.Roster {
	var b bytes.Buffer
	require.NoError(t, r.Snapshot(&b))
	again := newRoster()
	require.NoError(t, again.Restore(&b))
	return again
}
