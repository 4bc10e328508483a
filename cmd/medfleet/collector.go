package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"medfleet/collector/ingest"
	"medfleet/collector/state"
	"medfleet/profiles"
)

func newCollector() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "collector",
		Short:   "Run the collector: keep what gateways send, raise alarms, page, serve the board and the API",
		Example: "  medfleet collector --config.file medfleet.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readFile(path)
			if err != nil {
				return err
			}
			return runCollector(cmd.Context(), f, nil, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&path, "config.file", "", "configuration file")
	return cmd
}

// runCollector runs until ctx ends. fault is for tests, nil else.
func runCollector(ctx context.Context, f *file, fault func(ingest.Journal) ingest.Journal, stdout, stderr io.Writer) (err error) {
	if err := f.checkCollector(); err != nil {
		return f.source.wrong(err)
	}
	log := newLog(stderr)
	auth, err := f.API.authenticator()
	if err != nil {
		return f.source.wrong(err)
	}
	secure, err := f.API.tls()
	if err != nil {
		return f.source.wrong(err)
	}
	set, err := profiles.Load(f.Profiles)
	if err != nil {
		return err
	}
	dir, err := openDataDir(f.Collector.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	web, err := listen(ctx, f.API.Listen, "api.listen")
	if err != nil {
		return err
	}
	c, err := openCenter(ctx, centerOptions{
		collector: *f.Collector, alerting: f.Alerting, profiles: set, auth: auth,
		listener: web, tls: secure, quicken: 1, console: stdout, log: log, fault: fault,
	})
	if err != nil {
		return errors.Join(err, web.Close())
	}
	defer func() { err = errors.Join(err, c.close()) }()
	log.Info("collector runs", "listen", web.Addr(), "data", f.Collector.DataDir)
	return c.run(ctx)
}

// checkCollector says what is wrong with the collector's configuration, all at
// once, and fills in what is left out.
func (f *file) checkCollector() error {
	if f.Collector == nil {
		return errors.New("the configuration has no section collector: add one, or run medfleet gateway")
	}
	if f.API.Listen == "" {
		f.API.Listen = "127.0.0.1:8080"
	}
	var errs []error
	if f.Collector.DataDir == "" {
		errs = append(errs, errors.New("collector.data_dir: missing: name the folder for journal, state and history"))
	}
	if f.Collector.Site == "" {
		errs = append(errs, errors.New("collector.site: missing: name the hospital"))
	}
	if url := f.Collector.Postgres; url != "" {
		if err := state.CheckPostgres(url); err != nil {
			errs = append(errs, fmt.Errorf("collector.postgres: %w", err))
		}
	}
	errs = append(errs, f.checkInfluxDB(), f.Collector.CheckAliases())
	host, _, err := net.SplitHostPort(f.API.Listen)
	switch {
	case err != nil:
		errs = append(errs, addressed("api.listen", f.API.Listen))
	case f.API.TLSCert == "" && !f.API.Insecure && !stays(host):
		errs = append(errs, fmt.Errorf("api.listen: %s is plain text beyond this machine: set api.tls_cert and api.tls_key, listen on 127.0.0.1, or set api.insecure", f.API.Listen))
	}
	return errors.Join(errs...)
}

// checkInfluxDB checks where the history goes, and reads its secret.
func (f *file) checkInfluxDB() error {
	c := f.Collector.InfluxDB
	if c == nil {
		return nil
	}
	token, err := secret(c.Token, c.TokenFile, "collector.influxdb.token")
	c.Token, c.TokenFile = token, ""
	return errors.Join(err, c.Check())
}

func (c *apiConfig) tls() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("api.tls_cert, api.tls_key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
