package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/collector/state"
	"medfleet/record"
	"medfleet/spool"
)

// Bounds of one read of the journal.
const (
	readRecords = 2000
	readBytes   = 4 << 20
)

// watch follows the journal: record by record it brings the roster up to date and
// lets the engine judge, then writes what came of it in one transaction together
// with its position. Its state is a snapshot and the journal since; so nothing is
// raised, paged or counted twice, whenever it is stopped.
type watch struct {
	o        *Options
	roster   *roster.Roster
	journal  *spool.Log
	reader   *spool.Reader
	decoder  *record.Decoder
	see      func(*medfleet.Sighting)
	line     record.Line
	sequence uint64 // of the newest record applied
	written  uint64 // of the newest record whose consequences are in the database
	moved    uint64 // the position in the database
	saved    time.Time
	clock    atomic.Int64 // ms, of the newest clock record whose consequences are written
}

func newWatch(o *Options, r *roster.Roster, journal *spool.Log, reader *spool.Reader) *watch {
	w := &watch{o: o, roster: r, journal: journal, reader: reader, decoder: record.NewDecoder(), see: o.Engine.See}
	w.clock.Store(time.Now().UnixMilli())
	return w
}

const (
	snapshotEvery = 30 * time.Second
	// behindAfter is how old the newest clock record may be while what is
	// raised is still news.
	behindAfter = 30 * time.Second
)

// run resumes and follows the journal until ctx ends; then it saves a snapshot.
func (w *watch) run(ctx context.Context) error {
	if err := w.resume(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("resume watch: %w", err)
	}
	w.saved = time.Now()
	for {
		records, gap, err := w.reader.Read(ctx, readRecords, readBytes)
		if ctx.Err() != nil {
			return w.finish(ctx)
		}
		if err != nil {
			return fmt.Errorf("watch: read journal: %w", err)
		}
		w.apply(records, gap)
		if err := w.insist(ctx); err != nil {
			return nil // ctx has ended; what was not written is judged again at the next start
		}
		if time.Since(w.saved) > snapshotEvery {
			if err := w.save(ctx); err != nil && ctx.Err() == nil {
				w.o.Log.Error("watch snapshot not saved; the journal keeps its records until it is", "error", err)
			}
			w.saved = time.Now()
		}
	}
}

// finishWithin bounds the last snapshot: without it the next start reads more.
const finishWithin = 10 * time.Second

func (w *watch) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	return w.save(ctx)
}

// open reads the snapshot and brings it, the position in the database and the
// journal together, before anything is appended to the journal: afterwards old
// and new records could not be told apart.
func (w *watch) open(ctx context.Context) error {
	var err error
	if w.moved, err = state.Position(ctx, w.o.DB, watchReader); err != nil {
		return err
	}
	if err = w.assume(ctx); err != nil {
		return err
	}
	if w.sequence, err = w.load(); err != nil {
		return err
	}
	newest := w.journal.Stats().Newest
	if max(w.moved, w.sequence) > newest {
		return w.realign(ctx, newest)
	}
	if w.sequence > w.moved {
		w.o.Log.Error("the state database is older than what was judged: it was restored; devices and their states are written anew, events between are missing",
			"judged", w.sequence, "database", w.moved)
		w.roster.Rewrite()
	}
	return nil
}

// realign is for a journal that is shorter than what was judged of it: it was lost
// or restored. What it holds was judged before; what comes now is new, though its
// numbers were there already.
func (w *watch) realign(ctx context.Context, newest uint64) error {
	w.o.Log.Error("the journal is shorter than what was judged of it: it was lost or restored; watching goes on with what comes now",
		"judged", max(w.moved, w.sequence), "journal", newest)
	if err := w.roster.Recall(ctx, w.o.DB); err != nil {
		return err
	}
	w.sequence, w.written = newest, newest
	if err := w.reader.Seek(newest + 1); err != nil {
		return err
	}
	return w.save(ctx)
}

// resume brings the roster and the engine to where they were: from the snapshot by
// the journal up to the position in the database, whose consequences are written.
func (w *watch) resume(ctx context.Context) error {
	if err := w.replay(ctx); err != nil {
		return err
	}
	if err := w.roster.Recall(ctx, w.o.DB); err != nil {
		return err
	}
	w.written = w.sequence
	if err := w.reader.Seek(w.sequence + 1); err != nil {
		return err
	}
	if err := w.o.Engine.Resume(ctx); err != nil {
		return err
	}
	return w.alias(ctx)
}

func (w *watch) replay(ctx context.Context) error {
	if w.moved <= w.sequence {
		return nil
	}
	err := follow(ctx, w.journal, w.reader, w.sequence, w.moved, w.again)
	w.sequence = w.moved
	return err
}

// again applies a record whose consequences are written. The roster can be read
// between two records: a replay takes a while.
func (w *watch) again(r spool.Record) {
	release := w.roster.Hold()
	defer release()
	w.one(r)
	w.roster.Forget()
	w.o.Engine.Forget()
}

func (w *watch) apply(records []spool.Record, gap *spool.Gap) {
	release := w.roster.Hold()
	defer release()
	if gap != nil {
		w.o.Log.Error("the journal lost records", "first", gap.First, "last", gap.Last, "reason", gap.Reason)
		w.roster.Lost(w.lost(gap))
		w.sequence = gap.Last
	}
	for _, r := range records {
		w.one(r)
		w.sequence = r.Sequence
	}
}

// lost declares what the journal itself lost, under no gateway's name.
func (w *watch) lost(g *spool.Gap) medfleet.Gap {
	lost := medfleet.Gap{
		Site: w.o.Site, Stream: "journal", Epoch: g.Epoch, First: g.First, Last: g.Last, Count: g.Count, Reason: g.Reason,
	}
	if !g.To.IsZero() {
		lost.From, lost.To = medfleet.AsMillis(g.From), medfleet.AsMillis(g.To)
	}
	return lost
}

// one applies one record.
func (w *watch) one(r spool.Record) {
	e, err := record.Parse(r.Payload)
	if err == nil {
		err = w.decoder.Decode(e.Line, &w.line)
	}
	if err != nil {
		w.roster.Unreadable()
		return
	}
	if len(e.Gateway) == 0 && e.Kind == record.Heartbeat {
		w.tick(r.Sequence, e.Received, string(e.Stream) == roster.StartStream)
		return
	}
	w.roster.Apply(r.Sequence, &e, &w.line, w.see)
}

func (w *watch) tick(sequence uint64, now medfleet.Millis, started bool) {
	w.roster.Tick(sequence, now, started, w.see)
	w.o.Engine.Tick(now, sequence)
}

// insist writes what waits until the database takes it or ctx ends.
func (w *watch) insist(ctx context.Context) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := w.commit(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.o.Log.Error("state not written; alarms wait and are tried again", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// commit writes what the records caused and the position in one transaction. When
// they caused nothing there is none: judging them again would cause nothing again.
func (w *watch) commit(ctx context.Context) error {
	if w.roster.Waits() || w.o.Engine.Waits(w.late()) {
		if err := w.transact(ctx); err != nil {
			return err
		}
		w.o.Engine.Committed()
	}
	w.written = w.sequence
	w.clock.Store(max(w.clock.Load(), int64(w.roster.Clock())))
	w.roster.Committed(w.o.Changed)
	return nil
}

func (w *watch) transact(ctx context.Context) error {
	tx, err := w.o.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := w.write(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	w.moved = w.sequence
	return nil
}

func (w *watch) write(ctx context.Context, tx *sql.Tx) error {
	if err := w.roster.Flush(ctx, tx); err != nil {
		return err
	}
	if err := w.o.Engine.Flush(ctx, tx, w.late()); err != nil {
		return err
	}
	return state.Move(ctx, tx, watchReader, w.sequence)
}

// late reports whether the watch is catching up: then nothing is paged yet.
func (w *watch) late() bool {
	clock := w.roster.Clock()
	return clock == 0 || time.Since(clock.Time()) > max(behindAfter, 3*w.o.Clock)
}

// lag is how far what is written is behind the clock. It grows when the journal
// takes no clock records, when the watch is slow and when the database is down.
func (w *watch) lag() time.Duration {
	return max(0, time.Since(time.UnixMilli(w.clock.Load()))-w.o.Clock)
}
