package influx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"medfleet"
	"medfleet/collector/store"
)

// batchPoints is how many points one request carries at most.
const batchPoints = 5000

// Write stores points as store.Store says. What fails for another reason than a
// point's own may be tried again; some of it may be stored then.
func (s *Store) Write(ctx context.Context, points []store.Point) error {
	if s.closed.Load() {
		return fmt.Errorf("write points: %w", store.ErrClosed)
	}
	b := encode(points, medfleet.AsMillis(time.Now()))
	for from := 0; from < len(b.places); from += batchPoints {
		if err := s.send(ctx, b, from, min(from+batchPoints, len(b.places))); err != nil {
			return fmt.Errorf("write points: %w", err)
		}
	}
	return b.refusal()
}

// lines are points in the order in which they were given, those that can be
// stored as lines.
type lines struct {
	text    []byte
	ends    []int // of each line, without its newline
	places  []int // of each line's point among those given
	refused []store.RefusedPoint
}

func encode(points []store.Point, now medfleet.Millis) *lines {
	b := &lines{}
	var e lineprotocol.Encoder
	e.SetPrecision(lineprotocol.Millisecond)
	for i := range points {
		if r, ok := points[i].Check(now); !ok {
			r.Index = i
			b.refused = append(b.refused, r)
			continue
		}
		e.Reset()
		line(&e, &points[i])
		if e.Err() != nil { // Check knows the same rules
			b.refuse(i, "line protocol cannot carry it")
			continue
		}
		b.text = append(append(b.text, e.Bytes()...), '\n')
		b.ends = append(b.ends, len(b.text)-1)
		b.places = append(b.places, i)
	}
	return b
}

// line writes one point. Tags stand in the order of their keys, as the encoder wants.
func line(e *lineprotocol.Encoder, p *store.Point) {
	e.StartLine(p.Measurement)
	for _, tag := range [...]struct{ key, value string }{
		{"class", string(p.Class)}, {"device", string(p.Device)}, {"feed", p.Feed}, {"gateway", p.Gateway},
		{"model", p.Model}, {"site", p.Site}, {"unit", string(p.Unit)},
	} {
		if tag.value != "" {
			e.AddTag(tag.key, tag.value)
		}
	}
	for _, f := range p.Fields {
		if v, ok := lineprotocol.FloatValue(f.Value); ok {
			e.AddField(f.Metric, v)
		}
	}
	e.EndLine(p.Time.Time())
}

func (b *lines) refuse(place int, why string) {
	b.refused = append(b.refused, store.RefusedPoint{Index: place, Reason: store.Unstorable, Detail: why})
}

// part is the text of the lines from one up to but not including another.
func (b *lines) part(from, to int) string {
	start := 0
	if from > 0 {
		start = b.ends[from-1] + 1
	}
	text := b.text[start:b.ends[to-1]]
	return unsafe.String(unsafe.SliceData(text), len(text)) // nothing writes to it any more
}

// refusal gives Write's error, in the order of the points.
func (b *lines) refusal() error {
	slices.SortFunc(b.refused, func(x, y store.RefusedPoint) int { return cmp.Compare(x.Index, y.Index) })
	return store.Refuse(b.refused)
}

// send writes some lines. When the server refuses content, halves tell whose it
// is; the ones it has taken already are written again, which changes nothing.
func (s *Store) send(ctx context.Context, b *lines, from, to int) error {
	err := s.client.WriteAPIBlocking(s.config.Organization, s.config.bucket()).WriteRecord(ctx, b.part(from, to))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !content(err):
		return s.trouble(err)
	case to-from == 1:
		b.refuse(b.places[from], "InfluxDB refuses it: a field has another type there, or it is beyond a limit of the server")
		return nil
	}
	middle := (from + to) / 2
	if err := s.send(ctx, b, from, middle); err != nil {
		return err
	}
	return s.send(ctx, b, middle, to)
}

// content says that the server refuses what was sent for what it is: with 400 in
// versions 1.8 and 3, 422 in 2, 413 for too much at once.
func content(err error) bool {
	var e *influxhttp.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// trouble says what may pass. The server's words are left out: they quote lines.
func (s *Store) trouble(err error) error {
	var e *influxhttp.Error
	if !errors.As(err, &e) || e.StatusCode == 0 {
		return fmt.Errorf("InfluxDB at %s does not answer: %w", s.config.URL, err)
	}
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("InfluxDB at %s answers %d: the token may not write to %s", s.config.URL, e.StatusCode, s.config.Database)
	case http.StatusNotFound:
		return fmt.Errorf("InfluxDB at %s has no database %s: create it", s.config.URL, s.config.bucket())
	}
	return fmt.Errorf("InfluxDB at %s answers %d", s.config.URL, e.StatusCode)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
