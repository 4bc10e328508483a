package uplink_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/uplink"
)

// wire is a transport without sockets, for a bubble with its own time.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func reply(status int, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: http.NoBody}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r, nil
}

// attempts carries one record over a wire until it gives 204 and tells when each
// attempt was made.
func attempts(t *testing.T, b uplink.Backoff, w func(n int, r *http.Request) (*http.Response, error)) (at []time.Duration) {
	start := time.Now()
	s := newSpool(1)
	stream, err := uplink.New(uplink.Options{
		URL: "http://collector", Stream: "events", Backoff: b,
		Client: &http.Client{Transport: wire(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return w(len(at), r)
		})},
	}, s)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- stream.Run(ctx) }()
	<-s.done
	cancel()
	require.NoError(t, <-ended)
	return at
}

func TestTheWaitsGrowToTheirBoundAndAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := attempts(t, uplink.Backoff{}, func(n int, _ *http.Request) (*http.Response, error) {
			if n <= 60 {
				return nil, errors.New("connection refused")
			}
			return reply(204)
		})
		require.Len(t, at, 61)
		bound, total := time.Second, time.Duration(0)
		for i := 1; i < len(at); i++ {
			wait := at[i] - at[i-1]
			require.LessOrEqual(t, wait, bound+time.Millisecond, "attempt %d", i)
			require.Positive(t, wait, "never at once")
			bound, total = min(2*bound, time.Minute), total+wait
		}
		require.Greater(t, total, 10*time.Minute, "sixty attempts against a dead collector are no flood")
	})
}

func TestTheCollectorsWishToWaitIsHonoured(t *testing.T) {
	for name, c := range map[string]struct {
		header      string
		least, most time.Duration
	}{
		"seconds":           {"20", 20 * time.Second, 22 * time.Second},
		"a date":            {"Sat, 01 Jan 2000 00:00:30 GMT", 29 * time.Second, 32 * time.Second},
		"a date long past":  {"Sat, 01 Jan 1994 00:00:30 GMT", 0, 2 * time.Second},
		"absurdly long":     {"86400", 5 * time.Minute, 5*time.Minute + 2*time.Second},
		"a number too long": {"99999999999999999999", 0, 2 * time.Second},
		"negative":          {"-7", 0, 2 * time.Second},
		"nonsense":          {"soon", 0, 2 * time.Second},
		"nothing":           {"", 0, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := attempts(t, uplink.Backoff{}, func(n int, _ *http.Request) (*http.Response, error) {
					if n == 1 {
						return reply(429, "Retry-After", c.header)
					}
					return reply(204)
				})
				require.Len(t, at, 2)
				require.GreaterOrEqual(t, at[1], c.least)
				require.LessOrEqual(t, at[1], c.most)
			})
		})
	}
}

func TestManyGatewaysDoNotReturnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			at := attempts(t, uplink.Backoff{}, func(n int, _ *http.Request) (*http.Response, error) {
				if n == 1 {
					return reply(503, "Retry-After", "2")
				}
				return reply(204)
			})
			seen[at[1]] = true
		}
		require.Greater(t, len(seen), 10)
	})
}

func TestACollectorThatHangsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := attempts(t, uplink.Backoff{}, func(n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return reply(204)
		})
		require.Len(t, at, 2)
		require.InDelta(t, 30.5, at[1].Seconds(), 1)
	})
}

func TestTheEndInterruptsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpool(1)
		stream, err := uplink.New(uplink.Options{URL: "http://collector", Client: &http.Client{
			Transport: wire(func(*http.Request) (*http.Response, error) { return reply(503, "Retry-After", "300") }),
		}}, s)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- stream.Run(ctx) }()
		time.Sleep(time.Second)
		start := time.Now()
		cancel()
		require.NoError(t, <-ended)
		require.Zero(t, time.Since(start))
		require.Zero(t, s.delivered)
	})
}

func TestABackoffWithoutABoundIsNoPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := attempts(t, uplink.Backoff{First: time.Millisecond}, func(n int, _ *http.Request) (*http.Response, error) {
			if n < 5 {
				return reply(500)
			}
			return reply(204)
		})
		require.Len(t, at, 5)
	})
}

type failing struct{ spool }

func (*failing) Next(context.Context) (uplink.Batch, error) {
	return uplink.Batch{}, errors.New("disk gone")
}

func TestASourceThatFailsEndsTheStream(t *testing.T) {
	stream, err := uplink.New(uplink.Options{URL: "http://collector", Stream: "events"}, &failing{})
	require.NoError(t, err)
	require.ErrorContains(t, stream.Run(t.Context()), "read stream events: disk gone")
}
