// Package storetest tells what every store of package store must do, as stories
// that run against a real one.
package storetest

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
)

// Opener opens the store that is kept in a folder, which may be empty. What it
// starts ends with the store's Close.
type Opener func(folder string) (store.Store, error)

// Run tells every story. Each begins with an empty folder.
func Run(t *testing.T, open Opener) {
	for _, stories := range [][]telling{writing(), refusing(), reading(), enduring()} {
		for _, one := range stories {
			t.Run(one.name, func(t *testing.T) { one.tell(begin(t, open)) })
		}
	}
	t.Run("random operations agree with a plain map", func(t *testing.T) { agrees(t, open) })
}

// telling is one story and what it tells.
type telling struct {
	name string
	tell func(*story)
}

// story is one store in the course of a test.
type story struct {
	*testing.T
	open   Opener
	folder string
	store  store.Store
	now    medfleet.Millis
}

func begin(t *testing.T, open Opener) *story {
	s := &story{T: t, open: open, folder: filepath.Join(t.TempDir(), "series"), now: medfleet.AsMillis(time.Now())}
	require.NoError(t, os.Mkdir(s.folder, 0o755))
	s.store = s.opened(s.folder)
	t.Cleanup(func() { require.NoError(t, s.store.Close()) })
	return s
}

func (s *story) opened(folder string) store.Store {
	s.Helper()
	opened, err := s.open(folder)
	require.NoError(s, err)
	return opened
}

// ago is a time before the story began.
func (s *story) ago(d time.Duration) medfleet.Millis { return s.now.Add(-d) }

// write writes points of which none may be refused.
func (s *story) write(points ...store.Point) {
	s.Helper()
	require.NoError(s, s.store.Write(s.Context(), points))
}

// refused writes points and gives those that were refused.
func (s *story) refused(points ...store.Point) []store.RefusedPoint {
	s.Helper()
	var refused *store.Refused
	require.ErrorAs(s, s.store.Write(s.Context(), points), &refused)
	require.NotEmpty(s, refused.Points)
	return refused.Points
}

func (s *story) read(q store.Query) []store.Sample {
	s.Helper()
	return s.readFrom(s.store, q)
}

func (s *story) readFrom(from store.Store, q store.Query) []store.Sample {
	s.Helper()
	samples, err := from.History(s.Context(), q)
	require.NoError(s, err)
	return samples
}

// charge asks for the charge of some pumps over the whole time that is taken.
func (s *story) charge(devices ...medfleet.DeviceID) store.Query {
	return store.Query{
		Measurement: "infusion_pump", Metric: "battery_charge", Devices: devices,
		From: s.ago(medfleet.MaxPast), To: s.now.Add(medfleet.MaxFuture),
	}
}

// pump is a pump that tells its charge and nothing else.
func pump(id medfleet.DeviceID, at medfleet.Millis, charge float64) store.Point {
	return store.Point{
		Measurement: "infusion_pump",
		Equipment:   medfleet.Equipment{Device: id, Class: "infusion_pump", Model: "Alba 3", Site: "north", Unit: "ICU"},
		Time:        at,
		Fields:      []medfleet.Reading{{Metric: "battery_charge", Value: charge}},
	}
}

// Image copies a store's folder as it is now, as if the process had been killed.
// A store may tidy up behind our back, and what was copied before and after would
// fit no instant: then it is copied again.
func Image(folder, to string) error {
	for {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		before, err := listing(folder)
		if err != nil {
			return err
		}
		if err := copyFolder(folder, to); err != nil {
			return err
		}
		after, err := listing(folder)
		if err != nil {
			return err
		}
		if maps.Equal(before, after) {
			return nil
		}
	}
}

// file is what tells that a file has changed.
type file struct {
	size     int64
	modified time.Time
}

// listing lists the files below a folder.
func listing(folder string) (map[string]file, error) {
	files := make(map[string]file)
	err := walk(folder, func(rel string, e fs.DirEntry) error {
		info, err := e.Info()
		if err == nil {
			files[rel] = file{info.Size(), info.ModTime()}
		}
		return gone(err)
	})
	return files, err
}

func copyFolder(folder, to string) error {
	return walk(folder, func(rel string, e fs.DirEntry) error {
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return copyFile(filepath.Join(folder, rel), filepath.Join(to, rel))
	})
}

// walk visits the files and folders below a folder by their paths in it.
func walk(folder string, visit func(rel string, e fs.DirEntry) error) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if !e.IsDir() && !e.Type().IsRegular() {
			return nil
		}
		return visit(rel, e)
	})
}

// gone takes it as no error that the store has just deleted a file.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return gone(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
