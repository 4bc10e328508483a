package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dataFormat is the number of the whole tree that a data folder holds. A change
// that an older medfleet could not read raises it.
const dataFormat = 1

// dataDir is a data folder that this process alone uses.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the folder if need be, locks it and checks its format.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another medfleet: stop that one or choose another folder", path)
		}
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	d := &dataDir{path, lock}
	if err := d.checkFormat(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *dataDir) checkFormat() error {
	file := filepath.Join(d.path, "format")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return os.WriteFile(file, []byte(strconv.Itoa(dataFormat)+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("read format of data folder: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	switch {
	case err != nil || n < 1:
		return fmt.Errorf("%s: %.20q is no format number: this is not a data folder of medfleet, or it is damaged", file, text)
	case n > dataFormat:
		return fmt.Errorf("data folder %s has format %d, this medfleet knows up to %d: use the newer medfleet that wrote it, or restore a backup", d.path, n, dataFormat)
	}
	return nil
}

// folder makes a folder inside and gives its path.
func (d *dataDir) folder(name string) (string, error) {
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	return path, nil
}

// close lets go of the lock.
func (d *dataDir) close() error { return d.lock.Close() }
