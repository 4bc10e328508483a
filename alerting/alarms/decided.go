package alarms

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"medfleet"
)

// What the rules decided is written in the caller's transaction. Each method
// reports whether it changed anything: a repeat does not.

// Raise enters a new episode. WantsPage says whether somebody is to be told.
func (b *Book) Raise(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm, wantsPage bool) (bool, error) {
	fresh, err := b.write(ctx, tx, step{alarm: a, state: medfleet.Active, at: a.RaisedAt, occasion: "raised", action: "alarm.raised"})
	if err != nil || !fresh {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO alarms (id, rule, device, class, model, site, unit, priority, state,
			since, raised_at, changed_at, reopened, summary, action, runbook, wants_page)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (id) DO NOTHING`,
		a.ID, a.Rule, string(a.Device), string(a.Class), a.Model, a.Site, string(a.Unit), string(a.Priority), string(medfleet.Active),
		int64(a.Since), int64(a.RaisedAt), int64(a.ChangedAt), a.Reopened, a.Summary, a.Action, a.Runbook, smallint(wantsPage))
	if err != nil {
		return false, fmt.Errorf("raise alarm %s: %w", a.ID, err)
	}
	return true, nil
}

// Clear ends an open episode whose recovery was observed.
func (b *Book) Clear(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm) (bool, error) {
	s := step{alarm: a, state: medfleet.Cleared, at: a.ClearedAt, occasion: strconv.Itoa(a.Reopened), action: "alarm.cleared"}
	return b.change(ctx, tx, s, `UPDATE alarms SET state = $2, changed_at = $3, cleared_at = $3
		WHERE id = $1 AND state IN ('active', 'acknowledged')`, a.ID, string(medfleet.Cleared), int64(a.ClearedAt))
}

// Reopen continues a cleared episode that came back within its rule's hold. Who
// had acknowledged it still has it.
func (b *Book) Reopen(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm) (bool, error) {
	var state medfleet.AlarmState
	err := tx.QueryRowContext(ctx, `UPDATE alarms
		SET state = CASE WHEN acknowledged_at > 0 THEN 'acknowledged' ELSE 'active' END, changed_at = $2, cleared_at = 0, reopened = $3, summary = $4
		WHERE id = $1 AND state = 'cleared' RETURNING state`, a.ID, int64(a.ChangedAt), a.Reopened, a.Summary).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reopen alarm %s: %w", a.ID, err)
	}
	return b.write(ctx, tx, step{alarm: a, state: state, at: a.ChangedAt, occasion: fmt.Sprint("reopened ", a.Reopened), note: "came back", action: "alarm.reopened"})
}

// Withdraw ends an open episode whose rule is gone.
func (b *Book) Withdraw(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm, note string) (bool, error) {
	s := step{alarm: a, state: medfleet.Withdrawn, at: a.ChangedAt, occasion: "withdrawn", note: note, action: "alarm.withdrawn"}
	return b.change(ctx, tx, s, `UPDATE alarms SET state = $2, changed_at = $3
		WHERE id = $1 AND state IN ('active', 'acknowledged')`, a.ID, string(medfleet.Withdrawn), int64(a.ChangedAt))
}

// change updates an alarm and writes the transition if a row was in the state
// for it.
func (b *Book) change(ctx context.Context, tx *sql.Tx, s step, update string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, update, args...)
	if err != nil {
		return false, fmt.Errorf("change alarm %s to %s: %w", s.alarm.ID, s.state, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return b.write(ctx, tx, s)
}

// How far the paging of an alarm has come, in the column paged.
const (
	notPaged   = 0
	raisedPage = 1 // somebody was told that it is raised
	clearDue   = 2 // and is to be told that it has cleared
	clearPage  = 3 // and was told
)

// Settle notes that a cleared episode will not come back: whoever was told of
// the alarm may now be told that it is over.
func (b *Book) Settle(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `UPDATE alarms SET paged = $2 WHERE id = $1 AND paged = $3 AND state = 'cleared'`, id, clearDue, raisedPage)
	if err != nil {
		return fmt.Errorf("settle alarm %s: %w", id, err)
	}
	return nil
}

// Unpaged lists up to limit active alarms of the priorities that want a page and
// have none, oldest first. An acknowledged one has found its person and is left
// out.
func (b *Book) Unpaged(ctx context.Context, tx *sql.Tx, priorities []medfleet.Priority, limit int) ([]medfleet.Alarm, error) {
	if len(priorities) == 0 {
		return nil, nil
	}
	args := []any{limit}
	in := ""
	for i, p := range priorities {
		args = append(args, string(p))
		in += fmt.Sprintf(", $%d", i+2)
	}
	return query(ctx, tx, `SELECT `+columns+` FROM alarms WHERE state = 'active' AND wants_page = 1 AND paged = 0
		AND priority IN (`+strings.TrimPrefix(in, ", ")+`) ORDER BY raised_at, id LIMIT $1`, args...)
}

// Unsaid lists up to limit alarms that somebody was paged for and that have
// cleared for good without anybody having been told.
func (b *Book) Unsaid(ctx context.Context, tx *sql.Tx, limit int) ([]medfleet.Alarm, error) {
	return query(ctx, tx, `SELECT `+columns+` FROM alarms WHERE paged = 2 ORDER BY id LIMIT $1`, limit)
}

// Unsettled lists the ids of cleared alarms that somebody was paged for and that
// may still come back.
func (b *Book) Unsettled(ctx context.Context, tx *sql.Tx) ([]string, error) {
	list, err := query(ctx, tx, `SELECT `+columns+` FROM alarms WHERE paged = 1 AND state = 'cleared' ORDER BY id`)
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, err
}

// Paged notes that the pages about an alarm are queued, those of its raise or
// those of its end.
func (b *Book) Paged(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm) error {
	stage := raisedPage
	if a.State == medfleet.Cleared {
		stage = clearPage
	}
	if _, err := tx.ExecContext(ctx, `UPDATE alarms SET paged = $2 WHERE id = $1`, a.ID, stage); err != nil {
		return fmt.Errorf("note pages of alarm %s: %w", a.ID, err)
	}
	return nil
}

func smallint(b bool) int {
	if b {
		return 1
	}
	return 0
}
