package collector

import (
	"context"
	"fmt"
	"time"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/record"
)

// maxClock is the longest time between clock records: a gateway that says nothing
// for three of its heartbeats is gone, and that must be seen.
const maxClock = 10 * time.Second

// begin writes the clock record of a start before anything else gets into the
// journal: what comes in now is not to be judged by the clock of before.
func (c *Collector) begin(ctx context.Context) {
	if err := c.strike(ctx, roster.StartStream); err != nil {
		c.o.Log.Error("clock record of this start not written: it is tried again", "error", err)
		return
	}
	c.began = true
}

// tell writes the collector's clock into the journal, so that what depends on
// time passing is decided by the journal alone, and replays the same.
func (c *Collector) tell(ctx context.Context) error {
	t := time.NewTicker(c.o.Clock)
	defer t.Stop()
	for {
		stream := roster.ClockStream
		if !c.began {
			stream = roster.StartStream
		}
		if err := c.strike(ctx, stream); err != nil && ctx.Err() == nil {
			c.o.Log.Error("clock record not written: silence is not noticed until it can be", "error", err)
		} else {
			c.began = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (c *Collector) strike(ctx context.Context, stream string) error {
	var encoder record.Encoder
	now := medfleet.AsMillis(time.Now())
	line := encoder.Heartbeat(nil, &medfleet.Heartbeat{Site: c.o.Site, Time: now})
	e := record.Envelope{Kind: record.Heartbeat, Received: now, Stream: []byte(stream), Line: line}
	if _, err := c.journal.Append(ctx, e.Append(nil)); err != nil {
		return fmt.Errorf("append clock record: %w", err)
	}
	return nil
}
