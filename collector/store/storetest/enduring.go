package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
)

func enduring() []telling {
	return []telling{
		{"what was written is there after closing and opening", reopened},
		{"what was synced is there after a crash", crashed},
		{"after closing everything says so", closed},
		{"many write and read at the same time", crowd},
	}
}

// life is some of a pump's life, in an order in which nobody lives.
func life(s *story, id medfleet.DeviceID) []store.Point {
	var points []store.Point
	for i := range 500 {
		minutes := 5 * ((i * 337) % 500) // 337 and 500 have no common divisor
		if i%10 == 0 {
			minutes += 28 * 24 * 60
		}
		points = append(points, pump(id, s.ago(time.Duration(minutes)*time.Minute), float64(i)))
	}
	return points
}

func reopened(s *story) {
	for _, p := range life(s, "p1") {
		s.write(p)
	}
	before := s.read(s.charge("p1"))
	require.Len(s, before, 500)
	require.NoError(s, s.store.Close())
	s.store = s.opened(s.folder)
	require.Equal(s, before, s.read(s.charge("p1")))
	s.write(life(s, "p1")...)
	require.Equal(s, before, s.read(s.charge("p1")), "replayed after opening")
	s.write(pump("p1", s.now.Add(time.Minute), 1), pump("p2", s.now, 2))
	require.Len(s, s.read(s.charge("p1", "p2")), 502, "and it goes on")
}

func crashed(s *story) {
	points := life(s, "p1")
	for round := range 5 {
		for _, p := range points[round*100 : (round+1)*100] {
			s.write(p)
		}
		require.NoError(s, s.store.Sync(s.Context()))
		before := s.read(s.charge("p1"))
		require.Len(s, before, (round+1)*100)
		s.write(pump("p2", s.now.Add(time.Duration(round)*time.Second), 1))

		ruins := filepath.Join(s.TempDir(), "ruins")
		require.NoError(s, Image(s.folder, ruins))
		after := s.opened(ruins)
		require.Equal(s, before, s.readFrom(after, s.charge("p1")))
		require.NoError(s, after.Write(s.Context(), points), "and it goes on")
		require.Len(s, s.readFrom(after, s.charge("p1")), 500)
		require.NoError(s, after.Close())
		require.NoError(s, os.RemoveAll(ruins))
	}
}

func closed(s *story) {
	s.write(pump("p1", s.now, 1))
	require.NoError(s, s.store.Close())
	require.NoError(s, s.store.Close(), "twice")
	require.ErrorIs(s, s.store.Write(s.Context(), []store.Point{pump("p1", s.now, 1)}), store.ErrClosed)
	require.ErrorIs(s, s.store.Sync(s.Context()), store.ErrClosed)
	_, err := s.store.History(s.Context(), s.charge("p1"))
	require.ErrorIs(s, err, store.ErrClosed)
}

// Sizes of the crowd.
const (
	writers = 4
	rounds  = 50
)

func crowd(s *story) {
	errs := make(chan error, 3*writers)
	var all sync.WaitGroup
	for w := range writers {
		id := medfleet.DeviceID(fmt.Sprintf("p%d", w))
		all.Go(func() { errs <- s.writeRounds(id) })
		all.Go(func() { errs <- s.watchRounds(id) })
	}
	all.Go(func() {
		for range rounds / 5 {
			if err := s.store.Sync(s.Context()); err != nil {
				errs <- err
			}
		}
	})
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(s, err)
	}
	for w := range writers {
		require.Len(s, s.read(s.charge(medfleet.DeviceID(fmt.Sprintf("p%d", w)))), rounds)
	}
}

func (s *story) writeRounds(id medfleet.DeviceID) error {
	for i := range rounds {
		at := s.ago(time.Duration(rounds-i) * time.Minute)
		if err := s.store.Write(s.Context(), []store.Point{pump(id, at, float64(i))}); err != nil {
			return err
		}
		got, err := s.store.History(s.Context(), s.charge(id))
		if err != nil {
			return err
		}
		if len(got) != i+1 {
			return fmt.Errorf("%s: %d samples after writing %d", id, len(got), i+1)
		}
	}
	return nil
}

// watchRounds reads what somebody else is writing: always an unbroken beginning.
func (s *story) watchRounds(id medfleet.DeviceID) error {
	for range rounds {
		got, err := s.store.History(s.Context(), s.charge(id))
		if err != nil {
			return err
		}
		for i := range got {
			if got[i].Value != float64(i) {
				return fmt.Errorf("%s: sample %d is %v", id, i, got[i])
			}
		}
	}
	return nil
}
