package alarms

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"medfleet"
)

// MaxNote is the longest note in bytes; a longer one is cut.
const MaxNote = 500

// Acknowledge notes that somebody has an alarm in hand, and reports whether this
// call did it: when it was acknowledged before, nothing happens and the answer is
// the alarm as it is. It fails with ErrUnknown, ErrNobody, or a *StateError for
// an alarm that is over.
func (b *Book) Acknowledge(ctx context.Context, id, who, note string) (medfleet.Alarm, bool, error) {
	if who == "" {
		return medfleet.Alarm{}, false, fmt.Errorf("acknowledge alarm %.40q: %w", id, ErrNobody)
	}
	note = clean(note)
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return medfleet.Alarm{}, false, fmt.Errorf("acknowledge alarm %.40q: %w", id, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	at := medfleet.AsMillis(time.Now())
	result, err := tx.ExecContext(ctx, `UPDATE alarms SET state = 'acknowledged', acknowledged_by = $2, acknowledged_at = $3, changed_at = $3, note = $4
		WHERE id = $1 AND state = 'active'`, id, who, int64(at), note)
	if err != nil {
		return medfleet.Alarm{}, false, fmt.Errorf("acknowledge alarm %.40q: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return medfleet.Alarm{}, false, fmt.Errorf("acknowledge alarm %.40q: %w", id, err)
	}
	a, err := get(ctx, tx, id)
	switch {
	case err != nil:
		return medfleet.Alarm{}, false, err
	case n == 0 && a.State == medfleet.Acknowledged:
		return a, false, nil
	case n == 0:
		return a, false, &StateError{id, a.State}
	}
	s := step{alarm: &a, state: medfleet.Acknowledged, at: at, occasion: fmt.Sprint(a.Reopened), who: who, note: note, action: "alarm.acknowledged"}
	if _, err := b.write(ctx, tx, s); err != nil {
		return medfleet.Alarm{}, false, err
	}
	if err := tx.Commit(); err != nil {
		return medfleet.Alarm{}, false, fmt.Errorf("acknowledge alarm %s: %w", id, err)
	}
	return a, true, nil
}

// clean keeps a note to one line of printable text.
func clean(note string) string {
	note = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, note)
	note = strings.TrimSpace(note)
	if len(note) > MaxNote {
		note = strings.ToValidUTF8(note[:MaxNote], "")
	}
	return note
}
