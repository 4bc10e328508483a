package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"medfleet/gateway/tlsfiles"
	"medfleet/simulators"
)

// simulateFlags are what the simulators can be told.
type simulateFlags struct {
	config simulators.Config
	truth  string
	acked  string
	length time.Duration
	hl7    tlsfiles.Client
	spark  tlsfiles.Client
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run simulated devices that speak MQTT, HL7 and Sparkplug B, with faults and a ground truth",
		Long: `Runs simulated pumps, ventilators and monitors against a gateway. What goes wrong
with them, and when, is written to the ground-truth file as JSON lines; every
message that was acknowledged to the list of acknowledgements. Over Sparkplug
nothing is acknowledged.

With --sparkplug some devices stand behind edge nodes at a broker. Their group is the
care unit; their metrics are Class, Model, those of the class's profile by their names,
and Alarm/<condition>. deploy/medfleet.yaml has a mapping for them.`,
		Example: `  medfleet simulate --devices 200 --hl7 127.0.0.1:2575 --mqtt tcp://127.0.0.1:1883
  medfleet simulate --sparkplug tcp://127.0.0.1:1883 --sparkplug.host medfleet-edge-1
  medfleet simulate --rate 500 --mqtt tcp://127.0.0.1:1883 --acked acked.jsonl --for 60s`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSimulate(cmd.Context(), f, cmd.ErrOrStderr())
		},
	}
	flags, c := cmd.Flags(), &f.config
	flags.IntVar(&c.Devices, "devices", 50, "devices")
	flags.DurationVar(&c.Interval, "interval", 10*time.Second, "time between two reports of a device")
	flags.StringVar(&c.HL7, "hl7", "", "host:port of a gateway's HL7 listener")
	flags.StringVar(&f.hl7.CAFile, "hl7.ca_file", "", "authority of the HL7 listener's certificate; this or the next speaks TLS")
	flags.StringVar(&f.hl7.CertFile, "hl7.cert_file", "", "certificate to show to the HL7 listener")
	flags.StringVar(&f.hl7.KeyFile, "hl7.key_file", "", "its key")
	flags.BoolVar(&c.HL7Release2, "hl7.release_2", false, "MLLP release 2")
	flags.StringVar(&c.MQTT.URL, "mqtt", "", "URL of a broker, such as tcp://127.0.0.1:1883")
	flags.StringVar(&c.Sparkplug.URL, "sparkplug", "", "URL of a broker that edge nodes speak Sparkplug B at")
	flags.StringVar(&c.SparkplugHost, "sparkplug.host", "", "host_id of the gateway: edge nodes say nothing while it is not there")
	flags.StringVar(&f.spark.CAFile, "sparkplug.ca_file", "", "authority of the broker's certificate, for an ssl:// URL; else the system's")
	flags.StringVar(&f.spark.CertFile, "sparkplug.cert_file", "", "certificate to show to the broker")
	flags.StringVar(&f.spark.KeyFile, "sparkplug.key_file", "", "its key")
	flags.StringVar(&c.Site, "site", "main", "site in the MQTT topics")
	flags.StringVar(&c.Gateway, "gateway", "edge-1", "gateway in the MQTT topics")
	flags.StringVar(&c.Scenario, "scenario", "ward", "what goes wrong: ward, calm, bad-day, or a YAML file")
	flags.Uint64Var(&c.Seed, "seed", 1, "the same seed gives the same devices and the same faults")
	flags.Float64Var(&c.Speed, "speed", 1, "how much faster batteries drain and things wear; times stay real")
	flags.Float64Var(&c.Steady.Rate, "rate", 0, "messages per second of all devices together, instead of an interval")
	flags.Float64Var(&c.Steady.Events, "events", 0.1, "share of events among the messages of --rate")
	flags.DurationVar(&c.Drain, "drain", 2*time.Second, "how long to wait at the end for acknowledgements still due")
	flags.StringVar(&f.truth, "truth", "", "file for the ground truth")
	flags.StringVar(&f.acked, "acked", "", "file for the list of acknowledged messages")
	flags.DurationVar(&f.length, "for", 0, "stop by itself after this time")
	return cmd
}

func runSimulate(ctx context.Context, f simulateFlags, stderr io.Writer) (err error) {
	if f.config.HL7 == "" && f.config.MQTT.URL == "" && f.config.Sparkplug.URL == "" {
		return usageError{errors.New("nobody to talk to: give --hl7 host:port, --mqtt URL or --sparkplug URL, or several")}
	}
	if f.config.Sparkplug.URL == "" && (f.config.SparkplugHost != "" || f.spark.On()) {
		return usageError{errors.New("--sparkplug URL is missing: its other flags are about the broker there")}
	}
	if f.config.Devices < 1 || f.config.Devices > simulators.MaxDevices {
		return usageError{fmt.Errorf("--devices %d: want from 1 to %d", f.config.Devices, simulators.MaxDevices)}
	}
	if f.length < 0 {
		return usageError{fmt.Errorf("--for %s: want a time above 0, or leave it out to run until Ctrl-C", f.length)}
	}
	if f.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.length)
		defer cancel()
	}
	if f.hl7.On() {
		host, _, _ := net.SplitHostPort(f.config.HL7) // simulators.New says what is wrong with it
		if f.config.HL7TLS, err = f.hl7.Config("--hl7", host); err != nil {
			return err
		}
	}
	if f.spark.On() {
		if f.config.Sparkplug.TLS, err = f.sparkplugTLS(); err != nil {
			return err
		}
	}
	f.config.Log = newLog(stderr)
	files := &outputs{}
	defer func() { err = errors.Join(err, files.close()) }()
	if f.truth != "" {
		if f.config.Truth, err = files.open(f.truth); err != nil {
			return err
		}
	}
	if f.acked != "" {
		out, err := files.open(f.acked)
		if err != nil {
			return err
		}
		f.config.Acked = listed(out)
	}
	fleet, err := simulators.New(f.config)
	if err != nil {
		return err
	}
	err = fleet.Run(ctx)
	c := fleet.Counts()
	fmt.Fprintf(stderr, "%d messages made, %d sent, %d acknowledged, %d refused, %d dropped, %d sent again, %d connections lost\n",
		c.Made, c.Sent, c.Acked, c.Refused, c.Dropped, c.Resent, c.Reconnects)
	return err
}

func (f *simulateFlags) sparkplugTLS() (*tls.Config, error) {
	u, err := url.Parse(f.config.Sparkplug.URL)
	if err != nil || u.Scheme == "tcp" || u.Scheme == "mqtt" {
		return nil, usageError{errors.New("--sparkplug: certificates are for TLS: want a URL such as ssl://host:8883")}
	}
	return f.spark.Config("--sparkplug", u.Hostname())
}

// listed gives a function that writes acknowledged messages as JSON lines.
func listed(out io.Writer) func(simulators.Message) {
	var mu sync.Mutex
	encoder := json.NewEncoder(out)
	return func(m simulators.Message) {
		mu.Lock()
		defer mu.Unlock()
		_ = encoder.Encode(m) // a full disk shows when the file is closed
	}
}

// outputs are files that are being written.
type outputs struct{ files []*os.File }

func (o *outputs) open(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	o.files = append(o.files, f)
	return f, nil
}

func (o *outputs) close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
