package spool

import (
	"errors"
	"io"
)

// window is a moving view of a segment through one buffer. It reads ahead, and
// grows only up to what the file really has, so a damaged length asks for nothing.
type window struct {
	file File
	seed uint32
	buf  []byte // what was read
	at   int64  // offset of buf[0] in the file
	// blind makes bytes the disk cannot give count as damaged.
	blind bool
}

// sector is how far a blind window steps over what the disk cannot give.
const sector = 4 * kib

// ahead is how much is read at once.
const ahead = 256 * kib

func (w *window) reset(f File, seed uint32) {
	w.file, w.seed, w.buf, w.at, w.blind = f, seed, w.buf[:0], 0, false
}

// has says whether n bytes at off are in the buffer.
func (w *window) has(off, n int64) bool {
	return off >= w.at && off+n <= w.at+int64(len(w.buf))
}

// wholeAt says whether a step at off needs nothing that is not in the buffer.
func (w *window) wholeAt(off, limit int64) bool {
	if off >= limit {
		return true
	}
	if !w.has(off, frameSize) {
		return false
	}
	return w.has(off, frameLength(w.buf[off-w.at:]))
}

// load makes n bytes at off available, reading on towards limit, and returns
// those there are: fewer than n only at the end of the file. It invalidates
// what was returned before unless the bytes are in the buffer.
func (w *window) load(off, n, limit int64) ([]byte, error) {
	if n = min(n, limit-off); n <= 0 {
		return nil, nil
	}
	if !w.has(off, n) {
		if err := w.fill(off, n, limit); err != nil {
			return nil, err
		}
	}
	from := off - w.at
	return w.buf[min(from, int64(len(w.buf))):min(from+n, int64(len(w.buf)))], nil
}

func (w *window) fill(off, n, limit int64) error {
	size := min(max(n, ahead), limit-off)
	if int64(cap(w.buf)) < size {
		w.buf = make([]byte, 0, size)
	}
	got, err := w.file.ReadAt(w.buf[:size], off)
	w.buf, w.at = w.buf[:got], off
	if err != nil && !errors.Is(err, io.EOF) && int64(got) < n {
		return err
	}
	return nil
}

// status of a step through a segment.
type status int

const (
	stepFrame   status = iota // a good frame
	stepEnd                   // the end, at a frame's border
	stepDamaged               // bytes that are no frame
)

// frameAt decodes the frame at off. The payload is a part of the buffer.
func (w *window) frameAt(off, limit int64) (frame, status, error) {
	f, st, err := w.decodeAt(off, limit)
	if err != nil && w.blind {
		return frame{}, stepDamaged, nil
	}
	return f, st, err
}

func (w *window) decodeAt(off, limit int64) (frame, status, error) {
	b, err := w.load(off, frameSize, limit)
	if err != nil {
		return frame{}, 0, err
	}
	if len(b) == 0 {
		return frame{}, stepEnd, nil
	}
	if len(b) < frameSize || frameLength(b) > limit-off || frameLength(b) > maxFrameBytes+frameSize {
		return frame{}, stepDamaged, nil
	}
	n := frameLength(b)
	if b, err = w.load(off, n, limit); err != nil {
		return frame{}, 0, err
	}
	if int64(len(b)) < n {
		return frame{}, stepDamaged, nil
	}
	f, ok := decodeFrame(b, w.seed)
	if !ok {
		return frame{}, stepDamaged, nil
	}
	return f, stepFrame, nil
}

// resync looks for the next good frame from off on whose sequence is low or
// more, and returns its offset, or limit when there is none. Only offsets with
// a believable sequence number are worth a checksum.
func (w *window) resync(off, limit int64, low uint64) (int64, error) {
	for ; off+frameSize <= limit; off++ {
		b, err := w.load(off, frameSize, limit)
		if err != nil && w.blind {
			off = off/sector*sector + sector - 1
			continue
		}
		if err != nil {
			return 0, err
		}
		if len(b) < frameSize {
			return limit, nil
		}
		if s := frameSequence(b); s < low || s-low > uint64(limit)/frameSize {
			continue
		}
		_, st, err := w.frameAt(off, limit)
		if err != nil {
			return 0, err
		}
		if st == stepFrame {
			return off, nil
		}
	}
	return limit, nil
}
