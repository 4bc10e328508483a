package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/api/stream"
)

func quickStream() stream.Options {
	return stream.Options{Interval: 10 * time.Millisecond, Beat: 30 * time.Millisecond, Recheck: 30 * time.Millisecond}
}

// dial connects to the live stream, or gives the answer that refused it.
func (s *served) dial(headers http.Header) (*websocket.Conn, *http.Response) {
	s.t.Helper()
	conn, answer, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/api/v1/stream", headers)
	if err != nil {
		require.ErrorIs(s.t, err, websocket.ErrBadHandshake)
		return nil, answer
	}
	answer.Body.Close()
	s.t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	return conn, answer
}

type liveFrame struct {
	Type    string            `json:"type"`
	Devices []medfleet.Device `json:"devices"`
	Alarms  []medfleet.Alarm  `json:"alarms"`
}

func nextOf(t *testing.T, conn *websocket.Conn, kind string) liveFrame {
	t.Helper()
	for {
		var f liveFrame
		require.NoError(t, conn.ReadJSON(&f))
		if f.Type == kind {
			return f
		}
	}
}

func TestLiveStreamOfTheReaders(t *testing.T) {
	w := fleet(3)
	now := medfleet.AsMillis(time.Now())
	for i := range 1200 { // more open ones than one list holds
		w.alarms = append(w.alarms, medfleet.Alarm{ID: "open-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), State: medfleet.Active})
	}
	w.alarms = append(w.alarms,
		medfleet.Alarm{ID: "fresh", State: medfleet.Cleared, ChangedAt: now.Add(-time.Minute)},
		medfleet.Alarm{ID: "stale", State: medfleet.Cleared, ChangedAt: now.Add(-time.Hour)})
	o := testOptions(t, w)
	o.Stream = quickStream()
	s := serve(t, o)
	conn, _ := s.dial(http.Header{"Origin": {s.url}})
	nextOf(t, conn, "hello")
	require.NoError(t, conn.WriteJSON(map[string]string{"type": "snapshot"}))
	f := nextOf(t, conn, "snapshot")
	require.Len(t, f.Devices, 3)
	require.Len(t, f.Alarms, 1201)
	require.Equal(t, "fresh", f.Alarms[1200].ID)

	d := w.devices["pump-001"]
	d.State = medfleet.Off
	w.put(d)
	s.Changed(medfleet.Change{Kind: medfleet.DeviceChanged, ID: "pump-001"})
	f = nextOf(t, conn, "delta")
	require.Equal(t, medfleet.Off, f.Devices[0].State)

	s.Changed(medfleet.Change{Kind: medfleet.AlarmChanged, ID: "never-was"})
	s.Changed(medfleet.Change{Kind: medfleet.AlarmChanged, ID: "fresh"})
	for f = nextOf(t, conn, "delta"); len(f.Alarms) == 0; {
		f = nextOf(t, conn, "delta")
	}
	require.Equal(t, "fresh", f.Alarms[0].ID)
}

func TestWhoMayFollowLive(t *testing.T) {
	o := testOptions(t, newWard())
	tokens := testTokens(t)
	o.Auth = tokens
	o.Stream = quickStream()
	s := serve(t, o)
	bearer := func(r medfleet.Role) http.Header { return http.Header{"Authorization": {"Bearer " + secretOf(r)}} }
	refused := func(k kind, h http.Header) {
		t.Helper()
		conn, answer := s.dial(h)
		require.Nil(t, conn)
		require.Equal(t, k.status, answer.StatusCode)
		require.Equal(t, problemType, answer.Header.Get("Content-Type"))
		answer.Body.Close()
	}
	refused(kindUnauthenticated, nil)
	refused(kindForbidden, bearer(medfleet.RoleNone))
	foreign := bearer(medfleet.RoleAdmin)
	foreign.Set("Origin", "http://evil.example")
	refused(kindCrossOrigin, foreign)
	problemOf(t, s.get("/api/v1/stream", "Authorization", "Bearer "+secretOf(medfleet.RoleViewer)), kindMalformed)

	conn, _ := s.dial(bearer(medfleet.RoleViewer))
	nextOf(t, conn, "hello")
	require.NoError(t, conn.WriteJSON(map[string]string{"type": "snapshot"}))
	nextOf(t, conn, "beat")
	require.NoError(t, tokens.Replace(nil))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			require.True(t, websocket.IsCloseError(err, websocket.ClosePolicyViolation), "cut off: %v", err)
			return
		}
	}
}
