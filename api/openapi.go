package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"medfleet"
)

const about = `What a medfleet collector knows of a hospital's medical equipment: which devices there are and what they do, which alarms about them are open and who has them, which pages were sent, which gateways report.

Maintenance notifications about equipment; not a clinical alarm system.

Times are RFC 3339 in UTC with milliseconds; null means never. Values of metrics are in the unit (UCUM) that the profile of the device's class declares; a history names it. Lists are ` + "`{\"items\": […], \"next\": cursor}`" + `: hand ` + "`next`" + ` back as ` + "`cursor`" + ` to go on, until it is empty.

Failures are application/problem+json (RFC 9457). Each type leads to a page that explains it.`

// newHuma makes the library's part: OpenAPI 3.1, checks of what comes in, JSON
// out. Its pages of documentation are off, since they load scripts from elsewhere.
func newHuma(mux humago.Mux, version string) huma.API {
	c := huma.DefaultConfig("medfleet collector", version)
	c.Info.Description = about
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil // no $schema in every answer
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{fromHuma}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A named user's or program's token. On the collector's own machine none may be needed."},
	}
	r := c.Components.Schemas
	r.RegisterTypeAlias(reflect.TypeFor[medfleet.Millis](), reflect.TypeFor[stamp]())
	r.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	return humago.New(mux, c)
}

// stamp is how medfleet.Millis looks in JSON.
type stamp struct{}

// Schema describes a time: a string or null.
func (stamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true, Examples: []any{"2026-03-01T08:15:00.000Z"}}
}

// answer is what the library wants around a body.
type answer[T any] struct{ Body T }

// list is the form of every list.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" doc:"cursor of what follows; empty at the end"`
}

func listOf[T any](items []T, next string) *answer[list[T]] {
	if items == nil {
		items = []T{}
	}
	return &answer[list[T]]{list[T]{items, next}}
}

// operation is what the library has to know of a route beside its types.
type operation struct {
	id, pattern    string
	tag            string
	summary, about string
	example        any
	errors         []int
	hidden         bool
}

// register mounts a handler, with the failures every route shares and the role
// that its row of the table names.
func register[I, O any](s *Server, op operation, handle func(context.Context, *I) (*answer[O], error)) {
	method, path, _ := strings.Cut(op.pattern, " ")
	row := s.mux.rows[op.pattern]
	h := huma.Operation{
		OperationID: op.id, Method: method, Path: path, Summary: op.summary, Tags: []string{op.tag}, Hidden: op.hidden,
		Description:  strings.TrimSpace(op.about + "\n\nNeeds the role " + row.role.String() + "."),
		Errors:       append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}, op.errors...),
		Security:     []map[string][]string{{"token": {}}},
		MaxBodyBytes: bodyLimit,
	}
	if op.example != nil {
		schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[O](), true, op.id)
		h.Responses = map[string]*huma.Response{"200": {
			Description: "OK",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: schema, Example: op.example}},
		}}
	}
	huma.Register(s.api, h, handle)
}

// describe adds the routes that the library does not serve and gives the whole
// description as JSON.
func (s *Server) describe() ([]byte, error) {
	o := s.api.OpenAPI()
	plain := func(pattern, id, tag, summary, about string, codes map[string]string) {
		method, path, _ := strings.Cut(pattern, " ")
		op := &huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary, Description: about, Responses: map[string]*huma.Response{}}
		for code, text := range codes {
			op.Responses[code] = &huma.Response{Description: text}
		}
		if s.mux.rows[pattern].access != anyone {
			op.Security = []map[string][]string{{"token": {}}}
		}
		o.AddOperation(op)
	}
	plain("GET /api/v1/stream", "stream", "live", "Follow what changes (websocket)", streamText,
		map[string]string{"101": "the stream begins", "403": "the page is of another origin", "426": "not a websocket request", "503": "no room"})
	plain(writeDoor, "write", "write", "Write line protocol",
		"Any client that writes InfluxDB's v2 protocol may write here: the measurements, tags and fields of the profiles and no others. Failures have InfluxDB's form.",
		map[string]string{"204": "all of it is on disk", "400": "part of it was refused; the answer names the lines", "401": "the token is not known", "422": "a gateway's batch was refused whole"})
	plain("GET /livez", "livez", "probes", "Does the process answer?", "", map[string]string{"200": "it does"})
	plain("GET /readyz", "readyz", "probes", "Is every part ready?", "With `verbose` and a viewer's token the answer lists every check.",
		map[string]string{"200": "it is", "503": "a check fails"})
	plain("GET /metrics", "metrics", "probes", "Metrics of the collector itself, for Prometheus", "", map[string]string{"200": "text exposition"})
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("describe api: %w", err)
	}
	return text, nil
}

const streamText = "Frames are JSON text. The server begins with `hello` (its `epoch`, `beat_ms`). The client says `{\"type\":\"snapshot\"}`, or `{\"type\":\"resume\",\"epoch\":…,\"seq\":…}` after a lost connection. " +
	"Then come a `snapshot` (all devices and gateways, open alarms and those that ended in the last 15 minutes, the last 20 pages), `delta` frames with whole new objects at most every 250 ms, and a `beat` each second. " +
	"A client that falls behind gets one delta with the newest of everything it missed, or a snapshot. Without a frame for 15 s a client should show that it is not live."
