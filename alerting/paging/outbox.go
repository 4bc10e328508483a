package paging

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"medfleet"
)

// How a page is tried again.
const (
	firstWait     = time.Second
	longestWait   = time.Minute
	giveUp        = 24 * time.Hour
	maxUnanswered = 5 // attempts handed over without an answer
	batch         = 32
	idle          = 30 * time.Second // looks anew though nobody woke it
	noteTime      = 5 * time.Second  // for writing down an outcome
)

// Options are what an outbox is made of.
type Options struct {
	Channels []ChannelConfig
	Means    Means
	DB       *sql.DB
	Alarm    func(ctx context.Context, id string) (medfleet.Alarm, error) // the alarm a page is about
	Zone     *time.Location                                               // for the times in texts; nil is UTC
	Changed  func(medfleet.Change)                                        // told of every page that is different now; may be nil
	Observe  func(channel string, outcome medfleet.PageState, waited time.Duration)
	Log      *slog.Logger
}

// Outbox keeps the pages and brings them out. Queue and List may be used by many
// at once beside Run.
type Outbox struct {
	o        Options
	carriers []*carrier
	wakes    []chan struct{}
}

// New makes an outbox. It starts nothing; it fails when a channel is declared
// wrongly, naming every one that is.
func New(o Options) (*Outbox, error) {
	carriers, err := build(o.Channels, o.Means)
	if err != nil {
		return nil, fmt.Errorf("build paging channels: %w", err)
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(medfleet.Change) {}
	}
	if o.Observe == nil {
		o.Observe = func(string, medfleet.PageState, time.Duration) {}
	}
	b := &Outbox{o: o, carriers: carriers}
	for range carriers {
		b.wakes = append(b.wakes, make(chan struct{}, 1))
	}
	return b, nil
}

// Wake makes Run look for pages at once.
func (b *Outbox) Wake() {
	for _, w := range b.wakes {
		select {
		case w <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// Run delivers pages until the context ends, each channel by itself, so that one
// that hangs delays no other. It returns nil when all of them have stopped; a
// page under way is then noted as it stands.
func (b *Outbox) Run(ctx context.Context) error {
	b.orphans(ctx)
	var all sync.WaitGroup
	for i, k := range b.carriers {
		all.Go(func() { b.serve(ctx, k, b.wakes[i]) })
	}
	all.Wait()
	return nil
}

func (b *Outbox) serve(ctx context.Context, k *carrier, wake <-chan struct{}) {
	for ctx.Err() == nil {
		wait, err := b.round(ctx, k)
		if err != nil && ctx.Err() == nil {
			b.o.Log.Error("read the pages to deliver", "channel", k.name, "error", err)
			wait = firstWait
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round delivers what is due and tells how long to wait for the next.
func (b *Outbox) round(ctx context.Context, k *carrier) (time.Duration, error) {
	pages, err := b.due(ctx, k.name, medfleet.AsMillis(time.Now()))
	if err != nil {
		return 0, err
	}
	for i := range pages {
		if ctx.Err() != nil {
			return 0, nil
		}
		b.deliver(ctx, k, &pages[i])
	}
	if len(pages) == batch {
		return 0, nil
	}
	return b.next(ctx, k.name)
}

// deliver makes one attempt and writes its outcome down, however long that
// takes: a delivered page that was forgotten would be delivered again.
func (b *Outbox) deliver(ctx context.Context, k *carrier, p *entry) {
	err := b.attempt(ctx, k, p)
	p.conclude(err, time.Now())
	wait := firstWait
	for {
		noted := b.note(context.WithoutCancel(ctx), p)
		if noted == nil {
			break
		}
		b.o.Log.Error("write down what became of a page", "page", p.ID, "state", p.State, "error", noted)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait = min(2*wait, longestWait)
		}
	}
	if err != nil {
		b.o.Log.Warn("page not delivered", "page", p.ID, "channel", k.name, "state", p.State, "attempts", p.Attempts, "error", err)
	}
	b.o.Observe(k.name, outcome(p, err), time.Since(p.QueuedAt.Time()))
	b.o.Changed(medfleet.Change{Kind: medfleet.PageChanged, ID: p.ID})
}

// outcome names an attempt for the counters; queued means that it will be tried
// again.
func outcome(p *entry, err error) medfleet.PageState {
	switch {
	case err == nil:
		return medfleet.Sent
	case errors.Is(err, ErrAmbiguous):
		return medfleet.Ambiguous
	}
	return p.State
}

func (b *Outbox) attempt(ctx context.Context, k *carrier, p *entry) (err error) {
	a, err := b.o.Alarm(ctx, p.Alarm)
	if err != nil {
		return fmt.Errorf("read alarm of the page: %w", err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = medfleet.Permanent(fmt.Errorf("channel broke down: %v", r))
		}
	}()
	return k.channel.Notify(ctx, &Notice{Page: p.Page, Alarm: a})
}

// conclude sets the page's state by the outcome of an attempt.
func (p *entry) conclude(err error, now time.Time) {
	p.Attempts++
	p.NextAttempt, p.Error = 0, ""
	if err == nil {
		p.State, p.SentAt = medfleet.Sent, medfleet.AsMillis(now)
		return
	}
	p.Error = cut(err.Error(), 300)
	again := now.Sub(p.QueuedAt.Time()) < giveUp
	switch {
	case medfleet.IsPermanent(err):
		p.State, again = medfleet.Failed, false
	case errors.Is(err, ErrAmbiguous):
		p.State = medfleet.Ambiguous
		p.unanswered++
		again = again && p.unanswered < maxUnanswered
	case !again && p.State == medfleet.Queued:
		p.State = medfleet.Failed
		p.Error = cut("given up after 24 h: "+p.Error, 300)
	}
	if again {
		p.NextAttempt = medfleet.AsMillis(now.Add(max(backOff(p.Attempts), medfleet.RetryAfter(err))))
	}
}

// backOff draws a wait between nothing and a limit that doubles from a second to
// a minute, so that pages that failed together do not come back together.
func backOff(attempts int) time.Duration {
	limit := firstWait << min(max(attempts-1, 0), 6)
	return time.Millisecond + time.Duration(rand.Int64N(int64(min(limit, longestWait))))
}

func cut(s string, n int) string {
	s = line(s)
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") // never half a character
	}
	return s
}
