package tsdb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/collector/store"
	"medfleet/collector/store/storetest"
)

// disk remembers how much of each file was synced.
type disk struct{ synced map[string]int64 }

func (d *disk) fsync(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		d.synced[path] = info.Size()
	}
	return err
}

// ruins is what a power cut leaves of the logs at worst: what was synced. Blocks
// are the engine's own affair, and what it cuts from the logs is never synced.
func (d *disk) ruins(t *testing.T, folder string) string {
	to := t.TempDir()
	require.NoError(t, filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		switch dir := filepath.Dir(rel); dir {
		case "wal", "wbl":
			data = data[:d.synced[path]]
		case "chunks_head":
			data = make([]byte, len(data))
		}
		require.NoError(t, os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o755))
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	}))
	return to
}

// afterPowerCut writes samples in order and late, syncs, writes more, and gives
// the store that a power cut leaves.
func afterPowerCut(t *testing.T, fsync func(*disk, string) error) *Store {
	folder, at, d := t.TempDir(), now(), &disk{synced: make(map[string]int64)}
	s := opened(t, folder, Options{})
	s.fsync = func(path string) error { return fsync(d, path) }
	for i := range 300 {
		age := time.Duration(i) * time.Second // too short a time for the engine to make blocks of
		require.NoError(t, s.Write(t.Context(), []store.Point{
			pump("new", at.Add(age-300*time.Second), 1), pump("late", at.Add(-20*day-age), 1),
		}))
		if i%100 == 99 {
			require.NoError(t, s.Sync(t.Context()))
		}
	}
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("unsynced", at, 1)}))
	return opened(t, d.ruins(t, folder), Options{})
}

func TestWhatWasSyncedSurvivesAPowerCut(t *testing.T) {
	s := afterPowerCut(t, (*disk).fsync)
	require.Len(t, history(t, s, "new"), 300)
	require.Len(t, history(t, s, "late"), 300)
	require.Empty(t, history(t, s, "unsynced"), "else the test cuts nothing")
}

// The control: a Sync that forgets one of the two logs is found out.
func TestAMissingSyncDoesNotSurviveAPowerCut(t *testing.T) {
	for log, id := range map[string]string{"wal": "new", "wbl": "late"} {
		s := afterPowerCut(t, func(d *disk, path string) error {
			if filepath.Base(filepath.Dir(path)) == log {
				return nil
			}
			return d.fsync(path)
		})
		require.Less(t, len(history(t, s, id)), 300, log)
	}
}

func TestOnlyWhatHasGrownIsSynced(t *testing.T) {
	s, at := opened(t, t.TempDir(), Options{}), now()
	var synced []string
	s.fsync = func(path string) error {
		synced = append(synced, strings.TrimPrefix(path, s.folder+string(filepath.Separator)))
		return nil
	}
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 1)}))
	require.NoError(t, s.Sync(t.Context()))
	require.Subset(t, synced, []string{"wal", "wbl", filepath.Join("wal", "00000000")}, "new files need their folder synced")
	synced = nil
	require.NoError(t, s.Sync(t.Context()))
	require.Empty(t, synced)
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at.Add(-24*time.Hour), 1)}))
	require.NoError(t, s.Sync(t.Context()))
	require.ElementsMatch(t, []string{filepath.Join("wal", "00000000"), filepath.Join("wbl", "00000000")}, synced)
}

// A sync that has failed is not tried again on the same files: everything is
// opened anew, and written again by whoever heard of the failure.
func TestAFailedSyncIsToldUntilTheEngineIsOpenedAnew(t *testing.T) {
	s, at := opened(t, t.TempDir(), Options{}), now()
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 1)}))
	broken := errors.New("input/output error")
	s.fsync = func(string) error { return broken }
	require.ErrorIs(t, s.Sync(t.Context()), broken)
	s.fsync = fsync
	before := s.db
	require.ErrorIs(t, s.Sync(t.Context()), broken, "the disk works again, and yet")
	require.Len(t, history(t, s, "p1"), 1, "reading goes on")
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", at, 1), pump("p1", at+1, 2)}))
	require.NotSame(t, before, s.db)
	require.NoError(t, s.Sync(t.Context()))
	require.Len(t, history(t, s, "p1"), 2)
}

// A failure that the next write has mended before anybody was told is still told.
func TestAMendedFailureIsToldOnce(t *testing.T) {
	s := opened(t, t.TempDir(), Options{})
	lost := errors.New("late samples are not in the log")
	s.failed.set(lost)
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("p1", now(), 1)}))
	require.ErrorIs(t, s.Sync(t.Context()), lost)
	require.NoError(t, s.Sync(t.Context()))
}

// The engine moves late samples out of memory before they are in a block. Here
// images are taken all the while it does, and more late samples come.
func TestACrashWhileCompactingLosesNothing(t *testing.T) {
	for range 4 {
		base, at := t.TempDir(), now()
		s := opened(t, filepath.Join(base, "series"), Options{})
		write := func(id string, ages ...time.Duration) {
			for _, age := range ages {
				require.NoError(t, s.Write(t.Context(), []store.Point{pump(id, at.Add(-age), 1)}))
			}
		}
		write("new", 7*time.Hour, 6*time.Hour, 5*time.Hour, 0)
		for i := range 8 {
			shift := time.Duration(i) * time.Minute
			write("late", shift, 100*time.Minute+shift, 7*time.Hour+shift, 3*day+shift, 29*day+shift)
			require.NoError(t, s.Sync(t.Context()))
			ruins := filepath.Join(base, "ruins")
			require.NoError(t, storetest.Image(s.folder, ruins))
			after := opened(t, ruins, Options{})
			require.Len(t, history(t, after, "late"), 5*(i+1))
			require.Len(t, history(t, after, "new"), 4)
			require.NoError(t, after.Close())
		}
		require.NotEmpty(t, s.db.Blocks(), "else nothing was compacted")
		require.NoError(t, s.Close())
	}
}

// The logs name chunks that the engine has cut from them. A crash can lose such
// a chunk, and another may get its name later: the samples must not be taken for
// being in that one.
func TestAChunkLostInACrashIsNotTakenForAnother(t *testing.T) {
	at := now()
	s := opened(t, t.TempDir(), Options{})
	late := func(id string) {
		for i := range 100 {
			require.NoError(t, s.Write(t.Context(), []store.Point{pump(id, at.Add(-day+time.Duration(i)*time.Minute), 1)}))
		}
		require.NoError(t, s.Sync(t.Context()))
	}
	require.NoError(t, s.Write(t.Context(), []store.Point{pump("new", at, 1), pump("p1", at, 1), pump("p2", at, 1)}))
	late("p1")
	folder := t.TempDir()
	require.NoError(t, storetest.Image(s.folder, folder))
	s = opened(t, folder, Options{})
	require.Len(t, history(t, s, "p1"), 101)
	late("p2")
	require.NoError(t, s.Close())
	s = opened(t, folder, Options{})
	require.Len(t, history(t, s, "p1"), 101)
	require.Len(t, history(t, s, "p2"), 101)
}
