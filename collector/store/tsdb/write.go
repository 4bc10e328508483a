package tsdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	engine "github.com/prometheus/prometheus/tsdb"

	"medfleet"
	"medfleet/collector/store"
)

// Write stores points as store.Store says. A refused point may have left some of
// its fields behind when the engine itself refused one of them.
//
// It gives an error that lasts as long as the clock stands hours before the
// newest sample: either the clock is wrong now, and every point would
// be refused as being in the future, or it was wrong then.
func (s *Store) Write(ctx context.Context, points []store.Point) error {
	if err := s.writing.take(ctx); err != nil {
		return fmt.Errorf("write points: %w", err)
	}
	defer s.writing.give()
	if err := s.reopen(); err != nil {
		return fmt.Errorf("write points: %w", err)
	}
	s.opened.RLock()
	defer s.opened.RUnlock()
	if err := s.ready(); err != nil {
		return fmt.Errorf("write points: %w", err)
	}
	now := medfleet.AsMillis(time.Now())
	if s.newest.Sub(now) > clockSlack {
		return fmt.Errorf("write points: the clock says %v, but there are samples of %v in %s: set the clock, or move the folder away if it was wrong then", now, s.newest, s.folder)
	}
	return s.append(ctx, points, now)
}

// clockSlack is how far the clock may be set back before writing stops. It is
// more than the newest sample is known to, and less than the slack of the late
// window.
const clockSlack = 6 * time.Hour

// append hands the points to the engine in one transaction.
func (s *Store) append(ctx context.Context, points []store.Point, now medfleet.Millis) error {
	b := batch{s: s, to: s.db.AppenderV2(ctx), now: now}
	for i := range points {
		r, err := b.point(&points[i])
		if err != nil {
			return errors.Join(fmt.Errorf("write point %d: %w", i, err), s.rollback(b.to))
		}
		if r.Reason != "" {
			r.Index = i
			b.refused = append(b.refused, r)
		}
	}
	if err := b.to.Commit(); err != nil {
		s.failed.set(err)
		return fmt.Errorf("write points to %s: %w", s.folder, err)
	}
	s.newest = max(s.newest, b.newest)
	if grown(s.db.Head()) {
		select {
		case s.compaction.wake <- struct{}{}:
		default:
		}
	}
	return store.Refuse(b.refused)
}

// rollback gives a transaction up. The engine logs the series that it began even
// then, and must not go on when it could not.
func (s *Store) rollback(to storage.AppenderV2) error {
	err := to.Rollback()
	if err != nil {
		s.failed.set(err)
	}
	return err
}

// batch is one transaction of points.
type batch struct {
	s       *Store
	to      storage.AppenderV2
	now     medfleet.Millis
	newest  medfleet.Millis
	refused []store.RefusedPoint
}

// point adds one point. A Reason says that it is refused; an error ends the
// whole batch.
func (b *batch) point(p *store.Point) (store.RefusedPoint, error) {
	if r, ok := p.CheckSamples(b.now); !ok {
		return r, nil
	}
	who := ownerOf(p)
	o := b.s.series.find(&who)
	if o == nil {
		if r, ok := p.CheckTags(); !ok {
			return r, nil
		}
		o = new(owned)
		b.s.series.put(&who, o)
	}
	for i := range p.Fields {
		metric := p.Fields[i].Metric
		to := o.at(i, metric)
		if to == nil {
			if !store.Name(metric) {
				r, _ := store.RefuseName("metric")
				return r, nil
			}
			to = b.s.series.add(&who, o, metric)
		}
		if r, err := b.sample(to, p.Time, p.Fields[i].Value); err != nil || r.Reason != "" {
			return r, err
		}
	}
	b.newest = max(b.newest, p.Time)
	return store.RefusedPoint{}, nil
}

// sample adds one sample to a series.
func (b *batch) sample(to *series, at medfleet.Millis, v float64) (store.RefusedPoint, error) {
	if to.ref == 0 && b.full(to.labels) {
		return store.RefusedPoint{Reason: store.TooManySeries, Detail: fmt.Sprintf("there are %d series already: raise the limit, or find out who invents devices", b.s.options.MaxSeries)}, nil
	}
	ref, err := b.to.Append(to.ref, to.labels, 0, int64(at), v, nil, nil, storage.AOptions{})
	switch {
	case err == nil:
		to.ref = ref
		return store.RefusedPoint{}, nil
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return store.RefusedPoint{}, nil // the first value stays
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		return store.RefusedPoint{Reason: store.TooOld, Detail: "it is older than the database still takes"}, nil
	case errors.Is(err, engine.ErrInvalidSample):
		return store.RefusedPoint{Reason: store.Unstorable, Detail: "the database refuses the names of its series"}, nil
	}
	return store.RefusedPoint{}, err
}

// full reports whether the series would be one more than the limit allows.
func (b *batch) full(l labels.Labels) bool {
	if b.s.db.Head().NumSeries() < uint64(b.s.options.MaxSeries) {
		return false
	}
	known, ok := b.to.(storage.GetRef)
	if !ok {
		return true
	}
	ref, _ := known.GetRef(l, l.Hash())
	return ref == 0
}
