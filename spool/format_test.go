package spool_test

import (
	"encoding/binary"
	"hash/crc32"
)

// withVersion gives a segment another version and the checksum that goes with it.
func withVersion(b []byte, version uint32) []byte {
	binary.LittleEndian.PutUint32(b[8:], version)
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(b[12:], crc32.Update(crc32.Checksum(b[:12], table), table, b[16:48]))
	return b
}
