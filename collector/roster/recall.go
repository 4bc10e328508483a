package roster

import (
	"context"
	"database/sql"
	"fmt"

	"medfleet"
)

// Recall adds what the database knows and the roster does not, when the snapshot
// or the journal behind it is lost. A device that has fallen silent since must not
// be forgotten: its silence would never be noticed.
func (r *Roster) Recall(ctx context.Context, db *sql.DB) error {
	if err := r.recallGateways(ctx, db); err != nil {
		return err
	}
	if err := r.recallDevices(ctx, db); err != nil {
		return err
	}
	if err := r.recallCodes(ctx, db); err != nil {
		return err
	}
	return r.recallStays(ctx, db)
}

func (r *Roster) recallDevices(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT d.id, d.class, d.model, d.site, d.unit, d.gateway, d.feed, d.first_seen, d.last_seen,
			d.serial, d.firmware, d.software, d.hardware,
			COALESCE(s.state, ''), COALESCE(s.native, ''), COALESCE(s.occupied, 0), COALESCE(s.from_ms, 0)
		FROM devices d LEFT JOIN state_intervals s ON s.device = d.id AND s.to_ms IS NULL`)
	if err != nil {
		return fmt.Errorf("recall devices: %w", err)
	}
	defer rows.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for rows.Next() {
		d := medfleet.Device{InService: true, Readings: map[string]float64{}, Active: []string{}}
		var occupied int
		if err := rows.Scan(&d.ID, &d.Class, &d.Model, &d.Site, &d.Unit, &d.Gateway, &d.Feed, &d.FirstSeen, &d.LastSeen,
			&d.Serial, &d.Firmware, &d.Software, &d.Hardware, &d.State, &d.Native, &occupied, &d.Since); err != nil {
			return fmt.Errorf("recall devices: %w", err)
		}
		d.Occupied = occupied != 0
		r.recall(&d)
	}
	return rows.Err()
}

// recall takes the newer of what the database and the roster know of a device.
func (r *Roster) recall(d *medfleet.Device) {
	en := r.devices[d.ID]
	if en == nil {
		profile, ok := r.o.Profiles.Class(d.Class)
		if !ok || len(r.devices) >= MaxDevices {
			return
		}
		en = &entry{device: *d, profile: profile, known: known{state: medfleet.Idle}}
		en.device.State, en.device.Since = "", 0
		en.heard = d.LastSeen
		if r.clock != 0 {
			en.heard = min(en.heard, r.clock)
		}
		r.devices[d.ID] = en
		r.join(en)
	}
	if d.State == "" || d.Since < en.device.Since {
		if en.device.State == "" {
			r.enter(en, en.known, d.FirstSeen)
		}
		return
	}
	en.way.expected += expects(d.State) - expects(en.device.State)
	en.device.State, en.device.Native, en.device.Occupied, en.device.Since = d.State, d.Native, d.Occupied, d.Since
	if d.State != medfleet.Unheard && d.State != medfleet.Blind {
		en.known = known{d.State, d.Native, d.Occupied}
	}
}

// Rewrite makes every device and its present state wait to be written, when the
// database is older than the roster.
func (r *Roster) Rewrite() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, en := range r.devices {
		d := &en.device
		r.pending.devices[id] = struct{}{}
		r.pending.stretches = append(r.pending.stretches, begun{
			id, d.Site, medfleet.Stretch{State: d.State, Native: d.Native, Occupied: d.Occupied, From: d.Since},
		})
	}
	r.rewriteStays()
	r.rewriteCodes()
}
