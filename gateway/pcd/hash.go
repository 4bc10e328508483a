package pcd

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"strconv"
)

// hash gives 32 hexadecimal digits that stand for the event at segment i: a
// hash of sender, control id, time of the message and the place in it. What
// the event says is hashed too, so that a sender that uses a control id twice
// does not lose the second event.
func (s *sieve) hash(i int, says ...string) string {
	from := len(s.decoded)
	b := s.decoded
	for _, p := range [...]place{mshSender, mshSenderFacility, mshControl, mshTime} {
		b = append(b, s.get(0, p)...)
		b = append(b, 0)
	}
	b = strconv.AppendInt(b, int64(i), 10)
	for _, w := range says {
		b = append(b, 0)
		b = append(b, w...)
	}
	sum := sha256.Sum256(b[from:])
	s.decoded = b[:from]
	return hex.EncodeToString(sum[:16])
}

// sum gives a keyed hash of places of a segment.
func (s *sieve) sum(seed maphash.Seed, i int, list ...place) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, p := range list {
		h.Write(s.get(i, p))
		h.WriteByte(0)
	}
	return h.Sum64()
}
