package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"medfleet"
)

// requestTime bounds what a request may cost, except on routes that last.
const requestTime = 30 * time.Second

// guard puts a route behind its row of the table: it finds out who asks, refuses
// whoever may not, and tells the handler in the context.
func (s *Server) guard(row route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := s.traffic.begin(row.pattern)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() { done(rec.status) }()
		if !row.long {
			ctx, cancel := context.WithTimeout(r.Context(), requestTime)
			defer cancel()
			r = r.WithContext(ctx)
		}
		switch row.access {
		case anyone, itself:
			next.ServeHTTP(rec, r)
		case role:
			s.byRole(row.role, next).ServeHTTP(rec, r)
		default:
			refuse(rec, r, problem(kindForbidden, "nobody may use this route: it has no role"))
		}
	})
}

func (s *Server) byRole(needed medfleet.Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.o.Auth.Authenticate(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="medfleet"`)
			refuse(w, r, problem(kindUnauthenticated, "%s", whyNot(err)))
			return
		}
		if p.Role < needed || p.Role == medfleet.RoleNone {
			refuse(w, r, problem(kindForbidden, "%s has the role %s and this needs %s: ask an administrator", p.Name, p.Role, needed))
			return
		}
		next.ServeHTTP(w, r.WithContext(medfleet.WithPrincipal(r.Context(), p)))
	})
}

// whyNot tells only what the built-in authenticators say; another's words might
// hold what is not for the outside.
func whyNot(err error) string {
	for _, known := range []error{ErrNoCredentials, ErrBadCredentials, ErrBeyondLoopback} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return ErrBadCredentials.Error()
}

// may reports whether a request may be made with a role; for what lasts longer
// than one request.
func (s *Server) may(r *http.Request, needed medfleet.Role) bool {
	p, err := s.o.Auth.Authenticate(r)
	return err == nil && p.Role >= needed
}

// recorder remembers the status that was sent. It hides nothing of the writer
// beneath: http.ResponseController finds it by Unwrap.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, status >= 200
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}
