package collector_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector"
	"medfleet/collector/roster"
	"medfleet/collector/state"
)

func withAliases(a roster.Aliases) func(*collector.Options) {
	return func(o *collector.Options) { o.Aliases = a }
}

// aliased waits until n aliases are in force and that many devices are known.
func (s *center) aliased(n, devices int) *center {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return s.number(`SELECT count(*) FROM device_aliases`) == n && s.c.Roster().Size() == devices
	}, soon, 2*time.Millisecond)
	return s
}

func (s *center) eventsOf(id medfleet.DeviceID) int {
	list, _, err := roster.Records{DB: s.db}.Events(s.t.Context(), id, 1000, "")
	require.NoError(s.t, err)
	return len(list)
}

// One device is told over two protocols, by each under a name of its own.
func TestOneDeviceOverTwoProtocolsIsReadAsOne(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 20)
	s.exactly(20)
	require.Equal(t, 4, s.eventsOf("p0"))
	s.stop()

	one := withAliases(roster.Aliases{"p1": "p0", "q1": "q0"})
	s = start(t, folder, one).aliased(2, 4)
	require.Equal(t, 1, s.engine.count("p1 quiet in_use")+s.engine.count("p1 quiet idle")+s.engine.count("p1 quiet off"), "the engine is told that it is gone")
	d, ok := s.c.Roster().Device("p1")
	require.True(t, ok)
	require.Equal(t, medfleet.DeviceID("p0"), d.ID)
	require.Equal(t, []medfleet.DeviceID{"p0", "p1"}, s.c.Roster().IDs("p1"))
	require.Equal(t, 8, s.eventsOf("p0"), "the past of both is one")
	stretches, err := roster.Records{DB: s.db}.Stretches(t.Context(), "p0", 0, medfleet.AsMillis(time.Now().Add(time.Hour)))
	require.NoError(t, err)
	require.Greater(t, len(stretches), 2)
	require.Zero(t, s.number(`SELECT count(*) FROM state_intervals WHERE device = 'p1' AND to_ms IS NULL`))
	require.Equal(t, 4, s.number(`SELECT count(*) FROM devices`))
	s.send(20, 30)
	s.exactly(30)
	require.Equal(t, 12, s.eventsOf("p0"))

	left := copied(t, folder) // killed
	s.stop()
	for _, folder := range []string{folder, left} {
		s = start(t, folder, one).aliased(2, 4)
		require.Equal(t, 2, s.number(`SELECT count(*) FROM device_aliases`))
		require.Equal(t, 2, s.number(`SELECT count(*) FROM audit WHERE action = 'alias.given'`), "once each, not with each start")
		s.send(20, 30)
		s.exactly(30)
		s.stop()
	}

	s = start(t, folder)
	s.aliased(0, 4)
	require.Equal(t, 2, s.number(`SELECT count(*) FROM audit WHERE action = 'alias.taken'`))
	require.NoError(t, state.CheckAudit(t.Context(), s.db))
	s.send(30, 40)
	s.exactly(40)
	s.aliased(0, 5)
	require.Equal(t, 6, s.eventsOf("p1"), "it is a device of its own again")
}

func TestAnAliasOfADeviceThatWasNeverHeardGivesItTheName(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 10)
	s.exactly(10)
	before, _ := s.c.Roster().Device("p1")
	s.stop()
	s = start(t, folder, withAliases(roster.Aliases{"p1": "PUMP-1"})).aliased(1, 5)
	after, _ := s.c.Roster().Device("PUMP-1")
	require.Equal(t, []any{before.FirstSeen, before.State, before.Readings, before.Active}, []any{after.FirstSeen, after.State, after.Readings, after.Active})
	require.Equal(t, 1, s.number(`SELECT count(*) FROM state_intervals WHERE device = 'PUMP-1' AND to_ms IS NULL`))
	require.Equal(t, 2, s.eventsOf("PUMP-1"))
}

func TestAliasesThatCannotBeAreNamed(t *testing.T) {
	c := collector.Config{Aliases: roster.Aliases{"a": "b", "b": "c", "x": "x", "John Smith": "d", "e": ""}}
	err := c.CheckAliases()
	require.ErrorContains(t, err, `collector.aliases["a"]: b is an alias itself`)
	require.ErrorContains(t, err, `collector.aliases["x"]: it stands for itself`)
	require.ErrorContains(t, err, `collector.aliases["John Smith"]`)
	require.ErrorContains(t, err, `collector.aliases["e"]`)
	c.DataDir = t.TempDir()
	_, err = collector.New(t.Context(), collector.Options{Config: c})
	require.ErrorContains(t, err, "collector.aliases")
	require.NoError(t, (&collector.Config{Aliases: roster.Aliases{"a": "b", "c": "b"}}).CheckAliases())
}
