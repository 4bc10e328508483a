package spool

import (
	"errors"
	"fmt"
)

var (
	// ErrFull says that a cap is reached; the error that matches it is a *FullError.
	ErrFull = errors.New("log is full")
	// ErrClosed is returned by every call on a log or reader that was closed.
	ErrClosed = errors.New("log is closed")
	// ErrTooLarge says that a record exceeds Options.MaxRecord or a call
	// exceeds Options.QueueBytes. Trying again cannot help.
	ErrTooLarge = errors.New("record is too large")
	// ErrLocked says that another process, or another Log, uses the folder.
	ErrLocked = errors.New("folder is in use")
	// ErrVersion says that a file was written by a newer release.
	ErrVersion = errors.New("format is newer than this program")
	// ErrUnknownOutcome says that a record was enqueued so long and so many
	// disk failures ago that its fate is forgotten; take it as failed.
	ErrUnknownOutcome = errors.New("outcome of this record is no longer known")
)

// FullError says which cap refused a record. It matches ErrFull.
type FullError struct {
	Dir     string
	Bytes   int64  // bytes on disk
	Max     int64  // Options.MaxBytes
	Queued  int64  // bytes waiting for the committer
	Holder  string // the reader that is furthest behind; empty when the queue is what is full
	Pending uint64 // records that reader has still to take
}

func (e *FullError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("append to %s: %d bytes wait for the disk: try again when it has caught up", e.Dir, e.Queued)
	}
	return fmt.Sprintf("append to %s: %d of %d bytes used and reader %q has %d records to take: let it catch up or raise the cap",
		e.Dir, e.Bytes, e.Max, e.Holder, e.Pending)
}

// Is makes a FullError match ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// CorruptError names damaged bytes. It is not returned by Read, which steps
// over damage and tells of it by a Gap; it is in Gap.Err and Event.Err.
type CorruptError struct {
	File   string // name of the file within the folder of the log
	Offset int64  // where the damage begins
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read %s: %s at %d", e.File, e.What, e.Offset)
}
