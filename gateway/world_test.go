package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/uplink"
	"medfleet/profiles"
	"medfleet/record"
	"medfleet/spool"
)

var set = sync.OnceValue(func() *profiles.Set {
	s, err := profiles.Load("")
	if err != nil {
		panic(err)
	}
	return s
})

// centre is a collector that takes everything and can be down.
type centre struct {
	mu     sync.Mutex
	down   bool
	ahead  time.Duration // of the gateway's clock
	taken  []record.Envelope
	lines  []record.Line
	high   map[string]uint64 // by stream and epoch
	server *httptest.Server
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{high: map[string]uint64{}}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *centre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now().Add(c.ahead).UnixMilli()
	w.Header().Set(uplink.ClockHeader, fmt.Sprintf("%d %d", at, at))
	if c.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	z, err := zstd.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer z.Close()
	body, err := io.ReadAll(z)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	key := r.Header.Get("Medfleet-Stream") + r.Header.Get("Medfleet-Epoch")
	first, _ := strconv.ParseUint(r.Header.Get("Medfleet-First-Sequence"), 10, 64)
	for i := first; len(body) > 0; i++ {
		var framed []byte
		framed, body, err = record.NextFrame(body)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if i > c.high[key] {
			c.high[key] = i
			c.take(bytes.Clone(framed))
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *centre) take(framed []byte) {
	e, err := record.Parse(framed)
	if err != nil {
		return
	}
	var l record.Line
	if record.NewDecoder().Decode(e.Line, &l) == nil {
		c.taken, c.lines = append(c.taken, e), append(c.lines, l)
	}
}

func (c *centre) setDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// of gives the lines of a kind that have arrived.
func (c *centre) of(kind record.Kind) (list []record.Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.taken {
		if e.Kind == kind {
			list = append(list, c.lines[i])
		}
	}
	return list
}

// beats gives the lines of heartbeats that have arrived, of a measurement.
func (c *centre) beats(measurement string) []record.Line {
	return slices.DeleteFunc(c.of(record.Heartbeat), func(l record.Line) bool { return l.Measurement != measurement })
}

// edge is a gateway at work.
type edge struct {
	*Gateway
	t         *testing.T
	folder    string
	mqtt, hl7 string
	stop      func()
}

func startEdge(t *testing.T, c *centre, folder string, change ...func(*Options)) *edge {
	t.Helper()
	transport := &http.Transport{}
	o := Options{
		Config: Config{
			ID: "edge-1", Site: "north", DataDir: folder, Beat: 20 * time.Millisecond,
			MQTT: MQTTConfig{Listen: "127.0.0.1:0"}, Uplink: UplinkConfig{URL: c.server.URL, Token: "secret"},
		},
		Profiles: set(), Client: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler),
		MQTTAt: listen(t), HL7At: listen(t),
	}
	for _, c := range change {
		c(&o)
	}
	g, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	e := &edge{Gateway: g, t: t, folder: folder, mqtt: o.MQTTAt.Addr().String(), hl7: o.HL7At.Addr().String()}
	e.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(2 * soon):
			t.Error("the gateway does not end")
		}
		require.NoError(t, g.Close())
		transport.CloseIdleConnections()
	})
	t.Cleanup(func() { e.stop() })
	return e
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// letters reads the dead letters from the disk. The gateway has ended.
func (e *edge) letters() (list []string) {
	e.t.Helper()
	e.stop()
	log, err := spool.Open(filepath.Join(e.folder, "deadletters"), spool.Options{})
	require.NoError(e.t, err)
	defer log.Close()
	if log.Stats().Newest == 0 {
		return nil
	}
	reader, err := log.Reader("test")
	require.NoError(e.t, err)
	for newest := log.Stats().Newest; ; {
		records, _, err := reader.Read(e.t.Context(), 0, 0)
		require.NoError(e.t, err)
		for _, r := range records {
			list = append(list, string(r.Payload))
			if r.Sequence == newest {
				return list
			}
		}
	}
}

// written is every byte in the gateway's folder.
func (e *edge) written() (all []byte) {
	e.t.Helper()
	require.NoError(e.t, filepath.WalkDir(e.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	}))
	return all
}

// carries waits until the collector has what a spool holds now. Heartbeats come on.
func (e *edge) carries(stream string) {
	e.t.Helper()
	newest := e.Spool(stream).Newest
	e.eventually(func() bool {
		for _, r := range e.Spool(stream).Readers {
			if r.Name == uplinkReader {
				return r.Committed >= newest
			}
		}
		return false
	}, stream+" are not carried")
}

// waits gives what a spool holds that the collector has not.
func (e *edge) waits(stream string) uint64 {
	for _, r := range e.Spool(stream).Readers {
		if r.Name == uplinkReader {
			return r.Pending
		}
	}
	return 0
}
