package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"medfleet/api"
	"medfleet/gateway"
	"medfleet/profiles"
)

func newGateway() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "gateway",
		Short:   "Run an edge gateway: take device status, keep it, send it to the collector",
		Example: "  medfleet gateway --config.file medfleet.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readFile(path)
			if err != nil {
				return err
			}
			besideTheDisk()
			return runGateway(cmd.Context(), f, nil, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&path, "config.file", "", "configuration file")
	return cmd
}

// besideTheDisk lets one more goroutine run than there are processors: the one that
// waits for the disk counts as running until the scheduler notices, and where there
// are two processors that is half of them, a thousand times a second.
func besideTheDisk() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// errNoGateway says that the file has no section for what is to be run.
var errNoGateway = errors.New("the configuration has no section gateway: add one, or run medfleet collector")

// runGateway runs until ctx ends. change is for tests, nil else.
func runGateway(ctx context.Context, f *file, change func(*gateway.Options), stderr io.Writer) (err error) {
	config, err := f.gateway()
	if err != nil {
		return f.source.wrong(err)
	}
	log := newLog(stderr)
	set, err := profiles.Load(f.Profiles)
	if err != nil {
		return err
	}
	dir, err := openDataDir(config.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	o := gateway.Options{Config: config, Profiles: set, Log: log}
	if change != nil {
		change(&o)
	}
	e, err := openEdge(ctx, o, keys{"gateway.mqtt.listen", "gateway.hl7.listen"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	log.Info("gateway runs", "id", config.ID, "mqtt", config.MQTT.Listen, "hl7", config.HL7.Listen, "collector", config.Uplink.URL)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.gateway.Run(ctx) })
	if config.Metrics.Listen != "" {
		group.Go(func() error { return serveMetrics(ctx, config.Metrics.Listen, e.gateway, log) })
	}
	return group.Wait()
}

// gateway gives the gateway's section, checked, with its secrets read.
func (f *file) gateway() (gateway.Config, error) {
	if f.Gateway == nil {
		return gateway.Config{}, errNoGateway
	}
	c := *f.Gateway
	var errs []error
	var err error
	if c.Uplink.Token, err = secret(c.Uplink.Token, c.Uplink.TokenFile, "gateway.uplink.token"); err != nil {
		errs = append(errs, err)
	}
	if c.MQTT.Password, err = secret(c.MQTT.Password, c.MQTT.PasswordFile, "gateway.mqtt.password"); err != nil {
		errs = append(errs, err)
	}
	c.MQTT.Brokers = slices.Clone(c.MQTT.Brokers)
	for i := range c.MQTT.Brokers {
		b := &c.MQTT.Brokers[i]
		if b.Password, err = secret(b.Password, b.PasswordFile, fmt.Sprintf("gateway.mqtt.brokers[%d].password", i)); err != nil {
			errs = append(errs, err)
		}
		b.PasswordFile = ""
	}
	c.MQTT.Sparkplug = slices.Clone(c.MQTT.Sparkplug)
	for i := range c.MQTT.Sparkplug {
		b := &c.MQTT.Sparkplug[i]
		if b.Password, err = secret(b.Password, b.PasswordFile, fmt.Sprintf("gateway.mqtt.sparkplug[%d].password", i)); err != nil {
			errs = append(errs, err)
		}
		b.PasswordFile = ""
	}
	errs = append(errs, c.Check(), openTo(c))
	return c, errors.Join(errs...)
}

// openTo refuses a gateway that would send in plain text beyond this machine, or
// let unnamed devices in from beyond it.
func openTo(c gateway.Config) error {
	var errs []error
	u, err := url.Parse(c.Uplink.URL)
	switch {
	case c.Uplink.URL == "": // told already
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		errs = append(errs, fmt.Errorf("gateway.uplink.url: %q is not the collector's address: want https://host:port", c.Uplink.URL))
	case u.Scheme == "http" && !c.Uplink.Insecure && !stays(u.Hostname()):
		errs = append(errs, fmt.Errorf("gateway.uplink.url: %s is plain text beyond this machine: use https, or set gateway.uplink.insecure", u.Host))
	}
	errs = append(errs,
		addressed("gateway.mqtt.listen", c.MQTT.Listen),
		addressed("gateway.metrics.listen", c.Metrics.Listen),
	)
	if leaves(c.MQTT.Listen) && c.MQTT.User == "" && c.MQTT.TLS.ClientCAFile == "" {
		errs = append(errs, fmt.Errorf("gateway.mqtt.listen: %s lets everybody in from beyond this machine: set gateway.mqtt.user and password_file or gateway.mqtt.tls.client_ca_file, or listen on 127.0.0.1", c.MQTT.Listen))
	}
	return errors.Join(append(errs,
		plain("gateway.mqtt", c.MQTT.Listen, c.MQTT.Insecure || c.MQTT.TLS.On()),
		openHL7(&c.HL7),
		plain("gateway.metrics", c.Metrics.Listen, c.Metrics.Insecure))...)
}

// openHL7 does so for all HL7 connections, whoever opens them.
func openHL7(c *gateway.HL7Config) error {
	var errs []error
	for _, s := range c.Sockets() {
		errs = append(errs, addressed(s.Section+".listen", s.Address))
		if s.Plain && leaves(s.Address) {
			errs = append(errs, fmt.Errorf("%s.listen: %s is plain text beyond this machine: set %s.tls, listen on 127.0.0.1, or set %s.insecure where the network itself is trusted",
				s.Section, s.Address, s.Section, s.Section))
		}
	}
	for _, r := range c.Remotes() {
		if r.Plain && leaves(r.Address) {
			errs = append(errs, fmt.Errorf("%s.address: %s is plain text beyond this machine: set %s.tls, or %s.insecure where the network itself is trusted",
				r.Section, r.Address, r.Section, r.Section))
		}
	}
	return errors.Join(errs...)
}

// plain refuses a listener in plain text beyond this machine, unless a person
// said that it may be.
func plain(section, address string, insecure bool) error {
	if insecure || !leaves(address) {
		return nil
	}
	return fmt.Errorf("%s.listen: %s is plain text beyond this machine: listen on 127.0.0.1, or set %s.insecure where the network itself is trusted", section, address, section)
}

// leaves reports whether an address is reached from beyond this machine.
func leaves(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && !stays(host)
}

func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// serveMetrics serves the gateway's own metrics until ctx ends.
func serveMetrics(ctx context.Context, address string, g *gateway.Gateway, log *slog.Logger) error {
	l, err := listen(ctx, address, "gateway.metrics.listen")
	if err != nil {
		return err
	}
	registry := newRegistry()
	registry.MustRegister(gatewayMetrics(g))
	server := api.HTTPServer(exposed(registry), log)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve metrics on %s: %w", address, err)
	}
	return nil
}
