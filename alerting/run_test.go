package alerting_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting/internal/testdb"
	"medfleet/alerting/paging"
)

// lines gathers what is written, and may be read meanwhile.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestPagesReachPeople(t *testing.T) {
	s := newStory(t, testdb.SQLite(t))
	console, posted := &lines{}, &lines{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(posted, "%s %s\n", r.Header.Get(paging.PageHeader), b)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	s.o.Console = console
	s.o.Channels = []paging.ChannelConfig{{Name: "console", Kind: paging.Console}, {Name: "hook", Kind: paging.Webhook, URL: paging.Secret(server.URL), Priorities: []medfleet.Priority{medfleet.Now}}}
	s.o.Quicken = 60
	s.start()

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.e.Run(ctx) }()
	s.says(0, "VENT-1", 50, "device_failure", "battery_fault")
	s.says(time.Second, "VENT-1", 50, "device_failure", "battery_fault")
	s.commit()
	s.says(2*time.Second, "VENT-1", 50, "battery_fault")
	s.says(3*time.Second, "VENT-1", 50, "battery_fault")
	s.commit()
	require.Eventually(t, func() bool { return s.count(`SELECT COUNT(*) FROM pages WHERE state = 'sent'`) == 5 }, time.Minute, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)

	require.Equal(t, 2, strings.Count(console.String(), " raised "))
	require.Equal(t, 1, strings.Count(console.String(), " cleared CLEARED ICU: VENT-1 fails."))
	require.Equal(t, 2, strings.Count(posted.String(), "\n"), "the webhook takes what is urgent only")
	require.Contains(t, posted.String(), `"status":"firing"`)
	require.Contains(t, posted.String(), `"status":"resolved"`)
	pages, _, err := s.e.Pages(t.Context(), 0, "")
	require.NoError(t, err)
	for _, p := range pages {
		require.Contains(t, console.String()+posted.String(), p.ID, "the receiver can tell a repeat")
	}
}

// BenchmarkFlush raises 100 alarms that page, in one transaction, without syncing
// to the disk.
func BenchmarkFlush(b *testing.B) {
	s := newStory(b, testdb.Open(b, filepath.Join(b.TempDir(), "state.db"), "OFF"))
	n := 0
	for b.Loop() {
		for range 100 {
			n++
			s.says(time.Duration(n)*time.Second, medfleet.DeviceID(fmt.Sprint("VENT-", n)), 50, "battery_fault")
		}
		s.commit()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/alarm")
}
