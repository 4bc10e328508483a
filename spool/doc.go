// Package spool keeps records on disk until everybody who needs them has taken
// them: a log of segments with group commit, checksums, named readers, caps
// and repair. It knows bytes only.
//
// The promise: when [Log.WaitDurable] returns nil, the record, its segment and
// the segment's directory entry have been fsynced and every fsync returned nil.
// From then on each reader either gets the record or is told by a [Gap] that it
// will not. The fault model is one disk that honours flush.
//
// How the parts work together:
//
//	Enqueue ─► queue in memory ─► one committer: write, fsync ─► WaitDurable returns
//	                                       │
//	                                       ▼
//	                           segments on disk ─► Reader.Read ─► Reader.Commit
//	                                                                   │
//	                           position fsynced, then segments removed ◄┘
//
// The committer syncs at once when it is idle; whoever arrives during a sync
// joins the next one. There is no timer, so a lone writer waits for one fsync
// and thirty-two writers share it. Only records of [Log.EnqueuePatient] may wait
// for company, a few milliseconds.
//
// The format is our own, because what is at hand either has no positions of
// readers or throws away all that follows a damaged record. FORMAT.md draws
// the bytes and says what each kind of damage costs.
package spool
