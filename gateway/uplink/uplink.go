// Package uplink hands a gateway's records on to the collector. It takes them
// from a source in order, sends them in batches over HTTP, and tells the source
// that they may go only when the collector has answered that they are durable
// there. It never gives up: an outage ends with every record delivered.
//
// One batch is in flight per stream. The collector knows a record by gateway,
// stream, epoch and sequence, so a batch that was sent twice counts once.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// Batch is some records of one stream and epoch with consecutive sequence
// numbers. Each record is already framed as it goes into the body.
type Batch struct {
	Epoch   uint64
	First   uint64
	Records [][]byte
}

// Source is where a stream's records wait. Next blocks until there are some;
// what it gives is valid until the next call. Delivered says that everything up
// to and with the sequence is durable at the collector. Reject takes a record
// that the collector will never accept, with the reason, before it is passed by.
type Source interface {
	Next(ctx context.Context) (Batch, error)
	Delivered(sequence uint64) error
	Reject(sequence uint64, framed []byte, reason string) error
}

// Options are where to and as whom.
type Options struct {
	URL     string // of the collector, such as https://medfleet.example:8443
	Gateway string
	Token   string
	Stream  string
	Type    string // content type of the body
	Client  *http.Client
	Log     *slog.Logger
	Backoff Backoff
	Clock   *Clock // told of the collector's clock; nil is nobody
}

// Backoff bounds the wait between attempts: it doubles from First to Most, and
// the actual wait is drawn between nothing and that, so that many gateways do not
// return at once.
type Backoff struct{ First, Most time.Duration }

// Counts are a stream's counters.
type Counts struct {
	Batches   atomic.Uint64
	Records   atomic.Uint64
	Bytes     atomic.Uint64 // of request bodies, compressed
	Rejected  atomic.Uint64
	Attempts  atomic.Uint64
	Failures  atomic.Uint64
	Delivered atomic.Int64 // ms since 1970 of the last delivery
}

// Stream carries one stream's records.
type Stream struct {
	options Options
	source  Source
	post    poster
	counts  Counts
}

// New gives a stream that Run carries.
func New(o Options, s Source) (*Stream, error) {
	if o.Backoff.First <= 0 {
		o.Backoff = Backoff{time.Second, time.Minute}
	}
	o.Backoff.Most = max(o.Backoff.Most, o.Backoff.First)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	post, err := newPoster(o)
	if err != nil {
		return nil, err
	}
	return &Stream{options: o, source: s, post: post}, nil
}

// Name gives the stream's name.
func (s *Stream) Name() string { return s.options.Stream }

// Counts gives the stream's counters.
func (s *Stream) Counts() *Counts { return &s.counts }

// Run carries batches until ctx ends or the source fails.
func (s *Stream) Run(ctx context.Context) error {
	for {
		b, err := s.source.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read stream %s: %w", s.options.Stream, err)
		}
		began := time.Now()
		if err := s.deliver(ctx, b); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("carry stream %s: %w", s.options.Stream, err)
		}
		if len(b.Records) < crowd && sleep(ctx, time.Until(began.Add(pace))) != nil {
			return nil
		}
	}
}

// A request costs both sides as much as a hundred records do. What comes alone
// leaves at once; what comes soon after it gathers for as long as pace, unless it
// is a crowd by then.
const (
	pace  = 20 * time.Millisecond
	crowd = 256
)

// deliver brings a batch across, whatever it takes. A batch that the collector
// refuses for its content is halved until the bad record stands alone.
func (s *Stream) deliver(ctx context.Context, b Batch) error {
	err := s.insist(ctx, b)
	var refused *refusedError
	var large *largeError
	switch {
	case err == nil:
		s.counts.Batches.Add(1)
		s.counts.Records.Add(uint64(len(b.Records)))
		s.counts.Delivered.Store(time.Now().UnixMilli())
		return s.source.Delivered(b.First + uint64(len(b.Records)) - 1)
	case !errors.As(err, &refused) && !errors.As(err, &large):
		return err
	case len(b.Records) == 1:
		if err := s.reject(ctx, b, refused.reason); err != nil {
			return err
		}
		return s.source.Delivered(b.First)
	}
	half := len(b.Records) / 2
	if err := s.deliver(ctx, Batch{b.Epoch, b.First, b.Records[:half]}); err != nil {
		return err
	}
	return s.deliver(ctx, Batch{b.Epoch, b.First + uint64(half), b.Records[half:]})
}

// reject hands the one bad record to the source and insists, since afterwards it
// is nowhere else.
func (s *Stream) reject(ctx context.Context, b Batch, reason string) error {
	for wait := s.options.Backoff.First; ; wait = min(2*wait, s.options.Backoff.Most) {
		err := s.source.Reject(b.First, b.Records[0], reason)
		if err == nil {
			s.counts.Rejected.Add(1)
			return nil
		}
		s.options.Log.Error("a refused record cannot be put aside; the stream waits", "stream", s.options.Stream, "sequence", b.First, "error", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// insist tries until the collector has taken the batch or refused its content.
// That somebody on the way finds it too large ends it only while it can be halved.
func (s *Stream) insist(ctx context.Context, b Batch) error {
	wait := s.options.Backoff.First
	quiet := false
	for {
		s.counts.Attempts.Add(1)
		err := s.post.send(ctx, b)
		s.counts.Bytes.Add(uint64(len(s.post.packed)))
		if err == nil {
			s.recovered(quiet)
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		var refused *refusedError
		var large *largeError
		if errors.As(err, &refused) || errors.As(err, &large) && len(b.Records) > 1 {
			return err
		}
		s.counts.Failures.Add(1)
		if !quiet {
			s.options.Log.Warn("collector does not take records; they wait in the spool", "stream", s.options.Stream, "error", err)
			quiet = true
		}
		if err := sleep(ctx, s.pause(err, wait)); err != nil {
			return err
		}
		wait = min(2*wait, s.options.Backoff.Most)
	}
}

func (s *Stream) recovered(quiet bool) {
	if quiet {
		s.options.Log.Info("collector takes records again", "stream", s.options.Stream)
	}
}

// pause gives the wait before the next attempt: a draw between nothing and the
// bound, after what the collector asked for. It asks all gateways for the same.
func (s *Stream) pause(err error, bound time.Duration) time.Duration {
	draw := rand.N(bound) + time.Millisecond
	var busy *busyError
	if errors.As(err, &busy) {
		draw += busy.after
	}
	return draw
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
