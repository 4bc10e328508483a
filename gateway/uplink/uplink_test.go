package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet/gateway/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long what must come is waited for: long, since a machine may be slow, and
// it costs nothing where it comes.
const soon = time.Minute

// spool is a source of records "r1\n", "r2\n", … from sequence 1, in batches of
// ten. It goes on behind what was delivered.
type spool struct {
	mu        sync.Mutex
	records   []string
	delivered uint64
	rejected  map[uint64]string
	unkept    int // how often Reject fails
	done      chan struct{}
	check     func(delivered uint64) // called before a delivery is believed
}

func newSpool(n int, bad ...int) *spool {
	s := &spool{rejected: map[uint64]string{}, done: make(chan struct{})}
	for i := range n {
		s.records = append(s.records, fmt.Sprintf("r%d\n", i+1))
	}
	for _, i := range bad {
		s.records[i-1] = fmt.Sprintf("bad%d\n", i)
	}
	return s
}

func (s *spool) Next(ctx context.Context) (uplink.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delivered == uint64(len(s.records)) {
		close(s.done)
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return uplink.Batch{}, ctx.Err()
	}
	b := uplink.Batch{Epoch: 0xabc, First: s.delivered + 1}
	for i := s.delivered; i < min(uint64(len(s.records)), s.delivered+10); i++ {
		b.Records = append(b.Records, []byte(s.records[i]))
	}
	return b, nil
}

func (s *spool) Delivered(sequence uint64) error {
	if s.check != nil {
		s.check(sequence)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered = sequence
	return nil
}

func (s *spool) Reject(sequence uint64, framed []byte, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unkept > 0 {
		s.unkept--
		return errors.New("disk full")
	}
	s.rejected[sequence] = strings.TrimSpace(string(framed)) + ": " + reason
	return nil
}

// collector takes records as the real one does: all of a batch or none, each once.
// Before that it goes through its faults, one per request.
type collector struct {
	mu       sync.Mutex
	high     uint64
	taken    []string
	repeated int
	faults   []http.HandlerFunc
	requests int
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	var fault http.HandlerFunc
	if len(c.faults) > 0 {
		fault, c.faults = c.faults[0], c.faults[1:]
	}
	c.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	c.take(w, r)
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	z, _ := zstd.NewReader(r.Body)
	defer z.Close()
	body, err := io.ReadAll(z)
	if err != nil {
		refuse(http.StatusBadRequest)(w, r)
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if strings.Contains(string(body), "bad") {
		refuse(http.StatusUnprocessableEntity)(w, r)
		return
	}
	first, _ := strconv.ParseUint(r.Header.Get("Medfleet-First-Sequence"), 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, line := range lines {
		if first+uint64(i) <= c.high {
			c.repeated++
			continue
		}
		c.taken, c.high = append(c.taken, line), first+uint64(i)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.taken...)
}

// refuse answers in the collector's own words.
func refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code":"unprocessable entity","message":"nothing is taken: record 1","lines":[%s1]}`, strings.Repeat("1,", 3000))
	}
}

// answer gives a status in somebody else's words.
func answer(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "something in the way")
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func carry(t *testing.T, s *spool, c http.Handler) *uplink.Stream {
	t.Helper()
	return carryWithin(t, s, c, soon)
}

// carryWithin carries with so much patience for an answer.
func carryWithin(t *testing.T, s *spool, c http.Handler, patience time.Duration) *uplink.Stream {
	t.Helper()
	server := httptest.NewServer(c)
	transport := &http.Transport{}
	stream, err := uplink.New(uplink.Options{
		URL: server.URL, Gateway: "edge-1", Token: "secret", Stream: "telemetry", Type: "application/x-test",
		Client: &http.Client{Transport: transport, Timeout: patience}, Log: slog.New(slog.DiscardHandler),
		Backoff: uplink.Backoff{First: time.Millisecond, Most: 4 * time.Millisecond},
	}, s)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		transport.CloseIdleConnections()
		server.Close()
	})
	return stream
}

func (s *spool) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(soon):
		t.Fatal("not everything was delivered")
	}
}

func names(n int, without ...int) []string {
	var list []string
next:
	for i := 1; i <= n; i++ {
		for _, w := range without {
			if w == i {
				continue next
			}
		}
		list = append(list, "r"+strconv.Itoa(i))
	}
	return list
}

func TestWhateverGoesWrongEveryRecordArrivesOnceAndInOrder(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"nothing goes wrong":                     nil,
		"500":                                    answer(500),
		"503 with a wait":                        answer(503, "Retry-After", "0"),
		"429":                                    answer(429),
		"401":                                    answer(401),
		"403":                                    answer(403),
		"404":                                    answer(404),
		"415":                                    answer(415),
		"cut before an answer":                   cut,
		"400 of a port that wants TLS":           answer(400, "Content-Type", "text/plain; charset=utf-8"),
		"422 of a proxy":                         answer(422, "Content-Type", "text/html"),
		"413 of a proxy":                         answer(413, "Content-Type", "text/html"),
		"200 of a proxy's login page":            answer(200, "Content-Type", "text/html; charset=utf-8"),
		"a redirect that would end in a GET":     answer(302, "Location", "/login"),
		"a redirect that would keep the content": answer(307, "Location", "/login"),
		"100 bytes of nonsense":                  answer(599),
		"a refusal of what is good, in JSON":     answer(400, "Content-Type", "application/json"),
	} {
		t.Run(name, func(t *testing.T) {
			c := &collector{}
			if fault != nil {
				c.faults = []http.HandlerFunc{fault, fault, fault}
			}
			s := newSpool(25)
			s.check = func(delivered uint64) {
				c.mu.Lock()
				defer c.mu.Unlock()
				if delivered > c.high {
					t.Errorf("%d was taken for delivered; the collector has %d", delivered, c.high)
				}
			}
			stream := carry(t, s, c)
			s.wait(t)
			require.Equal(t, names(25), c.all())
			require.Empty(t, s.rejected)
			require.Equal(t, uint64(25), stream.Counts().Records.Load())
			if fault != nil {
				require.NotZero(t, stream.Counts().Attempts.Load()-stream.Counts().Batches.Load(), "void: the fault was never met")
			}
		})
	}
}

func TestWhatIsTakenWithoutAnAnswerIsSentAgainAndCountsOnce(t *testing.T) {
	c := &collector{}
	quiet := func(w http.ResponseWriter, r *http.Request) { c.take(httptest.NewRecorder(), r); cut(w, r) }
	hang := func(w http.ResponseWriter, r *http.Request) { c.take(httptest.NewRecorder(), r); <-r.Context().Done() }
	torn := func(w http.ResponseWriter, r *http.Request) {
		c.take(httptest.NewRecorder(), r)
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		cutFlushed(w)
	}
	c.faults = []http.HandlerFunc{quiet, hang, torn}
	s := newSpool(10)
	carryWithin(t, s, c, 500*time.Millisecond)
	s.wait(t)
	require.Equal(t, names(10), c.all())
	require.GreaterOrEqual(t, c.repeated, 30, "each of the three was sent again")
}

func cutFlushed(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestTheOneBadRecordIsPutAsideAndTheOthersGoOn(t *testing.T) {
	for name, bad := range map[string][]int{
		"the first": {1}, "the last": {25}, "in the middle": {7}, "several": {3, 4, 18}, "a whole batch": {11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
	} {
		t.Run(name, func(t *testing.T) {
			c := &collector{}
			s := newSpool(25, bad...)
			stream := carry(t, s, c)
			s.wait(t)
			require.Equal(t, names(25, bad...), c.all())
			require.Zero(t, c.repeated)
			require.Len(t, s.rejected, len(bad))
			for _, i := range bad {
				require.Equal(t, fmt.Sprintf("bad%d: nothing is taken: record 1", i), s.rejected[uint64(i)])
			}
			require.Equal(t, uint64(len(bad)), stream.Counts().Rejected.Load())
		})
	}
}

func TestEachRefusalOfContentIsUnderstood(t *testing.T) {
	for _, status := range []int{400, 413, 422} {
		c := &collector{}
		s := newSpool(1)
		c.faults = []http.HandlerFunc{refuse(status)}
		carry(t, s, c)
		s.wait(t)
		require.Len(t, s.rejected, 1, "%d", status)
		require.Empty(t, c.all())
	}
}

func TestARecordThatCannotBePutAsideIsNotPassedBy(t *testing.T) {
	c := &collector{}
	s := newSpool(3, 2)
	s.unkept = 3
	carry(t, s, c)
	s.wait(t)
	require.Len(t, s.rejected, 1)
	require.Equal(t, names(3, 2), c.all())
}

func TestASmallLimitOnTheWayIsMetWithSmallerBatches(t *testing.T) {
	c := &collector{}
	narrow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 30 {
			answer(413)(w, r)
			return
		}
		c.ServeHTTP(w, r)
	})
	s := newSpool(10)
	carry(t, s, narrow)
	s.wait(t)
	require.Equal(t, names(10), c.all())
	require.Empty(t, s.rejected)
	require.Greater(t, c.requests, 1, "void: everything fitted into one")
}

func TestARecordTooLargeForTheWayIsKept(t *testing.T) {
	c := &collector{faults: []http.HandlerFunc{answer(413), answer(413), answer(413)}}
	s := newSpool(1)
	carry(t, s, c)
	s.wait(t)
	require.Equal(t, names(1), c.all())
	require.Empty(t, s.rejected)
}

func TestTheCollectorIsToldWhoseRecordsTheyAre(t *testing.T) {
	got := make(chan http.Header, 1)
	s := newSpool(1)
	carry(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		w.WriteHeader(http.StatusNoContent)
	}))
	s.wait(t)
	h := <-got
	for key, want := range map[string]string{
		"Authorization": "Bearer secret", "Medfleet-Gateway": "edge-1", "Medfleet-Stream": "telemetry", "Medfleet-Epoch": "abc",
		"Medfleet-First-Sequence": "1", "Content-Type": "application/x-test", "Content-Encoding": "zstd",
	} {
		require.Equal(t, want, h.Get(key), key)
	}
}

func TestAnAddressThatIsNoneIsRefusedAtOnce(t *testing.T) {
	for _, url := range []string{"", "localhost", "127.0.0.1:8080", "://x"} {
		_, err := uplink.New(uplink.Options{URL: url}, newSpool(0))
		require.ErrorContains(t, err, "http://host:port", "%q", url)
	}
}
