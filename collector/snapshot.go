package collector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// The watch's snapshot is a zstd stream, which carries a checksum: the magic, the
// sequence it holds at, then the roster and the engine's memory, each with its
// length in front.

const (
	snapshotFile  = "watch.snapshot"
	snapshotMagic = "medfleet watch 1\n"
)

// save writes a snapshot at what has been written to the database, and lets the
// journal go of everything up to it. The position in the database is brought there
// first: one behind the snapshot means that the database is not the one that was
// written to.
func (w *watch) save(ctx context.Context) error {
	if w.sequence != w.written {
		return nil // something waits: the snapshot would be ahead of the database
	}
	if w.moved != w.sequence {
		if err := w.transact(ctx); err != nil {
			return err
		}
		w.o.Engine.Committed()
	}
	var parts [2]bytes.Buffer
	if err := w.roster.Snapshot(&parts[0]); err != nil {
		return err
	}
	if err := w.o.Engine.Snapshot(&parts[1]); err != nil {
		return fmt.Errorf("write alarm engine's memory: %w", err)
	}
	name := filepath.Join(w.o.DataDir, snapshotFile)
	err := writeFile(name, func(out io.Writer) error {
		head := binary.LittleEndian.AppendUint64([]byte(snapshotMagic), w.sequence)
		_, err := out.Write(head)
		for i := range parts {
			size := binary.LittleEndian.AppendUint64(nil, uint64(parts[i].Len()))
			_, err1 := out.Write(size)
			_, err2 := parts[i].WriteTo(out)
			err = errors.Join(err, err1, err2)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return w.reader.Commit(w.sequence)
}

// writeFile writes a compressed file so that a crash leaves the old or the new.
func writeFile(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
	if err == nil {
		err = errors.Join(fill(z), z.Close(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// load reads the snapshot and gives the sequence it holds at, 0 when there is
// none. One that cannot be read is set aside and is no error: alarms must start
// again by themselves. Then the journal is replayed as far as it reaches, and the
// database tells of the devices that it does not.
func (w *watch) load() (uint64, error) {
	f, err := os.Open(filepath.Join(w.o.DataDir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open watch snapshot: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return 0, fmt.Errorf("open watch snapshot: %w", err)
	}
	defer z.Close()
	sequence, err := w.restore(bufio.NewReader(z))
	if err != nil {
		w.o.Log.Error("watch snapshot cannot be read; it is set aside and rebuilt from journal and database, windows of rules fill anew",
			"file", f.Name(), "kept_as", f.Name()+".corrupt", "error", err)
		return 0, os.Rename(f.Name(), f.Name()+".corrupt")
	}
	return sequence, nil
}

func (w *watch) restore(in io.Reader) (uint64, error) {
	head := make([]byte, len(snapshotMagic)+8)
	if _, err := io.ReadFull(in, head); err != nil || string(head[:len(snapshotMagic)]) != snapshotMagic {
		return 0, errors.New("it is no snapshot of this version")
	}
	sequence := binary.LittleEndian.Uint64(head[len(snapshotMagic):])
	for _, restore := range []func(io.Reader) error{w.roster.Restore, w.o.Engine.Restore} {
		var size [8]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return 0, errors.New("it is cut off")
		}
		part := io.LimitReader(in, int64(binary.LittleEndian.Uint64(size[:])))
		if err := restore(part); err != nil {
			return 0, err
		}
		if _, err := io.Copy(io.Discard, part); err != nil {
			return 0, err
		}
	}
	return sequence, nil
}
