package mllp

import "sync"

// Buffers of the two sizes that nearly all connections have go from one to the
// other: when a thousand speak within a few seconds, and not at the same moment,
// they need a few of the larger ones.
var restBuffers, firstBuffers sync.Pool

func newBuffer(size int) []byte {
	switch size {
	case restBytes:
		if b, ok := restBuffers.Get().(*[restBytes]byte); ok {
			return b[:]
		}
	case firstGrowth:
		if b, ok := firstBuffers.Get().(*[firstGrowth]byte); ok {
			return b[:]
		}
	}
	return make([]byte, size)
}

// recycle takes a buffer that nobody uses any more.
func recycle(b []byte) {
	switch len(b) {
	case restBytes:
		restBuffers.Put((*[restBytes]byte)(b))
	case firstGrowth:
		firstBuffers.Put((*[firstGrowth]byte)(b))
	}
}
