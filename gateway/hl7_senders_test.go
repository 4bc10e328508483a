package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/pcd"
	"medfleet/record"
)

// feed gives the newest word of a gateway on one of its feeds.
func (c *centre) feed(name string) (f medfleet.FeedReport) {
	for _, l := range c.beats(record.FeedMeasurement) {
		if r := l.Feed(); r.Feed == name {
			f = r
		}
	}
	return f
}

// A listener is up whoever is connected: of a station that the configuration names
// we know more.
func TestASenderWhoseConnectionIsGoneIsAFeedThatIsDown(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		o.HL7.Senders = []pcd.Sender{
			{Name: "ward-rack", Match: pcd.Match{Application: "RACK*"}, Away: 50 * time.Millisecond},
			{Name: "never", Match: pcd.Match{Application: "NEVER"}},
		}
	})
	named := strings.Replace(battery("1"), "|VENT^", "|RACK7^", 1)
	require.NotEqual(t, battery("1"), named, "void: the application is not where it was")
	require.Eventually(t, func() bool { return c.feed("hl7").Up }, soon, time.Millisecond)
	require.False(t, c.feed("hl7 from ward-rack").Up, "it has never connected")
	first, second := dial(t, e.hl7), dial(t, e.hl7)
	_, err := first.Send(t.Context(), []byte(named))
	require.NoError(t, err)
	_, err = second.Send(t.Context(), []byte(named))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.feed("hl7 from ward-rack").Up && c.feed("hl7 from ward-rack").Messages == 2 }, soon, time.Millisecond)
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) >= 1 }, soon, time.Millisecond)
	require.Equal(t, "hl7 from ward-rack", c.of(record.Observation)[0].Text("feed"))
	first.Close()
	_, err = second.Send(t.Context(), []byte(battery("2")))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.feed("hl7").Messages == 3 }, soon, time.Millisecond)
	require.True(t, c.feed("hl7 from ward-rack").Up, "it has another connection")
	second.Close()
	require.Eventually(t, func() bool { return !c.feed("hl7 from ward-rack").Up }, soon, time.Millisecond)
	require.True(t, c.feed("hl7").Up, "its listener waits for it")
	require.False(t, c.feed("hl7 from never").Up)
	_, err = dial(t, e.hl7).Send(t.Context(), []byte(named))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.feed("hl7 from ward-rack").Up }, soon, time.Millisecond, "and there it is again")
}

func TestASenderThatConnectsForEachMessageIsNotGoneBetweenThem(t *testing.T) {
	s := newHL7Senders(pcd.Config{Senders: []pcd.Sender{{Name: "x"}}})["x"]
	require.False(t, s.up())
	var c connections
	for conn := range uint64(3) {
		c.spoke(conn, s)
		c.spoke(conn, s)
		require.True(t, s.up())
		c.ended(conn)
		c.ended(conn)
		require.True(t, s.up())
	}
	s.ended = time.Now().Add(-senderAway)
	require.False(t, s.up())
	require.Empty(t, c.open)
}

func TestTwoFeedsOfOneNameAreRefused(t *testing.T) {
	_, err := New(Options{
		Config: Config{
			ID: "edge-1", Site: "north", DataDir: t.TempDir(), Uplink: UplinkConfig{URL: "http://127.0.0.1:1"},
			HL7: HL7Config{HL7Listener: HL7Listener{Listen: "x"}, Config: pcd.Config{Senders: []pcd.Sender{{Name: "a?"}, {Name: "a!"}}}},
		},
		Profiles: set(), HL7At: listen(t),
	})
	require.ErrorContains(t, err, `two feeds are called "hl7 from a-"`)
}

func TestAFeedsNameHasTheShapeThatTheCollectorTakes(t *testing.T) {
	for in, want := range map[string]string{
		"mqtt broker.example:8883": "mqtt broker.example:8883", "hl7 Öst 4": "hl7 Öst 4", "hl7 <script>": "hl7 -script-", "mqtt a\nb\x00": "mqtt a-b-",
		strings.Repeat("é", 100): strings.Repeat("é", 64), "\xff": "-",
	} {
		require.Equal(t, want, feedName(in))
	}
}
