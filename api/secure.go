package api

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
)

// bodyLimit bounds a request's body everywhere but at the write door, which has
// bounds of its own. A note of an acknowledgement is the largest thing said.
const bodyLimit = 64 << 10

// policy lets a page load only what the collector itself serves.
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

// secured puts around everything what holds for every request: headers that make
// a browser careful, no unsafe request from a foreign page, a bound on bodies,
// and an answer even when a handler panics.
func (s *Server) secured(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, problem(kindCrossOrigin, "a page of another origin (%.100q) may not change anything here: open the board under the address that it talks to", r.Header.Get("Origin")))
	}))
	return s.surviving(careful(foreign.Handler(limited(next))))
}

func careful(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with that, browsers send Origin: null even to the
		// same origin, and an acknowledgement over plain HTTP would be refused.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != writeDoorPath {
			r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		}
		next.ServeHTTP(w, r)
	})
}

// surviving answers a panic with a problem and tells the log where it was. What
// the panic said may quote a request and stays inside.
func (s *Server) surviving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			s.log.Error("panic in a handler", "path", r.URL.Path, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			if rec.wrote {
				panic(http.ErrAbortHandler) // half an answer: cut it so that nobody takes it for whole
			}
			refuse(rec, r, problem(kindInternal, "something went wrong inside: the collector's log has the cause"))
		}()
		next.ServeHTTP(rec, r)
	})
}
