package gateway

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/record"
)

// Input that means harm or comes from something broken: it is answered by the
// table, costs a bounded memory and holds up nobody.

// live is the heap that is in use when all garbage is gone.
func live() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// grown is how much a figure is above another, 0 if it is not.
func grown(from, to uint64) uint64 { return max(to, from) - from }

const mega = 1 << 20

func TestFramesWithoutEndTakeNoMoreMemoryThanIsSetAside(t *testing.T) {
	const senders = 96
	e := startEdge(t, newCentre(t), t.TempDir())
	before := live()
	unfinished := []byte("\x0b" + battery("1") + strings.Repeat("x", mega-4096))
	var conns []net.Conn
	var writing sync.WaitGroup
	for range senders {
		conn, err := net.Dial("tcp", e.hl7)
		require.NoError(t, err)
		defer conn.Close()
		conns = append(conns, conn)
		writing.Go(func() { _, _ = conn.Write(unfinished) }) // those that are refused end with an error
	}
	e.eventually(func() bool { return e.Counts().Refused.Load() > 0 }, "nobody is refused: there is no bound")
	after := grown(before, live())
	t.Logf("%d senders with a frame of 1 MiB without end: %.1f MiB live, %d refused", senders, float64(after)/mega, e.Counts().Refused.Load())
	require.LessOrEqual(t, after, uint64(80*mega))
	answers, closed := converse(t, e.hl7, "")
	require.Empty(t, answers)
	require.False(t, closed, "one that behaves is served all the same")
	for _, c := range conns {
		c.Close()
	}
	writing.Wait()
	e.eventually(func() bool { return grown(before, live()) < 8*mega }, "the memory does not come back")
}

// monsters are messages of a size that no device needs.
func monsters() map[string]struct{ message, answer string } {
	head := func(id string) string { return header("ORU^R01^ORU_R01", id) + "\r" }
	row := "OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|87|262688^MDC_DIM_PERCENT^MDC|||||R\r"
	device := "OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V-1\r"
	field := mega - 4096
	return map[string]struct{ message, answer string }{
		"9 998 segments":          {head("m1") + strings.Repeat(row, 9_997), "AA m1"},
		"10 001 segments":         {head("m2") + strings.Repeat("OBX|1\r", 10_000), "AA m2"},
		"a field of a megabyte":   {head("m3") + "OBX|1|ST|" + strings.Repeat("Q", field) + "\r", "AA m3"},
		"a million components":    {head("m4") + device + "OBX|1|ST|" + strings.Repeat("^", field) + "\r", "AA m4"},
		"a million repetitions":   {head("m5") + device + "OBX|1|CWE|67925^MDC_ATTR_POWER_STAT^MDC|1.0.0.1|" + strings.Repeat("~", field) + "\r", "AA m5"},
		"a million fields":        {head("m6") + device + "OBX" + strings.Repeat("|", field) + "\r", "AA m6"},
		"escapes without end":     {head("m7") + device + "PV1|1|I|" + strings.Repeat(`\X41\`, field/5) + "\r", "AA m7"},
		"9 000 devices":           {head("m8") + strings.Repeat(device, 9_000), "AA m8"},
		"lines that are none":     {head("m9") + strings.Repeat("q\r", field/2), "AA m9"},
		"a charset of two bytes":  {strings.Replace(head("m10"), "\r", "||||||GB 18030-2000\r", 1) + "OBX|1|ST|" + strings.Repeat("\x81\x40", field/2) + "\r", "AA m10"},
		"a million empty lines":   {head("m11") + strings.Repeat("\r\n", field/2) + device, "AA m11"},
		"a header and no ending":  {strings.TrimSuffix(head("m12"), "\r") + strings.Repeat("|", field), "AA m12"},
		"profiles without end":    {strings.TrimSuffix(head("m13"), "\r") + "|||||||||" + strings.Repeat("^^1.2~", field/6) + "\r", "AA m13"},
		"unknown codes, each new": {head("m14") + device + unknownCodes(8_000), "AA m14"},
	}
}

func unknownCodes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("OBX|1|NM|" + strconv.Itoa(68_000+i) + "^MDC_ATTR_QUINTERO_" + strconv.Itoa(i) + "^MDC|1.0.0.1|1||||||R\r")
	}
	return b.String()
}

func TestMonstersAreAnsweredAndLeaveNothingBehind(t *testing.T) {
	for name, m := range monsters() {
		t.Run(name, func(t *testing.T) {
			e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) { o.Beat = Beat }) // none while it is counted
			client := dial(t, e.hl7)
			send := func() {
				answer, err := client.Send(t.Context(), []byte(m.message))
				require.NoError(t, err)
				require.Equal(t, m.answer, code(answer))
			}
			send()
			send() // what is set up once and then used again; a sender that speaks often keeps its buffer
			var from, to runtime.MemStats
			before := live()
			runtime.ReadMemStats(&from)
			const times = 2
			for range times {
				send()
			}
			runtime.ReadMemStats(&to)
			allocated := (to.TotalAlloc - from.TotalAlloc) / times
			after := grown(before, live())
			t.Logf("%d bytes: %.1f MiB allocated for each, %.1f MiB live after", len(m.message), float64(allocated)/mega, float64(after)/mega)
			require.Less(t, allocated, uint64(10*mega))
			require.Less(t, after, uint64(2*mega))
		})
	}
}

// slowEdge is a listener as the gateway's, but in more of a hurry.
func slowEdge(t *testing.T, e *edge, c mllp.Config, handler mllp.Handler) (address string, l *mllp.Listener) {
	t.Helper()
	l, ln := mllp.NewListener(c, handler), listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, ln) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	return ln.Addr().String(), l
}

func (e *edge) handler() *hl7Feed {
	h, err := newHL7Keeper(e.keeper, e.dead, e.Counts(), HL7Config{}, set(), "north", "edge-1")
	require.NoError(e.t, err)
	return newHL7Feed(h, "")
}

// TestASenderOfOneByteNowAndThenIsCutOff is the sender of one byte each nine
// seconds where a frame may take thirty, a hundred times as fast.
func TestASenderOfOneByteNowAndThenIsCutOff(t *testing.T) {
	const frameTime = 300 * time.Millisecond
	e := startEdge(t, newCentre(t), t.TempDir())
	address, l := slowEdge(t, e, mllp.Config{Limits: mllp.Limits{FrameTimeout: frameTime}}, e.handler())
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	ended, began := make(chan struct{}), time.Now()
	go func() {
		defer close(ended)
		for _, c := range []byte("\x0b" + battery("1")) {
			if _, err := conn.Write([]byte{c}); err != nil {
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(frameTime * 9 / 30):
			}
		}
	}()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
	_, err = io.ReadAll(conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is never cut off")
	require.GreaterOrEqual(t, time.Since(began), frameTime)
	require.Equal(t, int64(1), l.Counters().Slow.Load())
	conn.Close()
	<-ended
	letters := e.letters()
	require.Len(t, letters, 1)
	require.Contains(t, letters[0], "not complete in time")
}

// brittle is a reader with a fault of its own.
type brittle struct{ *hl7Feed }

func (b brittle) Accept(ctx context.Context, from mllp.Peer, frame []byte) mllp.Receipt {
	if bytes.Contains(frame, []byte("|boom|")) {
		panic("Quintero")
	}
	return b.hl7Feed.Accept(ctx, from, frame)
}

func TestAMessageThatBreaksTheParserCostsNoOther(t *testing.T) {
	centre := newCentre(t)
	e := startEdge(t, centre, t.TempDir())
	address, _ := slowEdge(t, e, mllp.Config{}, brittle{e.handler()})
	answers, closed := converse(t, address, frame(battery("1"), battery("boom"), battery("2"), battery("boom"), battery("3")))
	require.Equal(t, []string{"AA 1", "AR boom", "AA 2", "AR boom", "AA 3"}, answers)
	require.False(t, closed)
	require.Eventually(t, func() bool { return len(centre.of(record.Observation)) == 4 }, soon, time.Millisecond)
	letters := e.letters()
	require.Len(t, letters, 2)
	require.Contains(t, letters[0], "panicked")
	require.NotContains(t, string(e.written()), "Quintero")
}

// idleEnv names how many connections stand idle; 10000 is the size of a soak.
const idleEnv = "MEDFLEET_IDLE_CONNECTIONS"

func TestConnectionsThatSayNothingHoldUpNobody(t *testing.T) {
	n := 400
	if v := os.Getenv(idleEnv); v != "" {
		var err error
		n, err = strconv.Atoi(v)
		require.NoError(t, err, idleEnv)
	}
	e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) { o.HL7.MaxConnections = n + 2 })
	before := live()
	for i := range n {
		conn, err := net.Dial("tcp", e.hl7)
		require.NoError(t, err, "connection %d", i)
		defer conn.Close()
		switch i % 3 {
		case 1: // half a frame
			_, err = io.WriteString(conn, "\x0bMSH|^~\\&|")
		case 2: // half-open: it will never read, and says that it sends no more
			_, err = io.WriteString(conn, frame(vitals("1")))
			require.NoError(t, err)
			err = conn.(*net.TCPConn).CloseWrite()
		}
		require.NoError(t, err)
	}
	e.eventually(func() bool { return e.Counts().Nothing.Load() == uint64(n/3) }, "not all that was said was heard")
	answers, closed := converse(t, e.hl7, frame(battery("1")))
	require.Equal(t, []string{"AA 1"}, answers)
	require.False(t, closed)
	each := grown(before, live()) / uint64(n)
	t.Logf("%d connections that say nothing, half of something, or no more: %d bytes live for each", n, each)
	require.Less(t, each, uint64(32<<10))
}

func TestASenderThatSaysNoMoreStillHasItsAnswers(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	conn, err := net.Dial("tcp", e.hl7)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	_, err = io.WriteString(conn, frame(battery("1"), battery("2")))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "AA 1, AA 2", codesOf(all))
}
