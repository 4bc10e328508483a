package paging

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state/statetest"
)

// The stories of the outbox run in bubbles of time, which a server's sockets do
// not enter. These run by the clock, on every database.

// eachPost runs a story of an outbox on every database.
func eachPost(t *testing.T, receivers func() map[string]Channel, story func(t *testing.T, p *post)) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		p := &post{t: t, db: db, alarms: map[string]medfleet.Alarm{}}
		p.open(receivers())
		story(t, p)
	})
}

// until waits for the pages to be as they should.
func (p *post) until(done func([]medfleet.Page) bool) []medfleet.Page {
	p.t.Helper()
	var pages []medfleet.Page
	require.Eventually(p.t, func() bool {
		pages = p.pages()
		return done(pages)
	}, time.Minute, 5*time.Millisecond)
	return pages
}

func inStates(states ...medfleet.PageState) func([]medfleet.Page) bool {
	return func(pages []medfleet.Page) bool {
		for i, s := range states {
			if len(pages) != len(states) || pages[i].State != s {
				return false
			}
		}
		return true
	}
}

func TestPagesGoOutOnEveryDatabase(t *testing.T) {
	eachPost(t, func() map[string]Channel {
		return map[string]Channel{"pager": &receiver{outcomes: []error{medfleet.Retryable(errors.New("busy"), 0), nil}}}
	}, func(t *testing.T, p *post) {
		r := p.box.carriers[0].channel.(*receiver)
		stop := p.run()
		defer stop()
		raised := p.queue("A", medfleet.Active)
		require.Len(t, raised, 1)
		require.Empty(t, p.queue("A", medfleet.Active), "queueing again changes nothing")
		pages := p.until(inStates(medfleet.Sent))
		require.Equal(t, 2, pages[0].Attempts)
		require.Zero(t, pages[0].NextAttempt)
		require.Empty(t, pages[0].Error)
		require.GreaterOrEqual(t, pages[0].SentAt, pages[0].QueuedAt)
		cleared := p.queue("A", medfleet.Cleared)
		require.Len(t, cleared, 1, "who was told of the raise is told of the end")
		p.until(inStates(medfleet.Sent, medfleet.Sent))
		var said []string
		for _, c := range r.calls() {
			said = append(said, c.id+" "+c.about)
		}
		require.Equal(t, []string{raised[0].ID + " raised", raised[0].ID + " raised", cleared[0].ID + " cleared"}, said)
	})
}

func TestWhatFailsForGoodOnEveryDatabase(t *testing.T) {
	// A reason in words of two bytes each is cut in the middle of one.
	reason := "x" + strings.Repeat("é", 400)
	eachPost(t, func() map[string]Channel {
		return map[string]Channel{"pager": &receiver{outcomes: []error{io.EOF, medfleet.Permanent(errors.New(reason + "\x00"))}}}
	}, func(t *testing.T, p *post) {
		p.queue("A", medfleet.Active)
		require.Len(t, p.queue("A", medfleet.Cleared), 1)
		stop := p.run()
		defer stop()
		pages := p.until(inStates(medfleet.Failed, medfleet.Failed))
		require.Equal(t, "the page of the raise was not delivered", pages[0].Error)
		require.True(t, utf8.ValidString(pages[1].Error))
		require.True(t, strings.HasPrefix(reason, pages[1].Error))
		require.Len(t, pages[1].Error, 299)
	})
}

func TestARestartOnEveryDatabase(t *testing.T) {
	eachPost(t, func() map[string]Channel {
		return map[string]Channel{"pager": &receiver{}, "gone": &receiver{outcomes: []error{medfleet.Retryable(io.EOF, time.Hour)}}}
	}, func(t *testing.T, p *post) {
		p.queue("A", medfleet.Active)
		now := medfleet.AsMillis(time.Now())
		due, err := p.box.due(t.Context(), "pager", now)
		require.NoError(t, err)
		require.Len(t, due, 1)
		early, err := p.box.due(t.Context(), "pager", now.Add(-time.Minute))
		require.NoError(t, err)
		require.Empty(t, early)
		wait, err := p.box.next(t.Context(), "pager")
		require.NoError(t, err)
		require.Zero(t, wait)
		wait, err = p.box.next(t.Context(), "nobody")
		require.NoError(t, err)
		require.Equal(t, idle, wait)

		p.open(map[string]Channel{"pager": &receiver{}})
		stop := p.run()
		defer stop()
		pages := p.until(func(pages []medfleet.Page) bool {
			return pages[0].State != medfleet.Queued && pages[1].State != medfleet.Queued
		})
		for _, page := range pages {
			if page.Channel == "gone" {
				require.Equal(t, medfleet.Failed, page.State)
				require.Equal(t, "the channel is not configured any more", page.Error)
				continue
			}
			require.Equal(t, medfleet.Sent, page.State)
		}
	})
}

func TestPagesArePagedThroughOnEveryDatabase(t *testing.T) {
	eachPost(t, single(&receiver{}), func(t *testing.T, p *post) {
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

func TestManyChannelsNoteTheirPagesAtTheSameTime(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	eachPost(t, func() map[string]Channel {
		channels := map[string]Channel{}
		for _, name := range names {
			channels[name] = ChannelFunc(func(context.Context, *Notice) error { return nil })
		}
		return channels
	}, func(t *testing.T, p *post) {
		stop := p.run()
		defer stop()
		for i := range 10 {
			require.Len(t, p.queue(fmt.Sprint("A", i), medfleet.Active), len(names))
		}
		p.until(func(pages []medfleet.Page) bool {
			for _, page := range pages {
				if page.State != medfleet.Sent || page.Attempts != 1 {
					return false
				}
			}
			return len(pages) == 10*len(names)
		})
	})
}
