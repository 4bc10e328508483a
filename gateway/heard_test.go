package gateway

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

// The collector decides by it which devices are silent and which out of our sight.
func TestAHeartbeatTellsOfEachFeed(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	last := func(feed string) (f medfleet.FeedReport) {
		for _, l := range c.beats(record.FeedMeasurement) {
			if r := l.Feed(); r.Feed == feed {
				f = r
			}
		}
		return f
	}
	require.Eventually(t, func() bool { return last("mqtt").Up && last("hl7").Up }, soon, time.Millisecond)
	require.Equal(t, "edge-1", last("hl7").Gateway)
	require.Equal(t, "north", last("hl7").Site)
	require.Negative(t, last("hl7").Silent, "it has never heard anything")
	require.Zero(t, last("hl7").Messages)
	client := pump(t, e, "pump-17")
	require.True(t, publish(t, client, topicOf("pump-17", "status"), status(1)))
	require.True(t, publish(t, client, topicOf("pump-17", "event"), happening(1)))
	_, err := dial(t, e.hl7).Send(t.Context(), []byte(battery("1")))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return last("mqtt").Messages == 2 && last("hl7").Messages == 1 }, soon, time.Millisecond)
	require.WithinRange(t, time.Now().Add(-last("hl7").Silent), time.Now().Add(-soon), time.Now())
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 2 }, soon, time.Millisecond)
	feeds := map[string]int{}
	for _, l := range append(c.of(record.Observation), c.of(record.Event)...) {
		feeds[l.Text("feed")]++
	}
	require.Equal(t, map[string]int{"mqtt": 2, "hl7": 1}, feeds, "each record says which way it came")
}

// A heartbeat's lines are taken in order: the gateway's own closes those of its feeds.
func TestAHeartbeatEndsWithTheGatewaysOwnLine(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	lines := e.tell(now())
	require.Len(t, lines, 3)
	require.True(t, bytes.HasPrefix(lines[0], []byte("feed,")))
	require.True(t, bytes.HasPrefix(lines[2], []byte("gateway,")))
}

func TestASourceSaysWhenItWasLastHeard(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	require.Len(t, e.sources, 2)
	for _, s := range e.sources {
		require.True(t, s.heard().IsZero(), "%s was never heard", s.name)
	}
	before := time.Now()
	_, err := dial(t, e.hl7).Send(t.Context(), []byte(battery("1")))
	require.NoError(t, err)
	for _, s := range e.sources {
		if s.name == "hl7" {
			require.WithinRange(t, s.heard(), before, time.Now())
		} else {
			require.True(t, s.heard().IsZero(), s.name)
		}
	}
}
