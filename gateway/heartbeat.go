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

// beat sends a heartbeat at once and then regularly until ctx ends.
func (g *Gateway) beat(ctx context.Context) error {
	t := time.NewTicker(g.config.Beat)
	defer t.Stop()
	for {
		at := now()
		if err := g.keeper.beat(ctx, g.tell(at), at); err != nil && ctx.Err() == nil {
			g.log.Warn("heartbeat not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// tell gives the lines of a heartbeat: one for each feed, then the gateway's own,
// which closes them.
func (g *Gateway) tell(at medfleet.Millis) [][]byte {
	var encoder record.Encoder
	h := g.heartbeat(at)
	lines := make([][]byte, 0, len(g.sources)+1)
	for i := range g.sources {
		f := g.sources[i].report(time.Now())
		f.Gateway, f.Site, f.Time = h.Gateway, h.Site, at
		if f.Up {
			h.FeedsUp++
		}
		lines = append(lines, encoder.Feed(nil, &f))
	}
	return append(lines, encoder.Heartbeat(nil, &h))
}

func (s *source) report(now time.Time) medfleet.FeedReport {
	f := medfleet.FeedReport{Feed: s.name, Up: s.up(), Caller: s.caller, Silent: -1, Messages: s.messages()}
	if heard := s.heard(); !heard.IsZero() {
		f.Silent = max(0, now.Sub(heard))
	}
	return f
}

func (g *Gateway) heartbeat(at medfleet.Millis) medfleet.Heartbeat {
	events, telemetry := waiting(g.events), waiting(g.telemetry)
	ahead, known := g.clock.Offset()
	return medfleet.Heartbeat{
		ClockOffset: ahead.Seconds(), ClockKnown: known,
		Gateway: g.config.ID, Site: g.config.Site, Time: at,
		EventsDepth: events.Pending, TelemetryDepth: telemetry.Pending,
		OldestSeconds:   max(events.Age, telemetry.Age).Seconds(),
		FeedsConfigured: uint64(len(g.sources)),
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
