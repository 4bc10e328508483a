// Package influx keeps float series in an InfluxDB server. Its API is that of
// InfluxDB 2, which 1.8 and 3 offer too: points are written as line protocol to
// /api/v2/write, and read with InfluxQL from /query. It is tested against 1.8;
// the others by what their documents say of these two.
//
// The measurement of a point is the measurement in the database, its words are
// the tags device, class, model, site, unit, gateway and feed, its readings the float
// fields. Dashboards read the same.
//
// The server has custody of what it has answered for. Version 1.8 syncs its
// write-ahead log before it answers, unless wal-fsync-delay was set; so Sync has
// nothing to do but to ask whether the server is still there.
//
// A second value for a time overwrites the first. Points are refused as the
// store's contract says; one that only this server refuses (its field has another
// type there) is found by halving the batch, and costs no other.
package influx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"medfleet/collector/store"
)

// Config is the section `influxdb` of the collector's configuration: where the
// server is. A Token is that of InfluxDB 2 and 3; version 1.8
// wants user:password, or nothing where it does not ask who one is.
type Config struct {
	URL             string `yaml:"url"`              // such as https://influx.example:8086
	Database        string `yaml:"database"`         // of 1.8; the bucket of 2 and 3
	RetentionPolicy string `yaml:"retention_policy"` // of 1.8; empty is the database's own default
	Organization    string `yaml:"organization"`     // of 2 and 3
	Token           string `yaml:"token"`
	TokenFile       string `yaml:"token_file"`
	CAFile          string `yaml:"ca_file"`  // instead of the system's authorities
	Insecure        bool   `yaml:"insecure"` // allow plain text beyond loopback
}

// timeout bounds one request: a server that hangs must not hold the journal for ever.
const timeout = 30 * time.Second

// Store is a database in an InfluxDB server. It keeps the promises of store.Store.
type Store struct {
	config Config
	client influxdb2.Client
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open makes a store of a server, which need not be there yet. The errors name
// the key of the configuration that is wrong.
func Open(c Config) (*Store, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	trust, err := c.trust()
	if err != nil {
		return nil, err
	}
	o := influxdb2.DefaultOptions().SetPrecision(time.Millisecond).SetUseGZip(true).
		SetHTTPRequestTimeout(uint(timeout.Seconds())).SetTLSConfig(trust)
	return &Store{config: c, client: influxdb2.NewClientWithOptions(c.URL, c.Token, o)}, nil
}

// Check says what is wrong with the configuration, all at once.
func (c *Config) Check() error {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		errs = append(errs, errors.New("collector.influxdb.url: want http:// or https:// and a host, such as http://127.0.0.1:8086"))
	case u.User != nil:
		errs = append(errs, errors.New("collector.influxdb.url: it holds a password: put user:password into token_file"))
	case u.Scheme == "http" && !c.Insecure && !loopback(u.Hostname()):
		errs = append(errs, errors.New("collector.influxdb.url: plain text beyond loopback: use https, or say insecure: true"))
	}
	if c.Database == "" {
		errs = append(errs, errors.New("collector.influxdb.database: missing: name the database, or the bucket of InfluxDB 2 and 3"))
	}
	_, err = c.trust()
	return errors.Join(append(errs, err)...)
}

func (c *Config) trust() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("collector.influxdb.ca_file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("collector.influxdb.ca_file: %s holds no certificate: want PEM", c.CAFile)
	}
	return t, nil
}

// bucket is the database as the second version of the API calls it.
func (c *Config) bucket() string {
	if c.RetentionPolicy == "" {
		return c.Database
	}
	return c.Database + "/" + c.RetentionPolicy
}

// Sync asks whether the server is there. What it has answered for is durable.
func (s *Store) Sync(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("sync: %w", store.ErrClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if up, err := s.client.Ping(ctx); err != nil || !up {
		return fmt.Errorf("sync: InfluxDB at %s does not answer: %w", s.config.URL, errors.Join(err, ctx.Err()))
	}
	return nil
}

// Close lets go of the connections.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.client.Close()
	}
	return nil
}
