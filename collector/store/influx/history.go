package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"medfleet"
	"medfleet/collector/store"
)

// Bounds of one reading. What is folded is read sample by sample, so that an
// answer is the same from every store.
const (
	chunk   = 10_000    // samples of one part of the server's answer
	maxRead = 5_000_000 // samples read for one answer
)

// History reads a metric as store.Store says. A question that would read more
// than five million samples is ErrTooMuch, whatever its step.
func (s *Store) History(ctx context.Context, q store.Query) ([]store.Sample, error) {
	if err := q.Check(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if s.closed.Load() {
		return nil, fmt.Errorf("read history: %w", store.ErrClosed)
	}
	folder := store.NewFolder(&q)
	if err := s.ask(ctx, statement(&q), folder); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("read history of %s %s: %w", q.Measurement, q.Metric, err)
	}
	return folder.Samples(), nil
}

// statement writes the query in InfluxQL. Without GROUP BY the server merges all
// series that fit into one, in the order of time.
func statement(q *store.Query) string {
	var b strings.Builder
	fmt.Fprintf(&b, `SELECT "%s" FROM "%s" WHERE time >= %dms AND time < %dms`, q.Metric, q.Measurement, q.From, q.To)
	for _, tag := range [...]struct{ key, value string }{
		{"gateway", q.Gateway}, {"feed", q.Feed}, {"class", string(q.Class)}, {"site", q.Site}, {"unit", string(q.Unit)},
	} {
		if tag.value != "" {
			fmt.Fprintf(&b, ` AND "%s" = %s`, tag.key, quoted(tag.value))
		}
	}
	for i, id := range q.Devices {
		b.WriteString([...]string{" AND (", " OR "}[min(i, 1)])
		b.WriteString(`"device" = ` + quoted(string(id)))
	}
	if len(q.Devices) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

// quoted writes a text as InfluxQL reads it.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

func (s *Store) ask(ctx context.Context, statement string, to *store.Folder) error {
	form := url.Values{
		"db": {s.config.Database}, "q": {statement}, "epoch": {"ms"},
		"chunked": {"true"}, "chunk_size": {strconv.Itoa(chunk)},
	}
	if s.config.RetentionPolicy != "" {
		form.Set("rp", s.config.RetentionPolicy)
	}
	service := s.client.HTTPService()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.config.URL, "/")+"/query?"+form.Encode(), nil)
	if err != nil {
		return err
	}
	var read error
	answered := service.DoHTTPRequest(req, nil, func(r *http.Response) error {
		read = s.read(r.Body, to)
		return read
	})
	switch {
	case read != nil:
		return read
	case answered != nil:
		return s.trouble(answered)
	}
	return nil
}

// answer is one part of what the server says: a document for each chunk.
type answer struct {
	Results []struct {
		Series []struct {
			Values [][2]json.Number `json:"values"`
		} `json:"series"`
		Error string `json:"error"`
	} `json:"results"`
	Error string `json:"error"`
}

// read folds all parts of an answer.
func (s *Store) read(from io.Reader, to *store.Folder) error {
	d, samples := json.NewDecoder(from), 0
	for {
		var a answer
		err := d.Decode(&a)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("InfluxDB at %s gives no answer of InfluxQL: %w", s.config.URL, err)
		}
		if a.Error != "" {
			return s.said(a.Error)
		}
		for _, r := range a.Results {
			if r.Error != "" {
				return s.said(r.Error)
			}
			for _, series := range r.Series {
				if samples += len(series.Values); samples > maxRead {
					return fmt.Errorf("more than %d samples to fold: %w", maxRead, store.ErrTooMuch)
				}
				if err := add(to, series.Values); err != nil {
					return err
				}
			}
		}
	}
}

// said tells what the server says of a query, which holds nothing secret.
func (s *Store) said(text string) error {
	if strings.HasPrefix(text, "database not found") {
		return fmt.Errorf("InfluxDB at %s has no database %s: create it", s.config.URL, s.config.bucket())
	}
	return fmt.Errorf("InfluxDB at %s: %.200s", s.config.URL, text)
}

func add(to *store.Folder, values [][2]json.Number) error {
	for _, v := range values {
		at, err1 := v[0].Int64()
		value, err2 := v[1].Float64()
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("read sample: %w", err)
		}
		if err := to.Add(store.Sample{Time: medfleet.Millis(at), Value: value}); err != nil {
			return err
		}
	}
	return nil
}
