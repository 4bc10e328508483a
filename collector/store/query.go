package store

import (
	"errors"
	"fmt"
	"time"

	"medfleet"
	"medfleet/record"
)

// Fold says what becomes of the samples that fall into one step.
type Fold string

// The folds. Mean is the plain mean of the samples, not weighted by time.
const (
	Last Fold = "last"
	Min  Fold = "min"
	Max  Fold = "max"
	Mean Fold = "mean"
)

// Bounds of a query: how many ids a device can have had, how many samples an
// answer has at most and when nothing else is asked for, and how many series one
// answer can be made of.
const (
	MaxDevices     = 64
	MaxSamples     = 100_000
	DefaultSamples = 11_000
	MaxSeries      = 1_000
)

var (
	// ErrQuery is given for a query that makes no sense.
	ErrQuery = errors.New("bad query")
	// ErrTooMuch is given when the answer would be longer than the query's
	// limit or made of too many series: an answer is never cut.
	ErrTooMuch = errors.New("too much to answer: ask for a shorter time, a longer step or fewer devices")
)

// Query asks for the history of one metric.
//
// Devices are all the ids that a device has had; what they reported is read as
// one series, and so is what a device reported from different units. Gateway, Feed,
// Class, Site and Unit narrow the question where they are not empty; at least
// one of them, or a device, must be given. Where two of the series have a sample
// in the same millisecond, one of them is given.
type Query struct {
	Measurement string
	Metric      string
	Devices     []medfleet.DeviceID
	Gateway     string
	Feed        string
	Class       medfleet.Class
	Site        string
	Unit        medfleet.CareUnit
	From        medfleet.Millis // first moment asked for
	To          medfleet.Millis // first moment not asked for any more
	Step        time.Duration   // 0: the samples as they are; else whole milliseconds
	Fold        Fold            // empty means Last; without a Step it does nothing
	Limit       int             // most samples to answer; 0 means DefaultSamples
}

// Sample is one value at one time. With a Step the time is where the step
// begins: steps are counted from 1970 UTC, so the first one may begin before
// From, though nothing older than From goes into it. Steps without a sample are
// left out.
type Sample struct {
	Time  medfleet.Millis
	Value float64
}

// Check fills in what was left out and gives ErrQuery when the query makes no
// sense. Every store calls it first.
func (q *Query) Check() error {
	if q.Limit == 0 {
		q.Limit = DefaultSamples
	}
	if q.Fold == "" {
		q.Fold = Last
	}
	switch {
	case !Name(q.Measurement):
		return bad("measurement: want lower-case letters, digits and _")
	case !Name(q.Metric):
		return bad("metric: want lower-case letters, digits and _")
	case q.From >= q.To:
		return bad("from %v to %v: from must be before to", q.From, q.To)
	case q.Step < 0 || q.Step%time.Millisecond != 0:
		return bad("step %v: want whole milliseconds, or 0 for the samples as they are", q.Step)
	case q.Fold != Last && q.Fold != Min && q.Fold != Max && q.Fold != Mean:
		return bad("fold: want last, min, max or mean")
	case q.Limit < 0 || q.Limit > MaxSamples:
		return bad("limit %d: want 1 to %d", q.Limit, MaxSamples)
	}
	return q.checkWhose()
}

// checkWhose checks what narrows the query.
func (q *Query) checkWhose() error {
	if len(q.Devices) > MaxDevices {
		return bad("devices: %d are asked for, at most %d can be", len(q.Devices), MaxDevices)
	}
	for i, id := range q.Devices {
		if !id.Valid() {
			return bad("device %d: want letters, digits, dots, underscores, colons and hyphens", i+1)
		}
	}
	if len(q.Devices) == 0 && q.Gateway == "" && q.Feed == "" && q.Class == "" && q.Site == "" && q.Unit == "" {
		return bad("devices: name a device, or else a gateway, feed, class, site or unit")
	}
	for _, s := range []string{q.Gateway, q.Feed, string(q.Class), q.Site, string(q.Unit)} {
		if !tagValue(s) {
			return bad("gateway, feed, class, site, unit: want at most %d bytes of printable UTF-8", record.MaxTag)
		}
	}
	return nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrQuery, fmt.Sprintf(format, args...))
}
