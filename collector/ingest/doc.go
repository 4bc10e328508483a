// Package ingest is the write door of the collector: POST /api/v2/write. It
// authenticates, bounds and checks what comes in, drops what it has already, and
// answers 2xx only when every record is durable in the journal.
//
// Gateways send batches of framed envelopes under the headers Medfleet-Gateway,
// Medfleet-Stream, Medfleet-Epoch and Medfleet-First-Sequence. Such a batch is
// atomic, and one is in flight per stream. Anybody else may send line protocol
// as to InfluxDB 2: each line stands for itself, and the answer to a partial
// failure has InfluxDB's shape.
//
// Only measurements, tags and fields of the schema pass; everything else is
// refused by name, so that patient data cannot come in this way.
package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"medfleet"
	"medfleet/profiles"
)

// Journal makes records durable: Append returns nil only when they are.
type Journal interface {
	Append(ctx context.Context, records ...[]byte) (last uint64, err error)
}

// Options are what the door needs.
type Options struct {
	Journal      Journal
	Profiles     *profiles.Set
	Site         string // of records that name none
	Authenticate func(*http.Request) (medfleet.Principal, error)
	Folder       string // for the memory of what has been taken
	Log          *slog.Logger
}

// Limits of one request.
const (
	maxBody    = 16 << 20 // as it comes
	maxContent = 64 << 20 // decompressed
	maxRecords = 50_000
	maxBatch   = 4 << 20   // decompressed, of a gateway's batch: it enters the journal as one
	maxRecord  = 256 << 10 // of one record
	maxAppend  = 1 << 20   // of lines that enter the journal together
)

// Counts are the door's counters.
type Counts struct {
	Records    atomic.Uint64 // made durable
	Bytes      atomic.Uint64 // of request bodies, as they came
	Duplicates atomic.Uint64 // had already, acknowledged again
	Suspects   atomic.Uint64 // a key seen before with other content
	Refused    atomic.Uint64 // outside the schema or unreadable
	Unkept     atomic.Uint64 // not acknowledged: the journal did not take them
}

// Door is the write door.
type Door struct {
	o      Options
	check  checker
	memory *memory
	counts Counts
}

// New gives a door whose memory is empty: Load and Replay fill it before it opens.
func New(o Options) *Door {
	return &Door{o: o, check: checker{o.Profiles}, memory: newMemory()}
}

// Counts gives the door's counters.
func (d *Door) Counts() *Counts { return &d.counts }
