// Package collector is the centre of medfleet: it takes records from gateways and
// keeps them in a journal, and two readers follow the journal at their own pace.
// The watch keeps the roster and drives the alarm engine; the store keeps the
// history. A database that is down never delays an alarm, and a slow rule never
// delays the database.
package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"medfleet"
	"medfleet/collector/ingest"
	"medfleet/collector/roster"
	"medfleet/collector/store"
	"medfleet/collector/store/influx"
	"medfleet/profiles"
	"medfleet/spool"
)

// Judge turns sightings into alarms. One goroutine calls it.
type Judge interface {
	See(s *medfleet.Sighting)
	Tick(now medfleet.Millis, sequence uint64)
}

// Ledger writes what the judge decided in the watch's transaction, when it Waits.
// Flush may be called again until Committed; Forget drops what a replay decides,
// since it is written already.
type Ledger interface {
	Waits(behind bool) bool
	Flush(ctx context.Context, tx *sql.Tx, behind bool) error
	Committed()
	Forget()
}

// Memory is what the judge knows beside the database, kept in the watch's
// snapshot. Resume is called after a replay: the database is the truth then.
type Memory interface {
	Snapshot(w io.Writer) error
	Restore(r io.Reader) error
	Resume(ctx context.Context) error
}

// Engine is the alarm engine as the watch needs it.
type Engine interface {
	Judge
	Ledger
	Memory
}

// Config is the section `collector` of the configuration file.
type Config struct {
	Site     string         `yaml:"site"`     // of devices that write to the collector itself
	DataDir  string         `yaml:"data_dir"` // journal, state, history
	Postgres string         `yaml:"postgres"` // URL of a state database instead of SQLite
	Silence  time.Duration  `yaml:"silence"`  // instead of the profiles' own
	Clock    time.Duration  `yaml:"clock"`    // between clock records
	Journal  JournalConfig  `yaml:"journal"`
	InfluxDB *influx.Config `yaml:"influxdb"` // for the history, instead of the store in the data folder

	// Aliases says which device an id stands for: what two feeds call by two
	// names is one device.
	Aliases roster.Aliases `yaml:"aliases,omitempty"`
}

// CheckAliases says everything that is wrong with the aliases.
func (c *Config) CheckAliases() error {
	var errs []error
	for _, err := range c.Aliases.Check() {
		errs = append(errs, fmt.Errorf("collector.aliases%w", err))
	}
	return errors.Join(errs...)
}

// JournalConfig bounds the journal on disk.
type JournalConfig struct {
	MaxBytes int64 `yaml:"max_bytes"`
}

// Options are what a collector is made of.
type Options struct {
	Config
	Profiles     *profiles.Set
	DB           *sql.DB
	Store        store.Store
	Engine       Engine
	Authenticate func(*http.Request) (medfleet.Principal, error)
	Changed      func(medfleet.Change)
	Log          *slog.Logger
	Fault        func(ingest.Journal) ingest.Journal // a fault between door and journal, for tests; nil is none
}

// Collector is the centre. New opens the journal and rebuilds what was known,
// Run works until its context ends, Close lets go of the journal.
type Collector struct {
	o       Options
	journal *spool.Log
	door    *ingest.Door
	roster  *roster.Roster
	watch   *watch
	storing *storing
	taken   *spool.Reader // what the door's memory has on disk
	began   bool          // the clock record of this start is in the journal
}

// Names of the journal's readers.
const (
	watchReader = "watch"
	storeReader = "store"
	takenReader = "taken"
)

// New opens the journal in the data folder and rebuilds the door's memory. The
// watch catches up in Run.
func New(ctx context.Context, o Options) (*Collector, error) {
	if o.Clock <= 0 {
		o.Clock = 5 * time.Second
	}
	if o.Clock > maxClock {
		return nil, fmt.Errorf("open collector: collector.clock: %s is too long to notice silence by: want at most %s", o.Clock, maxClock)
	}
	if err := o.CheckAliases(); err != nil {
		return nil, fmt.Errorf("open collector: %w", err)
	}
	if o.Changed == nil {
		o.Changed = func(medfleet.Change) {}
	}
	journal, err := spool.Open(filepath.Join(o.DataDir, "journal"), spool.Options{
		MaxBytes: o.Journal.MaxBytes, MaxAge: -1, Full: spool.Block,
		OnEvent: func(e spool.Event) {
			o.Log.Warn("journal", "kind", e.Kind, "file", e.File, "offset", e.Offset, "error", e.Err)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open collector: %w", err)
	}
	c := &Collector{o: o, journal: journal}
	if err := c.build(ctx); err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	return c, nil
}

func (c *Collector) build(ctx context.Context) error {
	var journal ingest.Journal = c.journal
	if c.o.Fault != nil {
		journal = c.o.Fault(journal)
	}
	c.door = ingest.New(ingest.Options{
		Journal: journal, Profiles: c.o.Profiles, Site: c.o.Site,
		Authenticate: c.o.Authenticate, Folder: c.o.DataDir, Log: c.o.Log,
	})
	if err := c.remember(ctx); err != nil {
		return err
	}
	c.roster = roster.New(roster.Options{Profiles: c.o.Profiles, Silence: c.o.Silence})
	watching, err := c.journal.Reader(watchReader)
	if err != nil {
		return fmt.Errorf("open watch: %w", err)
	}
	c.watch = newWatch(&c.o, c.roster, c.journal, watching)
	if err := c.watch.open(ctx); err != nil {
		return fmt.Errorf("open watch: %w", err)
	}
	keeping, err := c.journal.Reader(storeReader, spool.MayLose())
	if err != nil {
		return fmt.Errorf("open store reader: %w", err)
	}
	c.storing = newStoring(&c.o, keeping)
	c.begin(ctx)
	return nil
}

// Door is the write door.
func (c *Collector) Door() *ingest.Door { return c.door }

// Roster knows every device.
func (c *Collector) Roster() *roster.Roster { return c.roster }

// Journal gives the journal's figures.
func (c *Collector) Journal() spool.Stats { return c.journal.Stats() }

// Lag is how far the watch is behind the clock.
func (c *Collector) Lag() time.Duration { return c.watch.lag() }

// Run works until ctx ends or a part fails for good.
func (c *Collector) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.watch.run(ctx) })
	group.Go(func() error { return c.storing.run(ctx) })
	group.Go(func() error { return c.tell(ctx) })
	group.Go(func() error { return c.keepMemory(ctx) })
	return group.Wait()
}

// Close lets go of the journal. Call it after Run has returned and no request is
// under way.
func (c *Collector) Close() error {
	return errors.Join(c.saveMemory(), c.journal.Close())
}
