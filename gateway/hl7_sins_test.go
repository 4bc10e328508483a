package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/record"
)

// What other receivers of HL7 are known to have done wrong. That a late
// acknowledgement is not taken for the next message's, and that none is given
// twice on a kept-open connection, is held to in package mllp.

// moody is a spool whose disk takes nothing while it is down.
type moody struct {
	Custody
	down *atomic.Bool
}

func (m moody) WaitDurable(ctx context.Context, sequence uint64) error {
	if m.down.Load() {
		return errors.New("input/output error")
	}
	return m.Custody.WaitDurable(ctx, sequence)
}

// early says that everything is durable, and keeps nothing while the disk is down.
type early struct{ moody }

func (e early) Enqueue(payloads ...[]byte) (uint64, error) {
	if e.down.Load() {
		return 1, nil
	}
	return e.Custody.Enqueue(payloads...)
}

func (e early) WaitDurable(context.Context, uint64) error { return nil }

// insist sends a message over ever new connections until it is acknowledged or the
// attempts are used up, and says whether it was.
func insist(t *testing.T, address, message string, attempts int) bool {
	t.Helper()
	for range attempts {
		c, err := mllp.Dial(t.Context(), address, mllp.ClientConfig{Timeout: soon})
		require.NoError(t, err)
		answer, err := c.Send(t.Context(), []byte(message))
		c.Close()
		if err == nil {
			require.Regexp(t, "^AA ", code(answer))
			return true
		}
	}
	return false
}

// downAndUp sends messages while the disk takes nothing and again when it does,
// and says how many were acknowledged in each half and how many arrived.
func downAndUp(t *testing.T, fault func(moody) Custody) (down, up, arrived int) {
	const messages = 20
	var is atomic.Bool
	is.Store(true)
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		o.Fault = func(c Custody) Custody { return fault(moody{c, &is}) }
	})
	count := func(attempts int) (acknowledged int) {
		for i := range messages {
			if insist(t, e.hl7, battery(fmt.Sprint("m", i)), attempts) {
				acknowledged++
			}
		}
		return acknowledged
	}
	down = count(2)
	if down == 0 {
		is.Store(false)
		up = count(1)
		require.Eventually(t, func() bool { return len(c.of(record.Observation)) >= messages }, soon, time.Millisecond)
	}
	return down, up, len(c.of(record.Observation))
}

func TestNoAAIsSentWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	down, up, arrived := downAndUp(t, func(m moody) Custody { return m })
	require.Zero(t, down)
	require.Equal(t, 20, up)
	require.GreaterOrEqual(t, arrived, up)
}

// The control: a store that says yes while it is down must be caught.
func TestAnAAWhileTheStoreIsDownIsCaught(t *testing.T) {
	t.Parallel()
	down, _, arrived := downAndUp(t, func(m moody) Custody { return early{m} })
	require.Equal(t, 20, down)
	require.Zero(t, arrived, "acknowledged and nowhere")
}

// slow is a spool that is done with nothing before it is let go.
type slow struct {
	Custody
	release <-chan struct{}
}

func (s slow) WaitDurable(ctx context.Context, sequence uint64) error {
	select {
	case <-s.release:
		return s.Custody.WaitDurable(ctx, sequence)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A sender whose patience is short sends the same message thousands of times while
// the disk is slow, over connections that it keeps and over new ones. It gets one
// answer to each, nothing piles up, and they are one point in the end.
func TestThousandsOfDuplicatesAfterATimeoutAreOneMessage(t *testing.T) {
	t.Parallel()
	const kept, fresh, again = 4, 40, 500
	release := make(chan struct{})
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		o.Fault = func(c Custody) Custody { return slow{c, release} }
	})
	message := battery("7")
	for range fresh { // gives up, and comes back on another connection
		conn, err := net.Dial("tcp", e.hl7)
		require.NoError(t, err)
		talk(t, conn).says(message)
		conn.Close()
	}
	var answered atomic.Int64
	var all sync.WaitGroup
	for range kept {
		conn, err := net.Dial("tcp", e.hl7)
		require.NoError(t, err)
		s := talk(t, conn)
		defer s.Close()
		all.Go(func() {
			for range again {
				if _, err := conn.Write([]byte(frame(message))); err != nil {
					return
				}
			}
		})
		all.Go(func() {
			for range again {
				answer, err := s.r.Next()
				if err != nil || code(answer) != "AA 7" {
					t.Errorf("%q, %v", answer, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	require.Never(t, func() bool { return answered.Load() > 0 }, 50*time.Millisecond, time.Millisecond)
	require.Less(t, e.Spool(Telemetry).Appended, uint64(fresh+kept*100), "only so many wait at a time")
	close(release)
	all.Wait()
	require.Equal(t, int64(kept*again), answered.Load())
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) >= kept*again }, soon, time.Millisecond)
	times := map[any]bool{}
	for _, l := range c.of(record.Observation) {
		times[l.Time] = true
	}
	require.Len(t, times, 1, "one point")
}
