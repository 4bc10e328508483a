package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is what every failure answers (RFC 9457), as application/problem+json.
// Type stays the same between versions and leads to a page that explains it.
type Problem struct {
	Type   string  `json:"type" format:"uri-reference" doc:"what kind of problem; stable, a program may branch on it"`
	Title  string  `json:"title" doc:"the kind in words"`
	Status int     `json:"status" doc:"HTTP status"`
	Detail string  `json:"detail,omitempty" doc:"what it was this time, and what to do"`
	Errors []Fault `json:"errors,omitempty" doc:"each thing that is wrong, when there can be several"`
}

// Fault is one thing that is wrong in a request, or one check that fails.
type Fault struct {
	Location string `json:"location,omitempty" doc:"where: query.limit, body.note, the name of a check"`
	Message  string `json:"message"`
}

// Error gives the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus gives the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType names problems as such (RFC 9457, 3).
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// kind is a row of the table of problems.
type kind struct {
	slug, title string
	status      int
	meaning     string
}

// The kinds of problem. A slug is never changed or used again for something else.
var (
	kindInvalid         = kind{"invalid-request", "The request is not valid", 422, "A parameter or the body is not of the form that /openapi.json describes. The member errors names each place."}
	kindMalformed       = kind{"malformed-request", "The request cannot be read", 400, "The body is not JSON, or the request breaks HTTP or the websocket handshake."}
	kindUnauthenticated = kind{"unauthenticated", "Nobody is signed in", 401, "No token was sent, or one that is not known or was revoked. Without a token only the collector's own machine is let in, and only where that is configured."}
	kindForbidden       = kind{"forbidden", "The role does not allow this", 403, "Roles are viewer, bmet and admin; each may do what the one before may. Ask an administrator for a stronger one."}
	kindCrossOrigin     = kind{"cross-origin", "A page of another origin asked", 403, "A browser sent this from a page that is not the collector's own. Open the board under the address that it talks to."}
	kindNotFound        = kind{"not-found", "There is nothing at this address", 404, "The path is not one of those in /openapi.json, or the part that serves it is switched off."}
	kindUnknownDevice   = kind{"unknown-device", "No such device", 404, "No device of this id has ever been heard. GET /api/v1/devices lists those that have; its parameter q searches."}
	kindUnknownAlarm    = kind{"unknown-alarm", "No such alarm", 404, "No alarm has this id. GET /api/v1/alarms lists them."}
	kindUnknownMetric   = kind{"unknown-metric", "The device's class has no such metric", 404, "The profile of the device's class declares its metrics; the detail lists them."}
	kindMethod          = kind{"method-not-allowed", "The method is not for this address", 405, "The header Allow lists the methods that are."}
	kindNotAcceptable   = kind{"not-acceptable", "No form of the answer is acceptable", 406, "The API answers in application/json only."}
	kindSlow            = kind{"request-timeout", "The request took too long to arrive", 408, "The body did not arrive in time. Send it again."}
	kindAlarmNotOpen    = kind{"alarm-not-open", "The alarm is not open", 409, "Only an alarm that is active or acknowledged can be acknowledged. GET /api/v1/alarms/{id} shows what became of it."}
	kindTooLarge        = kind{"too-large", "The body is too large", 413, "The body is larger than any request of the API needs to be."}
	kindMediaType       = kind{"unsupported-media-type", "The body is of an unknown type", 415, "Send application/json."}
	kindUpgrade         = kind{"upgrade-required", "This address speaks websocket only", 426, "GET /api/v1/stream is a websocket (RFC 6455)."}
	kindInternal        = kind{"internal", "Something went wrong inside", 500, "A fault of the collector. Its log has the cause at the time of the answer."}
	kindUnavailable     = kind{"unavailable", "It cannot be answered now", 503, "What is needed for the answer cannot be read at the moment, or there is no room. Try again after the time in Retry-After."}
	kindNotReady        = kind{"not-ready", "The collector is not ready", 503, "A check of /readyz fails. The member errors names it."}
)

func kinds() []kind {
	return []kind{
		kindInvalid, kindMalformed, kindUnauthenticated, kindForbidden, kindCrossOrigin, kindNotFound, kindUnknownDevice,
		kindUnknownAlarm, kindUnknownMetric, kindMethod, kindNotAcceptable, kindSlow, kindAlarmNotOpen, kindTooLarge,
		kindMediaType, kindUpgrade, kindInternal, kindUnavailable, kindNotReady,
	}
}

func (k kind) uri() string { return "/problems/" + k.slug }

func problem(k kind, detail string, args ...any) *Problem {
	return &Problem{Type: k.uri(), Title: k.title, Status: k.status, Detail: fmt.Sprintf(detail, args...)}
}

// byStatus gives the kind for a failure that only has a status.
func byStatus(status int) kind {
	switch status {
	case http.StatusForbidden:
		return kindForbidden
	case http.StatusBadRequest:
		return kindMalformed
	}
	for _, k := range kinds() {
		if k.status == status && k != kindUnknownDevice && k != kindUnknownAlarm && k != kindUnknownMetric {
			return k
		}
	}
	return kindInternal
}

// fromHuma makes a problem of what the library found wrong with a request. The
// values that were sent are not sent back.
func fromHuma(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(byStatus(m.Status), "%s", m.Detail)
	if p.Status == http.StatusInternalServerError {
		p.Detail = "something went wrong inside: the collector's log has the cause"
		return p, nil
	}
	var words []string
	for _, e := range m.Errors {
		if e != nil {
			p.Errors = append(p.Errors, Fault{Location: e.Location, Message: e.Message})
			words = append(words, strings.TrimPrefix(e.Location+": ", ": ")+e.Message)
		}
	}
	if len(words) > 0 {
		p.Detail = strings.Join(words, "; ")
	}
	return p, nil
}

// refuse answers a request outside of the library. At the write door the answer
// has InfluxDB's form.
func refuse(w http.ResponseWriter, r *http.Request, p *Problem) {
	var body any = p
	w.Header().Set("Content-Type", problemType)
	if r.URL.Path == writeDoorPath {
		w.Header().Set("Content-Type", "application/json")
		body = map[string]string{"code": influxCode(p.Status), "message": p.Detail}
	}
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte("{}")
	}
	w.WriteHeader(p.Status)
	w.Write(append(text, '\n'))
}

func influxCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not found"
	case http.StatusMethodNotAllowed:
		return "method not allowed"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "internal error"
}

// unreadable is the answer when a reader fails. What it said goes to the log,
// not to the outside.
func (s *Server) unreadable(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil {
		s.log.Error("read for the API", "what", what, "error", err)
	}
	p := problem(kindUnavailable, "%s cannot be read at the moment: try again; the collector's log has the cause", what)
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"5"}})
}
