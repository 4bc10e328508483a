// Package rules decides from what devices say of themselves which alarms are
// due. It reads rule files, compiles their conditions against the profiles and
// runs them over sightings.
//
// A rule holds for one device. Its condition is true, false or unknown: a value
// that was never heard, or that belongs to a device that is silent, is unknown
// and neither raises nor clears. `for` and `hold` are measured in event time,
// helped on by the journal's clock records where no observation comes, and stand
// still while the condition is unknown.
//
// The package does no I/O but reading rule files and snapshots, starts no
// goroutine and asks no clock: the same journal gives the same alarms with the
// same ids.
package rules
