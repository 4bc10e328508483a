package ingest

import (
	"hash/crc32"
	"math"
	"sync"

	"medfleet/record"
)

// memory knows which records have been taken, by gateway, stream, epoch and
// sequence. It is bounded: per epoch the newest sequence, and for the epoch in use
// the checksums of the last few thousand records, which covers what can be in
// flight.
type memory struct {
	mu      sync.Mutex
	streams map[streamKey]*stream
	// appending is held for reading while records go into the journal and are
	// remembered, so that a snapshot sees both or neither.
	appending sync.RWMutex
}

type streamKey struct{ Gateway, Stream string }

const (
	maxStreams = 20_000
	maxEpochs  = 64   // per stream; the one unused longest goes
	remembered = 2048 // checksums of the epoch in use
)

func newMemory() *memory { return &memory{streams: map[streamKey]*stream{}} }

// stream gives a stream's memory, nil when there are too many.
func (m *memory) stream(gateway, name string) *stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := streamKey{gateway, name}
	s := m.streams[k]
	if s == nil && len(m.streams) < maxStreams {
		s = &stream{epochs: map[uint64]*epoch{}}
		m.streams[k] = s
	}
	return s
}

// stream is one gateway's stream. One batch at a time holds mu.
type stream struct {
	mu     sync.Mutex
	epochs map[uint64]*epoch
	clock  uint64
}

// epoch gives the memory of an epoch, which is now the one in use.
func (s *stream) epoch(id uint64) *epoch {
	s.clock++
	e := s.epochs[id]
	if e == nil {
		if len(s.epochs) >= maxEpochs {
			s.forgetOldest()
		}
		e = &epoch{}
		s.epochs[id] = e
	}
	if e.sums == nil {
		for _, other := range s.epochs {
			other.sums = nil
		}
		e.sums = make([]uint32, remembered)
	}
	e.used = s.clock
	return e
}

func (s *stream) forgetOldest() {
	oldest, used := uint64(0), uint64(math.MaxUint64)
	for id, e := range s.epochs {
		if e.used < used {
			oldest, used = id, e.used
		}
	}
	delete(s.epochs, oldest)
}

// epoch is what has been taken of one opening of a spool. Sequences rise, so
// whatever is not above the highest has been taken.
type epoch struct {
	high uint64
	sums []uint32 // of the newest, each at its sequence modulo their number; 0 is not known
	used uint64
}

// verdict on a record's key.
type verdict int

const (
	isNew   verdict = iota
	isSame          // taken before
	isOther         // its key was taken with other content
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum leaves the flags out: the collector may have set one. It is never 0.
func sum(envelope []byte) uint32 {
	return max(1, crc32.Update(crc32.Checksum(envelope[:2], castagnoli), castagnoli, envelope[4:]))
}

// judge says whether a record is new. A gap's content tells when it was declared,
// which differs each time; where all it covers was taken, nothing was lost.
func (e *epoch) judge(sequence uint64, envelope []byte) verdict {
	if sequence > e.high {
		return isNew
	}
	known := uint32(0)
	if e.high-sequence < uint64(len(e.sums)) {
		known = e.sums[sequence%uint64(len(e.sums))]
	}
	if known != 0 && known != sum(envelope) && record.Kind(envelope[1]) != record.Gap {
		return isOther
	}
	return isSame
}

func (e *epoch) remember(sequence uint64, envelope []byte) {
	n := uint64(len(e.sums))
	if sequence > e.high {
		for i := uint64(1); i <= min(sequence-e.high, n); i++ {
			e.sums[(e.high+i)%n] = 0 // of those that were lost or refused nothing is known
		}
		e.high = sequence
	}
	if e.high-sequence < n {
		e.sums[sequence%n] = sum(envelope)
	}
}

// Replay remembers a record that is in the journal already.
func (d *Door) Replay(payload []byte) {
	e, err := record.Parse(payload)
	if err != nil || len(e.Gateway) == 0 {
		return
	}
	if s := d.memory.stream(string(e.Gateway), string(e.Stream)); s != nil {
		s.epoch(e.Epoch).remember(e.Sequence, payload)
	}
}
