package mllp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// receiver is the other end of a client, driven by hand.
type receiver struct {
	nc net.Conn
	r  *Reader
}

func pair(c ClientConfig) (*Client, *receiver) {
	here, there := net.Pipe()
	return Start(here, c), &receiver{there, NewReader(there, ReaderConfig{})}
}

func (r *receiver) next(t *testing.T) string {
	t.Helper()
	frame, err := r.r.Next()
	require.NoError(t, err)
	return string(controlID(frame))
}

type result struct {
	answer string
	err    error
}

func sending(c *Client, id string) chan result {
	out := make(chan result, 1)
	go func() {
		a, err := c.Send(context.Background(), []byte(message(id)))
		out <- result{string(a), err}
	}()
	return out
}

func TestALateAnswerIsNotTakenForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Counters
		c, r := pair(ClientConfig{Timeout: 10 * time.Second, Counters: &n})
		first := sending(c, "1")
		require.Equal(t, "1", r.next(t))
		require.ErrorIs(t, (<-first).err, ErrNoAnswer)

		second := sending(c, "2")
		require.Equal(t, "2", r.next(t))
		send(t, r.nc, framed(ack("1")))
		synctest.Wait()
		require.Empty(t, second, "the late answer settles nothing")
		require.Equal(t, int64(1), n.Unmatched.Load())
		send(t, r.nc, framed(ack("2")))
		require.Equal(t, result{ack("2"), nil}, <-second)

		again := sending(c, "1") // sent again, the answer is its own
		require.Equal(t, "1", r.next(t))
		send(t, r.nc, framed(ack("1"))+framed(ack("1")))
		require.Equal(t, result{ack("1"), nil}, <-again)
		synctest.Wait()
		require.Equal(t, int64(2), n.Unmatched.Load(), "an answer given twice counts once")
		require.NoError(t, c.Close())
	})
}

func TestAnswersThatNameNoMessageAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Counters
		c, r := pair(ClientConfig{Counters: &n})
		sent := sending(c, "1")
		r.next(t)
		for _, other := range []string{"", "hello", ack(""), ack("11"), message("1"), "\x06", "MSH|^~\\&|A\rMSA\rERR|1"} {
			send(t, r.nc, framed(other))
		}
		synctest.Wait()
		require.Empty(t, sent)
		require.Equal(t, int64(7), n.Unmatched.Load())
		send(t, r.nc, framed("MSH$^~\\&$A\r\nERR$1\r\nMSA$AA$ 1 $\r\n"))
		require.NoError(t, (<-sent).err)
		require.NoError(t, c.Close())
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := pair(ClientConfig{Window: 2})
		var sent []chan result
		for i := range 3 {
			sent = append(sent, sending(c, fmt.Sprint(i)))
			synctest.Wait()
			if i < 2 {
				require.Equal(t, fmt.Sprint(i), r.next(t))
			}
		}
		got := make(chan string)
		go func() { got <- r.next(t) }()
		synctest.Wait()
		require.Empty(t, got, "the third waits for its turn")
		send(t, r.nc, framed(ack("1")))
		require.Equal(t, ack("1"), (<-sent[1]).answer, "answers are matched in any order")
		require.Equal(t, "2", <-got)
		send(t, r.nc, framed(ack("2"))+framed(ack("0")))
		require.Equal(t, ack("2"), (<-sent[2]).answer)
		require.Equal(t, ack("0"), (<-sent[0]).answer)
		require.NoError(t, c.Close())
	})
}

func TestWhatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := pair(ClientConfig{Window: 2})
		ctx, cancel := context.WithCancel(context.Background())
		for _, in := range []string{"", "hello", "MSH|^~\\&|A||||||ORU|", "MSH|^~\\&|A||||||ORU||P"} {
			_, err := c.Send(ctx, []byte(in))
			require.ErrorIs(t, err, ErrNoControlID)
		}
		one := sending(c, "1")
		r.next(t)
		_, err := c.Send(ctx, []byte(message("1")))
		require.ErrorIs(t, err, ErrInFlight)

		two := make(chan error)
		go func() {
			_, err := c.Send(ctx, []byte(message("2")))
			two <- err
		}()
		r.next(t)
		cancel()
		require.ErrorIs(t, <-two, context.Canceled)
		require.Empty(t, one)
		require.NoError(t, c.Close())
		require.ErrorIs(t, (<-one).err, net.ErrClosed)
		_, err = c.Send(context.Background(), []byte(message("3")))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Error(t, c.Post([]byte(message("4"))))
		require.NoError(t, c.Close())
	})
}

func TestTheReceiverGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := pair(ClientConfig{})
		one := sending(c, "1")
		r.next(t)
		r.nc.Close()
		err := (<-one).err
		require.ErrorContains(t, err, "receiver closed the connection")
		<-c.Done()
		_, err = c.Send(context.Background(), []byte(message("2")))
		require.ErrorContains(t, err, "receiver closed the connection")
		require.NoError(t, c.Close())
	})
	ln := listen(t)
	ln.Close()
	_, err := Dial(context.Background(), ln.Addr().String(), ClientConfig{})
	var op *net.OpError
	require.True(t, errors.As(err, &op))
}

func TestManySendersAtOnce(t *testing.T) {
	const senders, each = 8, 200
	ln, h := listen(t), &recorder{}
	l := NewListener(Config{Limits: Limits{Pipeline: 8}}, h)
	stop := run(t, l, ln)
	defer stop()
	var all sync.WaitGroup
	for s := range senders {
		c, err := Dial(context.Background(), ln.Addr().String(), ClientConfig{Window: 16})
		require.NoError(t, err)
		defer c.Close()
		for w := range 4 {
			all.Go(func() {
				for i := range each / 4 {
					id := fmt.Sprintf("%d-%d-%d", s, w, i)
					got, err := c.Send(context.Background(), []byte(message(id)+strings.Repeat("NTE|x\r", i*20)))
					if err != nil || string(got) != ack(id) {
						t.Errorf("%s: %q, %v", id, got, err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	require.Len(t, h.seen(), senders*each)
	require.Equal(t, int64(senders*each), l.Counters().Answers.Load())
}
