package roster

import (
	"context"
	"database/sql"
	"fmt"

	"medfleet"
)

// Records reads what the roster has written: state intervals and events.
type Records struct{ DB *sql.DB }

// maxStretches bounds one answer: a device that chatters cannot make it endless.
const maxStretches = 50_000

// Stretches gives a device's times in each state within [from, to), cut to it,
// oldest first. The last one is open (To is 0) when it lasts. Those of a device that
// was two before may overlap.
func (r Records) Stretches(ctx context.Context, id medfleet.DeviceID, from, to medfleet.Millis) ([]medfleet.Stretch, error) {
	ids, err := r.ids(ctx, id)
	if err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT state, native, occupied, from_ms, COALESCE(to_ms, 0) FROM state_intervals
		WHERE device IN (`+marks(4, len(ids))+`) AND from_ms < $1 AND (to_ms IS NULL OR to_ms > $2) ORDER BY from_ms LIMIT $3`,
		append([]any{to, from, maxStretches}, ids...)...)
	if err != nil {
		return nil, fmt.Errorf("read states of %s: %w", id, err)
	}
	defer rows.Close()
	list := []medfleet.Stretch{}
	for rows.Next() {
		var s medfleet.Stretch
		if err := rows.Scan(&s.State, &s.Native, &s.Occupied, &s.From, &s.To); err != nil {
			return nil, fmt.Errorf("read states of %s: %w", id, err)
		}
		s.From = max(s.From, from)
		list = append(list, s)
	}
	return list, rows.Err()
}

// Events gives a device's events, newest first, at most limit, of those before
// the event that the cursor names. The second result is the next cursor.
func (r Records) Events(ctx context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Event, string, error) {
	ids, err := r.ids(ctx, id)
	if err != nil {
		return nil, "", err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT id, device, class, model, site, unit, at, condition, phase, code, text, priority, kind, gateway, feed, device_time
		FROM events WHERE device IN (`+marks(3, len(ids))+`) AND ($1 = '' OR (at, id) < (SELECT at, id FROM events WHERE id = $1))
		ORDER BY at DESC, id DESC LIMIT $2`, append([]any{before, limit + 1}, ids...)...)
	if err != nil {
		return nil, "", fmt.Errorf("read events of %s: %w", id, err)
	}
	defer rows.Close()
	list := []medfleet.Event{}
	for rows.Next() {
		var e medfleet.Event
		if err := rows.Scan(&e.ID, &e.Device, &e.Class, &e.Model, &e.Site, &e.Unit, &e.Time, &e.Condition, &e.Phase,
			&e.Code, &e.Text, &e.Priority, &e.Kind, &e.Gateway, &e.Feed, &e.DeviceTime); err != nil {
			return nil, "", fmt.Errorf("read events of %s: %w", id, err)
		}
		list = append(list, e)
	}
	if len(list) > limit {
		return list[:limit], list[limit-1].ID, rows.Err()
	}
	return list, "", rows.Err()
}

// Attachments gives where a part has been and what parts a device has had, the
// latest first, at most limit, of those before the one that the cursor names. The
// second result is the next cursor.
func (r Records) Attachments(ctx context.Context, id medfleet.DeviceID, limit int, before string) ([]medfleet.Stay, string, error) {
	ids, err := r.ids(ctx, id)
	if err != nil {
		return nil, "", err
	}
	set := marks(3, len(ids))
	rows, err := r.DB.QueryContext(ctx, `SELECT `+stayColumns+` FROM attachments
		WHERE (device IN (`+set+`) OR parent IN (`+set+`)) AND ($1 = '' OR (from_ms, id) < (SELECT from_ms, id FROM attachments WHERE id = $1))
		ORDER BY from_ms DESC, id DESC LIMIT $2`, append([]any{before, limit + 1}, ids...)...)
	if err != nil {
		return nil, "", fmt.Errorf("read attachments of %s: %w", id, err)
	}
	defer rows.Close()
	list := []medfleet.Stay{}
	for rows.Next() {
		s, err := scanStay(rows)
		if err != nil {
			return nil, "", fmt.Errorf("read attachments of %s: %w", id, err)
		}
		list = append(list, s)
	}
	if len(list) > limit {
		return list[:limit], list[limit-1].ID, rows.Err()
	}
	return list, "", rows.Err()
}
