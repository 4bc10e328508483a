package api

import (
	"net/http"
	"strings"
)

// mountDoors mounts what others serve, and the answers where nobody does.
func (s *Server) mountDoors() {
	s.mux.Handle(writeDoor, orNothing(s.o.Write))
	s.mux.Handle("GET /metrics", orNothing(s.o.Metrics))
	s.mux.Handle("GET /api/v1/stream", s.hub)
	s.mux.HandleFunc("GET /openapi.json", s.openAPI)
	s.mux.HandleFunc("GET /problems/{slug}", explainProblem)
	s.mux.HandleFunc("/api/", s.nothingHere)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s.o.Board != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.o.Board.ServeHTTP(w, r)
			return
		}
		s.nothingHere(w, r)
	})
}

func orNothing(h http.Handler) http.Handler {
	if h != nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, problem(kindNotFound, "%s is switched off here", r.URL.Path))
	})
}

// nothingHere answers a path without a route, or with routes of other methods.
func (s *Server) nothingHere(w http.ResponseWriter, r *http.Request) {
	if allowed := s.mux.allowed(r); len(allowed) > 0 {
		methods := strings.Join(allowed, ", ")
		w.Header().Set("Allow", methods)
		refuse(w, r, problem(kindMethod, "%.20s is not for %.200s: use %s", r.Method, r.URL.Path, methods))
		return
	}
	refuse(w, r, problem(kindNotFound, "there is nothing at %.200s: /openapi.json lists what there is", r.URL.Path))
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	w.Write(s.spec)
}

// explainProblem is the page that a problem's type leads to.
func explainProblem(w http.ResponseWriter, r *http.Request) {
	slug := r.PathValue("slug")
	for _, k := range kinds() {
		if k.slug == slug {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write([]byte(k.title + " (" + http.StatusText(k.status) + ")\n\n" + k.meaning + "\n"))
			return
		}
	}
	refuse(w, r, problem(kindNotFound, "there is no problem of the kind %.100q", slug))
}
