package memfile_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

const name = "/d/a"

func create(t *testing.T, d *memfile.Disk, content string) spool.File {
	require.NoError(t, d.MakeDir("/d"))
	f, err := d.Create(name)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	require.NoError(t, err)
	return f
}

// TestWhatSurvives is the contract the tests of the log stand on.
func TestWhatSurvives(t *testing.T) {
	for title, c := range map[string]struct {
		do   func(t *testing.T, d *memfile.Disk, f spool.File)
		want []byte
	}{
		"nothing synced":     {func(*testing.T, *memfile.Disk, spool.File) {}, nil},
		"file synced alone":  {func(t *testing.T, _ *memfile.Disk, f spool.File) { require.NoError(t, f.Sync()) }, nil},
		"folder synced only": {func(t *testing.T, d *memfile.Disk, _ spool.File) { require.NoError(t, d.SyncDir("/d")) }, []byte{}},
		"both synced": {func(t *testing.T, d *memfile.Disk, f spool.File) {
			require.NoError(t, f.Sync())
			require.NoError(t, d.SyncDir("/d"))
		}, []byte("abc")},
		"failed fsync, then a good one": {func(t *testing.T, d *memfile.Disk, f spool.File) {
			d.SetFault(func(c memfile.Call) error {
				if c.Op == memfile.OpSync {
					return syscall.EIO
				}
				return nil
			})
			require.ErrorIs(t, f.Sync(), syscall.EIO)
			d.SetFault(nil)
			require.NoError(t, f.Sync())
			require.NoError(t, d.SyncDir("/d"))
		}, []byte{}},
		"removal not synced": {func(t *testing.T, d *memfile.Disk, f spool.File) {
			require.NoError(t, f.Sync())
			require.NoError(t, d.SyncDir("/d"))
			require.NoError(t, d.Remove(name))
		}, []byte("abc")},
	} {
		t.Run(title, func(t *testing.T) {
			d := memfile.New()
			f := create(t, d, "abc")
			c.do(t, d, f)
			after := d.PowerCut(nil)
			require.Equal(t, c.want, after.Read(name))
			_, err := f.WriteAt([]byte("x"), 0)
			require.ErrorIs(t, err, memfile.ErrPower)
		})
	}
}

func TestLimit(t *testing.T) {
	d := memfile.New()
	d.SetLimit(5)
	f := create(t, d, "abc")
	n, err := f.WriteAt([]byte("defg"), 3)
	require.True(t, errors.Is(err, syscall.ENOSPC))
	require.Equal(t, 2, n)
	require.Equal(t, "abcde", string(d.Read(name)))
	_, err = f.WriteAt([]byte("XYZ"), 0)
	require.NoError(t, err, "what is there can be overwritten")
}
