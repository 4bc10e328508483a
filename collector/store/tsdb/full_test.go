//go:build linux

package tsdb

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/collector/store"
	"medfleet/collector/store/storetest"
)

// fileLimit makes every file of this process refuse to grow beyond size, and
// gives what lifts the limit again.
func fileLimit(t *testing.T, size uint64) (lift func()) {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: before.Max}))
	return func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
}

// alone runs a test in a process of its own and reports whether this is it.
func alone(t *testing.T) bool {
	const mark = "MEDFLEET_TEST_ALONE"
	if os.Getenv(mark) != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), mark+"=1")
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// fill writes until something fails: a write, or else a sync.
func fill(t *testing.T, s *Store, point func(i int) store.Point) (written []store.Point, err error) {
	for i := range 1_000_000 {
		p := point(i)
		if err := s.Write(t.Context(), []store.Point{p}); err != nil {
			return append(written, p), err
		}
		written = append(written, p)
		if i%100 == 0 {
			if err := s.Sync(t.Context()); err != nil {
				return written, err
			}
		}
	}
	t.Fatal("the disk never got full")
	return nil, nil
}

func TestAFullDiskIsToldAndSurvived(t *testing.T) {
	if !alone(t) {
		return
	}
	at := now()
	for name, point := range map[string]func(i int) store.Point{
		"in order": func(i int) store.Point { return pump("p1", at.Add(time.Duration(i-10_000)*time.Millisecond), 1) },
		"late":     func(i int) store.Point { return pump("p1", at.Add(-day+time.Duration(i)*time.Millisecond), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := opened(t, folder, Options{})
			require.NoError(t, s.Write(t.Context(), []store.Point{pump("first", at, 1)}))
			lift := fileLimit(t, 192<<10)
			written, err := fill(t, s, point)
			var refused *store.Refused
			require.NotErrorAs(t, err, &refused, "the points are not to blame")
			require.Error(t, s.Write(t.Context(), written), "still full")
			require.NotEmpty(t, history(t, s, "p1"), "reading goes on")

			lift()
			require.NoError(t, s.Write(t.Context(), written), "all again, as after a failed sync")
			if err := s.Sync(t.Context()); err != nil { // a failure that nobody was told of
				require.NoError(t, s.Write(t.Context(), written))
				require.NoError(t, s.Sync(t.Context()))
			}
			ruins := t.TempDir()
			require.NoError(t, storetest.Image(folder, ruins))
			require.Len(t, history(t, opened(t, ruins, Options{}), "p1"), len(written))
		})
	}
}
