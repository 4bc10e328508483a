package mllp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// station is the far end of a dialer: each connection to it is taken by hand, or
// refused while it is off.
type station struct {
	conns chan net.Conn

	mu    sync.Mutex
	off   error
	calls []time.Time
}

func (s *station) turn(off error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = off
}

func (s *station) tries() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func newStation() *station { return &station{conns: make(chan net.Conn, 1)} }

func (s *station) connect(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, time.Now())
	if s.off != nil {
		return nil, s.off
	}
	here, there := net.Pipe()
	s.conns <- there
	return here, nil
}

// call starts a dialer; the function it gives stops it and waits.
func call(t testing.TB, d *Dialer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, d.Counters().Open.Load())
		require.Zero(t, d.budget.used.Load(), "every buffer was given back")
		require.False(t, d.Up())
	}
}

func TestAStationThatIsCalledSendsAndIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := &recorder{}, newStation()
		d := NewDialer(DialConfig{Address: "station:2575", Connect: s.connect}, h)
		require.ErrorIs(t, d.Err(), errNotStarted)
		stop := call(t, d)
		nc := <-s.conns
		r := bufio.NewReader(nc)
		synctest.Wait()
		require.True(t, d.Up())
		require.True(t, d.Heard().IsZero())
		for i := range 3 {
			time.Sleep(time.Hour) // silence is no reason to connect anew
			send(t, nc, framed(message(fmt.Sprint(i)))+framed(message(fmt.Sprint("b", i))))
			require.Equal(t, ack(fmt.Sprint(i)), answer(t, r))
			require.Equal(t, ack(fmt.Sprint("b", i)), answer(t, r))
			require.Equal(t, time.Now(), d.Heard())
		}
		require.Len(t, h.seen(), 6)
		require.Len(t, s.tries(), 1)
		stop()
		_, err := r.ReadByte()
		require.Equal(t, io.EOF, err)
	})
}

func TestAStationThatIsAwayIsCalledAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := errors.New("connection refused")
		h, s := &recorder{}, newStation()
		s.turn(off)
		d := NewDialer(DialConfig{Address: "station:2575", Connect: s.connect}, h)
		stop := call(t, d)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.ErrorIs(t, d.Err(), off)
		require.ErrorContains(t, d.Err(), `"station:2575"`)
		require.Greater(t, len(s.tries()), 60, "at least once a minute")
		require.Less(t, len(s.tries()), 130, "no more than twice a minute")
		for i, least := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
			wait := s.tries()[i+1].Sub(s.tries()[i])
			require.GreaterOrEqual(t, wait, least)
			require.LessOrEqual(t, wait, 2*least)
		}
		s.turn(nil)
		nc := <-s.conns
		send(t, nc, framed(message("1")))
		require.Equal(t, ack("1"), answer(t, bufio.NewReader(nc)))
		require.True(t, d.Up())
		stop()
	})
}

func TestAConnectionThatDoesNotLastIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation()
		d := NewDialer(DialConfig{Connect: s.connect}, &recorder{})
		stop := call(t, d)
		var full atomic.Bool
		go func() { // a station that is full
			for nc := range s.conns {
				full.Store(true)
				nc.Close()
			}
		}()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		require.True(t, full.Load())
		require.ErrorIs(t, d.Err(), errStationEnded)
		require.Less(t, len(s.tries()), 70, "it is not hammered")
		stop()
		close(s.conns)
	})
}

func TestAStationIsCalledAgainAfterStorageTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			if !well.Load() {
				return Answer{Close: true, NotKept: true}
			}
			return Answer{Frame: []byte(ack(string(controlID([]byte(frame)))))}
		}}
		s := newStation()
		d := NewDialer(DialConfig{Connect: s.connect}, h)
		stop := call(t, d)
		nc := <-s.conns
		send(t, nc, framed(message("1")))
		_, err := nc.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "no answer")
		synctest.Wait()
		require.ErrorIs(t, d.Err(), errGivenUp)
		well.Store(true)
		nc = <-s.conns
		send(t, nc, framed(message("1")))
		require.Equal(t, ack("1"), answer(t, bufio.NewReader(nc)), "the station still has it")
		stop()
	})
}

// polled reads what a station hears, by kind, until the connection ends.
func polled(nc net.Conn) (echoes, queries *atomic.Int64) {
	echoes, queries = new(atomic.Int64), new(atomic.Int64)
	go func() {
		r := NewReader(nc, ReaderConfig{})
		for {
			frame, err := r.Next()
			switch {
			case err != nil:
				return
			case string(frame) == "echo":
				echoes.Add(1)
			default:
				queries.Add(1)
			}
		}
	}()
	return echoes, queries
}

func TestAMonitorIsAskedAndShownThatWeLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := &recorder{accept: func(context.Context, string) Receipt { return nil }}, newStation()
		asked := make(chan time.Time, 16)
		d := NewDialer(DialConfig{Connect: s.connect, Poll: &Poll{
			Query: func(now time.Time) []byte { asked <- now; return []byte("query") },
			Echo:  []byte("echo"),
		}}, h)
		stop := call(t, d)
		began := time.Now()
		nc := <-s.conns
		echoes, queries := polled(nc)
		for range 300 { // the monitor's own echoes, and a result now and then
			send(t, nc, framed("echo"))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.InDelta(t, 300, echoes.Load(), 1)
		require.Equal(t, int64(5), queries.Load())
		first := <-asked
		require.Equal(t, 2*time.Second, first.Sub(began), "not before the monitor has introduced itself")
		require.Equal(t, time.Minute, (<-asked).Sub(first))
		require.Len(t, h.seen(), 300)
		require.True(t, d.Up())
		require.Len(t, s.tries(), 1)

		silent := time.Now()
		again := <-s.conns
		require.InDelta(t, 22, time.Since(silent).Seconds(), 10, "it has gone silent")
		synctest.Wait()
		require.Len(t, s.tries(), 2)
		_, queries = polled(again)
		send(t, again, framed("echo"))
		time.Sleep(3 * time.Second)
		require.Equal(t, int64(1), queries.Load(), "it is asked anew")
		stop()
	})
}

func TestASlowDiskIsNoReasonToLookDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			return ReceiptFunc(func(context.Context) Answer { <-release; return Answer{} })
		}}
		s := newStation()
		d := NewDialer(DialConfig{Connect: s.connect, Poll: &Poll{
			Query: func(time.Time) []byte { return []byte("query") }, Echo: []byte("echo"),
		}}, h)
		stop := call(t, d)
		nc := <-s.conns
		echoes, _ := polled(nc)
		send(t, nc, framed(message("1")))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.InDelta(t, 10, echoes.Load(), 1, "while the message waits for the disk")
		close(release)
		stop()
	})
}

func TestAStationThatTakesNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation()
		d := NewDialer(DialConfig{Connect: s.connect, Limits: Limits{WriteTimeout: 10 * time.Second}, Poll: &Poll{
			Query: func(time.Time) []byte { return []byte("query") }, Echo: []byte("echo"), Silence: time.Hour,
		}}, &recorder{})
		stop := call(t, d)
		<-s.conns
		time.Sleep(12 * time.Second)
		<-s.conns
		synctest.Wait() // until it is seen that it is connected
		require.NoError(t, d.Err())
		require.Len(t, s.tries(), 2)
		stop()
	})
}
