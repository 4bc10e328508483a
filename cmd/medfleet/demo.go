package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"medfleet"
	"medfleet/alerting"
	"medfleet/alerting/paging"
	"medfleet/api"
	"medfleet/collector"
	"medfleet/gateway"
	"medfleet/profiles"
	"medfleet/simulators"
)

// demoFlags are what the demonstration can be told.
type demoFlags struct {
	devices  int
	web      string
	mqtt     string
	hl7      string
	dataDir  string
	length   time.Duration
	scenario string
	seed     uint64
	speed    float64
}

// Settings of the demonstration that a hospital would choose otherwise.
const (
	demoGateway  = "edge-1"
	demoSite     = "demo"
	demoQuicken  = 60               // a rule's minutes are seconds
	demoInterval = 2 * time.Second  // between two reports of a device
	demoSilence  = 12 * time.Second // after which a device is unheard
	demoClock    = time.Second
	demoBeat     = 2 * time.Second
)

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything in one process with a simulated ward: nothing to install or configure",
		Long: `Starts an MQTT broker, a gateway, a collector, the board and a simulated ward
that speaks MQTT and HL7 over real sockets, all on this machine. Within a minute
devices report, some go wrong, alarms are raised, paged and cleared. Rules run at
their real thresholds, but a minute of theirs lasts a second.`,
		Example: `  medfleet demo
  medfleet demo --devices 200 --data.dir ./ward
  medfleet demo --for 60s --scenario bad-day --seed 7`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.devices, "devices", 50, "simulated devices")
	flags.StringVar(&f.web, "web.listen", "127.0.0.1:8080", "address of the board and the API")
	flags.StringVar(&f.mqtt, "mqtt.listen", "127.0.0.1:1883", "address of the MQTT broker")
	flags.StringVar(&f.hl7, "hl7.listen", "127.0.0.1:2575", "address for HL7 over MLLP")
	flags.StringVar(&f.dataDir, "data.dir", "", "folder to keep the data in; temporary when it is not given")
	flags.DurationVar(&f.length, "for", 0, "stop by itself after this time")
	flags.StringVar(&f.scenario, "scenario", "ward", "what goes wrong: ward, calm, bad-day, or a YAML file")
	flags.Uint64Var(&f.seed, "seed", 1, "the same seed gives the same ward and the same faults")
	flags.Float64Var(&f.speed, "speed", 1, "how much faster batteries drain and things wear; times stay real")
	return cmd
}

// demo is everything in one process. It is wired as separate processes are: the
// gateway reaches the collector over HTTP with a token of its own.
type demo struct {
	dir    *dataDir
	center *center
	edge   *edge
	fleet  *simulators.Fleet
	story  *story
	truth  *os.File
}

func runDemo(ctx context.Context, f demoFlags, stdout, stderr io.Writer) (err error) {
	if f.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.length)
		defer cancel()
	}
	if err := f.check(); err != nil {
		return err
	}
	path, discard, err := f.folder()
	if err != nil {
		return err
	}
	defer discard()
	d := &demo{story: newStory(stdout)}
	defer func() { err = errors.Join(err, d.close()) }()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := d.open(ctx, f, path, log); err != nil {
		return err
	}
	d.story.open(d, path, f)
	if err := d.run(ctx); err != nil {
		return err
	}
	d.story.end()
	return nil
}

func (f *demoFlags) check() error {
	switch {
	case f.devices < 1 || f.devices > simulators.MaxDevices:
		return usageError{fmt.Errorf("--devices %d: want from 1 to %d", f.devices, simulators.MaxDevices)}
	case f.length < 0:
		return usageError{fmt.Errorf("--for %s: want a time above 0, or leave it out to run until Ctrl-C", f.length)}
	case f.speed <= 0:
		return usageError{fmt.Errorf("--speed %g: want a number above 0", f.speed)}
	}
	for flag, address := range map[string]string{"--web.listen": f.web, "--mqtt.listen": f.mqtt, "--hl7.listen": f.hl7} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return usageError{fmt.Errorf("%s %q: want host:port such as 127.0.0.1:8080", flag, address)}
		}
		if !stays(host) {
			return usageError{fmt.Errorf("%s %s: the demonstration lets everybody in, so it stays on this machine: listen on 127.0.0.1", flag, address)}
		}
	}
	return nil
}

// folder gives the data folder and what to do with it at the end.
func (f *demoFlags) folder() (path string, discard func(), err error) {
	if f.dataDir != "" {
		return f.dataDir, func() {}, nil
	}
	path, err = os.MkdirTemp("", "medfleet-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make temporary data folder: %w", err)
	}
	return path, func() { os.RemoveAll(path) }, nil
}

func (d *demo) open(ctx context.Context, f demoFlags, path string, log *slog.Logger) error {
	set, err := profiles.Load("")
	if err != nil {
		return err
	}
	if d.dir, err = openDataDir(path); err != nil {
		return err
	}
	web, err := listen(ctx, f.web, "--web.listen")
	if err != nil {
		return err
	}
	token := rand.Text()
	if err := d.openCenter(ctx, web, token, set, log); err != nil {
		return errors.Join(err, web.Close())
	}
	if err := d.openEdge(ctx, f, web, token, set, log); err != nil {
		return errors.Join(err, web.Close())
	}
	return d.openWard(f, set, log)
}

func (d *demo) openCenter(ctx context.Context, web net.Listener, token string, set *profiles.Set, log *slog.Logger) error {
	data, err := d.dir.folder("collector")
	if err != nil {
		return err
	}
	gatewayToken, err := api.NewToken(medfleet.Principal{Name: "gateway " + demoGateway, Gateway: demoGateway}, token)
	if err != nil {
		return err
	}
	tokens, err := api.NewTokens([]api.Token{gatewayToken})
	if err != nil {
		return err
	}
	d.center, err = openCenter(ctx, centerOptions{
		collector: collector.Config{Site: demoSite, DataDir: data, Silence: demoSilence, Clock: demoClock},
		alerting:  alerting.Config{Channels: []paging.ChannelConfig{{Name: "console", Kind: paging.Console}}},
		profiles:  set,
		auth:      api.FirstOf(tokens, api.Loopback{Principal: medfleet.Principal{Name: "demo", Role: medfleet.RoleAdmin}}),
		listener:  web,
		quicken:   demoQuicken,
		console:   d.story.out,
		changed:   d.story.changed,
		log:       log,
	})
	return err
}

func (d *demo) openEdge(ctx context.Context, f demoFlags, web net.Listener, token string, set *profiles.Set, log *slog.Logger) error {
	data, err := d.dir.folder("gateway")
	if err != nil {
		return err
	}
	config := gateway.Config{
		ID: demoGateway, Site: demoSite, DataDir: data, Beat: demoBeat,
		MQTT:   gateway.MQTTConfig{Listen: f.mqtt},
		HL7:    gateway.HL7Config{HL7Listener: gateway.HL7Listener{Listen: f.hl7}},
		Uplink: gateway.UplinkConfig{URL: "http://" + web.Addr().String(), Token: token},
	}
	d.edge, err = openEdge(ctx, gateway.Options{Config: config, Profiles: set, Log: log}, keys{"--mqtt.listen", "--hl7.listen"})
	if err != nil {
		return err
	}
	d.center.registry.MustRegister(gatewayMetrics(d.edge.gateway)) // one process, one page of metrics
	return nil
}

func (d *demo) openWard(f demoFlags, set *profiles.Set, log *slog.Logger) error {
	var err error
	name := filepath.Join(d.dir.path, truthFile)
	if d.truth, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("open ground truth: %w", err)
	}
	d.fleet, err = simulators.New(simulators.Config{
		Devices: f.devices, Interval: demoInterval, Site: demoSite, Gateway: demoGateway,
		MQTT: simulators.Broker{URL: "tcp://" + f.mqtt}, HL7: f.hl7,
		Scenario: f.scenario, Seed: f.seed, Speed: f.speed,
		Truth: io.MultiWriter(d.truth, d.story.truth()), Profiles: set, Log: log,
	})
	return err
}

// truthFile is where the simulators write what was injected when.
const truthFile = "truth.jsonl"

// run works until ctx ends. The ward stops first, so that what it sent last still
// arrives; then the gateway; then the collector.
func (d *demo) run(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	centerCtx, stopCenter := context.WithCancel(base)
	edgeCtx, stopEdge := context.WithCancel(base)
	defer stopCenter()
	defer stopEdge()
	group, ctx := errgroup.WithContext(ctx)
	center, edge := make(chan struct{}), make(chan struct{})
	group.Go(func() error { defer close(center); return d.center.run(centerCtx) })
	group.Go(func() error { defer close(edge); return d.edge.gateway.Run(edgeCtx) })
	group.Go(func() error { d.story.run(ctx); return nil })
	group.Go(func() error {
		err := d.fleet.Run(ctx)
		stopEdge()
		<-edge
		stopCenter()
		<-center
		return err
	})
	return group.Wait()
}

// close lets go of everything that was opened.
func (d *demo) close() error {
	var errs []error
	if d.edge != nil {
		errs = append(errs, d.edge.close())
	}
	if d.center != nil {
		errs = append(errs, d.center.close())
	}
	if d.truth != nil {
		errs = append(errs, d.truth.Close())
	}
	if d.dir != nil {
		errs = append(errs, d.dir.close())
	}
	return errors.Join(errs...)
}
