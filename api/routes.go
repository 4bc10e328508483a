package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"medfleet"
)

// access says who may use a route.
type access int

const (
	denied access = iota // nobody: what a route without a row gets
	anyone               // without saying who
	itself               // the handler authenticates and answers refusals in its own way
	role                 // whoever has the row's role or a stronger one
)

// route is a row of the table: a pattern of http.ServeMux and who may use it.
type route struct {
	pattern string
	access  access
	role    medfleet.Role
	long    bool // lasts: no bound on its time
}

// table is every route there is. What is mounted and not in it is refused, and
// New fails.
func table() []route {
	return []route{
		{pattern: "GET /livez", access: anyone},
		{pattern: "GET /readyz", access: anyone},
		{pattern: "GET /problems/{slug}", access: anyone},
		{pattern: "/api/", access: anyone}, // answers that there is nothing here

		{pattern: "GET /openapi.json", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /metrics", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices/{id}", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices/{id}/history", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices/{id}/events", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices/{id}/attachments", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/devices/{id}/stretches", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/alarms", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/alarms/{id}", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/pages", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/gateways", access: role, role: medfleet.RoleViewer},
		{pattern: "GET /api/v1/stream", access: role, role: medfleet.RoleViewer, long: true},
		{pattern: "/", access: role, role: medfleet.RoleViewer}, // the board

		{pattern: "POST /api/v1/alarms/{id}/ack", access: role, role: medfleet.RoleBMET},
		{pattern: "POST /alarms/{id}/ack", access: role, role: medfleet.RoleBMET},

		{pattern: writeDoor, access: itself, long: true},
	}
}

const (
	writeDoor     = "POST /api/v2/write"
	writeDoorPath = "/api/v2/write"
)

// guardedMux is an http.ServeMux that lets nothing be mounted without its row of
// the table around it.
type guardedMux struct {
	http.ServeMux
	guard   func(route, http.Handler) http.Handler
	rows    map[string]route
	mounted map[string]route
}

func newGuardedMux(guard func(route, http.Handler) http.Handler) *guardedMux {
	m := &guardedMux{guard: guard, rows: map[string]route{}, mounted: map[string]route{}}
	for _, row := range table() {
		m.rows[row.pattern] = row
	}
	return m
}

// Handle mounts a handler behind its guard.
func (m *guardedMux) Handle(pattern string, h http.Handler) {
	row, ok := m.rows[pattern]
	if !ok {
		row = route{pattern: pattern, access: denied}
	}
	m.mounted[pattern] = row
	m.ServeMux.Handle(pattern, m.guard(row, h))
}

// HandleFunc mounts a function behind its guard.
func (m *guardedMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(h))
}

// complete checks that routes and rows are the same.
func (m *guardedMux) complete() error {
	for _, pattern := range slices.Sorted(maps.Keys(m.mounted)) {
		if m.mounted[pattern].access == denied {
			return fmt.Errorf("route %q has no role: add a row to the table of routes", pattern)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(m.rows)) {
		if _, ok := m.mounted[pattern]; !ok {
			return fmt.Errorf("row %q of the table of routes has no handler", pattern)
		}
	}
	return nil
}

// allowed lists the methods that the path of a request has routes for.
func (m *guardedMux) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := *r
		other.Method = method
		_, pattern := m.ServeMux.Handler(&other)
		if strings.HasPrefix(pattern, method+" ") {
			methods = append(methods, method)
		}
	}
	return methods
}
