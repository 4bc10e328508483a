package collector

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"medfleet"
	"medfleet/collector/store"
	"medfleet/record"
	"medfleet/spool"
)

// storing follows the journal into the time-series store. It moves on only when
// the store has made durable what it was given; what a crash repeats changes
// nothing there. While the store is down it waits, and alarms go on.
type storing struct {
	o       *Options
	reader  *spool.Reader
	decoder *record.Decoder
	line    record.Line
	seen    medfleet.Observation
	points  []store.Point
	fields  []medfleet.Reading
	newest  uint64
	kept    uint64 // of newest, durable in the store
	synced  time.Time
	counts  StoreCounts
}

// StoreCounts are what became of the points.
type StoreCounts struct {
	Points  atomic.Uint64 // written
	Refused atomic.Uint64 // can never be stored
	Errors  atomic.Uint64 // attempts that failed
	Lost    atomic.Uint64 // records that went at the journal's cap, unread
}

func newStoring(o *Options, reader *spool.Reader) *storing {
	return &storing{o: o, reader: reader, decoder: record.NewDecoder()}
}

// StoreCounts gives the store reader's counters.
func (c *Collector) StoreCounts() *StoreCounts { return &c.storing.counts }

const syncEvery = 30 * time.Second

func (s *storing) run(ctx context.Context) error {
	s.synced = time.Now()
	for {
		records, gap, err := s.reader.Read(ctx, readRecords, readBytes)
		if ctx.Err() != nil {
			return s.settle(context.WithoutCancel(ctx))
		}
		if err != nil {
			return fmt.Errorf("store: read journal: %w", err)
		}
		if gap != nil {
			s.counts.Lost.Add(gap.Count)
			s.o.Log.Error("history lost records at the journal's cap", "first", gap.First, "last", gap.Last)
			s.newest = gap.Last
		}
		s.gather(records)
		if err := s.insist(ctx); err != nil {
			return nil // ctx has ended; the records are read again at the next start
		}
		if time.Since(s.synced) > syncEvery {
			if err := s.settle(ctx); err != nil {
				s.o.Log.Error("history not synced; the journal keeps its records until it is", "error", err)
			}
		}
	}
}

// settle makes durable what was written and lets the journal go of it. When that
// fails, nothing written since the last time may be counted on: it is read and
// written again.
func (s *storing) settle(ctx context.Context) error {
	s.synced = time.Now()
	if s.newest == s.kept {
		return nil
	}
	if err := s.o.Store.Sync(ctx); err != nil {
		return errors.Join(fmt.Errorf("sync history: %w", err), s.again())
	}
	s.kept = s.newest
	return s.reader.Commit(s.kept)
}

// again goes back to what the store has for certain, or to the oldest record.
func (s *storing) again() error {
	s.newest = s.kept
	if s.kept == 0 {
		return s.reader.Seek(0)
	}
	return s.reader.Seek(s.kept + 1)
}

// gather makes points of observations and heartbeats.
func (s *storing) gather(records []spool.Record) {
	s.points, s.fields = s.points[:0], s.fields[:0]
	for _, r := range records {
		s.newest = r.Sequence
		e, err := record.Parse(r.Payload)
		if err != nil || s.decoder.Decode(e.Line, &s.line) != nil {
			continue
		}
		switch {
		case e.Kind == record.Observation && e.Flags&record.NotInService == 0:
			s.observation()
		case e.Kind == record.Heartbeat && len(e.Gateway) > 0:
			s.heartbeat()
		}
	}
}

func (s *storing) observation() {
	s.line.Observation(&s.seen)
	if len(s.seen.Readings) == 0 {
		return
	}
	s.seen.Class = medfleet.Class(s.line.Measurement)
	s.add(store.Point{Measurement: s.line.Measurement, Equipment: s.seen.Equipment, Time: s.latest(s.seen.Time)})
}

func (s *storing) heartbeat() {
	s.line.Observation(&s.seen)
	s.add(store.Point{
		Measurement: s.line.Measurement, Gateway: s.line.Tag("gateway"), Feed: s.line.Tag("feed"), Time: s.latest(s.seen.Time),
		Equipment: medfleet.Equipment{Site: s.line.Tag("site")},
	})
}

// latest gives a time that the store takes: a gateway whose clock is ahead can
// believe a device a little longer than the collector would.
func (s *storing) latest(at medfleet.Millis) medfleet.Millis {
	return min(at, medfleet.AsMillis(time.Now()).Add(medfleet.MaxFuture))
}

// add takes a point whose fields are the readings just seen.
func (s *storing) add(p store.Point) {
	start := len(s.fields)
	s.fields = append(s.fields, s.seen.Readings...)
	p.Fields = s.fields[start:len(s.fields):len(s.fields)]
	s.points = append(s.points, p)
}

// insist writes the points until the store takes them or ctx ends.
func (s *storing) insist(ctx context.Context) error {
	if len(s.points) == 0 {
		return ctx.Err()
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
		err := s.o.Store.Write(ctx, s.points)
		var refused *store.Refused
		if errors.As(err, &refused) {
			s.counts.Refused.Add(uint64(len(refused.Points)))
			s.counts.Points.Add(uint64(len(s.points) - len(refused.Points)))
			s.o.Log.Warn("the store refuses points for good; the others are stored", "error", err)
			return nil
		}
		if err == nil {
			s.counts.Points.Add(uint64(len(s.points)))
			return nil
		}
		s.counts.Errors.Add(1)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.o.Log.Error("history not written; alarms go on", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
