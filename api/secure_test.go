package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestHeadersOnEverything(t *testing.T) {
	s := serve(t, fullOptions(t, newWard()))
	for _, path := range []string{"/", "/static/board.js", "/livez", "/api/v1/devices", "/api/v1/nothing", "/openapi.json"} {
		h := s.get(path).header
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'self'", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Empty(t, h.Get("Strict-Transport-Security"), path)
		require.Equal(t, strings.HasPrefix(path, "/api/"), h.Get("Cache-Control") == "no-store", path)
	}
}

func TestForeignPageMayNotAcknowledge(t *testing.T) {
	w := newWard()
	w.alarms = []medfleet.Alarm{{ID: "A1", State: medfleet.Active}}
	s := serve(t, testOptions(t, w))
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://evil.example"},
		{"Origin", "null"},
	} {
		problemOf(t, s.do("POST", "/api/v1/alarms/A1/ack", "{}", header...), kindCrossOrigin)
		require.Equal(t, medfleet.Active, w.alarms[0].State)
	}
	r := s.do("POST", "/api/v2/write", "x", "Origin", "http://evil.example")
	require.Equal(t, http.StatusForbidden, r.status)
	var influx map[string]string
	require.NoError(t, json.Unmarshal(r.body, &influx))
	require.Equal(t, "forbidden", influx["code"], "the write door speaks InfluxDB's form")

	read[medfleet.Alarm](t, s.do("POST", "/api/v1/alarms/A1/ack", "{}", "Origin", s.url, "Sec-Fetch-Site", "same-origin"))
	require.Equal(t, medfleet.Acknowledged, w.alarms[0].State)
}

func TestBodiesAreBounded(t *testing.T) {
	w := newWard()
	w.alarms = []medfleet.Alarm{{ID: "A1", State: medfleet.Active}}
	o := testOptions(t, w)
	wrote := 0
	o.Write = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := new(strings.Builder), error(nil)
		buf := make([]byte, 32<<10)
		for err == nil {
			var k int
			k, err = r.Body.Read(buf)
			n.Write(buf[:k])
		}
		wrote = n.Len()
		w.WriteHeader(http.StatusNoContent)
	})
	s := serve(t, o)
	big := `{"note":"` + strings.Repeat("x", 2*bodyLimit) + `"}`
	problemOf(t, s.do("POST", "/api/v1/alarms/A1/ack", big), kindTooLarge)
	p := problemOf(t, s.do("POST", "/api/v1/alarms/A1/ack", `{"note":"`+strings.Repeat("x", 501)+`"}`), kindInvalid)
	require.Equal(t, "body.note", p.Errors[0].Location)
	require.NotContains(t, p.Detail, "xxxx", "what was sent is not sent back")
	require.Equal(t, medfleet.Active, w.alarms[0].State)

	require.Equal(t, http.StatusNoContent, s.do("POST", "/api/v2/write", big).status)
	require.Equal(t, len(big), wrote, "the write door has bounds of its own")
}

func TestPanicIsAnsweredAndTold(t *testing.T) {
	o := testOptions(t, newWard())
	var told strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&told, nil))
	o.Board = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("SECRET") })
	s, err := New(o)
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/devices/x", nil)
	r.Header.Set("Authorization", "Bearer "+secretOf(medfleet.RoleViewer))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	p := problemOf(t, reply{w.Code, w.Header(), w.Body.Bytes()}, kindInternal)
	require.NotContains(t, p.Detail, "SECRET")
	require.Contains(t, told.String(), "SECRET")
	require.Contains(t, told.String(), "secure_test.go", "where it was")
}

func TestReaderThatFailsIsNotQuoted(t *testing.T) {
	w := fleet(1)
	w.alarms = []medfleet.Alarm{{ID: "A1", State: medfleet.Active}}
	o := testOptions(t, w)
	var told strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&told, nil))
	s := serve(t, o)
	w.fail(errors.New("password=SECRET refused by 10.0.0.3"))
	for _, path := range []string{
		"/api/v1/alarms", "/api/v1/alarms/A1", "/api/v1/pages", "/api/v1/devices/pump-000/events",
		"/api/v1/devices/pump-000/stretches", "/api/v1/devices/pump-000/history?metric=battery_charge",
	} {
		r := s.get(path)
		p := problemOf(t, r, kindUnavailable)
		require.NotContains(t, p.Detail, "SECRET", path)
		require.Equal(t, "5", r.header.Get("Retry-After"), path)
	}
	require.Contains(t, told.String(), "SECRET")
}
