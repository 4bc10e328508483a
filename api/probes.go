package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"medfleet"
)

func (s *Server) mountProbes() {
	s.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	s.mux.HandleFunc("GET /readyz", s.readyz)
}

type readiness struct {
	Ready bool    `json:"ready"`
	Items []Check `json:"items,omitempty"`
}

// readyz runs every check. Anybody may know whether the collector is ready and
// which check fails; what exactly is wrong is for those who may look.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	var checks []Check
	if s.o.Ready != nil {
		checks = s.o.Ready()
	}
	verbose := r.URL.Query().Has("verbose") && s.may(r, medfleet.RoleViewer)
	var failing []Fault
	for _, c := range checks {
		if c.OK {
			continue
		}
		fault := Fault{Location: c.Name, Message: "fails"}
		if verbose && c.Detail != "" {
			fault.Message = c.Detail
		}
		failing = append(failing, fault)
	}
	w.Header().Set("Cache-Control", "no-store")
	if len(failing) > 0 {
		refuse(w, r, notReady(failing))
		return
	}
	answer := readiness{Ready: true}
	if verbose {
		answer.Items = checks
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func notReady(failing []Fault) *Problem {
	names := make([]string, len(failing))
	for i, f := range failing {
		names[i] = f.Location
	}
	p := problem(kindNotReady, "not ready: %s: ask /readyz?verbose as a viewer for the reasons", strings.Join(names, ", "))
	p.Errors = failing
	return p
}
