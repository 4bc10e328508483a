package memfile

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
)

// ErrPower is what every call returns once the power is cut.
var ErrPower = errors.New("power is cut")

// PowerCut ends this disk: all its calls fail from now on. What it returns is
// the disk after the restart. Without luck only what was synced is there; with
// it, each thing not synced may be there as well, whole, in part or as zeros.
func (d *Disk) PowerCut(luck *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = ErrPower
	after := New()
	after.limit = d.limit
	maps.Copy(after.dirs, d.dirs)
	copies := map[*inode]*inode{}
	for _, name := range d.names() {
		node := d.durable[name]
		if luck != nil && luck.IntN(2) == 0 {
			node = d.live[name] // the folder's change made it after all
		}
		if node == nil {
			continue
		}
		if copies[node] == nil {
			copies[node] = node.afterCut(luck)
		}
		after.live[name], after.durable[name] = copies[node], copies[node]
	}
	return after
}

// names lists all files in an order that does not change from run to run.
func (d *Disk) names() []string {
	all := maps.Clone(d.live)
	maps.Copy(all, d.durable)
	return slices.Sorted(maps.Keys(all))
}

func (n *inode) afterCut(luck *rand.Rand) *inode {
	after := &inode{data: n.data, disk: bytes.Clone(n.disk)}
	if luck != nil {
		for _, s := range n.dirty {
			after.chance(s, luck)
		}
	}
	return newInode(after.disk)
}

// chance lets a write that was not synced reach the platter, or some of it.
func (n *inode) chance(s span, luck *rand.Rand) {
	switch luck.IntN(4) {
	case 0: // nothing of it
	case 1:
		n.persist(s)
	case 2: // torn
		n.persist(span{s.from, s.from + luck.IntN(s.to-s.from+1)})
	case 3: // the length arrived, the bytes did not
		n.disk = bytes.Clone(n.disk)
		if grow := s.to - len(n.disk); grow > 0 {
			n.disk = append(n.disk, make([]byte, grow)...)
		}
	}
}

func newInode(content []byte) *inode {
	return &inode{data: content, disk: content, sharedData: true, sharedDisk: true}
}

// Clone copies the disk as it is seen, without locks, limit and faults.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New()
	maps.Copy(c.dirs, d.dirs)
	for name, node := range d.live {
		n := newInode(bytes.Clone(node.data))
		c.live[name], c.durable[name] = n, n
	}
	return c
}

// Read returns a file's content, nil when there is none. It is no call.
func (d *Disk) Read(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.live[name]; n != nil {
		return append([]byte{}, n.data...)
	}
	return nil
}

// Write makes a file have a content, durably. The caller leaves the content as
// it is from then on. It is no call.
func (d *Disk) Write(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := newInode(content)
	d.live[name], d.durable[name] = n, n
}

// Delete makes a file be gone, durably. It is no call.
func (d *Disk) Delete(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, name)
	delete(d.durable, name)
}
