package uplink_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/uplink"
)

// taking is a collector that takes everything at once.
type taking struct{ at []time.Time }

func (t *taking) RoundTrip(*http.Request) (*http.Response, error) {
	t.at = append(t.at, time.Now())
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// trickle has as many records as it is told each time it is asked, at most n times.
type trickle struct {
	records, times int
	next           uint64
}

func (s *trickle) Next(ctx context.Context) (uplink.Batch, error) {
	if s.times--; s.times < 0 {
		<-ctx.Done()
		return uplink.Batch{}, ctx.Err()
	}
	return uplink.Batch{First: s.next + 1, Records: slices.Repeat([][]byte{[]byte("r\n")}, s.records)}, nil
}

func (s *trickle) Delivered(sequence uint64) error {
	s.next = sequence
	return nil
}

func (s *trickle) Reject(uint64, []byte, string) error { return nil }

func paced(t *testing.T, s *trickle, during time.Duration) (began time.Time, at []time.Time) {
	t.Helper()
	collector := &taking{}
	stream, err := uplink.New(uplink.Options{URL: "http://c", Client: &http.Client{Transport: collector}}, s)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	began = time.Now()
	require.NoError(t, stream.Run(ctx))
	return began, collector.at
}

func TestTheFirstRecordLeavesAtOnceAndThoseSoonAfterGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, at := paced(t, &trickle{records: 1, times: 1000}, time.Second)
		require.Equal(t, began, at[0])
		require.Equal(t, began.Add(20*time.Millisecond), at[1])
		require.InDelta(t, 50, len(at), 1)
	})
}

func TestACrowdDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, at := paced(t, &trickle{records: 256, times: 1000}, time.Second)
		require.Len(t, at, 1000)
		require.Equal(t, began, at[999])
	})
}
