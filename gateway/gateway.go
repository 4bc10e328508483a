// Package gateway is the edge of medfleet: it takes what devices say of
// themselves over MQTT and HL7, drops patient data on the spot, keeps the rest on
// disk and hands it on to the collector.
//
// Custody runs one way and acknowledgements the other: an adapter answers a
// device only when the record is durable in a spool, and a record leaves the
// spool only when the collector has said that it is durable there. There are two
// spools, events and telemetry, so that a disk full of readings never costs an
// event.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"medfleet/gateway/mllp"
	"medfleet/gateway/uplink"
	"medfleet/profiles"
	"medfleet/record"
	"medfleet/spool"
)

// Options are what a gateway is made of. A listener that is nil is not served.
type Options struct {
	Config
	Profiles *profiles.Set
	MQTTAt   net.Listener
	HL7At    net.Listener
	HL7More  []net.Listener // for hl7.listeners, in their order
	Client   *http.Client
	Log      *slog.Logger
	Fault    func(Custody) Custody // a fault between adapters and spools, for tests; nil is none
	Retry    time.Duration         // how long until a Sparkplug broker is called again, for tests; 0 is from 1 s to a minute
}

// Gateway is one edge gateway. New opens its spools, Run works until its context
// ends, Close lets go of the spools.
type Gateway struct {
	config            Config
	log               *slog.Logger
	keeper            *keeper
	events, telemetry *spool.Log
	dead              *deadLetters
	counts            Counts
	streams           []*uplink.Stream
	clock             *uplink.Clock // against the collector's
	sources           []source
	lines             map[string]*mllp.Counters // of HL7 feeds, by name
	sparkplug         []SparkplugFeed
	closers           []func() error
}

// source is one way in, a feed: run serves until ctx ends (nil where another serves it too), up says whether it works,
// heard when the newest message came, zero if none ever did, messages how many have.
type source struct {
	name     string
	caller   bool // it connects by itself, and may never do so
	run      func(ctx context.Context) error
	up       func() bool
	heard    func() time.Time
	messages func() uint64
}

// uplinkReader is the name under which the uplink reads both spools.
const uplinkReader = "uplink"

// New opens the spools and builds the sources; nothing is listened to yet.
func New(o Options) (*Gateway, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Beat <= 0 {
		o.Beat = Beat
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{config: o.Config, log: o.Log, clock: uplink.NewClock(), lines: map[string]*mllp.Counters{}}
	if err := g.open(o); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateway) open(o Options) error {
	events, err := g.spool("events", spool.Options{MaxBytes: o.Spool.MaxBytes, MaxAge: o.Spool.MaxAge, Full: spool.Block})
	if err != nil {
		return err
	}
	telemetry, err := g.spool("telemetry", spool.Options{MaxBytes: o.Spool.MaxBytes, MaxAge: o.Spool.MaxAge, Full: spool.DropOldest})
	if err != nil {
		return err
	}
	dead, err := g.spool("deadletters", spool.Options{MaxBytes: deadBytes, Full: spool.DropOldest})
	if err != nil {
		return err
	}
	if o.Fault == nil {
		o.Fault = func(c Custody) Custody { return c }
	}
	g.events, g.telemetry = events, telemetry
	g.keeper = newKeeper(o.ID, o.Fault(events), o.Fault(telemetry))
	g.dead = &deadLetters{log: dead}
	if err := g.stream(Events, events, o); err != nil {
		return err
	}
	if err := g.stream(Telemetry, telemetry, o); err != nil {
		return err
	}
	return g.build(o)
}

const deadBytes = 64 << 20

func (g *Gateway) spool(name string, o spool.Options) (*spool.Log, error) {
	o.OnEvent = func(e spool.Event) {
		g.log.Warn("spool "+name, "kind", e.Kind, "file", e.File, "offset", e.Offset, "error", e.Err)
	}
	log, err := spool.Open(filepath.Join(g.config.DataDir, name), o)
	if err != nil {
		return nil, fmt.Errorf("open gateway %s: %w", g.config.ID, err)
	}
	g.closers = append(g.closers, log.Close)
	return log, nil
}

// stream joins a spool to the collector.
func (g *Gateway) stream(name string, log *spool.Log, o Options) error {
	reader, err := log.Reader(uplinkReader)
	if err != nil {
		return fmt.Errorf("read spool %s: %w", name, err)
	}
	s := &stream{name: name, gateway: o.ID, site: o.Site, log: log, reader: reader, dead: g.dead, logger: g.log}
	carry, err := uplink.New(uplink.Options{
		URL: o.Uplink.URL, Token: o.Uplink.Token, Gateway: o.ID, Stream: name,
		Type: record.ContentType, Client: o.Client, Log: o.Log, Clock: g.clock,
	}, s)
	if err != nil {
		return err
	}
	g.streams = append(g.streams, carry)
	return nil
}

// build makes the sources that the configuration asks for. This is the one place
// where a way in is added.
func (g *Gateway) build(o Options) error {
	if err := g.buildMQTT(o); err != nil {
		return err
	}
	if err := g.buildSparkplug(o); err != nil {
		return err
	}
	if err := g.buildHL7(o); err != nil {
		return err
	}
	return g.oneNameEach()
}

// oneNameEach sees that no two feeds are one in the collector's eyes.
func (g *Gateway) oneNameEach() error {
	names := map[string]bool{}
	for _, s := range g.sources {
		if names[s.name] {
			return fmt.Errorf("gateway: two feeds are called %q: give listeners, senders, stations and brokers names of their own", s.name)
		}
		names[s.name] = true
	}
	return nil
}

// Counts gives the counters of what became of messages.
func (g *Gateway) Counts() *Counts { return &g.counts }

// Streams gives the streams to the collector.
func (g *Gateway) Streams() []*uplink.Stream { return g.streams }

// Spool gives the figures of a stream's spool, Events or Telemetry.
func (g *Gateway) Spool(name string) spool.Stats {
	if name == Events {
		return g.events.Stats()
	}
	return g.telemetry.Stats()
}

// Run serves the sources and carries records until ctx ends. Sources end first;
// what they kept is in the spools and goes on at the next start.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range g.sources {
		if s.run != nil {
			group.Go(func() error { return s.run(ctx) })
		}
	}
	for _, s := range g.streams {
		group.Go(func() error { return s.Run(ctx) })
	}
	group.Go(func() error { return g.beat(ctx) })
	return group.Wait()
}

// Close lets go of the spools. Call it after Run has returned.
func (g *Gateway) Close() error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		errs = append(errs, g.closers[i]())
	}
	g.closers = nil
	return errors.Join(errs...)
}
