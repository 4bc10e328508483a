package paging

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"medfleet"
)

// entry is a page with what only the outbox knows of it.
type entry struct {
	medfleet.Page
	unanswered int
}

// Priorities lists the priorities that some channel takes.
func (b *Outbox) Priorities() []medfleet.Priority {
	return slices.DeleteFunc([]medfleet.Priority{medfleet.Now, medfleet.Today, medfleet.Round}, func(p medfleet.Priority) bool {
		return !slices.ContainsFunc(b.carriers, func(k *carrier) bool { return k.takes(p) })
	})
}

// Queue writes the pages about an alarm in the caller's transaction, one for
// each channel that takes its priority, and gives them. About an alarm that has
// cleared it writes only to channels that were told of the raise. Writing again
// changes nothing. Occurrences is as for Telling.
func (b *Outbox) Queue(ctx context.Context, tx *sql.Tx, a *medfleet.Alarm, occurrences int) ([]medfleet.Page, error) {
	about, told := AboutRaised, []string(nil)
	if a.State == medfleet.Cleared {
		about = AboutCleared
		var err error
		if told, err = toldOf(ctx, tx, a.ID); err != nil {
			return nil, err
		}
	}
	now := medfleet.AsMillis(time.Now())
	text := Text(a, Telling{about, occurrences, now, b.o.Zone})
	var pages []medfleet.Page
	for _, k := range b.carriers {
		if about == AboutCleared && !slices.Contains(told, k.name) || about == AboutRaised && !k.takes(a.Priority) {
			continue
		}
		p := medfleet.Page{
			ID: ulid.Make().String(), Alarm: a.ID, Device: a.Device, Rule: a.Rule, Site: a.Site, Priority: a.Priority,
			About: about, Channel: k.name, Text: text, State: medfleet.Queued, QueuedAt: now, NextAttempt: now,
		}
		fresh, err := insert(ctx, tx, &p)
		if err != nil {
			return nil, err
		}
		if fresh {
			pages = append(pages, p)
		}
	}
	return pages, nil
}

func insert(ctx context.Context, tx *sql.Tx, p *medfleet.Page) (bool, error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO pages (id, alarm, device, rule, site, priority, about, channel, recipient, text, state, queued_at, next_attempt)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (alarm, channel, about, recipient) DO NOTHING`,
		p.ID, p.Alarm, string(p.Device), p.Rule, p.Site, string(p.Priority), p.About, p.Channel, p.To, p.Text, string(p.State), int64(p.QueuedAt), int64(p.NextAttempt))
	if err != nil {
		return false, fmt.Errorf("queue page about alarm %s: %w", p.Alarm, err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func toldOf(ctx context.Context, tx *sql.Tx, alarm string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT channel FROM pages WHERE alarm = $1 AND about = 'raised' AND state <> 'failed'`, alarm)
	if err != nil {
		return nil, fmt.Errorf("read who was told of alarm %s: %w", alarm, err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read who was told of alarm %s: %w", alarm, err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// List gives pages newest first and the cursor of the next part, empty at the
// end. Limit is from 1 to 1000, 100 when it is 0.
func (b *Outbox) List(ctx context.Context, limit int, cursor string) ([]medfleet.Page, string, error) {
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	where, args := "", []any{limit + 1}
	if cursor != "" {
		where, args = "WHERE id < $2", append(args, cursor)
	}
	entries, err := b.query(ctx, `SELECT `+columns+` FROM pages `+where+` ORDER BY id DESC LIMIT $1`, args...)
	if err != nil {
		return nil, "", err
	}
	pages := make([]medfleet.Page, len(entries))
	for i := range entries {
		pages[i] = entries[i].Page
	}
	if len(pages) > limit {
		return pages[:limit], pages[limit-1].ID, nil
	}
	return pages, "", nil
}

// waiting is which pages are still to be tried; ready leaves out the end of an
// alarm whose beginning is still waiting.
const (
	waiting = `state IN ('queued', 'ambiguous') AND next_attempt > 0`
	ready   = waiting + ` AND NOT (about = 'cleared' AND EXISTS (SELECT 1 FROM pages AS first
		WHERE first.alarm = pages.alarm AND first.channel = pages.channel AND first.about = 'raised'
		AND first.state IN ('queued', 'ambiguous') AND first.next_attempt > 0))`
)

// due lists the pages of a channel whose time has come, oldest first. A time
// further ahead than any wait lasts was written before the clock was set back: it
// has come too.
func (b *Outbox) due(ctx context.Context, channel string, now medfleet.Millis) ([]entry, error) {
	return b.query(ctx, `SELECT `+columns+` FROM pages WHERE channel = $1 AND `+ready+` AND (next_attempt <= $2 OR next_attempt > $3)
		ORDER BY next_attempt, id LIMIT $4`,
		channel, int64(now), int64(now.Add(maxWait+longestWait)), batch)
}

// next tells how long it is until a page of the channel is due.
func (b *Outbox) next(ctx context.Context, channel string) (time.Duration, error) {
	var at sql.NullInt64
	err := b.o.DB.QueryRowContext(ctx, `SELECT MIN(next_attempt) FROM pages WHERE channel = $1 AND `+ready, channel).Scan(&at)
	if err != nil {
		return 0, fmt.Errorf("read when the next page of channel %s is due: %w", channel, err)
	}
	if !at.Valid {
		return idle, nil
	}
	return min(max(medfleet.Millis(at.Int64).Sub(medfleet.AsMillis(time.Now())), 0), idle), nil
}

// note writes down what became of a page. When nobody could be told of the
// raise, nobody is told of the end.
func (b *Outbox) note(ctx context.Context, p *entry) error {
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	tx, err := b.o.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("note page %s: %w", p.ID, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	_, err = tx.ExecContext(ctx, `UPDATE pages SET state = $2, attempts = $3, unanswered = $4, next_attempt = $5, sent_at = $6, error = $7 WHERE id = $1`,
		p.ID, string(p.State), p.Attempts, p.unanswered, int64(p.NextAttempt), int64(p.SentAt), p.Error)
	if err == nil && p.State == medfleet.Failed && p.About == AboutRaised {
		_, err = tx.ExecContext(ctx, `UPDATE pages SET state = 'failed', next_attempt = 0, error = 'the page of the raise was not delivered'
			WHERE alarm = $1 AND channel = $2 AND about = 'cleared' AND `+waiting, p.Alarm, p.Channel)
	}
	if err != nil {
		return fmt.Errorf("note page %s: %w", p.ID, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("note page %s: %w", p.ID, err)
	}
	return nil
}

// orphans fails the pages whose channel is not configured any more.
func (b *Outbox) orphans(ctx context.Context) {
	args := []any{}
	keep := ""
	for i, k := range b.carriers {
		args = append(args, k.name)
		keep += fmt.Sprintf(", $%d", i+1)
	}
	if keep != "" {
		keep = " AND channel NOT IN (" + strings.TrimPrefix(keep, ", ") + ")"
	}
	_, err := b.o.DB.ExecContext(ctx, `UPDATE pages SET state = 'failed', next_attempt = 0, error = 'the channel is not configured any more' WHERE `+waiting+keep, args...)
	if err != nil && ctx.Err() == nil {
		b.o.Log.Error("look for pages of channels that are gone", "error", err)
	}
}

const columns = `id, alarm, device, rule, site, priority, about, channel, recipient, text, state, attempts, unanswered, queued_at, next_attempt, sent_at, error`

func (b *Outbox) query(ctx context.Context, text string, args ...any) ([]entry, error) {
	rows, err := b.o.DB.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	defer rows.Close()
	var list []entry
	for rows.Next() {
		var p entry
		err := rows.Scan(&p.ID, &p.Alarm, &p.Device, &p.Rule, &p.Site, &p.Priority, &p.About, &p.Channel, &p.To, &p.Text,
			&p.State, &p.Attempts, &p.unanswered, &p.QueuedAt, &p.NextAttempt, &p.SentAt, &p.Error)
		if err != nil {
			return nil, fmt.Errorf("read pages: %w", err)
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	return list, nil
}
