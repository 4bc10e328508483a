package paging

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func notice(about string) *Notice {
	a := medfleet.Alarm{
		ID: "01EPISODE", Rule: "BatteryWearsOut", Device: "PUMP-1/2", Class: "infusion_pump", Site: "main", Unit: "ICU", Priority: medfleet.Today,
		Since: at("2026-11-02T01:14:00Z"), Summary: "battery", Action: "Replace it",
	}
	if about == AboutCleared {
		a.State, a.ClearedAt = medfleet.Cleared, at("2026-11-02T02:00:00Z")
	}
	return &Notice{Page: medfleet.Page{ID: "01PAGE", About: about, Text: "TODAY battery"}, Alarm: a}
}

// hook makes a webhook to a server with the given handler.
func hook(t *testing.T, h http.HandlerFunc) *webhook {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return newWebhook("pager", server.URL+"/S3CRET", Means{
		Client: &http.Client{Transport: transport, Timeout: time.Minute}, ExternalURL: "https://board.example.org/",
	})
}

func TestTheBodyIsAlertmanagersVersion4(t *testing.T) {
	for about, c := range map[string]struct{ status, ends string }{
		AboutRaised:  {"firing", "0001-01-01T00:00:00Z"},
		AboutCleared: {"resolved", "2026-11-02T02:00:00Z"},
	} {
		t.Run(about, func(t *testing.T) {
			var body []byte
			var header http.Header
			w := hook(t, func(_ http.ResponseWriter, r *http.Request) {
				header = r.Header
				body, _ = io.ReadAll(r.Body)
			})
			require.NoError(t, w.Notify(t.Context(), notice(about)))
			require.Equal(t, "01PAGE", header.Get(PageHeader))
			require.Equal(t, "application/json", header.Get("Content-Type"))
			var got map[string]any
			require.NoError(t, json.Unmarshal(body, &got))
			labels := map[string]any{"alertname": "BatteryWearsOut", "device": "PUMP-1/2", "class": "infusion_pump", "site": "main", "unit": "ICU", "priority": "today"}
			annotations := map[string]any{"summary": "battery", "description": "TODAY battery", "action": "Replace it", "episode": "01EPISODE"}
			require.Equal(t, map[string]any{
				"version": "4", "groupKey": `{}:{episode="01EPISODE"}`, "truncatedAlerts": 0.0, "status": c.status, "receiver": "pager",
				"groupLabels": map[string]any{"alertname": "BatteryWearsOut", "device": "PUMP-1/2"}, "commonLabels": labels, "commonAnnotations": annotations,
				"externalURL": "https://board.example.org/",
				"alerts": []any{map[string]any{
					"status": c.status, "labels": labels, "annotations": annotations, "startsAt": "2026-11-02T01:14:00Z", "endsAt": c.ends,
					"generatorURL": "https://board.example.org/devices/PUMP-1%2F2", "fingerprint": got["alerts"].([]any)[0].(map[string]any)["fingerprint"],
				}},
			}, got)
			require.Regexp(t, "^[0-9a-f]{16}$", got["alerts"].([]any)[0].(map[string]any)["fingerprint"])
		})
	}
}

// What an attempt comes to.
const (
	delivered = "delivered"
	again     = "again"
	never     = "never"
	perhaps   = "perhaps"
)

func verdict(err error) string {
	switch {
	case err == nil:
		return delivered
	case errors.Is(err, ErrAmbiguous):
		return perhaps
	case medfleet.IsPermanent(err):
		return never
	}
	return again
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for code, want := range map[int]string{
		200: delivered, 202: delivered, 204: delivered, 301: never, 307: never, 400: never, 401: never, 404: never, 413: never,
		408: again, 425: again, 429: again, 500: again, 502: again, 503: again,
	} {
		w := hook(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
		})
		err := w.Notify(t.Context(), notice(AboutRaised))
		require.Equal(t, want, verdict(err), "%d", code)
		if code == 429 || code == 503 {
			require.Equal(t, 7*time.Second, medfleet.RetryAfter(err))
		}
		if err != nil {
			require.NotContains(t, err.Error(), "S3CRET")
		}
	}
}

// hijack answers by doing something to the bare connection.
func hijack(do func(net.Conn, *bufio.ReadWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		do(conn, rw)
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"cut after the body":    {hijack(func(net.Conn, *bufio.ReadWriter) {}), perhaps},
		"half an answer":        {hijack(func(_ net.Conn, rw *bufio.ReadWriter) { _, _ = rw.WriteString("HTTP/1.1 2"); rw.Flush() }), perhaps},
		"no HTTP":               {hijack(func(_ net.Conn, rw *bufio.ReadWriter) { _, _ = rw.WriteString("lp0 on fire\r\n\r\n"); rw.Flush() }), perhaps},
		"an answer without end": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }, delivered},
	} {
		t.Run(name, func(t *testing.T) {
			err := hook(t, c.handler).Notify(t.Context(), notice(AboutRaised))
			require.Equal(t, c.want, verdict(err), "%v", err)
			if err != nil {
				require.NotContains(t, err.Error(), "S3CRET")
			}
		})
	}
}

func TestWhatWasTakenAndIsNotAnsweredInTimeMayHaveArrived(t *testing.T) {
	ctx, tooLate := context.WithCancel(t.Context())
	w := hook(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		tooLate()
		<-r.Context().Done()
	})
	require.Equal(t, perhaps, verdict(w.Notify(ctx, notice(AboutRaised))))
}

func TestNobodyListens(t *testing.T) {
	err := newWebhook("pager", "http://127.0.0.1:1/S3CRET", Means{}).Notify(t.Context(), notice(AboutRaised))
	require.Equal(t, again, verdict(err), "%v", err)
	require.NotContains(t, err.Error(), "S3CRET")
}

func TestRetryAfter(t *testing.T) {
	now := at("2026-11-02T01:00:00Z").Time()
	for text, want := range map[string]time.Duration{
		"": 0, "12": 12 * time.Second, "-5": 0, "999999999999": maxWait, "soon": 0, "1.5": 0,
		"Mon, 02 Nov 2026 01:01:00 GMT": time.Minute, "Mon, 02 Nov 2026 00:00:00 GMT": 0, "Mon, 02 Nov 2029 00:00:00 GMT": maxWait,
	} {
		require.Equal(t, want, retryAfter(text, now), "%q", text)
	}
}
