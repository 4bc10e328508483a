package roster

import (
	"context"
	"database/sql"
	"fmt"

	"medfleet"
)

// writeGateways writes the gateways that changed and the feeds they tell of.
func (r *Roster) writeGateways(ctx context.Context, tx *sql.Tx) error {
	for name := range r.pending.rows {
		if err := r.gateways[name].write(ctx, tx); err != nil {
			return fmt.Errorf("write gateway %s: %w", name, err)
		}
	}
	return nil
}

func (g *gateway) write(ctx context.Context, tx *sql.Tx) error {
	feeds := g.feeds()
	seen := medfleet.Gateway{Feeds: feeds}
	_, err := tx.ExecContext(ctx, `INSERT INTO gateways (name, site, last_seen, up, events_depth, telemetry_depth, oldest_ms, clock_offset_ms, clock_known, feeds_up, feeds)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (name) DO UPDATE SET site = excluded.site, last_seen = excluded.last_seen, up = excluded.up,
			events_depth = excluded.events_depth, telemetry_depth = excluded.telemetry_depth, oldest_ms = excluded.oldest_ms,
			clock_offset_ms = excluded.clock_offset_ms, clock_known = excluded.clock_known,
			feeds_up = excluded.feeds_up, feeds = excluded.feeds`,
		g.Name, g.Site, g.LastSeen, int(truth(g.Up)), int64(g.EventsDepth), int64(g.TelemetryDepth), inMillis(g.OldestSeconds),
		inMillis(g.ClockOffset), int(truth(g.ClockKnown)), seen.FeedsUp(), len(feeds))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM feeds WHERE gateway = $1`, g.Name); err != nil {
		return err
	}
	for _, f := range feeds {
		_, err := tx.ExecContext(ctx, `INSERT INTO feeds (gateway, name, site, up, quiet, last_heard, messages, devices) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			g.Name, f.Name, g.Site, int(truth(f.Up)), int(truth(f.Quiet)), f.LastHeard, int64(f.Messages), f.Devices)
		if err != nil {
			return fmt.Errorf("feed %s: %w", f.Name, err)
		}
	}
	return nil
}

// inMillis gives seconds that a gateway told as whole milliseconds, however far off
// they are.
func inMillis(seconds float64) int64 { return int64(min(max(seconds, -maxSeconds), maxSeconds) * 1000) }

const maxSeconds = 1e12

// recallGateways adds the gateways that the database knows and the roster does
// not. They are not up until they are heard: what stands behind one that is not is
// out of our sight.
func (r *Roster) recallGateways(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT g.name, g.site, g.last_seen, COALESCE(f.name, ''), COALESCE(f.up, 0), COALESCE(f.last_heard, 0), COALESCE(f.messages, 0)
		FROM gateways g LEFT JOIN feeds f ON f.gateway = g.name ORDER BY g.name, f.name`)
	if err != nil {
		return fmt.Errorf("recall gateways: %w", err)
	}
	defer rows.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := map[string]*gateway{}
	for rows.Next() {
		var seen medfleet.Gateway
		var feed medfleet.Feed
		var messages int64
		if err := rows.Scan(&seen.Name, &seen.Site, &seen.LastSeen, &feed.Name, &feed.Up, &feed.LastHeard, &messages); err != nil {
			return fmt.Errorf("recall gateways: %w", err)
		}
		g := missing[seen.Name]
		if g == nil && r.gateways[seen.Name] == nil {
			if g = r.gateway(seen.Name); g == nil {
				continue
			}
			missing[seen.Name] = g
			g.Site, g.LastSeen, g.fresh = seen.Site, seen.LastSeen, true
		}
		if g != nil && feed.Name != "" {
			w := g.way(feed.Name)
			w.told, w.up, w.lastUp, w.heard, w.messages, w.fresh = true, feed.Up, feed.LastHeard, feed.LastHeard, uint64(messages), true
			w.caller = true // until its gateway says what it is
		}
	}
	return rows.Err()
}
