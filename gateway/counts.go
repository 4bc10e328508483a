package gateway

import "sync/atomic"

// Counts are what became of the messages that devices sent.
type Counts struct {
	Kept          atomic.Uint64 // made durable and acknowledged
	Nothing       atomic.Uint64 // understood, nothing for us but a sign of life
	NotUnderstood atomic.Uint64 // acknowledged and kept as a dead letter
	Asked         atomic.Uint64 // queries, refused
	Echoes        atomic.Uint64 // signs of life of monitors that are asked
	Refused       atomic.Uint64 // no HL7, over a limit, or not on the list
	NotKept       atomic.Uint64 // not acknowledged: the disk did not take it
	Dropped       atomic.Uint64 // keys, rows and segments that are not about equipment
	Implausible   atomic.Uint64 // values that cannot be right
	UnknownCodes  atomic.Uint64 // error codes that no table has
}
