package roster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/record"
)

// station is a ward of pumps behind the feed hl7 of one gateway, and of others
// behind its feed mqtt, as time passes in it.
type station struct {
	*ward
	now               time.Duration
	pumps             []string // behind the feed hl7; p0 is the one that is looked at
	mute              map[string]bool
	noFeed, noGateway bool
	untold            bool          // the gateway does not speak of its feeds
	heard             time.Duration // when the feed last heard anything
}

func newStation(t testing.TB, pumps int) *station { return stationIn(newWard(t), pumps) }

func stationIn(w *ward, pumps int) *station {
	s := &station{ward: w, mute: map[string]bool{}}
	for i := range pumps {
		s.pumps = append(s.pumps, fmt.Sprintf("p%d", i))
	}
	s.hear(begin(noon))
	return s
}

// pass lets time pass, five seconds at a time: each pump reports every 30 s, the
// gateway beats every ten, the collector's clock every five.
func (s *station) pass(d time.Duration) {
	s.run(d)
	s.flush()
}

func (s *station) run(d time.Duration) {
	for end := s.now + d; s.now < end; {
		s.now += 5 * sec
		at := after(s.now)
		if !s.noGateway && s.now%(30*sec) == 0 {
			for _, p := range s.pumps {
				if !s.mute[p] && !s.noFeed {
					s.heard = s.now
					s.apply(observed(p, at-1000, "infusing", by("hl7")))
				}
			}
			s.apply(observed("m1", at-1000, "infusing", by("mqtt")))
		}
		if !s.noGateway && s.now%(10*sec) == 0 {
			if !s.untold {
				s.apply(tells(at, "hl7", !s.noFeed, s.now-s.heard))
				s.apply(tells(at, "mqtt", true, 0))
			}
			s.apply(beat(at, 0))
		}
		s.apply(clock(at))
	}
}

// TestWhoIsToBlameForSilence is every way in which a pump can fall silent, six
// minutes later: its profile believes it for two.
func TestWhoIsToBlameForSilence(t *testing.T) {
	w := newWard(t)
	for _, pumps := range []int{1, 3} {
		for _, peers := range []bool{true, false} {
			for _, feed := range []bool{true, false} {
				for _, gateway := range []bool{true, false} {
					for _, told := range []bool{true, false} {
						for _, restart := range []bool{true, false} {
							name := fmt.Sprintf("%d pumps, peers %t, feed %t, gateway %t, feeds are told %t, the collector restarts %t", pumps, peers, feed, gateway, told, restart)
							t.Run(name, func(t *testing.T) {
								w.clean(t)
								s := stationIn(w, pumps)
								s.untold = !told
								s.pass(5 * min1)
								require.Equal(t, medfleet.InUse, s.device("p0").State)
								s.mute["p0"], s.noFeed, s.noGateway = true, !feed, !gateway
								for _, p := range s.pumps[1:] {
									s.mute[p] = !peers
								}
								if restart {
									s.hear(begin(after(s.now)))
								}
								s.pass(100 * sec)
								require.NotEqual(t, medfleet.Unheard, s.device("p0").State, "nothing is known yet")
								s.pass(260 * sec)
								want := medfleet.Unheard
								switch {
								case !gateway, told && !feed:
									want = medfleet.Blind // the way is down
								case told && pumps > 1 && !peers:
									want = medfleet.Blind // everybody behind it is silent: it is the way
								}
								require.Equal(t, want, s.device("p0").State)
								require.Equal(t, want == medfleet.Unheard, len(s.quiet) > 0 && !s.went("p0", medfleet.Blind), "a way that is down makes nobody unheard")
								m1 := medfleet.InUse
								if !gateway {
									m1 = medfleet.Blind
								}
								require.Equal(t, m1, s.device("m1").State, "the other feed's pump is none of its business")

								s.mute, s.noFeed, s.noGateway = map[string]bool{}, false, false
								s.pass(min1)
								require.Equal(t, medfleet.InUse, s.device("p0").State, "and it comes back")
								require.False(t, want == medfleet.Blind && s.went("p0", medfleet.Unheard), "without ever having been missed: %s", s.states("p0"))
							})
						}
					}
				}
			}
		}
	}
}

// went tells whether a device was ever in a state.
func (w *ward) went(id string, state medfleet.State) bool {
	return w.count(fmt.Sprintf(`SELECT count(*) FROM state_intervals WHERE device = '%s' AND state = '%s'`, id, state)) > 0
}

func TestAFeedThatGoesIsSeenSinceItWasLastUp(t *testing.T) {
	s := newStation(t, 3)
	s.pass(10 * min1)
	s.noFeed = true
	s.pass(2 * min1)
	d := s.device("p1")
	require.Equal(t, medfleet.Blind, d.State)
	require.InDelta(t, int64(after(10*min1)), int64(d.Since), 5000, "as near as the clock records tell")
	g := s.r.Gateways()[0]
	require.Equal(t, []string{"hl7", "mqtt"}, []string{g.Feeds[0].Name, g.Feeds[1].Name})
	require.False(t, g.Feeds[0].Up)
	require.Equal(t, 3, g.Feeds[0].Devices)
	require.InDelta(t, int64(after(10*min1)), int64(g.Feeds[0].LastHeard), 5000)
	require.Equal(t, 1, g.FeedsUp())
	require.Equal(t, 1, s.count(`SELECT count(*) FROM feeds WHERE gateway = 'edge-1' AND name = 'hl7' AND up = 0 AND devices = 3`))
	require.Equal(t, 1, s.count(`SELECT count(*) FROM gateways WHERE name = 'edge-1' AND up = 1 AND feeds = 2 AND feeds_up = 1`))
	require.Equal(t, 3, s.count(`SELECT count(*) FROM devices WHERE feed = 'hl7'`))
}

// One cause is one alarm: the rules hear of the feed, and of no device behind it.
func TestAFeedThatIsDownIsToldOnceAndItsDevicesAreNotMissed(t *testing.T) {
	s := newStation(t, 200)
	s.pass(3 * min1)
	s.own, s.quiet = nil, nil
	s.noFeed = true
	s.pass(20 * min1)
	require.Contains(t, s.own, "feed:edge-1:hl7map[quiet:0 up:0]")
	require.Len(t, s.quiet, 200, "the board is told of each")
	require.Zero(t, s.count(`SELECT count(*) FROM state_intervals WHERE state = 'unheard'`))
	s.noFeed = false
	s.pass(5 * min1)
	require.Contains(t, s.own, "feed:edge-1:hl7map[quiet:0 up:1]")
	require.Zero(t, s.count(`SELECT count(*) FROM state_intervals WHERE state = 'unheard'`))
	require.Equal(t, 201, s.count(`SELECT count(*) FROM state_intervals WHERE state = 'in_use' AND to_ms IS NULL`))
}

// A sender that is configured and never came has nothing behind it: the rules hear of
// it when it has been there, and then also that it went, whoever restarts in between.
func TestASenderThatNeverCameIsMissedByNobody(t *testing.T) {
	s := newStation(t, 1)
	beats := func(up bool, silent time.Duration) {
		for range 20 {
			s.now += 10 * sec
			at := after(s.now)
			s.apply(calls(at, "hl7 from rack", up, silent))
			s.apply(tells(at, "hl7 at station", false, -1))
			s.apply(beat(at, 0))
			s.apply(clock(at))
		}
		s.flush()
	}
	beats(false, -1)
	require.NotContains(t, fmt.Sprint(s.own), "hl7-from-rackmap[quiet")
	require.Contains(t, s.own, "feed:edge-1:hl7-at-stationmap[quiet:0 up:0]", "who is to be called and never answered is missed")
	s.r, s.own = newRoster(), nil
	require.NoError(t, s.r.Recall(t.Context(), s.db))
	s.hear(begin(after(s.now)))
	beats(false, -1)
	require.NotContains(t, fmt.Sprint(s.own), "hl7-from-rackmap[quiet", "nor after a restart of the collector")
	beats(true, 0)
	require.Contains(t, s.own, "feed:edge-1:hl7-from-rackmap[quiet:0 up:1]")
	beats(false, min1)
	require.Contains(t, s.own, "feed:edge-1:hl7-from-rackmap[quiet:0 up:0]")
	s.own = nil
	beats(false, -1) // the gateway has restarted
	s.r = newRoster()
	require.NoError(t, s.r.Recall(t.Context(), s.db))
	s.hear(begin(after(s.now)))
	beats(false, -1)
	require.Contains(t, s.own, "feed:edge-1:hl7-from-rackmap[quiet:0 up:0]", "who has been there is missed for good")
}

func TestAFeedWhoseDevicesAreAllSilentIsToldQuiet(t *testing.T) {
	s := newStation(t, 3)
	s.pass(3 * min1)
	s.mute = map[string]bool{"p0": true, "p1": true, "p2": true}
	s.pass(4 * min1)
	require.Contains(t, s.own, "feed:edge-1:hl7map[quiet:1 up:1]")
	require.True(t, s.r.Gateways()[0].Feeds[0].Quiet)
	s.mute = map[string]bool{"p0": true}
	s.pass(100 * sec)
	require.Contains(t, s.own[len(s.own)-20:], "feed:edge-1:hl7map[quiet:0 up:1]")
	require.Equal(t, medfleet.Blind, s.device("p0").State, "it has its two minutes from when the others came back")
	s.pass(100 * sec)
	require.Equal(t, medfleet.Unheard, s.device("p0").State, "and then it is missed")
}

// TestACollectorThatWasAwayCallsNoFeedQuiet: what was said meanwhile it did not hear,
// and that is not the feed's silence. Nobody is told of it.
func TestACollectorThatWasAwayCallsNoFeedQuiet(t *testing.T) {
	s := newStation(t, 3)
	s.pass(3 * min1)
	s.now += 2 * 60 * min1
	before := len(s.own)
	s.hear(begin(after(s.now)))
	s.hear(tells(after(s.now), "hl7", true, 2*60*min1), beat(after(s.now), 0), clock(after(s.now+sec)))
	require.False(t, s.r.Gateways()[0].Feeds[0].Quiet)
	require.NotContains(t, fmt.Sprint(s.own[before:]), "quiet:1")
	s.pass(90 * sec)
	require.Equal(t, medfleet.InUse, s.device("p0").State)
	require.NotContains(t, fmt.Sprint(s.own[before:]), "quiet:1")
}

func TestADeviceCarriedOffAndOneSwitchedOffSayNothingOfTheirFeed(t *testing.T) {
	s := newStation(t, 3)
	s.pass(min1)
	s.mute["p0"] = true
	s.hear(happened("p1", after(s.now), "e1", "powered_off", medfleet.Instant))
	s.mute["p1"] = true
	s.pass(5 * min1)
	require.Equal(t, medfleet.Unheard, s.device("p0").State)
	s.mute["p2"] = true
	s.pass(5 * min1)
	require.Equal(t, medfleet.Unheard, s.device("p2").State, "the only one that was expected")
	require.Equal(t, medfleet.Off, s.device("p1").State)
}

func TestAnUnheardDeviceIsBlindWhileItsWayIsDown(t *testing.T) {
	s := newStation(t, 3)
	s.pass(min1)
	s.mute["p0"] = true
	s.pass(5 * min1)
	require.Equal(t, medfleet.Unheard, s.device("p0").State)
	s.noFeed = true
	s.pass(10 * min1)
	require.Equal(t, medfleet.Blind, s.device("p0").State, "an outage of ours is nobody's silence")
	s.noFeed = false
	s.pass(5 * min1)
	require.Equal(t, medfleet.Unheard, s.device("p0").State)
	require.Regexp(t, `^in_use 0.5-1, unheard 1-5.9, blind 5.9-16.\d, unheard 16.\d-$`, s.states("p0"))
}

// A record is newer than the heartbeat before it.
func TestAMessageByAFeedThatWasDownSaysThatItIsUp(t *testing.T) {
	s := newStation(t, 2)
	s.pass(min1)
	s.noFeed = true
	s.pass(min1)
	require.Equal(t, medfleet.Blind, s.device("p0").State)
	s.hear(observed("p0", after(s.now)-30_000, "infusing", by("hl7")), clock(after(s.now+sec)))
	require.Equal(t, medfleet.Blind, s.device("p0").State, "one that was received before it fell says nothing")
	s.hear(observed("p0", after(s.now+sec), "infusing", by("hl7")), clock(after(s.now+2*sec)))
	require.Equal(t, medfleet.InUse, s.device("p0").State)
	require.True(t, s.r.Gateways()[0].Feeds[0].Up)
}

func TestADeviceIsBehindTheFeedItWasLastHeardBy(t *testing.T) {
	s := newStation(t, 2)
	s.pass(min1)
	s.hear(observed("p0", after(s.now), "infusing", by("mqtt")))
	require.Equal(t, "mqtt", s.device("p0").Feed)
	s.noFeed, s.mute["p0"] = true, true
	s.pass(min1)
	require.Equal(t, medfleet.InUse, s.device("p0").State)
	require.Equal(t, medfleet.Blind, s.device("p1").State)
	require.Equal(t, []int{1, 2}, []int{s.r.Gateways()[0].Feeds[0].Devices, s.r.Gateways()[0].Feeds[1].Devices})
	e := happened("p1", after(s.now), "e1", "door_open", medfleet.Start)
	var line record.Line
	require.NoError(t, record.NewDecoder().Decode(e.envelope.Line, &line))
	ev := line.Event()
	ev.Feed, ev.DeviceTime = "mqtt", 5
	e.envelope.Line = new(record.Encoder).Event(nil, &ev)
	s.hear(e)
	require.Equal(t, "mqtt", s.device("p1").Feed, "an event shows another way when the one it had is down")
	require.Equal(t, 1, s.count(`SELECT count(*) FROM events WHERE feed = 'mqtt' AND device_time = 5`))
}

func TestAFeedThatIsConfiguredNoMoreIsForgottenWithItsDevices(t *testing.T) {
	s := newStation(t, 1)
	s.pass(min1)
	s.hear(beat(after(s.now+sec), 0))
	require.Empty(t, s.r.Gateways()[0].Feeds, "its gateway does not speak of it")
	s.hear(observed("p0", after(s.now), "infusing", by("new")), tells(after(s.now+2*sec), "new", true, 0), beat(after(s.now+2*sec), 0))
	require.Equal(t, "new", s.r.Gateways()[0].Feeds[0].Name)
	require.Zero(t, s.count(`SELECT count(*) FROM feeds WHERE name <> 'new'`))
}

func TestWhatTheDatabaseKnowsOfGatewaysIsRecalled(t *testing.T) {
	s := newStation(t, 2)
	s.pass(5 * min1)
	before := s.r.Gateways()[0]
	s.r = newRoster()
	require.NoError(t, s.r.Recall(ctx(), s.db))
	g := s.r.Gateways()[0]
	require.Equal(t, "edge-1", g.Name)
	require.False(t, g.Up, "it was not heard yet")
	require.Equal(t, before.Site, g.Site)
	require.Len(t, g.Feeds, 2)
	require.Equal(t, 2, g.Feeds[0].Devices)
	s.hear(begin(after(s.now)))
	s.hear(clock(after(s.now + 5*sec)))
	require.Equal(t, medfleet.Blind, s.device("p0").State, "what stands behind a gateway that is not heard is out of our sight, not silent")
	s.pass(min1)
	require.Equal(t, medfleet.InUse, s.device("p0").State)
	require.False(t, s.went("p0", medfleet.Unheard))
}

func TestAGatewaysFeedsAreBounded(t *testing.T) {
	s := newStation(t, 1)
	for i := range 2000 {
		s.apply(observed("p0", after(time.Duration(i)*sec), "infusing", by(fmt.Sprint("f", i))))
	}
	for i := range 2000 {
		s.apply(tells(after(0), fmt.Sprint("f", i), true, 0))
	}
	s.flush()
	require.LessOrEqual(t, len(s.r.Gateways()[0].Feeds), 512)
}

// TestNobodyIsMissedWhoCouldNotBeHeard lets pumps, feed, gateway and collector fail
// in any order and holds the roster against what is plainly true of them.
func TestNobodyIsMissedWhoCouldNotBeHeard(t *testing.T) {
	w := newWard(t)
	missed, blinded := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w.clean(rt)
		s := stationIn(w, 3)
		var wayUp, gatewayHeard time.Duration // since when nothing was in the way
		var allSilent time.Duration           // when no pump at all was heard
		lastHeard, before := map[string]time.Duration{}, map[string]medfleet.State{}
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			switch rapid.IntRange(0, 7).Draw(rt, "what") {
			case 0, 4, 5:
				p := rapid.SampledFrom(s.pumps).Draw(rt, "pump")
				s.mute[p] = !s.mute[p]
			case 1:
				s.noFeed = !s.noFeed
			case 2:
				s.noGateway = !s.noGateway
			case 3:
				s.now += time.Duration(rapid.SampledFrom([]int{5, 600}).Draw(rt, "away")) * sec
				s.now -= s.now % (5 * sec)
				s.hear(begin(after(s.now)))
				wayUp = s.now
			}
			for range rapid.IntRange(1, 30).Draw(rt, "passes") {
				s.run(10 * sec)
				down := s.noFeed || s.noGateway
				if !s.noGateway {
					gatewayHeard = s.now
				}
				if s.noFeed || s.now-gatewayHeard > roster.GatewaySilence { // what is shorter is not noticed, nor does it hide two minutes
					wayUp = s.now
				}
				all := true
				for _, p := range s.pumps {
					if !down && !s.mute[p] && s.now%(30*sec) == 0 {
						lastHeard[p] = s.now
					}
					all = all && s.now-lastHeard[p] > 2*min1
				}
				if all {
					allSilent = s.now
				}
				for _, p := range s.pumps {
					d, ok := s.r.Device(medfleet.DeviceID(p))
					if !ok {
						continue
					}
					silent := s.now - lastHeard[p]
					switch {
					case silent < 30*sec && lastHeard[p] > wayUp:
						require.Equal(rt, medfleet.InUse, d.State, "%s was just heard", p)
					case d.State == medfleet.Unheard && before[p] != medfleet.Unheard:
						missed++
						require.Greater(rt, silent, 2*min1-10*sec, p)
						require.Greater(rt, s.now-wayUp, 2*min1-10*sec, "%s: nobody could have heard it", p)
					case d.State == medfleet.Blind:
						blinded++
					}
					before[p] = d.State
				}
				if s.noGateway {
					continue
				}
				if p0, ok := s.r.Device("p0"); ok && s.now-allSilent > 3*min1 && !s.mute["p1"] && s.now-wayUp > 5*min1 && s.now-lastHeard["p0"] > 3*min1 {
					require.Equal(rt, medfleet.Unheard, p0.State, "its way is up, a peer is heard, it is not")
				}
			}
		}
		s.flush()
		s.whole(rt)
	})
	require.Greater(t, missed, 15, "void: hardly anybody was ever missed")
	require.Greater(t, blinded, 100, "void: the way was hardly ever down")
}
