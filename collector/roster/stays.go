package roster

import (
	"context"
	"database/sql"
	"fmt"

	"medfleet"
)

// The stays of parts on disk: rows of the table attachments, lines of the snapshot.

// writeStays writes each stay as it became, in order.
func (r *Roster) writeStays(ctx context.Context, tx *sql.Tx) error {
	for i := range r.pending.stays {
		if err := writeStay(ctx, tx, &r.pending.stays[i]); err != nil {
			return fmt.Errorf("write where part %s is: %w", r.pending.stays[i].Part, err)
		}
	}
	return nil
}

// writeStay also ends what the database alone takes for lasting: it may be older
// than what was judged.
func writeStay(ctx context.Context, tx *sql.Tx, s *medfleet.Stay) error {
	if s.To == 0 {
		_, err := tx.ExecContext(ctx, `UPDATE attachments SET to_ms = CASE WHEN from_ms > $1 THEN from_ms ELSE $1 END
			WHERE to_ms IS NULL AND id <> $2 AND (device = $3 OR parent = $4 AND slot = $5 AND slot <> '')`, s.From, s.ID, s.Part, s.Parent, s.Slot)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO attachments (id, device, type, model, parent, slot, site, from_ms, to_ms, seen_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET type = excluded.type, model = excluded.model, to_ms = excluded.to_ms, seen_ms = excluded.seen_ms`,
		s.ID, s.Part, s.Type, s.Model, s.Parent, s.Slot, s.Site, s.From, sql.NullInt64{Int64: int64(s.To), Valid: s.To != 0}, s.Seen)
	return err
}

const stayColumns = `id, device, type, model, parent, slot, site, from_ms, COALESCE(to_ms, 0), seen_ms`

func scanStay(rows *sql.Rows) (s medfleet.Stay, err error) {
	err = rows.Scan(&s.ID, &s.Part, &s.Type, &s.Model, &s.Parent, &s.Slot, &s.Site, &s.From, &s.To, &s.Seen)
	return s, err
}

// recallStays adds the places of parts that the database knows and the roster
// does not.
func (r *Roster) recallStays(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT `+stayColumns+` FROM attachments WHERE to_ms IS NULL ORDER BY from_ms, id`)
	if err != nil {
		return fmt.Errorf("recall parts: %w", err)
	}
	defer rows.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for rows.Next() {
		s, err := scanStay(rows)
		if err != nil {
			return fmt.Errorf("recall parts: %w", err)
		}
		r.parts.recall(s)
	}
	return rows.Err()
}

// recall takes a stay from the database unless the roster knows the same or later
// of its part or its slot.
func (p *parts) recall(s medfleet.Stay) {
	if known := p.newest[s.Part]; known != nil && known.edge() >= s.From {
		return
	}
	if known := p.places[slot{s.Parent, s.Slot}]; known != nil && known.edge() >= s.From {
		return
	}
	if len(p.newest) < maxParts && len(p.in[s.Parent]) < maxPartsOf {
		p.add(&stay{s, max(s.From, s.Seen)})
	}
}

// rewriteStays makes every stay wait to be written, those that are over first.
func (r *Roster) rewriteStays() {
	for _, lasting := range []bool{false, true} {
		for _, s := range r.parts.newest {
			if s.lasts() == lasting {
				r.pending.stays = append(r.pending.stays, s.Stay)
			}
		}
	}
}

// savedStay is a stay in the snapshot. Part and Slot say whose newest it is.
type savedStay struct {
	Stay  medfleet.Stay   `json:"stay"`
	Known medfleet.Millis `json:"known"`
	Part  bool            `json:"part,omitempty"`
	Slot  bool            `json:"slot,omitempty"`
}

func (p *parts) saved() []savedStay {
	list := make([]savedStay, 0, len(p.newest))
	for _, s := range p.newest {
		list = append(list, savedStay{s.Stay, s.known, true, p.places[s.place()] == s})
	}
	for _, s := range p.places {
		if p.newest[s.Part] != s {
			list = append(list, savedStay{s.Stay, s.known, false, true})
		}
	}
	return list
}

func (p *parts) restore(saved *savedStay) {
	s := &stay{saved.Stay, saved.Known}
	if saved.Part {
		p.newest[s.Part] = s
	}
	if saved.Slot {
		p.places[s.place()] = s
	}
	if s.lasts() {
		p.in[s.Parent] = append(p.in[s.Parent], s)
	}
}
