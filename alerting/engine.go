// Package alerting turns what devices say of themselves into alarms and pages.
// Its Engine sits inside the collector's watch: sightings go through the rules,
// what the rules decide goes into the book of alarms and the outbox of pages in
// the watch's own transaction, and the outbox brings the pages to people.
//
// Over the journal the engine is deterministic: after a restart the watch
// restores a snapshot, replays without writing, and goes on, and nothing is
// raised or paged a second time. SQL is the truth about episodes and pages, the
// snapshot about timers and windows.
//
// The alarms are about the maintenance of equipment. They are not clinical
// alarms, and no text of theirs suggests otherwise.
package alerting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"medfleet"
	"medfleet/alerting/alarms"
	"medfleet/alerting/paging"
	"medfleet/alerting/rules"
	"medfleet/profiles"
)

// Config is the section `alerting` of the configuration file.
type Config struct {
	// Rules names rule files; without any the built-in pack is used.
	Rules []string `yaml:"rules,omitempty"`
	// Channels are where pages go; without any they go to the console.
	Channels []paging.ChannelConfig `yaml:"channels,omitempty"`
	// ExternalURL is where people reach the board, for the links in pages.
	ExternalURL string `yaml:"external_url,omitempty"`
	// Timezone is the IANA name of the hospital's zone, for the times in pages;
	// empty means this machine's.
	Timezone string `yaml:"timezone,omitempty"`
}

// Options are what an engine is made of.
type Options struct {
	Config
	Profiles *profiles.Set
	DB       *sql.DB
	Audit    alarms.Audit          // writes a line of the audit log; needed
	Changed  func(medfleet.Change) // told of every alarm and page that is different now, from several goroutines; it must not block
	Quicken  int                   // divides every for and hold, so that a demonstration's minutes are seconds
	Console  io.Writer             // where console channels write
	Log      *slog.Logger
	Client   *http.Client // what webhooks post with; nil for one with sane limits
}

// Engine is the alarm system. See, Tick, Flush, Committed, Forget, Snapshot,
// Restore and Resume belong to the watch's goroutine; everything else may be
// called by many at once.
type Engine struct {
	db        *sql.DB
	set       *rules.Set
	evaluator *rules.Evaluator
	book      *alarms.Book
	outbox    *paging.Outbox
	audit     alarms.Audit
	changed   func(medfleet.Change)
	log       *slog.Logger
	metrics   *metrics

	due     bool // some alarm may want a page that is not queued yet
	flushed written
}

// written is what a Flush has put into a transaction that is not committed yet.
type written struct {
	done    bool // there is nothing left to page
	changes []medfleet.Change
	states  map[medfleet.AlarmState]int
	pages   int
}

// New compiles the rules and builds the channels. It starts nothing and touches
// no database. Everything that is wrong with the rule files and the channels is
// named in one error.
func New(o Options) (*Engine, error) {
	if o.Profiles == nil || o.DB == nil || o.Audit == nil {
		return nil, errors.New("build alarm engine: profiles, database and audit log are needed")
	}
	if o.Changed == nil {
		o.Changed = func(medfleet.Change) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	set, wrongRules := rules.Load(o.Rules, o.Profiles)
	zone, wrongZone := location(o.Timezone)
	book := alarms.New(o.DB, o.Audit)
	m := newMetrics()
	outbox, wrongChannels := paging.New(paging.Options{
		Channels: o.Channels, Means: paging.Means{Console: o.Console, Client: o.Client, ExternalURL: o.ExternalURL},
		DB: o.DB, Alarm: alarmOf(book), Zone: zone, Changed: o.Changed, Observe: m.attempt, Log: o.Log,
	})
	if err := errors.Join(wrongRules, wrongZone, wrongChannels); err != nil {
		return nil, fmt.Errorf("build alarm engine: %w", err)
	}
	e := &Engine{
		db: o.DB, set: set, evaluator: rules.NewEvaluator(set, o.Quicken), book: book, outbox: outbox,
		audit: o.Audit, changed: o.Changed, log: o.Log, metrics: m, due: true,
	}
	m.watch(e.evaluator)
	return e, nil
}

func location(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("timezone %q: want an IANA name such as Europe/Berlin", name)
	}
	return zone, nil
}

// alarmOf reads a page's alarm; a page about none will never find one.
func alarmOf(book *alarms.Book) func(context.Context, string) (medfleet.Alarm, error) {
	return func(ctx context.Context, id string) (medfleet.Alarm, error) {
		a, err := book.Get(ctx, id)
		if errors.Is(err, alarms.ErrUnknown) {
			err = medfleet.Permanent(err)
		}
		return a, err
	}
}

// Rules lists the rules in force, in the order of their files.
func (e *Engine) Rules() []*rules.Rule { return e.set.Rules() }

// Collectors gives the engine's own metrics.
func (e *Engine) Collectors() []prometheus.Collector { return e.metrics.all() }

// Run delivers pages until the context ends, and returns nil when every delivery
// under way has ended and been noted.
func (e *Engine) Run(ctx context.Context) error { return e.outbox.Run(ctx) }
