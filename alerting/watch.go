package alerting

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"time"

	"medfleet"
	"medfleet/alerting/rules"
)

// maxPaged is how many alarms one Flush pages at most; the rest follow with the
// next. It bounds the transaction after a long time behind.
const maxPaged = 200

// lately is the time in which a page counts earlier alarms like its own.
const lately = 30 * 24 * time.Hour

// See lets the rules judge a sighting. Transitions are collected until Flush. It
// does not allocate when nothing that a rule reads has changed. A sighting that
// the watch makes of the passing of time, such as a device that has gone silent,
// is live.
func (e *Engine) See(s *medfleet.Sighting) { e.evaluator.See(s) }

// Tick lets `for` and `hold` run out where no observation comes. Now is the
// journal's clock, sequence that record's number. One tick counts for at most a
// minute: nobody watched what lies between.
func (e *Engine) Tick(now medfleet.Millis, sequence uint64) { e.evaluator.Tick(now, sequence) }

// Collected tells how many transitions wait for Flush and Committed. The watch
// must not go on collecting while its transactions fail.
func (e *Engine) Collected() int { return len(e.evaluator.Changes()) }

// Waits reports whether Flush has anything to write.
func (e *Engine) Waits(behind bool) bool {
	return len(e.evaluator.Changes()) > 0 || e.due && !behind
}

// Flush writes what was collected into the caller's transaction: alarms,
// transitions, audit rows and pages. It may be repeated, after a failed commit
// too, and writes each row once. While the watch is behind, nobody is paged;
// then every active alarm that wants a page and has none is paged once. What was
// raised and cleared before that is never paged.
func (e *Engine) Flush(ctx context.Context, tx *sql.Tx, behind bool) error {
	e.flushed = written{states: map[medfleet.AlarmState]int{}}
	changes := e.evaluator.Changes()
	for i := range changes {
		if err := e.apply(ctx, tx, &changes[i]); err != nil {
			return fmt.Errorf("write alarms: %w", err)
		}
	}
	if behind || !e.due && len(changes) == 0 {
		e.flushed.done = !e.due && len(changes) == 0
		return nil
	}
	if err := e.page(ctx, tx); err != nil {
		return fmt.Errorf("write pages: %w", err)
	}
	return nil
}

func (e *Engine) apply(ctx context.Context, tx *sql.Tx, c *rules.Change) (err error) {
	var fresh bool
	switch c.What {
	case rules.Raised:
		fresh, err = e.book.Raise(ctx, tx, &c.Alarm, c.Page)
	case rules.Cleared:
		fresh, err = e.book.Clear(ctx, tx, &c.Alarm)
	case rules.Reopened:
		fresh, err = e.book.Reopen(ctx, tx, &c.Alarm)
	case rules.Withdrawn:
		fresh, err = e.book.Withdraw(ctx, tx, &c.Alarm, "the device is of another class now, or its id stands for another device")
	case rules.Settled:
		return e.book.Settle(ctx, tx, c.Alarm.ID)
	}
	if fresh {
		e.flushed.states[c.Alarm.State]++
		e.flushed.changes = append(e.flushed.changes, medfleet.Change{Kind: medfleet.AlarmChanged, ID: c.Alarm.ID})
	}
	return err
}

// page queues pages for what is active and was not paged, and for what has
// cleared for good.
func (e *Engine) page(ctx context.Context, tx *sql.Tx) error {
	raised, err := e.book.Unpaged(ctx, tx, e.outbox.Priorities(), maxPaged)
	if err != nil {
		return err
	}
	cleared, err := e.book.Unsaid(ctx, tx, maxPaged)
	if err != nil {
		return err
	}
	for _, a := range slices.Concat(raised, cleared) {
		if err := e.pageOne(ctx, tx, &a); err != nil {
			return err
		}
	}
	e.flushed.done = len(raised) < maxPaged && len(cleared) < maxPaged
	return nil
}

func (e *Engine) pageOne(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm) error {
	n, err := e.book.Occurrences(ctx, tx, a, lately)
	if err != nil {
		return err
	}
	pages, err := e.outbox.Queue(ctx, tx, a, n)
	if err != nil {
		return err
	}
	for i := range pages {
		p := &pages[i]
		if err := e.audit(ctx, tx, "medfleet", "page.queued", p.ID, p.About+" "+p.Alarm+" to "+p.Channel, p.Site); err != nil {
			return fmt.Errorf("audit page %s: %w", p.ID, err)
		}
		e.flushed.changes = append(e.flushed.changes, medfleet.Change{Kind: medfleet.PageChanged, ID: p.ID})
	}
	e.flushed.pages += len(pages)
	e.flushed.changes = append(e.flushed.changes, medfleet.Change{Kind: medfleet.AlarmChanged, ID: a.ID})
	return e.book.Paged(ctx, tx, a)
}

// Committed says that the transaction of the last Flush is on disk: what was
// collected is forgotten, told to Changed, and the outbox goes to work.
func (e *Engine) Committed() {
	e.due = !e.flushed.done
	e.evaluator.Drop()
	for state, n := range e.flushed.states {
		e.metrics.transitions.WithLabelValues(string(state)).Add(float64(n))
	}
	for _, c := range e.flushed.changes {
		e.changed(c)
	}
	if e.flushed.pages > 0 {
		e.outbox.Wake()
	}
	e.flushed = written{done: e.flushed.done}
}

// Forget drops what was collected while replaying: SQL has it already.
func (e *Engine) Forget() { e.evaluator.Drop() }

// Snapshot writes the evaluator's state: timers, windows, episodes. It fails
// while transitions are collected and not committed.
func (e *Engine) Snapshot(w io.Writer) error { return e.evaluator.Snapshot(w) }

// Restore reads what Snapshot wrote. When it fails the engine knows nothing, and
// the journal must be replayed from its beginning.
func (e *Engine) Restore(r io.Reader) error { return e.evaluator.Restore(r) }
