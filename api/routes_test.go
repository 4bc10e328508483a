package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

// fullOptions has every door open, each answering 200.
func fullOptions(t *testing.T, w *ward) Options {
	o := testOptions(t, w)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	o.Doors = Doors{Write: ok, Metrics: ok, Board: ok}
	return o
}

// roleNeeded is the test's own list: who may use what, beside the table in the
// program, so that a slip in one shows.
func roleNeeded() map[string]medfleet.Role {
	const open = medfleet.RoleNone
	return map[string]medfleet.Role{
		"GET /livez":                         open,
		"GET /readyz":                        open,
		"GET /problems/{slug}":               open,
		"/api/":                              open,
		"POST /api/v2/write":                 open, // authenticates by itself
		"GET /openapi.json":                  medfleet.RoleViewer,
		"GET /metrics":                       medfleet.RoleViewer,
		"GET /api/v1/devices":                medfleet.RoleViewer,
		"GET /api/v1/devices/{id}":           medfleet.RoleViewer,
		"GET /api/v1/devices/{id}/history":   medfleet.RoleViewer,
		"GET /api/v1/devices/{id}/events":    medfleet.RoleViewer,
		"GET /api/v1/devices/{id}/stretches": medfleet.RoleViewer, "GET /api/v1/devices/{id}/attachments": medfleet.RoleViewer,
		"GET /api/v1/alarms":           medfleet.RoleViewer,
		"GET /api/v1/alarms/{id}":      medfleet.RoleViewer,
		"GET /api/v1/pages":            medfleet.RoleViewer,
		"GET /api/v1/gateways":         medfleet.RoleViewer,
		"GET /api/v1/stream":           medfleet.RoleViewer,
		"/":                            medfleet.RoleViewer,
		"POST /api/v1/alarms/{id}/ack": medfleet.RoleBMET,
		"POST /alarms/{id}/ack":        medfleet.RoleBMET,
	}
}

func TestEveryRouteAndEveryRole(t *testing.T) {
	s, err := New(fullOptions(t, newWard()))
	require.NoError(t, err)
	require.NotEmpty(t, s.mux.mounted)
	for pattern := range s.mux.mounted {
		needed, ok := roleNeeded()[pattern]
		require.True(t, ok, "route %q is in no list of who may use it", pattern)
		for _, authorization := range []string{"", "Bearer wrong-wrong-wrong-wrong"} {
			status := ask1(s, pattern, authorization)
			if needed == medfleet.RoleNone {
				require.NotContains(t, []int{401, 403}, status, pattern)
			} else {
				require.Equal(t, http.StatusUnauthorized, status, "%s as nobody", pattern)
			}
		}
		for r := medfleet.RoleNone; r <= medfleet.RoleAdmin; r++ {
			status := ask1(s, pattern, "Bearer "+secretOf(r))
			if r >= needed {
				require.NotContains(t, []int{401, 403}, status, "%s as %s", pattern, r)
			} else {
				require.Equal(t, http.StatusForbidden, status, "%s as %s", pattern, r)
			}
		}
	}
	require.Len(t, s.mux.mounted, len(roleNeeded()))
}

// ask1 asks a route from beyond loopback and gives the status.
func ask1(s *Server, pattern, authorization string) int {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, pattern
	}
	path = strings.NewReplacer("{id}", "x", "{slug}", "internal").Replace(path)
	r := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code
}

func TestRouteWithoutARowIsRefused(t *testing.T) {
	s, err := New(fullOptions(t, newWard()))
	require.NoError(t, err)
	s.mux.HandleFunc("GET /api/v1/secrets", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	require.Equal(t, http.StatusForbidden, ask1(s, "GET /api/v1/secrets", "Bearer "+secretOf(medfleet.RoleAdmin)))
	require.ErrorContains(t, s.mux.complete(), "GET /api/v1/secrets")

	empty := newGuardedMux(s.guard)
	require.ErrorContains(t, empty.complete(), "has no handler")
}

func TestNewNeedsItsParts(t *testing.T) {
	for name, without := range map[string]func(*Options){
		"devices":       func(o *Options) { o.Devices = nil },
		"records":       func(o *Options) { o.Records = nil },
		"history":       func(o *Options) { o.History = nil },
		"alarms":        func(o *Options) { o.Alarms = nil },
		"pages":         func(o *Options) { o.Pages = nil },
		"gateways":      func(o *Options) { o.Gateways = nil },
		"profiles":      func(o *Options) { o.Profiles = nil },
		"authenticator": func(o *Options) { o.Auth = nil },
	} {
		o := testOptions(t, newWard())
		without(&o)
		_, err := New(o)
		require.ErrorContains(t, err, name)
	}
}

func TestWhatIsNotThereAndWhatIsNotSoUsed(t *testing.T) {
	o := fullOptions(t, newWard())
	s := serve(t, o)
	for path, k := range map[string]kind{
		"GET /api/v1/nothing":         kindNotFound,
		"GET /api":                    kindNotFound,
		"DELETE /api/v1/devices":      kindMethod,
		"PUT /api/v1/devices/x":       kindMethod,
		"POST /livez":                 kindMethod,
		"GET /api/v1/alarms/x/ack":    kindMethod,
		"POST /nothing/at/all":        kindNotFound,
		"GET /problems/no-such-thing": kindNotFound,
	} {
		method, where, _ := strings.Cut(path, " ")
		if where == "/api" {
			continue // the board's
		}
		r := s.do(method, where, "")
		problemOf(t, r, k)
		require.Equal(t, k == kindMethod, r.header.Get("Allow") != "", path)
	}
	require.Equal(t, "POST", s.get("/api/v1/alarms/x/ack").header.Get("Allow"))
	require.Equal(t, http.StatusOK, s.get("/devices/pump-1").status, "the board's page")
	require.Equal(t, http.StatusOK, s.do(http.MethodHead, "/api/v1/devices", "").status)

	o.Doors = Doors{}
	bare := serve(t, o)
	problemOf(t, bare.get("/"), kindNotFound)
	problemOf(t, bare.get("/metrics"), kindNotFound)
	require.JSONEq(t, `{"code":"not found","message":"/api/v2/write is switched off here"}`, string(bare.do("POST", "/api/v2/write", "x").body))
}
