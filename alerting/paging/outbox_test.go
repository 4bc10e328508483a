package paging

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/alerting/internal/testdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a channel that answers what it is told to, one outcome for each
// attempt, the last one for ever, and notes when it was called.
type receiver struct {
	mu       sync.Mutex
	outcomes []error
	hang     chan struct{} // when set, an attempt waits for it or for its context
	heard    []heard
}

type heard struct {
	id, about string
	at        time.Time
}

func (r *receiver) Notify(ctx context.Context, n *Notice) error {
	r.mu.Lock()
	r.heard = append(r.heard, heard{n.Page.ID, n.Page.About, time.Now()})
	var err error
	if len(r.outcomes) > 0 {
		err = r.outcomes[0]
		if len(r.outcomes) > 1 {
			r.outcomes = r.outcomes[1:]
		}
	}
	hang := r.hang
	r.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrAmbiguous, ctx.Err())
		}
	}
	return err
}

func (r *receiver) calls() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]heard(nil), r.heard...)
}

// post is an outbox over a database, with receivers by name.
type post struct {
	t   *testing.T
	db  *sql.DB
	box *Outbox

	mu     sync.Mutex
	alarms map[string]medfleet.Alarm
}

func newPost(t *testing.T, file string, receivers map[string]Channel) *post {
	t.Helper()
	p := &post{t: t, db: testdb.Open(t, file, "OFF"), alarms: map[string]medfleet.Alarm{}}
	p.open(receivers)
	return p
}

func (p *post) open(receivers map[string]Channel) {
	box, err := New(Options{DB: p.db, Means: Means{Console: io.Discard}, Alarm: func(_ context.Context, id string) (medfleet.Alarm, error) {
		return p.alarm(id)
	}})
	require.NoError(p.t, err)
	box.carriers, box.wakes = nil, nil
	for name, c := range receivers {
		box.carriers = append(box.carriers, &carrier{name: name, channel: c})
		box.wakes = append(box.wakes, make(chan struct{}, 1))
	}
	p.box = box
}

func (p *post) alarm(id string) (medfleet.Alarm, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.alarms[id]
	if !ok {
		return a, medfleet.Permanent(errors.New("no such alarm"))
	}
	return a, nil
}

func (p *post) know(a medfleet.Alarm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarms[a.ID] = a
}

// run starts Run; the returned function ends it and waits.
func (p *post) run() func() {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.box.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(p.t, <-done)
	}
}

// queue writes the pages about an alarm, raised or cleared.
func (p *post) queue(id string, state medfleet.AlarmState) []medfleet.Page {
	p.t.Helper()
	now := medfleet.AsMillis(time.Now())
	a := medfleet.Alarm{ID: id, Rule: "Test", Device: "VENT-1", Site: "main", Unit: "ICU", Priority: medfleet.Today, State: state, Since: now, RaisedAt: now, Summary: "VENT-1 fails"}
	p.know(a)
	tx, err := p.db.BeginTx(p.t.Context(), nil)
	require.NoError(p.t, err)
	pages, err := p.box.Queue(p.t.Context(), tx, &a, 1)
	require.NoError(p.t, err)
	require.NoError(p.t, tx.Commit())
	p.box.Wake()
	return pages
}

func (p *post) pages() []medfleet.Page {
	p.t.Helper()
	list, _, err := p.box.List(p.t.Context(), 0, "")
	require.NoError(p.t, err)
	return list
}

// inBubble runs a story of the outbox in which time passes at once.
func inBubble(t *testing.T, receivers func() map[string]Channel, story func(t *testing.T, p *post)) {
	file := filepath.Join(t.TempDir(), "state.db")
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, file, receivers())
		story(t, p)
		p.db.Close()
	})
}

func single(r *receiver) func() map[string]Channel {
	return func() map[string]Channel { return map[string]Channel{"pager": r} }
}

func TestAPageIsSentOnceAndNoted(t *testing.T) {
	r := &receiver{}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		page := p.queue("A", medfleet.Active)[0]
		require.Empty(t, p.queue("A", medfleet.Active), "queueing again changes nothing")
		time.Sleep(time.Hour)
		require.Len(t, r.calls(), 1)
		require.Equal(t, page.ID, r.calls()[0].id)
		require.Less(t, r.calls()[0].at.Sub(page.QueuedAt.Time()), 10*time.Millisecond, "it is woken, not polled")
		got := p.pages()[0]
		require.Equal(t, medfleet.Sent, got.State)
		require.Equal(t, 1, got.Attempts)
		require.NotZero(t, got.SentAt)
		require.Zero(t, got.NextAttempt)
	})
}

func TestWhatFailsIsTriedAgainWithBackOff(t *testing.T) {
	r := &receiver{outcomes: []error{medfleet.Retryable(errors.New("answered 500"), 0)}}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		time.Sleep(10 * time.Minute)
		calls := r.calls()
		require.Greater(t, len(calls), 12, "half a minute on average in the end")
		require.Less(t, len(calls), 100)
		for i := 1; i < len(calls); i++ {
			limit := min(time.Second<<min(i-1, 6), time.Minute)
			require.LessOrEqual(t, calls[i].at.Sub(calls[i-1].at), limit+10*time.Millisecond, "attempt %d", i)
		}
		require.Equal(t, medfleet.Queued, p.pages()[0].State)
		require.Equal(t, "answered 500", p.pages()[0].Error)
		r.mu.Lock()
		r.outcomes = nil
		r.mu.Unlock()
		time.Sleep(2 * time.Minute)
		require.Equal(t, medfleet.Sent, p.pages()[0].State)
		require.Empty(t, p.pages()[0].Error)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := &receiver{outcomes: []error{medfleet.Retryable(errors.New("busy"), 5*time.Minute), nil}}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		time.Sleep(10 * time.Minute)
		calls := r.calls()
		require.Len(t, calls, 2)
		require.GreaterOrEqual(t, calls[1].at.Sub(calls[0].at), 5*time.Minute)
	})
}

func TestWhatCannotSucceedIsNotRepeated(t *testing.T) {
	r := &receiver{outcomes: []error{medfleet.Permanent(errors.New("answered\n404"))}}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		time.Sleep(time.Hour)
		require.Len(t, r.calls(), 1)
		require.Equal(t, medfleet.Failed, p.pages()[0].State)
		require.Equal(t, "answered 404", p.pages()[0].Error)
		require.Empty(t, p.queue("A", medfleet.Cleared), "who was not told of the raise is not told of the end")
	})
}

func TestAnAmbiguousPageIsShownAsSuchAndTriedAFewTimes(t *testing.T) {
	ambiguous := fmt.Errorf("cut: %w", ErrAmbiguous)
	for name, c := range map[string]struct {
		outcomes []error
		calls    int
		state    medfleet.PageState
	}{
		"never answered":           {[]error{ambiguous}, maxUnanswered, medfleet.Ambiguous},
		"answered at last":         {[]error{ambiguous, ambiguous, nil}, 3, medfleet.Sent},
		"then refused":             {[]error{ambiguous, medfleet.Permanent(errors.New("no"))}, 2, medfleet.Failed},
		"down, then never answers": {[]error{io.EOF, io.EOF, io.EOF, io.EOF, io.EOF, io.EOF, ambiguous}, 6 + maxUnanswered, medfleet.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			r := &receiver{outcomes: c.outcomes}
			inBubble(t, single(r), func(t *testing.T, p *post) {
				stop := p.run()
				defer stop()
				p.queue("A", medfleet.Active)
				time.Sleep(time.Hour)
				require.Len(t, r.calls(), c.calls)
				require.Equal(t, c.state, p.pages()[0].State)
				require.Zero(t, p.pages()[0].NextAttempt)
			})
		})
	}
}

func TestAfterADayAPageIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		outcomes []error
		state    medfleet.PageState
	}{
		"never taken":    {[]error{io.EOF}, medfleet.Failed},
		"perhaps, early": {[]error{ErrAmbiguous, io.EOF}, medfleet.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			r := &receiver{outcomes: c.outcomes}
			inBubble(t, single(r), func(t *testing.T, p *post) {
				p.queue("A", medfleet.Active)
				_, err := p.db.Exec(`UPDATE pages SET queued_at = queued_at - $1`, (giveUp - 10*time.Minute).Milliseconds())
				require.NoError(t, err)
				stop := p.run()
				defer stop()
				time.Sleep(time.Hour)
				n := len(r.calls())
				require.Greater(t, n, 5)
				require.Equal(t, c.state, p.pages()[0].State)
				time.Sleep(time.Hour)
				require.Len(t, r.calls(), n)
			})
		})
	}
}

func TestTheEndWaitsForTheBeginning(t *testing.T) {
	r := &receiver{outcomes: []error{io.EOF, io.EOF, io.EOF, nil}}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		require.Len(t, p.queue("A", medfleet.Cleared), 1)
		time.Sleep(time.Hour)
		var about []string
		for _, c := range r.calls() {
			about = append(about, c.about)
		}
		require.Equal(t, "raised raised raised raised cleared", strings.Join(about, " "))
	})
}

func TestTheEndIsNotToldWhereTheBeginningFailed(t *testing.T) {
	r := &receiver{outcomes: []error{io.EOF, medfleet.Permanent(io.EOF)}}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		p.queue("A", medfleet.Cleared)
		time.Sleep(time.Hour)
		require.Len(t, r.calls(), 2)
		require.Equal(t, medfleet.Failed, p.pages()[0].State)
		require.Contains(t, p.pages()[0].Error, "raise was not delivered")
	})
}

func TestAChannelThatHangsDelaysNoOther(t *testing.T) {
	slow, quick := &receiver{hang: make(chan struct{})}, &receiver{}
	inBubble(t, func() map[string]Channel {
		slow.hang = make(chan struct{})
		return map[string]Channel{"slow": slow, "quick": quick}
	}, func(t *testing.T, p *post) {
		stop := p.run()
		for i := range 40 {
			p.queue(fmt.Sprint("A", i), medfleet.Active)
		}
		time.Sleep(time.Second)
		require.Len(t, quick.calls(), 40)
		require.Len(t, slow.calls(), 1)
		stop()
		states := map[medfleet.PageState]int{}
		for _, page := range p.pages() {
			states[page.State]++
		}
		require.Equal(t, map[medfleet.PageState]int{medfleet.Sent: 40, medfleet.Ambiguous: 1, medfleet.Queued: 39}, states, "what was under way is noted as it stands")
	})
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	down := &receiver{outcomes: []error{io.EOF}}
	up := &receiver{}
	inBubble(t, single(down), func(t *testing.T, p *post) {
		stop := p.run()
		sent := p.queue("A", medfleet.Active)[0]
		time.Sleep(time.Minute)
		stop()
		before := p.pages()[0]
		p.open(map[string]Channel{"pager": up})
		stop = p.run()
		defer stop()
		time.Sleep(2 * time.Minute)
		require.Len(t, up.calls(), 1)
		require.Equal(t, sent.ID, up.calls()[0].id, "the same key")
		require.Equal(t, before.Attempts+1, p.pages()[0].Attempts)
	})
}

func TestPagesOfAChannelThatIsGoneFail(t *testing.T) {
	inBubble(t, single(&receiver{}), func(t *testing.T, p *post) {
		p.queue("A", medfleet.Active)
		p.open(map[string]Channel{"other": &receiver{}})
		stop := p.run()
		time.Sleep(time.Minute)
		stop()
		require.Equal(t, medfleet.Failed, p.pages()[0].State)
		require.Contains(t, p.pages()[0].Error, "not configured")
	})
}

func TestAClockSetBackHoldsNoPage(t *testing.T) {
	r := &receiver{}
	inBubble(t, single(r), func(t *testing.T, p *post) {
		p.queue("A", medfleet.Active)
		_, err := p.db.Exec(`UPDATE pages SET next_attempt = next_attempt + $1`, time.Hour.Milliseconds())
		require.NoError(t, err)
		stop := p.run()
		defer stop()
		time.Sleep(time.Minute)
		require.Len(t, r.calls(), 1)
	})
}

func TestAChannelThatPanicsFailsItsPage(t *testing.T) {
	bad := ChannelFunc(func(context.Context, *Notice) error { panic("out of paper") })
	inBubble(t, func() map[string]Channel { return map[string]Channel{"bad": bad} }, func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		p.queue("A", medfleet.Active)
		time.Sleep(time.Minute)
		require.Equal(t, medfleet.Failed, p.pages()[0].State)
	})
}

func TestPagesArePagedThrough(t *testing.T) {
	inBubble(t, single(&receiver{}), func(t *testing.T, p *post) {
		for i := range 5 {
			p.queue(fmt.Sprint("A", i), medfleet.Active)
		}
		var alarms []string
		for cursor, more := "", true; more; more = cursor != "" {
			var list []medfleet.Page
			var err error
			list, cursor, err = p.box.List(t.Context(), 2, cursor)
			require.NoError(t, err)
			for _, page := range list {
				alarms = append(alarms, page.Alarm)
			}
		}
		require.Equal(t, []string{"A4", "A3", "A2", "A1", "A0"}, alarms)
	})
}

func TestTheConsoleWritesOneLine(t *testing.T) {
	var out bytes.Buffer
	n := &Notice{Page: medfleet.Page{ID: "01X", About: AboutCleared, Text: "CLEARED ICU:\x1b[2J \nfine"}}
	require.NoError(t, newConsole(&out).Notify(t.Context(), n))
	require.Regexp(t, `^PAGE \d\d:\d\d:\d\d cleared CLEARED ICU: \[2J  fine \[01X\]\n$`, out.String())
}
