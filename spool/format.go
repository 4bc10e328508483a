package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	segmentMagic   = "mfspool\n"
	segmentVersion = 1
	headerSize     = 48
	frameSize      = 24

	segmentSuffix = ".seg"
	corruptSuffix = ".corrupt"
	tempSuffix    = ".tmp"
)

func castagnoli(sum uint32, b []byte) uint32 { return crc32.Update(sum, crcTable, b) }

// crcTable is computed once by the standard library and never written.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// header is the beginning of a segment. FORMAT.md draws it.
type header struct {
	epoch    uint64
	base     uint64 // sequence of the first record
	previous uint64 // records of earlier segments end before this sequence
	created  int64  // ms UTC
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint64(b[16:], h.epoch)
	binary.LittleEndian.PutUint64(b[24:], h.base)
	binary.LittleEndian.PutUint64(b[32:], h.previous)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.created))
	binary.LittleEndian.PutUint32(b[12:], headerSum(b))
	return b
}

func headerSum(b []byte) uint32 {
	return castagnoli(castagnoli(0, b[:12]), b[16:headerSize])
}

// decodeHeader reports ok = false for damage; the error is for a header that
// is whole but of a newer format.
func decodeHeader(b []byte) (h header, ok bool, err error) {
	if len(b) < headerSize || string(b[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[12:]) != headerSum(b) {
		return header{}, false, nil
	}
	version := binary.LittleEndian.Uint32(b[8:])
	if version > segmentVersion {
		return header{}, false, fmt.Errorf("segment format %d, this program knows %d: %w", version, segmentVersion, ErrVersion)
	}
	h = header{
		epoch:    binary.LittleEndian.Uint64(b[16:]),
		base:     binary.LittleEndian.Uint64(b[24:]),
		previous: binary.LittleEndian.Uint64(b[32:]),
		created:  int64(binary.LittleEndian.Uint64(b[40:])),
	}
	return h, version == segmentVersion && believable(h.base) && h.previous <= h.base, nil
}

// epochSeed starts every frame's checksum with the epoch, so that a frame of
// another opening, or one hidden in a payload by somebody who cannot know the
// epoch, does not pass for a frame of this segment.
func epochSeed(epoch uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], epoch)
	return castagnoli(0, b[:])
}

// appendFrame adds checksum, length, sequence, time and payload to dst.
func appendFrame(dst []byte, seed uint32, f frame) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.payload)))
	dst = binary.LittleEndian.AppendUint64(dst, f.sequence)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.time))
	dst = append(dst, f.payload...)
	binary.LittleEndian.PutUint32(dst[at:], castagnoli(seed, dst[at+4:]))
	return dst
}

type frame struct {
	sequence uint64
	time     int64 // ms UTC
	payload  []byte
}

func (f frame) size() int64 { return frameSize + int64(len(f.payload)) }

// frameLength is the whole length the frame at b claims; b has at least frameSize bytes.
func frameLength(b []byte) int64 {
	return frameSize + int64(binary.LittleEndian.Uint32(b[4:]))
}

func frameSequence(b []byte) uint64 { return binary.LittleEndian.Uint64(b[8:]) }
func frameTime(b []byte) int64      { return int64(binary.LittleEndian.Uint64(b[16:])) }

// decodeFrame checks b, which is exactly one frame. The payload is a part of b.
func decodeFrame(b []byte, seed uint32) (frame, bool) {
	if castagnoli(seed, b[4:]) != binary.LittleEndian.Uint32(b) || !believable(frameSequence(b)) {
		return frame{}, false
	}
	return frame{sequence: frameSequence(b), time: frameTime(b), payload: b[frameSize:]}, true
}

// segmentName has the epoch in it so that no two openings ever share a name
// and a segment with a damaged header can still be read.
func segmentName(base, epoch uint64) string {
	return fmt.Sprintf("%020d-%016x%s", base, epoch, segmentSuffix)
}

func parseSegmentName(name string) (base, epoch uint64, ok bool) {
	stem, found := strings.CutSuffix(name, segmentSuffix)
	if !found || len(stem) != 37 || stem[20] != '-' {
		return 0, 0, false
	}
	base, err1 := strconv.ParseUint(stem[:20], 10, 64)
	epoch, err2 := strconv.ParseUint(stem[21:], 16, 64)
	return base, epoch, err1 == nil && err2 == nil && believable(base)
}

// believable keeps numbers from disk away from overflow; no log gets that far.
func believable(sequence uint64) bool { return sequence > 0 && sequence < 1<<62 }
