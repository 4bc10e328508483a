package mllp

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	stored  = "\x0b\x06\x1c\r"
	refused = "\x0b\x15\x1c\r"
)

func TestACommitFrameLeavesWhenTheMessageIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			id := string(controlID([]byte(frame)))
			switch id {
			case "silent":
				return nil
			case "lost":
				return Answer{Close: true, NotKept: true}
			}
			return ReceiptFunc(func(context.Context) Answer { <-release; return Answer{Frame: []byte(ack(id))} })
		}}
		p := newPipes()
		l := NewListener(Config{Release2: true}, h)
		stop := run(t, l, p)
		nc := p.dial()
		send(t, nc, framed(message("1"))+framed(message("2")))
		got := make(chan string)
		go func() {
			rest, _ := io.ReadAll(nc)
			got <- string(rest)
		}()
		synctest.Wait()
		require.Len(t, h.seen(), 2)
		require.Empty(t, got)
		close(release)
		send(t, nc, stored+stored) // the sender confirms our answers
		send(t, nc, framed(message("silent"))+framed(message("lost")))
		require.Equal(t, stored+framed(ack("1"))+stored+framed(ack("2"))+stored+refused, <-got,
			"each commit before its answer, in order; a message that is not stored is refused and the connection closed")
		require.Equal(t, int64(2), l.Counters().Commits.Load())
		require.Equal(t, int64(4), l.Counters().Frames.Load())
		stop()
	})
}

func TestWhatIsNotTakenIsNotCommitted(t *testing.T) {
	ln, h := listen(t), &recorder{}
	stop := run(t, NewListener(Config{Release2: true, Limits: Limits{MaxFrame: 3000}}, h), ln)
	defer stop()
	nc := dialTCP(t, ln)
	defer nc.Close()
	send(t, nc, "\x0b"+message("1")+strings.Repeat("x", 10_000))
	rest, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, refused+framed("refused: "+TooLarge.String()), string(rest))
}

func TestACommitFrameIsNoMessageInRelease1(t *testing.T) {
	h, ln := &recorder{}, listen(t)
	stop := run(t, NewListener(Config{}, h), ln)
	defer stop()
	nc := dialTCP(t, ln)
	defer nc.Close()
	send(t, nc, framed(message("1")))
	r := bufio.NewReader(nc)
	require.Equal(t, ack("1"), answer(t, r), "and none is sent")
	send(t, nc, stored)
	require.Equal(t, ack(""), answer(t, r))
	require.Equal(t, "\x06", h.seen()[1], "the handler says what to do with it")
}

func TestAClientOfRelease2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Counters
		c, r := pair(ClientConfig{Release2: true, Window: 8, Counters: &n})
		one := sending(c, "1")
		require.Equal(t, "1", r.next(t))
		send(t, r.nc, framed(ack("1")))
		require.Equal(t, "", r.next(t), "the answer is confirmed")
		synctest.Wait()
		require.Empty(t, one, "an answer without its commit frame is none yet")
		send(t, r.nc, stored)
		require.Equal(t, result{ack("1"), nil}, <-one)

		two := sending(c, "2")
		require.Equal(t, "2", r.next(t))
		send(t, r.nc, refused)
		require.ErrorIs(t, (<-two).err, ErrNotCommitted)
		send(t, r.nc, stored) // of nothing
		synctest.Wait()
		require.Equal(t, int64(1), n.Unmatched.Load())

		done := make(chan error)
		go func() { done <- c.Commit(context.Background(), []byte(message("2"))) }()
		require.Equal(t, "2", r.next(t), "sent again")
		synctest.Wait()
		require.Empty(t, done)
		send(t, r.nc, stored)
		require.NoError(t, <-done, "and done with its commit")
		require.NoError(t, c.Close())
	})
}

func TestALateCommitIsNotTakenForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := pair(ClientConfig{Release2: true, Timeout: 10 * time.Second})
		one := sending(c, "1")
		require.Equal(t, "1", r.next(t))
		require.ErrorIs(t, (<-one).err, ErrNoCommit)
		_, err := c.Send(context.Background(), []byte(message("2")))
		require.ErrorIs(t, err, ErrNoCommit, "the connection is given up: which message a commit frame means cannot be told")
		require.NoError(t, c.Close())

		c, r = pair(ClientConfig{Release2: true})
		one = sending(c, "1")
		require.Equal(t, "1", r.next(t))
		send(t, r.nc, stored+stored)
		synctest.Wait()
		send(t, r.nc, framed(ack("1")))
		r.next(t)
		require.NoError(t, (<-one).err)
		two := sending(c, "2")
		require.Equal(t, "2", r.next(t))
		synctest.Wait()
		require.Empty(t, two, "a commit frame given twice counts once")
		send(t, r.nc, refused)
		require.ErrorIs(t, (<-two).err, ErrNotCommitted)
		require.NoError(t, c.Close())
	})
}
