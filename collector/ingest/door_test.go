package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
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

	"medfleet"
	"medfleet/collector/ingest"
	"medfleet/profiles"
	"medfleet/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is a log in memory. It refuses what the real one refuses.
type journal struct {
	mu      sync.Mutex
	records [][]byte
	err     error
	calls   int
}

const journalQueue = 8 << 20

func (j *journal) Append(_ context.Context, records ...[]byte) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls++
	size := 0
	for _, r := range records {
		size += len(r) + 64
	}
	switch {
	case j.err != nil:
		return 0, j.err
	case len(records) == 0, size > journalQueue:
		return 0, errors.New("the journal does not take that at once")
	}
	for _, r := range records {
		j.records = append(j.records, bytes.Clone(r))
	}
	return uint64(len(j.records)), nil
}

func (j *journal) newest() uint64 { return uint64(len(j.records)) }

// keys tells of each record whose it is.
func (j *journal) keys(t testing.TB) []string {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	list := []string{}
	for _, r := range j.records {
		e, err := record.Parse(r)
		require.NoError(t, err)
		k := string(e.Gateway) + "/" + string(e.Stream) + "/" + strconv.FormatUint(e.Epoch, 16) + "/" + strconv.FormatUint(e.Sequence, 10)
		if e.Flags&record.DuplicateSuspect != 0 {
			k += " suspect"
		}
		list = append(list, k)
	}
	return list
}

var set = sync.OnceValue(func() *profiles.Set {
	s, err := profiles.Load("")
	if err != nil {
		panic(err)
	}
	return s
})

// tokens are who is who: "edge-1" and "edge-2" are gateways, the others people.
func authenticate(r *http.Request) (medfleet.Principal, error) {
	switch token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); token {
	case "edge-1", "edge-2":
		return medfleet.Principal{Name: token, Gateway: token}, nil
	case "admin":
		return medfleet.Principal{Name: token, Role: medfleet.RoleAdmin}, nil
	case "bmet":
		return medfleet.Principal{Name: token, Role: medfleet.RoleBMET}, nil
	case "viewer":
		return medfleet.Principal{Name: token, Role: medfleet.RoleViewer}, nil
	}
	return medfleet.Principal{}, errors.New("nobody")
}

func openDoor(t testing.TB, j ingest.Journal, folder string) *ingest.Door {
	t.Helper()
	return ingest.New(ingest.Options{
		Journal: j, Profiles: set(), Site: "north", Authenticate: authenticate, Folder: folder, Log: slog.New(slog.DiscardHandler),
	})
}

// reply is an answer taken apart.
type reply struct {
	Status     int
	RetryAfter string
	Code       string `json:"code"`
	Message    string `json:"message"`
	Lines      []int  `json:"lines"`
}

func send(t testing.TB, d *ingest.Door, body io.Reader, target string, header ...string) reply {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	got := reply{Status: w.Code, RetryAfter: w.Header().Get("Retry-After")}
	if w.Code >= 300 {
		require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), w.Body.String())
		require.NotEmpty(t, got.Code)
		require.NotEmpty(t, got.Message)
	}
	return got
}

// batch is a gateway's batch on its way.
type batch struct {
	gateway, token, stream string
	epoch, first           uint64
	body                   []byte
}

func observation(charge float64) []byte {
	var e record.Encoder
	return e.Observation(nil, &medfleet.Observation{
		Equipment: medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Site: "north", Unit: "ICU"},
		Time:      1_790_000_000_000, Gateway: "edge-1", Readings: []medfleet.Reading{{Metric: "battery_charge", Value: charge}},
	})
}

func envelope(kind record.Kind, epoch, sequence uint64, line []byte) []byte {
	e := record.Envelope{Kind: kind, Epoch: epoch, Sequence: sequence, Received: 1_790_000_000_500, Gateway: []byte("edge-1"), Stream: []byte("telemetry"), Line: line}
	return e.Append(nil)
}

// newBatch has n observations from a sequence on.
func newBatch(epoch, first uint64, n int) batch {
	b := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: epoch, first: first}
	for i := range uint64(n) {
		b.body = record.AppendFrame(b.body, envelope(record.Observation, epoch, first+i, observation(float64((first+i)%100))))
	}
	return b
}

func (b batch) add(kind record.Kind, sequence uint64, line []byte) batch {
	b.body = record.AppendFrame(b.body, envelope(kind, b.epoch, sequence, line))
	return b
}

func (b batch) send(t testing.TB, d *ingest.Door) reply {
	t.Helper()
	return b.sendAs(t, d, b.body)
}

func (b batch) sendAs(t testing.TB, d *ingest.Door, body []byte, header ...string) reply {
	t.Helper()
	return send(t, d, bytes.NewReader(body), "/api/v2/write", append([]string{
		"Authorization", "Bearer " + b.token, "Content-Type", record.ContentType,
		"Medfleet-Gateway", b.gateway, "Medfleet-Stream", b.stream,
		"Medfleet-Epoch", strconv.FormatUint(b.epoch, 16), "Medfleet-First-Sequence", strconv.FormatUint(b.first, 10),
	}, header...)...)
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer z.Close()
	return z.EncodeAll(b, nil)
}

func TestWhoMayWrite(t *testing.T) {
	for name, c := range map[string]struct {
		token, gateway string
		want           int
	}{
		"a gateway as itself":             {"edge-1", "edge-1", 204},
		"a gateway as another":            {"edge-2", "edge-1", 403},
		"nobody":                          {"", "edge-1", 401},
		"a wrong token":                   {"edge-3", "edge-1", 401},
		"a viewer as a gateway":           {"viewer", "edge-1", 403},
		"a technician as a gateway":       {"bmet", "edge-1", 403},
		"an administrator as a gateway":   {"admin", "edge-1", 204},
		"a gateway with lines of its own": {"edge-1", "", 204},
		"a technician with lines":         {"bmet", "", 204},
		"a viewer with lines":             {"viewer", "", 403},
		"nobody with lines":               {"", "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			d := openDoor(t, j, t.TempDir())
			var got reply
			if c.gateway != "" {
				b := newBatch(1, 1, 2)
				b.token = c.token
				got = b.send(t, d)
			} else {
				got = send(t, d, strings.NewReader("infusion_pump,device=p1 battery_charge=5"), "/api/v2/write", "Authorization", "Bearer "+c.token)
			}
			require.Equal(t, c.want, got.Status, got.Message)
			require.Equal(t, c.want == 204, len(j.records) > 0, "what is refused leaves no trace")
		})
	}
}

func TestBodiesAreBoundedBeforeAndAfterTheyAreUnpacked(t *testing.T) {
	zeros := make([]byte, 80<<20)
	good := newBatch(1, 1, 3)
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		want     int
	}{
		"plain":                      {good.body, "", 204},
		"identity":                   {good.body, "identity", 204},
		"gzip":                       {zipped(t, good.body), "gzip", 204},
		"zstd":                       {zstded(t, good.body), "zstd", 204},
		"another packing":            {good.body, "br", 415},
		"not gzip":                   {good.body, "gzip", 400},
		"not zstd":                   {good.body, "zstd", 400},
		"gzip cut off":               {zipped(t, good.body)[:40], "gzip", 400},
		"zstd cut off":               {zstded(t, good.body)[:40], "zstd", 400},
		"a record cut off":           {good.body[:len(good.body)-1], "", 400},
		"empty gzip":                 {nil, "gzip", 400},
		"a gzip bomb":                {zipped(t, zeros), "gzip", 413},
		"a zstd bomb":                {zstded(t, zeros), "zstd", 413},
		"too much as it comes":       {make([]byte, 17<<20), "", 413},
		"more than the journal does": {newBatch(1, 1, 40_000).body, "", 413},
		"too many records":           {bytes.Repeat([]byte{0}, 60_000), "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			d := openDoor(t, j, t.TempDir())
			got := good.sendAs(t, d, c.body, "Content-Encoding", c.encoding)
			require.Equal(t, c.want, got.Status, got.Message)
			if c.want != 204 {
				require.Empty(t, j.records)
				require.Equal(t, 204, good.send(t, d).Status, "the sender tries again with what is good")
			}
			require.Len(t, j.records, 3)
		})
	}
}

func TestARecordThatIsHugeIsTheOnlyOneRefused(t *testing.T) {
	j := &journal{}
	b := newBatch(1, 1, 1)
	b = b.add(record.Observation, 2, append(observation(1), make([]byte, 300<<10)...))
	got := b.send(t, openDoor(t, j, t.TempDir()))
	require.Equal(t, 422, got.Status)
	require.Equal(t, []int{2}, got.Lines)
	require.Empty(t, j.records)
}

func TestAJournalThatFailsIsToldAndNothingIsRemembered(t *testing.T) {
	j := &journal{err: errors.New("no space left on device /secret/path")}
	d := openDoor(t, j, t.TempDir())
	b := newBatch(1, 1, 3)
	got := b.send(t, d)
	require.Equal(t, 503, got.Status)
	require.NotEmpty(t, got.RetryAfter)
	require.NotContains(t, got.Message, "secret")
	require.Equal(t, uint64(1), d.Counts().Unkept.Load())
	got = send(t, d, strings.NewReader("infusion_pump,device=p1 battery_charge=5"), "/api/v2/write", "Authorization", "Bearer bmet")
	require.Equal(t, 503, got.Status)
	require.Empty(t, j.records)
	j.err = nil
	require.Equal(t, 204, b.send(t, d).Status)
	require.Equal(t, []string{"edge-1/telemetry/1/1", "edge-1/telemetry/1/2", "edge-1/telemetry/1/3"}, j.keys(t))
}

func TestASenderThatHangsUpLeavesNothingHalf(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	b := newBatch(1, 1, 3)
	got := send(t, d, io.MultiReader(bytes.NewReader(b.body[:len(b.body)/2]), failingReader{}), "/api/v2/write",
		"Authorization", "Bearer edge-1", "Medfleet-Gateway", "edge-1", "Medfleet-Stream", "telemetry", "Medfleet-Epoch", "1", "Medfleet-First-Sequence", "1")
	require.Equal(t, 400, got.Status)
	require.Empty(t, j.records)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A gateway measures its clock by it, so it comes with refusals too.
func TestEveryAnswerTellsTheClock(t *testing.T) {
	d := openDoor(t, &journal{}, t.TempDir())
	for _, token := range []string{"edge-1", "nobody"} {
		before := time.Now().UnixMilli()
		r := httptest.NewRequest(http.MethodPost, "/api/v2/write", strings.NewReader(""))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		came, went, _ := strings.Cut(w.Header().Get("Medfleet-Clock"), " ")
		first, err := strconv.ParseInt(came, 10, 64)
		require.NoError(t, err)
		last, err := strconv.ParseInt(went, 10, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, before, first)
		require.LessOrEqual(t, first, last)
		require.LessOrEqual(t, last, time.Now().UnixMilli())
	}
}
