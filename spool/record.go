package spool

import "time"

// Position names one record: the epoch of the opening that wrote it and its
// sequence number. Sequence numbers begin at 1 and rise over the whole life of
// the log, through all epochs. Numbers of records that could not be written are
// never given again, so a step of more than one is no loss unless a Gap says so.
type Position struct{ Epoch, Sequence uint64 }

// Record is one record as a Reader gives it.
type Record struct {
	Position
	Payload []byte // valid until the next Read of that reader
}

// Reasons of a Gap.
const (
	ReasonDroppedOldest  = "dropped-oldest"  // removed at MaxBytes
	ReasonExpired        = "expired"         // removed at MaxAge
	ReasonCorrupt        = "corrupt"         // damaged on disk
	ReasonMissingSegment = "missing-segment" // not on disk though nobody removed it here
)

// Gap declares records that a reader will never get.
type Gap struct {
	First, Last uint64    // sequence numbers, inclusive
	Epoch       uint64    // of the lost records, as far as it is known
	Count       uint64    // records lost, at most
	From, To    time.Time // between which times they were appended; zero when unknown
	Reason      string    // one of the Reason constants
	Err         error     // a *CorruptError when damage is the reason, else nil
}
