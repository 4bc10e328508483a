package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
)

// oddReceiver answers each message as it is told: with the answers that say gives
// for a control id, or, where it gives nil, with the end of the connection.
func oddReceiver(t *testing.T, say func(id string) []string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveOddly(conn, say)
		}
	}()
	return l.Addr().String()
}

func serveOddly(conn net.Conn, say func(id string) []string) {
	defer conn.Close()
	r := mllp.NewReader(conn, mllp.ReaderConfig{})
	defer r.Release()
	for {
		message, err := r.Next()
		if err != nil {
			return
		}
		answers := say(strings.Split(string(message), "|")[9])
		if answers == nil {
			return
		}
		for _, a := range answers {
			if _, err := conn.Write(mllp.AppendFrame(nil, []byte(a))); err != nil {
				return
			}
		}
	}
}

func answering(code, id string) string {
	return "MSH|^~\\&|||||||ACK|1|P|2.6\rMSA|" + code + "|" + id + "\r"
}

// sent gives the report about messages with the control ids 1 to n.
func sent(t *testing.T, f sendFlags, n int) sendReport {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "MSH|^~\\&|A|B|C|D|20260502||ORU^R01|%d|P|2.6\nOBX|1\n", i+1)
	}
	if f.connections = max(f.connections, 1); f.timeout == 0 {
		f.timeout = time.Minute
	}
	s, err := newSending(f, []byte(text.String()))
	require.NoError(t, err)
	if err := s.run(t.Context(), io.Discard); err != nil {
		s.note(notSent, "", 0, err)
	}
	return s.report()
}

func TestEachAnswerCountsForItsOwnMessage(t *testing.T) {
	t.Parallel()
	const short, soon = 200 * time.Millisecond, time.Minute
	for name, c := range map[string]struct {
		say       func(id string) []string
		timeout   time.Duration
		fates     map[string]int
		unmatched int64
	}{
		"all accepted":  {func(id string) []string { return []string{answering("AA", id)} }, 0, map[string]int{"accepted": 3}, 0},
		"committed":     {func(id string) []string { return []string{answering("CA", id)} }, 0, map[string]int{"accepted": 3}, 0},
		"not now":       {func(id string) []string { return []string{answering("AE", id)} }, 0, map[string]int{"not_now": 3}, 0},
		"never":         {func(id string) []string { return []string{answering("CR", id)} }, 0, map[string]int{"rejected": 3}, 0},
		"an odd code":   {func(id string) []string { return []string{answering("OK", id)} }, 0, map[string]int{"odd_answer": 3}, 0},
		"no answer":     {func(string) []string { return []string{} }, short, map[string]int{"no_answer": 3}, 0},
		"another id":    {func(id string) []string { return []string{answering("AA", id+"0")} }, short, map[string]int{"no_answer": 3}, 3},
		"answered late": {lateOnce(), short, map[string]int{"no_answer": 1, "accepted": 2}, 1},
		"answered twice": {func(id string) []string { return []string{answering("AA", id), answering("AA", id)} }, 0,
			map[string]int{"accepted": 3}, 3},
		"cut off once": {endsOnce(), 0, map[string]int{"cut_off": 1, "accepted": 2}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sent(t, sendFlags{to: oddReceiver(t, c.say), timeout: c.timeout}, 3)
			for patience := 4 * c.timeout; c.timeout > 0 && patience < soon && !maps.Equal(c.fates, r.Fates); patience *= 4 {
				r = sent(t, sendFlags{to: oddReceiver(t, c.say), timeout: patience}, 3) // a machine may be too slow for less
			}
			require.Equal(t, c.fates, r.Fates)
			require.LessOrEqual(t, r.Unmatched, c.unmatched)
			require.GreaterOrEqual(t, r.Unmatched, c.unmatched-1, "the last may come when nobody listens any more")
			require.Equal(t, r.Fates["accepted"] == 3, r.verdict() == nil)
		})
	}
}

// lateOnce answers the first message when the second has come, before that one.
func lateOnce() func(string) []string {
	return func(id string) []string {
		switch id {
		case "1":
			return []string{}
		case "2":
			return []string{answering("AE", "1"), answering("AA", "2")}
		}
		return []string{answering("AA", id)}
	}
}

// endsOnce ends the connection on the first message.
func endsOnce() func(string) []string {
	return func(id string) []string {
		if id == "1" {
			return nil
		}
		return []string{answering("AA", id)}
	}
}

func TestMessagesGoOutAtTheirRate(t *testing.T) {
	t.Parallel()
	to := oddReceiver(t, func(id string) []string { return []string{answering("AA", id)} })
	r := sent(t, sendFlags{to: to, rate: 100, count: 31, connections: 3}, 31)
	require.Equal(t, 31, r.Fates["accepted"])
	require.GreaterOrEqual(t, r.Seconds, 0.3, "faster than it was told")
	require.LessOrEqual(t, r.P50, r.P99)
	require.LessOrEqual(t, r.P99, r.Max)
}

func TestMessagesThatAskForNoAnswerAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	to := oddReceiver(t, func(string) []string { return []string{} })
	s, err := newSending(sendFlags{to: to, connections: 1, timeout: time.Minute}, []byte(
		"MSH|^~\\&|A|B|C|D|20260502||ORU^R01|1|P|2.6|||NE|NE\rMSH|^~\\&|A|B|C|D|20260502||ACK|2|P|2.6\rMSA|AA|1\r"))
	require.NoError(t, err)
	require.NoError(t, s.run(t.Context(), io.Discard))
	r := s.report()
	require.Equal(t, map[string]int{"unasked": 2}, r.Fates)
	require.NoError(t, r.verdict())
}

func TestWhoIsInterruptedHearsHowFarItCame(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	to := oddReceiver(t, func(id string) []string {
		if id == "3" {
			cancel()
		}
		return []string{answering("AA", id)}
	})
	var text strings.Builder
	for i := range 5 {
		fmt.Fprintf(&text, "MSH|^~\\&|A|B|C|D|20260502||ORU^R01|%d|P|2.6\r", i+1)
	}
	s, err := newSending(sendFlags{to: to, connections: 1, timeout: time.Minute, count: 1_000_000}, []byte(text.String()))
	require.NoError(t, err)
	require.ErrorContains(t, s.run(ctx, io.Discard), "interrupted")
	r := s.report()
	require.GreaterOrEqual(t, r.Fates["accepted"], 2)
	require.Less(t, r.Messages, 10)
}
