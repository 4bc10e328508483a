// Package store says what a store of float series must do for medfleet: keep
// what devices, gateways and the fleet report of themselves, and give it back as
// history. Each engine is a package beside this one; package storetest holds the
// suite that every engine passes.
//
// A store is never the place of truth: the journal is. It may be down, and then
// trends are missing while alarms go on. So its promises are few and exact: a
// point that can never be stored costs no other point, writing the same again
// changes nothing, and after Sync has returned nil a crash loses nothing that
// was written before.
package store

import (
	"context"

	"medfleet"
)

// Point is what one device, gateway or part of the fleet measured at one
// millisecond: floats only, each in the unit of its profile. Measurement is the
// class of a device, "gateway", "feed", "fleet" and the like.
//
// The series of a field is named by the measurement, the field's metric, the
// five words of Equipment, Gateway and Feed; empty words are left out. A device's
// observation has Equipment and no Gateway, a gateway's heartbeat has Gateway
// and Site, its word on a feed Feed too, a count over the fleet has Class, Site
// and Unit.
type Point struct {
	Measurement string
	medfleet.Equipment
	Gateway string
	Feed    string
	Time    medfleet.Millis
	Fields  []medfleet.Reading
}

// Store keeps points and gives them back. All methods may be called at the same
// time by many goroutines.
type Store interface {
	// Write stores points. Late ones are welcome: times from medfleet.MaxPast
	// before now to medfleet.MaxFuture after it are taken, in any order. Where a
	// series already has a value at a time and another one comes, one of the two
	// is kept, which is the store's choice, and it is no error: nothing may rely
	// on overwriting.
	//
	// The error is *Refused when some points can never be stored; all others are
	// stored then. Any other error may pass: nothing is lost by writing the same
	// points again later. Write keeps none of the slices it is given.
	Write(ctx context.Context, points []Point) error

	// Sync makes everything durable that was written before it was called. When
	// it fails, nothing written since the last Sync that returned nil may be
	// counted on: it must be written again.
	Sync(ctx context.Context) error

	// History reads one metric in the order of time, what Write has returned for
	// included. It gives ErrQuery for a query that makes no sense and ErrTooMuch
	// rather than a part of the answer.
	History(ctx context.Context, q Query) ([]Sample, error)

	// Close ends everything the store has started. What was written before is
	// kept. Every later call gives ErrClosed; closing twice does nothing.
	Close() error
}
