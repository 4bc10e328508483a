package spool

import (
	"fmt"
	"time"
)

// Policy says what happens when the log reaches Options.MaxBytes.
type Policy int

const (
	// Block refuses new records with ErrFull until readers have caught up, so
	// that the caller stops acknowledging. Nothing unread goes, neither by
	// size nor by age, unless its reader was opened with MayLose.
	Block Policy = iota
	// DropOldest makes room by removing the oldest segment. Each reader that
	// had still to read it is told by a Gap.
	DropOldest
)

// Options of a log. The zero value is usable.
type Options struct {
	// SegmentBytes is the size at which a new segment is begun; 16 MiB by
	// default and never more than a quarter of MaxBytes.
	SegmentBytes int64
	// MaxBytes caps the segments; 2 GiB by default. Up to eight damaged ones
	// that were set aside come on top.
	MaxBytes int64
	// MaxAge caps the age of records that may be lost; 72 h by default,
	// negative for no cap. It never removes what a Block log has to keep.
	MaxAge time.Duration
	// MaxRecord caps one record; 1 MiB by default, less when a segment is smaller.
	MaxRecord int
	// QueueBytes caps what waits in memory for the committer, and so one call
	// of Enqueue; 8 MiB by default.
	QueueBytes int
	// Linger is how far apart the beginnings of two syncs are when nothing else
	// has come than records that may wait; 5 ms by default, negative for at once.
	Linger time.Duration
	// Full is the policy at MaxBytes.
	Full Policy
	// Files is the file layer; the operating system's by default.
	Files Files
	// OnEvent is told of everything a log line, a counter or an alarm is due
	// for. It is called from several goroutines and must not call the log.
	OnEvent func(Event)
}

// EventKind is what an Event is about.
type EventKind string

const (
	EventTornTail    EventKind = "torn-tail"    // Open cut the unfinished end of the newest segment
	EventCorrupt     EventKind = "corrupt"      // damage found; Err is a *CorruptError
	EventKept        EventKind = "kept"         // a damaged segment was set aside as File
	EventDropped     EventKind = "dropped"      // Gap says which records went at a cap
	EventWriteFailed EventKind = "write-failed" // Err says why records were not stored
	EventPosition    EventKind = "position"     // a position could not be read or written
	EventCleanup     EventKind = "cleanup"      // a file that is no longer needed stayed behind
)

// Event is one thing worth telling the people who run the log.
type Event struct {
	Kind   EventKind
	File   string
	Offset int64
	Gap    *Gap
	Err    error
}

const (
	kib = 1 << 10
	mib = 1 << 20

	// maxFrameBytes bounds MaxRecord and what a length read from disk may ask for.
	maxFrameBytes = 64 * mib
)

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.MaxBytes, 2<<30)
	setDefault(&o.SegmentBytes, 16*mib)
	setDefault(&o.MaxAge, 72*time.Hour)
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/4)
	room := o.SegmentBytes - headerSize - frameSize
	if room < 1 {
		return o, fmt.Errorf("segments of %d bytes hold no record: raise SegmentBytes or MaxBytes", o.SegmentBytes)
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = int(min(mib, room))
	}
	if o.MaxRecord < 0 || int64(o.MaxRecord) > min(room, maxFrameBytes) {
		return o, fmt.Errorf("MaxRecord of %d bytes does not fit into segments of %d bytes: lower it or raise SegmentBytes", o.MaxRecord, o.SegmentBytes)
	}
	setDefault(&o.Linger, 5*time.Millisecond)
	setDefault(&o.QueueBytes, 8*mib)
	o.QueueBytes = max(o.QueueBytes, o.MaxRecord+frameSize)
	if o.Files == nil {
		o.Files = osFiles{}
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
