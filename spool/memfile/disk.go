// Package memfile is a file layer for tests of package spool and of what is
// built on it: a disk in memory that can fail any call, run full, and lose its
// power. It is stricter than most real ones: nothing survives a power cut but
// bytes whose fsync returned nil, under names whose folder was synced since,
// and a failed fsync gives up the bytes it was asked to keep.
package memfile

import (
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"syscall"

	"medfleet/spool"
)

// Op is a kind of call.
type Op string

// The calls a Disk sees. Reads of content are calls too.
const (
	OpMakeDir  Op = "makedir"
	OpList     Op = "list"
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpSyncDir  Op = "syncdir"
	OpLock     Op = "lock"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpSize     Op = "size"
	OpClose    Op = "close"
)

// Call is one call of the file layer.
type Call struct {
	N    int // 1 for the first call of the disk
	Op   Op
	Name string
}

// Disk implements spool.Files. The zero value is not usable; see New.
type Disk struct {
	mu      sync.Mutex
	live    map[string]*inode // what a running program sees
	durable map[string]*inode // what the folders say after a power cut
	dirs    map[string]bool
	locks   map[string]bool
	calls   int
	limit   int64
	fault   func(Call) error
	dead    error
}

// New is an empty disk without limit or fault.
func New() *Disk {
	return &Disk{live: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{}, locks: map[string]bool{}}
}

// SetFault makes every call ask f first. An error makes the call fail: a write
// after half its bytes, an fsync giving up what it was to keep. f must not call
// the disk.
func (d *Disk) SetFault(f func(Call) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// SetLimit makes writes beyond that many bytes in all files fail with ENOSPC; 0 is no limit.
func (d *Disk) SetLimit(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = bytes
}

// Calls is how many calls the disk has seen.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// enter counts a call and says whether it is to fail. d.mu is held.
func (d *Disk) enter(op Op, name string) error {
	if d.dead != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: d.dead}
	}
	d.calls++
	if d.fault != nil {
		if err := d.fault(Call{d.calls, op, name}); err != nil {
			return &fs.PathError{Op: string(op), Path: name, Err: err}
		}
	}
	return nil
}

// MakeDir makes a folder; folders survive at once.
func (d *Disk) MakeDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpMakeDir, dir); err != nil {
		return err
	}
	d.dirs[dir] = true
	return nil
}

// List names the files of a folder.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpList, dir); err != nil {
		return nil, err
	}
	if !d.dirs[dir] {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	var names []string
	for name := range d.live {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// Create opens a new or emptied file.
func (d *Disk) Create(name string) (spool.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpCreate, name); err != nil {
		return nil, err
	}
	node := d.live[name]
	if node == nil {
		node = &inode{}
		d.live[name] = node
	}
	node.truncate(0)
	return &file{d: d, name: name, node: node}, nil
}

// Open opens a file for reading.
func (d *Disk) Open(name string) (spool.File, error) { return d.open(name) }

// Edit opens a file for reading and writing.
func (d *Disk) Edit(name string) (spool.File, error) { return d.open(name) }

func (d *Disk) open(name string) (spool.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpOpen, name); err != nil {
		return nil, err
	}
	node := d.live[name]
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{d: d, name: name, node: node}, nil
}

// Rename moves a file over another.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpRename, from); err != nil {
		return err
	}
	node := d.live[from]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(d.live, from)
	d.live[to] = node
	return nil
}

// Remove takes a name away; open files stay readable.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpRemove, name); err != nil {
		return err
	}
	if d.live[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.live, name)
	return nil
}

// SyncDir makes the names of a folder survive as they are.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpSyncDir, dir); err != nil {
		return err
	}
	maps.DeleteFunc(d.durable, func(name string, _ *inode) bool { return filepath.Dir(name) == dir })
	for name, node := range d.live {
		if filepath.Dir(name) == dir {
			d.durable[name] = node
		}
	}
	return nil
}

// Lock is exclusive within the disk.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(OpLock, name); err != nil {
		return nil, err
	}
	if d.locks[name] {
		return nil, spool.ErrLocked
	}
	d.locks[name] = true
	return unlocker{d, name}, nil
}

type unlocker struct {
	d    *Disk
	name string
}

func (u unlocker) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	delete(u.d.locks, u.name)
	return nil
}

// used is the bytes of all files. d.mu is held.
func (d *Disk) used() (bytes int64) {
	for _, node := range d.live {
		bytes += int64(len(node.data))
	}
	return bytes
}

// room is how many of n more bytes fit. d.mu is held.
func (d *Disk) room(n int64) (int64, error) {
	if d.limit == 0 {
		return n, nil
	}
	if free := d.limit - d.used(); free < n {
		return max(0, free), syscall.ENOSPC
	}
	return n, nil
}
