package tsdb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"medfleet"
	"medfleet/collector/store"
)

// History reads a metric as store.Store says.
func (s *Store) History(ctx context.Context, q store.Query) (_ []store.Sample, err error) {
	if err := q.Check(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	s.opened.RLock()
	defer s.opened.RUnlock()
	if err := s.ready(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	reader, err := s.db.Querier(int64(q.From), int64(q.To)-1)
	if err != nil {
		return nil, fmt.Errorf("read history in %s: %w", s.folder, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	samples, err := read(ctx, reader, &q)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", seriesName(q.Measurement, q.Metric), err)
	}
	return samples, nil
}

// read folds all series that the query means into one answer.
func read(ctx context.Context, reader storage.Querier, q *store.Query) ([]store.Sample, error) {
	meant, err := matchers(q)
	if err != nil {
		return nil, err
	}
	set := reader.Select(ctx, true, nil, meant...)
	var found []storage.Series
	for set.Next() {
		if len(found) == store.MaxSeries {
			return nil, fmt.Errorf("more than %d series: %w", store.MaxSeries, store.ErrTooMuch)
		}
		found = append(found, set.At())
	}
	if err := set.Err(); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nil
	}
	return fold(ctx, storage.ChainSampleIteratorFromSeries(nil, found), q)
}

// lookUp is after how many samples a reader looks whether it is still wanted.
const lookUp = 1 << 12

// fold takes the samples between From and To from an iterator.
func fold(ctx context.Context, it chunkenc.Iterator, q *store.Query) ([]store.Sample, error) {
	f := store.NewFolder(q)
	for n := 1; it.Next() == chunkenc.ValFloat; n++ {
		if n%lookUp == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t, v := it.At()
		if err := f.Add(store.Sample{Time: medfleet.Millis(t), Value: v}); err != nil {
			return nil, err
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return f.Samples(), nil
}

// matchers says which series a query means.
func matchers(q *store.Query) ([]*labels.Matcher, error) {
	m := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, nameLabel, seriesName(q.Measurement, q.Metric))}
	for _, l := range [...]labels.Label{
		{Name: gatewayLabel, Value: q.Gateway},
		{Name: feedLabel, Value: q.Feed},
		{Name: classLabel, Value: string(q.Class)},
		{Name: siteLabel, Value: q.Site},
		{Name: unitLabel, Value: string(q.Unit)},
	} {
		if l.Value != "" {
			m = append(m, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
		}
	}
	if len(q.Devices) == 0 {
		return m, nil
	}
	aliases := make([]string, len(q.Devices))
	for i, id := range q.Devices {
		aliases[i] = regexp.QuoteMeta(string(id))
	}
	devices, err := labels.NewMatcher(labels.MatchRegexp, deviceLabel, strings.Join(aliases, "|"))
	if err != nil {
		return nil, fmt.Errorf("match devices: %w", err)
	}
	return append(m, devices), nil
}
