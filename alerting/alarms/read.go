package alarms

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"medfleet"
)

// Filter narrows a list of alarms; what is empty does not. Limit is from 1 to
// 1000, 100 when it is 0. Cursor is what the list before ended with. ChangedSince
// asks for those that changed at that time or later.
type Filter struct {
	States   []medfleet.AlarmState
	Device   medfleet.DeviceID
	Unit     medfleet.CareUnit
	Class    medfleet.Class
	Priority medfleet.Priority

	ChangedSince medfleet.Millis

	Limit  int
	Cursor string
}

const maxLimit = 1000

func (f *Filter) limit() int {
	if f.Limit <= 0 {
		return 100
	}
	return min(f.Limit, maxLimit)
}

// where gives the conditions of a list and their arguments.
func (f *Filter) where() (string, []any) {
	conditions, args := []string{"1 = 1"}, []any{}
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	for _, c := range []struct{ column, value string }{
		{"device", string(f.Device)}, {"unit", string(f.Unit)}, {"class", string(f.Class)}, {"priority", string(f.Priority)},
	} {
		if c.value != "" {
			add(c.column+" = $%d", c.value)
		}
	}
	if f.ChangedSince != 0 {
		add("changed_at >= $%d", f.ChangedSince)
	}
	if f.Cursor != "" {
		add("id < $%d", f.Cursor)
	}
	if len(f.States) > 0 {
		places := make([]string, len(f.States))
		for i, s := range f.States {
			args = append(args, string(s))
			places[i] = fmt.Sprintf("$%d", len(args))
		}
		conditions = append(conditions, "state IN ("+strings.Join(places, ", ")+")")
	}
	return strings.Join(conditions, " AND "), args
}

// List gives alarms newest first by the time of their raise, and the cursor of
// the next part, empty at the end.
func (b *Book) List(ctx context.Context, f Filter) ([]medfleet.Alarm, string, error) {
	where, args := f.where()
	args = append(args, f.limit()+1)
	items, err := query(ctx, b.db, fmt.Sprintf(`SELECT %s FROM alarms WHERE %s ORDER BY id DESC LIMIT $%d`, columns, where, len(args)), args...)
	if err != nil {
		return nil, "", err
	}
	if len(items) > f.limit() {
		items = items[:f.limit()]
		return items, items[len(items)-1].ID, nil
	}
	return items, "", nil
}

// Get finds one alarm. It fails with ErrUnknown when there is none of that id.
func (b *Book) Get(ctx context.Context, id string) (medfleet.Alarm, error) {
	return get(ctx, b.db, id)
}

func get(ctx context.Context, q querier, id string) (medfleet.Alarm, error) {
	items, err := query(ctx, q, `SELECT `+columns+` FROM alarms WHERE id = $1`, id)
	if err != nil {
		return medfleet.Alarm{}, err
	}
	if len(items) == 0 {
		return medfleet.Alarm{}, fmt.Errorf("alarm %.40q: %w", id, ErrUnknown)
	}
	return items[0], nil
}

// Transitions lists what has happened to an alarm, first to last.
func (b *Book) Transitions(ctx context.Context, id string) ([]Transition, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT id, alarm, at, state, who, note FROM alarm_transitions WHERE alarm = $1 ORDER BY number`, id)
	if err != nil {
		return nil, fmt.Errorf("read transitions of alarm %.40q: %w", id, err)
	}
	defer rows.Close()
	var list []Transition
	for rows.Next() {
		var t Transition
		if err := rows.Scan(&t.ID, &t.Alarm, &t.At, &t.State, &t.Who, &t.Note); err != nil {
			return nil, fmt.Errorf("read transitions of alarm %.40q: %w", id, err)
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// Open lists every open alarm, oldest first.
func (b *Book) Open(ctx context.Context, tx *sql.Tx) ([]medfleet.Alarm, error) {
	return query(ctx, tx, `SELECT `+columns+` FROM alarms WHERE state IN ('active', 'acknowledged') ORDER BY id`)
}

// Stands reports whether the book has an alarm in one of the states.
func (b *Book) Stands(ctx context.Context, tx *sql.Tx, id string, states ...medfleet.AlarmState) (bool, error) {
	a, err := get(ctx, tx, id)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	for _, s := range states {
		if a.State == s {
			return true, err
		}
	}
	return false, err
}

// Occurrences counts the episodes of a rule and a device that were raised in the
// time before an alarm, itself included.
func (b *Book) Occurrences(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm, within time.Duration) (int, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM alarms WHERE device = $1 AND rule = $2 AND raised_at > $3 AND raised_at <= $4`,
		string(a.Device), a.Rule, int64(a.RaisedAt.Add(-within)), int64(a.RaisedAt)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count alarms like %s: %w", a.ID, err)
	}
	return n, nil
}

const columns = `id, rule, device, class, model, site, unit, priority, state, since, raised_at, changed_at, cleared_at,
	reopened, summary, action, runbook, paged, acknowledged_by, acknowledged_at, note`

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func query(ctx context.Context, q querier, text string, args ...any) ([]medfleet.Alarm, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	defer rows.Close()
	list := []medfleet.Alarm{}
	for rows.Next() {
		var a medfleet.Alarm
		var paged int
		err := rows.Scan(&a.ID, &a.Rule, &a.Device, &a.Class, &a.Model, &a.Site, &a.Unit, &a.Priority, &a.State,
			&a.Since, &a.RaisedAt, &a.ChangedAt, &a.ClearedAt, &a.Reopened, &a.Summary, &a.Action, &a.Runbook, &paged,
			&a.AcknowledgedBy, &a.AcknowledgedAt, &a.Note)
		if err != nil {
			return nil, fmt.Errorf("read alarms: %w", err)
		}
		a.Paged = paged > notPaged
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	return list, nil
}
