package memfile

import (
	"bytes"
	"io"
	"io/fs"
)

// inode is a file's content, as programs see it and as the platter has it.
type inode struct {
	data  []byte
	disk  []byte
	dirty []span // written and not yet synced
	// Contents that others have too are copied before they change.
	sharedData, sharedDisk bool
}

type span struct{ from, to int }

func (n *inode) write(b []byte, at int) {
	if n.sharedData {
		n.data, n.sharedData = bytes.Clone(n.data), false
	}
	if grow := at + len(b) - len(n.data); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[at:], b)
	n.dirty = append(n.dirty, span{at, at + len(b)})
}

func (n *inode) truncate(size int) {
	if size < len(n.data) {
		n.data = n.data[:size:size]
	}
	n.write(nil, size)
}

// persist copies a part of the content to the platter.
func (n *inode) persist(s span) {
	s.to = min(s.to, len(n.data))
	if s.from >= s.to {
		return
	}
	if n.sharedDisk {
		n.disk, n.sharedDisk = bytes.Clone(n.disk), false
	}
	if grow := s.to - len(n.disk); grow > 0 {
		n.disk = append(n.disk, make([]byte, grow)...)
	}
	copy(n.disk[s.from:s.to], n.data[s.from:])
}

func (n *inode) sync() {
	n.disk = n.disk[:min(len(n.disk), len(n.data))]
	for _, s := range n.dirty {
		n.persist(s)
	}
	n.dirty = n.dirty[:0]
}

type file struct {
	d    *Disk
	name string
	node *inode
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.enter(OpRead, f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.enter(OpWrite, f.name); err != nil {
		if f.d.dead == nil {
			f.node.write(b[:len(b)/2], int(off))
		}
		return len(b) / 2, err
	}
	grow := max(0, off+int64(len(b))-int64(len(f.node.data)))
	fits, err := f.d.room(grow)
	n := len(b) - int(grow-fits)
	f.node.write(b[:n], int(off))
	if err != nil {
		return n, &fs.PathError{Op: "write", Path: f.name, Err: err}
	}
	return n, nil
}

func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.enter(OpSync, f.name); err != nil {
		f.node.dirty = f.node.dirty[:0] // given up: a later fsync knows nothing of it
		return err
	}
	f.node.sync()
	return nil
}

func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.enter(OpTruncate, f.name); err != nil {
		return err
	}
	f.node.truncate(int(size))
	return nil
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.enter(OpSize, f.name); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.enter(OpClose, f.name)
}
