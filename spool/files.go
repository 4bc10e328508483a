package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is the file layer of a log. It exists so that tests can fail any call
// and cut the power; package memfile has such a one. It is larger than our
// interfaces usually are, because that is what a log asks of a disk.
type Files interface {
	MakeDir(dir string) error
	List(dir string) ([]string, error)
	Create(name string) (File, error) // new or emptied, for reading and writing
	Open(name string) (File, error)   // for reading only: works on a disk gone read-only
	Edit(name string) (File, error)   // existing, for reading and writing
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(dir string) error
	// Lock takes the lock of a folder for this process or returns ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file of Files.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

type osFiles struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func openOS(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) Create(name string) (File, error) {
	return openOS(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}
func (osFiles) Open(name string) (File, error) { return openOS(name, os.O_RDONLY) }
func (osFiles) Edit(name string) (File, error) { return openOS(name, os.O_RDWR) }
func (osFiles) Rename(from, to string) error   { return os.Rename(from, to) }
func (osFiles) Remove(name string) error       { return os.Remove(name) }

func (osFiles) List(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (o osFiles) MakeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

func (osFiles) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
