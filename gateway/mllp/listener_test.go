package mllp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnswersKeepTheOrderOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The later a message, the sooner it is stored.
		delay := map[string]time.Duration{"1": 5 * time.Second, "2": 3 * time.Second, "3": time.Second, "4": 0}
		settled := make(chan string, 4)
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			id := string(controlID([]byte(frame)))
			done := make(chan struct{})
			go func() {
				time.Sleep(delay[id])
				settled <- id
				close(done)
			}()
			return ReceiptFunc(func(ctx context.Context) Answer {
				<-done
				return Answer{Frame: []byte(ack(id))}
			})
		}}
		p := newPipes()
		stop := run(t, NewListener(Config{}, h), p)
		nc := p.dial()
		start := time.Now()
		send(t, nc, framed(message("1"))+framed(message("2"))+framed(message("3"))+framed(message("4")))
		synctest.Wait()
		require.Len(t, h.seen(), 4, "all were handed over before the first was answered")
		r := bufio.NewReader(nc)
		for _, id := range []string{"1", "2", "3", "4"} {
			require.Equal(t, ack(id), answer(t, r))
		}
		require.Equal(t, 5*time.Second, time.Since(start))
		for _, id := range []string{"4", "3", "2", "1"} {
			require.Equal(t, id, <-settled)
		}
		nc.Close()
		stop()
	})
}

func TestAKeptConnectionIsAnsweredOncePerMessage(t *testing.T) {
	ln, h := listen(t), &recorder{}
	l := NewListener(Config{}, h)
	stop := run(t, l, ln)
	defer stop()
	nc := dialTCP(t, ln)
	r := bufio.NewReader(nc)
	var want []string
	for i := range 50 {
		id := fmt.Sprint("K", i)
		send(t, nc, framed(message(id)))
		require.Equal(t, ack(id), answer(t, r))
		want = append(want, message(id))
	}
	require.NoError(t, nc.CloseWrite())
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Empty(t, rest, "nothing is answered again")
	require.Equal(t, want, h.seen())
	require.Equal(t, int64(50), l.Counters().Answers.Load())
	nc.Close()
}

func TestFramesSplitAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		stop := run(t, NewListener(Config{}, h), p)
		nc := p.dial()
		r := bufio.NewReader(nc)
		go func() { // a pipe holds nothing: the answer comes before the last byte is taken
			for i := range len(framed(message("slow"))) {
				send(t, nc, framed(message("slow"))[i:i+1])
			}
			send(t, nc, "\x0bMSH|^~\\&|lost"+framed(message("again"))+framed(message("next"))[:30])
		}()
		require.Equal(t, ack("slow"), answer(t, r))
		require.Equal(t, ack("again"), answer(t, r))
		send(t, nc, framed(message("next"))[30:])
		require.Equal(t, ack("next"), answer(t, r))
		require.Equal(t, []string{message("slow"), message("again"), message("next")}, h.seen())
		nc.Close()
		stop()
	})
}

func TestSilenceIsNoReasonToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		l := NewListener(Config{}, h)
		stop := run(t, l, p)
		nc := p.dial()
		r := bufio.NewReader(nc)
		time.Sleep(48 * time.Hour)
		long := strings.Repeat("NTE|\r", 1000)
		send(t, nc, framed(message("1")+long))
		require.Equal(t, ack("1"), answer(t, r))
		synctest.Wait()
		require.Zero(t, l.budget.used.Load(), "one that speaks now and then holds no large buffer")
		time.Sleep(time.Second)
		send(t, nc, framed(message("1")+long))
		require.Equal(t, ack("1"), answer(t, r))
		synctest.Wait()
		require.Positive(t, l.budget.used.Load(), "one that speaks often keeps it")
		time.Sleep(2 * shrinkAfter)
		synctest.Wait()
		require.Zero(t, l.budget.used.Load(), "at rest the large buffer is given back")
		time.Sleep(48 * time.Hour)
		send(t, nc, framed(message("2")))
		require.Equal(t, ack("2"), answer(t, r))
		nc.Close()
		stop()
	})
}

func TestIdleTimeoutWhereConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		stop := run(t, NewListener(Config{Limits: Limits{IdleTimeout: time.Minute}}, h), p)
		nc := p.dial()
		r := bufio.NewReader(nc)
		start := time.Now()
		for range 5 {
			time.Sleep(50 * time.Second)
			send(t, nc, framed(message("1")))
			answer(t, r)
		}
		_, err := r.ReadByte()
		require.Equal(t, io.EOF, err)
		require.InDelta(t, 310+30, time.Since(start).Seconds(), 31, "between one and two timeouts after the last message")
		require.Empty(t, h.turnedAway())
		stop()
	})
}

func TestAnswersThatAreReadyLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			id := string(controlID([]byte(frame)))
			if id != "1" {
				return Answer{Frame: []byte(ack(id))}
			}
			return ReceiptFunc(func(context.Context) Answer {
				<-release
				return Answer{Frame: []byte(ack(id))}
			})
		}}
		p := newPipes()
		stop := run(t, NewListener(Config{}, h), p)
		nc := p.dial()
		send(t, nc, framed(message("1"))+framed(message("2"))+framed(message("3")))
		synctest.Wait()
		close(release)
		buf := make([]byte, 4096)
		n, err := nc.Read(buf)
		require.NoError(t, err)
		require.Equal(t, framed(ack("1"))+framed(ack("2"))+framed(ack("3")), string(buf[:n]))
		nc.Close()
		stop()
	})
}

func TestASenderThatGoesAwayHalfWay(t *testing.T) {
	ln, h := listen(t), &recorder{}
	l := NewListener(Config{}, h)
	stop := run(t, l, ln)
	nc := dialTCP(t, ln)
	send(t, nc, framed(message("1"))+"\x0b"+message("2")[:40])
	require.NoError(t, nc.CloseWrite())
	rest, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, framed(ack("1")), string(rest), "the whole message is answered, the half one not")
	nc.Close()
	stop()
	require.Equal(t, []string{message("1")}, h.seen())
	require.Equal(t, int64(1), l.Counters().Truncated.Load())
	require.Empty(t, h.turnedAway())
}

func TestShutdownAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := make(chan struct{})
		h := &recorder{accept: func(context.Context, string) Receipt {
			return ReceiptFunc(func(ctx context.Context) Answer {
				close(waiting)
				<-ctx.Done()
				return Answer{Frame: []byte(ack("1"))} // a handler that does not know better
			})
		}}
		p := newPipes()
		stop := run(t, NewListener(Config{}, h), p)
		nc := p.dial()
		send(t, nc, framed(message("1")))
		<-waiting
		got := make(chan string)
		go func() {
			rest, _ := io.ReadAll(nc)
			got <- string(rest)
		}()
		stop()
		require.Empty(t, <-got)
	})
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &recorder{}
		h.accept = func(_ context.Context, frame string) Receipt {
			id := string(controlID([]byte(frame)))
			return ReceiptFunc(func(context.Context) Answer {
				<-release
				return Answer{Frame: []byte(ack(id))}
			})
		}
		p := newPipes()
		stop := run(t, NewListener(Config{Limits: Limits{Pipeline: 4}}, h), p)
		nc := p.dial()
		go func() {
			for i := range 100 {
				if _, err := nc.Write([]byte(framed(message(fmt.Sprint(i))))); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		require.LessOrEqual(t, len(h.seen()), 4+2, "four in the queue, one waited for, one at the door")
		close(release)
		r := bufio.NewReader(nc)
		for i := range 100 {
			require.Equal(t, ack(fmt.Sprint(i)), answer(t, r))
		}
		nc.Close()
		stop()
	})
}

func TestAnAnswerMayCloseTheConnection(t *testing.T) {
	ln := listen(t)
	h := &recorder{accept: func(_ context.Context, frame string) Receipt {
		id := string(controlID([]byte(frame)))
		return Answer{Frame: []byte(ack(id)), Close: id == "2"}
	}}
	stop := run(t, NewListener(Config{}, h), ln)
	defer stop()
	nc := dialTCP(t, ln)
	defer nc.Close()
	send(t, nc, framed(message("1"))+framed(message("2"))+framed(message("3"))+strings.Repeat(framed(message("4")), 500))
	rest, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, framed(ack("1"))+framed(ack("2")), string(rest))
	require.Len(t, h.seen(), 2, "what stands behind it is not for us")
}

func TestNoAnswerIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			switch id := string(controlID([]byte(frame))); id {
			case "1":
				return nil
			case "2":
				return Answer{}
			default:
				return Answer{Frame: []byte(ack(id))}
			}
		}}
		p := newPipes()
		stop := run(t, NewListener(Config{}, h), p)
		nc := p.dial()
		send(t, nc, framed(message("1"))+framed(message("2"))+framed(message("3")))
		require.Equal(t, ack("3"), answer(t, bufio.NewReader(nc)))
		nc.Close()
		stop()
	})
}

// flaky fails to accept a few times.
type flaky struct {
	*pipes
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.pipes.Accept()
}

func TestAShortageOfDescriptorsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, &flaky{pipes: newPipes(), errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}
		l := NewListener(Config{}, h)
		stop := run(t, l, p)
		nc := p.dial()
		send(t, nc, framed(message("1")))
		require.Equal(t, ack("1"), answer(t, bufio.NewReader(nc)))
		require.Equal(t, int64(3), l.Counters().Failures.Load())
		nc.Close()
		stop()
	})
	l := NewListener(Config{}, &recorder{})
	err := l.Run(context.Background(), &flaky{pipes: newPipes(), errs: []error{syscall.EBADF}})
	require.ErrorIs(t, err, syscall.EBADF)
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	_, err := NewListener(Config{Address: taken.Addr().String()}, &recorder{}).Listen(context.Background())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Contains(t, err.Error(), taken.Addr().String())
	ln, err := NewListener(Config{Address: "127.0.0.1:0"}, &recorder{}).Listen(context.Background())
	require.NoError(t, err)
	ln.Close()
}
