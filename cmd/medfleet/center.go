package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"medfleet"
	"medfleet/alerting"
	"medfleet/api"
	"medfleet/collector"
	"medfleet/collector/ingest"
	"medfleet/collector/roster"
	"medfleet/collector/state"
	"medfleet/collector/store"
	"medfleet/collector/store/influx"
	"medfleet/collector/store/tsdb"
	"medfleet/dashboards/board"
	"medfleet/profiles"
)

// center is the collector with everything people reach it by: the alarm engine,
// the API, the board.
type center struct {
	db        *sql.DB
	store     store.Store
	engine    *alerting.Engine
	collector *collector.Collector
	server    *api.Server
	http      *http.Server
	listener  net.Listener
	registry  *prometheus.Registry
	changed   []func(medfleet.Change)
	closers   []func() error
}

// centerOptions are what a center is made of.
type centerOptions struct {
	collector collector.Config
	alerting  alerting.Config
	profiles  *profiles.Set
	auth      api.Authenticator
	listener  net.Listener
	tls       *tls.Config
	quicken   int                                 // the rules' times are divided by this
	console   io.Writer                           // where the console channel prints
	changed   func(medfleet.Change)               // told of every change beside the board; may be nil
	fault     func(ingest.Journal) ingest.Journal // for tests; nil else
	log       *slog.Logger
}

// openCenter opens the data folder's parts and joins them; nothing runs yet.
func openCenter(ctx context.Context, o centerOptions) (*center, error) {
	c := &center{listener: o.listener}
	if o.changed != nil {
		c.changed = append(c.changed, o.changed)
	}
	if err := c.open(ctx, o); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *center) open(ctx context.Context, o centerOptions) error {
	if err := c.openStores(ctx, o); err != nil {
		return err
	}
	var err error
	c.engine, err = alerting.New(alerting.Options{
		Config: o.alerting, Profiles: o.profiles, DB: c.db, Audit: audit, Changed: c.tell,
		Quicken: o.quicken, Console: o.console, Log: o.log,
	})
	if err != nil {
		return err
	}
	c.collector, err = collector.New(ctx, collector.Options{
		Config: o.collector, Profiles: o.profiles, DB: c.db, Store: c.store, Engine: c.engine,
		Authenticate: o.auth.Authenticate, Changed: c.tell, Log: o.log, Fault: o.fault,
	})
	if err != nil {
		return err
	}
	c.closers = append(c.closers, c.collector.Close)
	return c.openDoors(o)
}

func (c *center) openStores(ctx context.Context, o centerOptions) error {
	var err error
	c.db, err = state.Open(ctx, o.collector.DataDir, o.collector.Postgres)
	switch {
	case err != nil && o.collector.Postgres != "":
		return fmt.Errorf("collector.postgres: %w", err)
	case err != nil:
		return err
	}
	c.closers = append(c.closers, c.db.Close)
	if c.store, err = openHistory(o.collector); err != nil {
		return err
	}
	c.closers = append(c.closers, c.store.Close)
	return nil
}

// openHistory opens the store of series: a server where one is configured, else a
// folder.
func openHistory(c collector.Config) (store.Store, error) {
	if c.InfluxDB != nil {
		return influx.Open(*c.InfluxDB)
	}
	return tsdb.Open(filepath.Join(c.DataDir, "history"), tsdb.Options{})
}

// openDoors makes the handlers that people and gateways reach.
func (c *center) openDoors(o centerOptions) error {
	r := readers{roster: c.collector.Roster(), records: roster.Records{DB: c.db}, store: c.store, engine: c.engine}
	pages, err := board.New(board.Options{
		Site: o.collector.Site, Version: versionString(), Profiles: o.profiles, Log: o.log,
		Devices: r.roster, Records: r.records, History: boardHistory{r}, Alarms: boardAlarms{r}, Pages: r.engine,
	})
	if err != nil {
		return err
	}
	registry := newRegistry()
	registry.MustRegister(c.metrics())
	if own, ok := c.store.(prometheus.Collector); ok {
		registry.MustRegister(own)
	}
	c.registry = registry
	c.server, err = api.New(api.Options{
		Readers: api.Readers{
			Devices: r.roster, Records: r.records, History: apiHistory{r}, Alarms: apiAlarms{r},
			Pages: apiPages{r}, Gateways: r.roster, Profiles: o.profiles,
		},
		Doors:   api.Doors{Write: c.collector.Door(), Metrics: exposed(registry), Board: pages},
		Auth:    o.auth,
		Ready:   c.ready,
		Live:    c.live,
		Version: versionString(),
		Log:     o.log,
	})
	if err != nil {
		return err
	}
	registry.MustRegister(c.serverCollectors()...)
	c.http = api.HTTPServer(c.server.Handler(), o.log)
	c.http.TLSConfig = o.tls
	return nil
}

func (c *center) serverCollectors() []prometheus.Collector {
	return append(c.engine.Collectors(), c.server.Collectors()...)
}

// tell passes a change on. It is called only while the center runs.
func (c *center) tell(change medfleet.Change) {
	c.server.Changed(change)
	for _, f := range c.changed {
		f(change)
	}
}

// audit writes an entry in a transaction of the alarm engine's.
func audit(ctx context.Context, tx *sql.Tx, who, action, object, detail, site string) error {
	return state.Audit(ctx, tx, state.Entry{Who: who, Action: action, Object: object, Detail: detail, Site: site})
}

// maxStale is how old the state behind the board may be before the board must
// not look live.
const maxStale = 15 * time.Second

// live says why the readers do not show the present.
func (c *center) live() error {
	if lag := c.collector.Lag(); lag > maxStale {
		return fmt.Errorf("the watch has not moved for %s", lag.Round(time.Second))
	}
	return nil
}

// maxLag is how far the watch may be behind before the collector is not ready.
const maxLag = time.Minute

// ready says whether alarms would be raised now.
func (c *center) ready() []api.Check {
	lag := c.collector.Lag()
	checks := []api.Check{
		{Name: "watch", OK: lag < maxLag, Detail: fmt.Sprintf("behind the journal's clock by %s", lag.Round(time.Millisecond))},
		{Name: "state", OK: true},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := c.db.PingContext(ctx); err != nil {
		checks[1] = api.Check{Name: "state", Detail: err.Error()}
	}
	return checks
}

// stopWithin bounds how long open requests may hold up the end.
const stopWithin = 5 * time.Second

// run works until ctx ends or a part fails.
func (c *center) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.collector.Run(ctx) })
	group.Go(func() error { return c.engine.Run(ctx) })
	group.Go(func() error { return c.server.Run(ctx) })
	group.Go(func() error { return c.serve() })
	group.Go(func() error {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := c.http.Shutdown(bounded); err != nil {
			return c.http.Close()
		}
		return nil
	})
	return group.Wait()
}

func (c *center) serve() error {
	var err error
	if c.http.TLSConfig != nil {
		err = c.http.ServeTLS(c.listener, "", "")
	} else {
		err = c.http.Serve(c.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", c.listener.Addr(), err)
}

// close lets go of everything, in the reverse order of opening.
func (c *center) close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}
