package roster

import (
	"context"
	"database/sql"
	"fmt"

	"medfleet"
	"medfleet/record"
)

// pending is what has happened since the last transaction and must be written
// in the next one. It is kept until the transaction has committed.
type pending struct {
	devices   map[medfleet.DeviceID]struct{} // rows to write
	stretches []begun
	events    []received
	gaps      []medfleet.Gap
	stays     []medfleet.Stay
	codes     []codeRow
	ended     []ended
	touched   map[medfleet.DeviceID]struct{} // to be told of
	gateways  map[string]struct{}            // likewise
	rows      map[string]struct{}            // of gateways and their feeds, to write
}

// begun is a stretch that a device entered.
type begun struct {
	device medfleet.DeviceID
	site   string
	medfleet.Stretch
}

type received struct {
	medfleet.Event
	at    medfleet.Millis
	flags record.Flags
}

func newPending() pending {
	return pending{
		devices: map[medfleet.DeviceID]struct{}{}, touched: map[medfleet.DeviceID]struct{}{},
		gateways: map[string]struct{}{}, rows: map[string]struct{}{},
	}
}

func (p *pending) touch(id medfleet.DeviceID) { p.touched[id] = struct{}{} }
func (p *pending) gateway(name string)        { p.gateways[name] = struct{}{} }

// Waits reports whether something must be written.
func (r *Roster) Waits() bool {
	p := &r.pending
	return len(p.devices)+len(p.stretches)+len(p.events)+len(p.gaps)+len(p.stays)+len(p.codes)+len(p.ended)+len(p.rows) > 0
}

// Forget drops what waits: a replay has it in the database already.
func (r *Roster) Forget() {
	p := &r.pending
	clear(p.devices)
	clear(p.touched)
	clear(p.gateways)
	clear(p.rows)
	p.stretches, p.events, p.gaps = p.stretches[:0], p.events[:0], p.gaps[:0]
	p.stays, p.codes, p.ended = p.stays[:0], p.codes[:0], p.ended[:0]
}

// Committed tells of every change since the last call and forgets what waited.
func (r *Roster) Committed(changed func(medfleet.Change)) {
	for id := range r.pending.touched {
		changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: string(id)})
	}
	for name := range r.pending.gateways {
		changed(medfleet.Change{Kind: medfleet.GatewayChanged, ID: name})
	}
	r.Forget()
}

// Flush writes what waits in the caller's transaction. Writing it twice is the
// same as writing it once.
func (r *Roster) Flush(ctx context.Context, tx *sql.Tx) error {
	if err := r.writeEnded(ctx, tx); err != nil {
		return err
	}
	if err := r.writeDevices(ctx, tx); err != nil {
		return err
	}
	if err := r.writeStretches(ctx, tx); err != nil {
		return err
	}
	if err := r.writeEvents(ctx, tx); err != nil {
		return err
	}
	if err := r.writeGateways(ctx, tx); err != nil {
		return err
	}
	if err := r.writeStays(ctx, tx); err != nil {
		return err
	}
	if err := r.writeCodes(ctx, tx); err != nil {
		return err
	}
	return r.writeGaps(ctx, tx)
}

func (r *Roster) writeDevices(ctx context.Context, tx *sql.Tx) error {
	for id := range r.pending.devices {
		d := &r.devices[id].device
		_, err := tx.ExecContext(ctx, `INSERT INTO devices (id, class, model, site, unit, gateway, feed, first_seen, last_seen, serial, firmware, software, hardware)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (id) DO UPDATE SET class = excluded.class, model = excluded.model, site = excluded.site,
				unit = excluded.unit, gateway = excluded.gateway, feed = excluded.feed, last_seen = excluded.last_seen,
				serial = excluded.serial, firmware = excluded.firmware, software = excluded.software, hardware = excluded.hardware,
				first_seen = CASE WHEN excluded.first_seen < devices.first_seen THEN excluded.first_seen ELSE devices.first_seen END`,
			d.ID, d.Class, d.Model, d.Site, d.Unit, d.Gateway, d.Feed, d.FirstSeen, d.LastSeen, d.Serial, d.Firmware, d.Software, d.Hardware)
		if err != nil {
			return fmt.Errorf("write device %s: %w", id, err)
		}
	}
	return nil
}

// writeEnded takes devices off the list that are another's now, and ends the state
// that they were in.
func (r *Roster) writeEnded(ctx context.Context, tx *sql.Tx) error {
	for _, e := range r.pending.ended {
		_, err := tx.ExecContext(ctx, `UPDATE state_intervals SET to_ms = CASE WHEN from_ms > $1 THEN from_ms ELSE $1 END
			WHERE device = $2 AND to_ms IS NULL`, e.at, e.device)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM devices WHERE id = $1`, e.device)
		}
		if err != nil {
			return fmt.Errorf("end device %s: %w", e.device, err)
		}
	}
	return nil
}

func (r *Roster) writeStretches(ctx context.Context, tx *sql.Tx) error {
	for _, b := range r.pending.stretches {
		_, err := tx.ExecContext(ctx, `UPDATE state_intervals SET to_ms = $1 WHERE device = $2 AND to_ms IS NULL AND from_ms < $1`, b.From, b.device)
		if err != nil {
			return fmt.Errorf("end state of %s: %w", b.device, err)
		}
		occupied := 0
		if b.Occupied {
			occupied = 1
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO state_intervals (device, site, from_ms, to_ms, state, native, occupied)
			VALUES ($1, $2, $3, NULL, $4, $5, $6)
			ON CONFLICT (device, from_ms) DO UPDATE SET to_ms = NULL, state = excluded.state,
				native = excluded.native, occupied = excluded.occupied`,
			b.device, b.site, b.From, b.State, b.Native, occupied)
		if err != nil {
			return fmt.Errorf("begin state of %s: %w", b.device, err)
		}
	}
	return nil
}

func (r *Roster) writeEvents(ctx context.Context, tx *sql.Tx) error {
	if len(r.pending.events) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO events (id, device, class, model, site, unit, at, received, condition, phase, code, text, priority, kind, gateway, feed, flags, device_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT (id) DO NOTHING`)
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	defer insert.Close()
	for i := range r.pending.events {
		e := &r.pending.events[i]
		_, err := insert.ExecContext(ctx, e.ID, e.Device, e.Class, e.Model, e.Site, e.Unit, e.Time, e.at,
			e.Condition, e.Phase, e.Code, e.Text, e.Priority, e.Kind, e.Gateway, e.Feed, int(e.flags), e.DeviceTime)
		if err != nil {
			return fmt.Errorf("write event %s of %s: %w", e.ID, e.Device, err)
		}
	}
	return nil
}

func (r *Roster) writeGaps(ctx context.Context, tx *sql.Tx) error {
	for _, g := range r.pending.gaps {
		id := fmt.Sprintf("%s/%s/%x/%d-%d", g.Gateway, g.Stream, g.Epoch, g.First, g.Last)
		_, err := tx.ExecContext(ctx, `INSERT INTO gaps (id, gateway, site, stream, epoch, first, last, count, from_ms, to_ms, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING`,
			id, g.Gateway, g.Site, g.Stream, fmt.Sprintf("%x", g.Epoch), int64(g.First), int64(g.Last), int64(g.Count), g.From, g.To, g.Reason)
		if err != nil {
			return fmt.Errorf("write gap of gateway %s: %w", g.Gateway, err)
		}
	}
	return nil
}
