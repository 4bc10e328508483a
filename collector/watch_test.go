package collector_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector"
	"medfleet/record"
	"medfleet/spool"
)

func TestTheEngineSeesEachRecordOnce(t *testing.T) {
	s := start(t, t.TempDir())
	s.send(0, 10)
	s.send(10, 25)
	s.exactly(25)
	require.Eventually(t, func() bool { s.engine.mu.Lock(); defer s.engine.mu.Unlock(); return len(s.engine.seen) == 50 }, soon, time.Millisecond)
	require.Equal(t, 1, s.engine.count("e17"))
	require.Equal(t, 1, s.engine.count("p2 17"))
	require.Equal(t, 5, s.c.Roster().Size())
	require.Equal(t, 5, s.number(`SELECT count(*) FROM devices`))
}

func TestStoppingAndStartingRepeatsNothing(t *testing.T) {
	folder := t.TempDir()
	for i := range 5 {
		s := start(t, folder)
		s.send(i*10, i*10+10)
		if i%2 == 0 {
			s.settled(i*10 + 10)
		}
		s.stop()
	}
	s := start(t, folder)
	s.exactly(50)
	s.send(50, 51)
	s.exactly(51)
	require.Equal(t, 1, s.engine.resumed)
	require.Zero(t, s.engine.count("e0"), "what the snapshot holds is not read again")
	require.Equal(t, 5, s.c.Roster().Size())
}

// TestAKillAtAnyPointLosesNothingAndRepeatsNothing takes a copy of the folder in
// the middle of what the watch does, which is what a kill at that point leaves, and
// goes on with the copy.
func TestAKillAtAnyPointLosesNothingAndRepeatsNothing(t *testing.T) {
	for _, point := range []string{"in the transaction", "after the commit", "while it saves"} {
		for nth := 1; nth <= 3; nth++ {
			t.Run(point, func(t *testing.T) {
				folder := t.TempDir()
				left := ""
				met := 0
				for round := range 3 { // three runs on the folder, so that snapshots are met too
					s := open(t, folder)
					s.engine.at = func(p string) {
						if p != point || left != "" {
							return
						}
						if met++; met == nth {
							left = copied(t, folder)
						}
					}
					s.run()
					s.send(round*20, round*20+10)
					s.settled(round*20 + 10)
					s.send(round*20+10, round*20+20)
					s.settled(round*20 + 20)
					s.stop()
				}
				require.NotEmpty(t, left, "void: the point was never met")
				s := start(t, left)
				for i := range 6 { // the gateway knows of no answer and sends everything again
					s.send(i*10, i*10+10)
				}
				s.exactly(60)
			})
		}
	}
}

func TestADatabaseThatFailsForAWhileLosesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	s.engine.failing = 4
	s.run()
	s.send(0, 10)
	s.exactly(10)
	require.GreaterOrEqual(t, len(s.engine.behind), 5, "void: it did not fail")
}

func TestAStoreThatFailsDelaysNoAlarm(t *testing.T) {
	h := &history{points: map[string]float64{}, writing: os.ErrDeadlineExceeded}
	s := start(t, t.TempDir(), func(o *collector.Options) { o.Store = h })
	s.send(0, 10)
	s.exactly(10)
	require.Zero(t, h.size())
	require.NotZero(t, s.c.StoreCounts().Errors.Load())
	h.mu.Lock()
	h.writing = nil
	h.mu.Unlock()
	require.Eventually(t, func() bool { return h.size() == 20 }, soon, 5*time.Millisecond, "and nothing is missing when it is back")
}

// journalOf writes records into the journal before a collector is there.
func journalOf(t *testing.T, folder string, envelopes ...[]byte) {
	t.Helper()
	log, err := spool.Open(filepath.Join(folder, "journal"), spool.Options{MaxAge: -1})
	require.NoError(t, err)
	for _, e := range envelopes {
		_, err := log.Enqueue(e)
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
}

func clockAt(at time.Time) []byte {
	var encoder record.Encoder
	now := medfleet.AsMillis(at)
	e := record.Envelope{Kind: record.Heartbeat, Received: now, Stream: []byte("clock"), Line: encoder.Heartbeat(nil, &medfleet.Heartbeat{Site: "north", Time: now})}
	return e.Append(nil)
}

func TestWhatIsFoundInABacklogIsNotNews(t *testing.T) {
	folder := t.TempDir()
	envelopes := [][]byte{clockAt(time.Now().Add(-time.Hour))}
	for i := range 3000 {
		envelopes = append(envelopes, event(i))
	}
	journalOf(t, folder, envelopes...)
	s := start(t, folder)
	s.exactly(3000)
	require.True(t, s.engine.behind[0], "an hour behind")
	s.send(3000, 3001)
	s.exactly(3001)
	require.False(t, s.engine.behind[len(s.engine.behind)-1], "and now it is here")
}

func TestTheClockIsInTheJournal(t *testing.T) {
	s := start(t, t.TempDir(), func(o *collector.Options) { o.Clock = 10 * time.Millisecond })
	require.Eventually(t, func() bool { s.engine.mu.Lock(); defer s.engine.mu.Unlock(); return len(s.engine.ticks) > 3 }, soon, time.Millisecond)
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	require.IsIncreasing(t, s.engine.ticks)
	require.InDelta(t, time.Now().UnixMilli(), int64(s.c.Roster().Clock()), float64(soon.Milliseconds()))
	require.Less(t, s.c.Lag(), soon)
}

func TestAClockTooSlowToSeeSilenceIsRefused(t *testing.T) {
	_, err := collector.New(t.Context(), collector.Options{Config: collector.Config{DataDir: t.TempDir(), Clock: time.Minute}})
	require.ErrorContains(t, err, "collector.clock")
}

func TestLagGrowsWhileTheDatabaseIsDown(t *testing.T) {
	s := open(t, t.TempDir(), func(o *collector.Options) { o.Clock = 10 * time.Millisecond })
	s.engine.failing = 1 << 30
	s.run()
	s.send(0, 1)
	require.Eventually(t, func() bool { return s.c.Lag() > 300*time.Millisecond }, soon, 5*time.Millisecond)
	s.engine.mu.Lock()
	s.engine.failing = 0
	s.engine.mu.Unlock()
	require.Eventually(t, func() bool { return s.c.Lag() < 200*time.Millisecond }, soon, 5*time.Millisecond)
}

func TestWhatWasTakenIsKnownAfterAKill(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 10)
	s.settled(10)
	left := copied(t, folder)
	s.stop()
	for _, folder := range []string{folder, left} {
		s = start(t, folder)
		s.send(0, 10)
		require.Zero(t, s.c.Door().Counts().Records.Load(), "taken twice")
		require.Equal(t, uint64(20), s.c.Door().Counts().Duplicates.Load())
		s.send(5, 15)
		require.Equal(t, uint64(10), s.c.Door().Counts().Records.Load())
		s.exactly(15)
		s.stop()
	}
}

// A journal can be lost alone: a disk of its own, a folder cleaned up. Its numbers
// then begin again at 1, below what the database has.
func TestALostJournalSwallowsNothingNew(t *testing.T) {
	for name, killed := range map[string]bool{"stopped": false, "killed right after": true} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := start(t, folder)
			s.send(0, 40)
			s.settled(40)
			s.stop()
			gone(t, folder, "journal")
			s = open(t, folder)
			if killed { // the new journal grows past the old position before anything is judged
				for i := 40; i < 140; i += 10 {
					s.send(i, i+10)
				}
				left := copied(t, folder)
				s.stop()
				s = start(t, left)
			} else {
				s.run()
				for i := 40; i < 140; i += 10 {
					s.send(i, i+10)
				}
			}
			s.exactly(140)
			require.Equal(t, 5, s.c.Roster().Size())
		})
	}
}

func TestAJournalFromABackupIsNotJudgedAgain(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 10)
	s.settled(10)
	s.stop()
	old := copied(t, filepath.Join(folder, "journal"))
	s = start(t, folder)
	s.send(10, 40)
	s.settled(40)
	s.stop()
	gone(t, folder, "journal")
	require.NoError(t, os.CopyFS(filepath.Join(folder, "journal"), os.DirFS(old)))
	s = start(t, folder)
	s.send(40, 100)
	s.exactly(100)
}

func TestALostDatabaseIsWrittenAnew(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 10)
	s.settled(10)
	s.stop()
	gone(t, folder, "state.db*")
	s = start(t, folder)
	s.send(10, 11)
	s.settled(1)
	require.Equal(t, 5, s.number(`SELECT count(*) FROM devices`))
	require.Equal(t, 5, s.number(`SELECT count(*) FROM state_intervals WHERE to_ms IS NULL`))
}

func TestADamagedSnapshotIsSetAsideAndNobodyIsForgotten(t *testing.T) {
	folder := t.TempDir()
	s := start(t, folder)
	s.send(0, 10)
	s.settled(10)
	s.stop()
	s = start(t, folder)
	s.stop()
	damage(t, filepath.Join(folder, "watch.snapshot"))
	s = start(t, folder)
	s.send(10, 12)
	s.exactly(12)
	require.FileExists(t, filepath.Join(folder, "watch.snapshot.corrupt"))
	require.Equal(t, 5, s.c.Roster().Size())
}

func TestALossInTheJournalIsDeclared(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder) // taken and not judged yet
	s.send(0, 10)
	s.stop()
	segments, err := filepath.Glob(filepath.Join(folder, "journal", "*"))
	require.NoError(t, err)
	flipped := false
	for _, name := range segments {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if at := strings.Index(string(b), `id="e3"`); at >= 0 {
			b[at+4] ^= 1
			require.NoError(t, os.WriteFile(name, b, 0o600))
			flipped = true
		}
	}
	require.True(t, flipped, "void: nothing was damaged")
	s = start(t, folder)
	s.settled(9)
	require.Eventually(t, func() bool { return s.number(`SELECT count(*) FROM gaps WHERE stream = 'journal'`) == 1 }, soon, 5*time.Millisecond)
	require.Equal(t, 9, s.number(`SELECT count(*) FROM events`), "only the damaged one is gone")
}
