package gateway

import (
	"context"
	"time"

	"medfleet"
	"medfleet/record"
	"medfleet/spool"
)

// Beat is how often a gateway says that it lives.
const Beat = 10 * time.Second

func now() medfleet.Millis { return medfleet.AsMillis(time.Now()) }

// beat sends a heartbeat at once and then regularly until ctx ends. It travels with
// the events: a disk full of readings must not make a gateway look dead.
func (g *Gateway) beat(ctx context.Context) error {
	t := time.NewTicker(g.config.Beat)
	defer t.Stop()
	var encoder record.Encoder
	for {
		h := g.heartbeat()
		line := encoder.Heartbeat(nil, &h)
		if err := g.keeper.own(ctx, g.keeper.events, Events, record.Heartbeat, line, h.Time); err != nil && ctx.Err() == nil {
			g.log.Warn("heartbeat not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (g *Gateway) heartbeat() medfleet.Heartbeat {
	events, telemetry := waiting(g.events), waiting(g.telemetry)
	up, configured := g.feeds()
	return medfleet.Heartbeat{
		Gateway: g.config.ID, Site: g.config.Site, Time: now(),
		EventsDepth: events.Pending, TelemetryDepth: telemetry.Pending,
		OldestSeconds: max(events.Age, telemetry.Age).Seconds(),
		FeedsUp:       up, FeedsConfigured: configured,
	}
}

// waiting is what the uplink has still to read of a spool.
func waiting(log *spool.Log) spool.ReaderStats {
	for _, r := range log.Stats().Readers {
		if r.Name == uplinkReader {
			return r
		}
	}
	return spool.ReaderStats{}
}
