package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"medfleet"
)

// failure is an answer that is not 2xx, in InfluxDB 2's shape.
type failure struct {
	status     int
	Code       string `json:"code"`
	Message    string `json:"message"`
	Lines      []int  `json:"lines,omitempty"` // of a gateway's batch: the records that are refused
	retryAfter int
}

func (f *failure) Error() string { return f.Message }

// Codes of InfluxDB 2's API.
const (
	codeInvalid       = "invalid"
	codeUnauthorized  = "unauthorized"
	codeForbidden     = "forbidden"
	codeTooLarge      = "request too large"
	codeUnprocessable = "unprocessable entity"
	codeUnavailable   = "unavailable"
)

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// clockHeader tells a gateway our clock with every answer, when its request had
// come and when the answer goes, in ms since 1970: it measures its own by it.
const clockHeader = "Medfleet-Clock"

// ServeHTTP takes one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = &clocked{ResponseWriter: w, came: time.Now()}
	if err := d.take(w, r); err != nil {
		d.answer(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// clocked writes the clock into the head of the answer.
type clocked struct {
	http.ResponseWriter
	came time.Time
}

// WriteHeader adds the clock's header.
func (c *clocked) WriteHeader(status int) {
	c.Header().Set(clockHeader, fmt.Sprintf("%d %d", c.came.UnixMilli(), c.came.Add(time.Since(c.came)).UnixMilli()))
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap gives the writer below to http.ResponseController.
func (c *clocked) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (d *Door) take(w http.ResponseWriter, r *http.Request) error {
	who, err := d.o.Authenticate(r)
	if err != nil {
		return fail(http.StatusUnauthorized, codeUnauthorized, "unauthorized access: send a token as Authorization: Bearer TOKEN")
	}
	body, came, err := readBody(w, r)
	if err != nil {
		return err
	}
	d.counts.Bytes.Add(uint64(came))
	if name := r.Header.Get("Medfleet-Gateway"); name != "" {
		return d.takeBatch(r, who, name, body)
	}
	if who.Gateway == "" && who.Role < medfleet.RoleBMET {
		return fail(http.StatusForbidden, codeForbidden, "%s may not write: the role %s reads only", who.Name, who.Role)
	}
	return d.takeLines(r, body)
}

func (d *Door) answer(w http.ResponseWriter, err error) {
	var f *failure
	if !errors.As(err, &f) {
		d.counts.Unkept.Add(1)
		d.o.Log.Error("records not acknowledged; the sender keeps them", "error", err)
		f = fail(http.StatusServiceUnavailable, codeUnavailable, "the journal does not take records now: keep them and send them again")
		f.retryAfter = 2
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(f) // the client is gone if this fails
}
