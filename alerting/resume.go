package alerting

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"medfleet"
)

// Resume brings the evaluator into step with the book after a replay. An open
// alarm that the evaluator does not know becomes its own, so that its recovery
// will be seen; one whose rule is gone is withdrawn; an episode that the book
// says is over, because a person closed it, is over. Call it also at a first
// start and after a Restore that failed.
func (e *Engine) Resume(ctx context.Context) error {
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("resume alarms: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	e.flushed = written{states: map[medfleet.AlarmState]int{}}
	if err := e.reconcile(ctx, tx); err != nil {
		return fmt.Errorf("resume alarms: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("resume alarms: %w", err)
	}
	e.flushed.done = false
	e.Committed() // an alarm may have been left unpaged
	return nil
}

func (e *Engine) reconcile(ctx context.Context, tx *sql.Tx) error {
	open, err := e.book.Open(ctx, tx)
	if err != nil {
		return err
	}
	for i := range open {
		if e.evaluator.Adopt(&open[i]) {
			continue
		}
		if err := e.withdraw(ctx, tx, &open[i]); err != nil {
			return err
		}
	}
	return e.abandon(ctx, tx)
}

func (e *Engine) withdraw(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm) error {
	a.ChangedAt = max(medfleet.AsMillis(time.Now()), a.RaisedAt)
	fresh, err := e.book.Withdraw(ctx, tx, a, fmt.Sprintf("class %s has no rule %s any more", a.Class, a.Rule))
	if fresh {
		e.flushed.states[medfleet.Withdrawn]++
		e.flushed.changes = append(e.flushed.changes, medfleet.Change{Kind: medfleet.AlarmChanged, ID: a.ID})
	}
	return err
}

// abandon drops the evaluator's episodes that the book has in another state, and
// settles the cleared ones that the evaluator does not know any more.
func (e *Engine) abandon(ctx context.Context, tx *sql.Tx) error {
	known, over := map[string]bool{}, map[string]bool{}
	for _, episode := range e.evaluator.Episodes() {
		states := []medfleet.AlarmState{medfleet.Cleared}
		if episode.Open {
			states = []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged}
		}
		stands, err := e.book.Stands(ctx, tx, episode.ID, states...)
		if err != nil {
			return err
		}
		known[episode.ID], over[episode.ID] = stands, !stands
	}
	e.evaluator.Abandon(func(id string) bool { return over[id] })
	unsettled, err := e.book.Unsettled(ctx, tx)
	for _, id := range unsettled {
		if !known[id] && err == nil {
			err = e.book.Settle(ctx, tx, id)
		}
	}
	return err
}
