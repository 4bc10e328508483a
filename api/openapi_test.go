package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"medfleet"
)

type described struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		Summary     string `json:"summary"`
		Description string `json:"description"`
		Responses   map[string]struct {
			Content map[string]struct {
				Example any `json:"example"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Type   any    `json:"type"`
				Format string `json:"format"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func TestDescriptionHasEveryRoute(t *testing.T) {
	s := serve(t, testOptions(t, newWard()))
	var d described
	r := s.get("/openapi.json")
	require.NoError(t, json.Unmarshal(r.body, &d))
	require.Equal(t, "3.1.0", d.OpenAPI)
	unlisted := map[string]bool{"/": true, "/api/": true, "GET /openapi.json": true, "GET /problems/{slug}": true, "POST /alarms/{id}/ack": true}
	listed := 0
	for pattern := range s.mux.mounted {
		if unlisted[pattern] {
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		op, ok := d.Paths[path][strings.ToLower(method)]
		require.True(t, ok, pattern)
		require.NotEmpty(t, op.Summary, pattern)
		if ok := op.Responses["200"]; strings.HasPrefix(path, "/api/v1/") && path != "/api/v1/stream" {
			require.NotNil(t, ok.Content["application/json"].Example, pattern)
			require.Contains(t, op.Responses["401"].Content, problemType, pattern)
			require.Contains(t, op.Description, "role", pattern)
		}
		listed++
	}
	require.Equal(t, len(s.mux.mounted)-len(unlisted), listed)
	seen := d.Components.Schemas["Device"].Properties["last_seen"]
	require.Equal(t, []any{"string", "null"}, seen.Type)
	require.Equal(t, "date-time", seen.Format)
	require.NotContains(t, d.Components.Schemas, "ErrorModel")
	require.Contains(t, d.Components.Schemas, "Problem")
}

// What the API answers must be what it says that it answers.
func TestAnswersMatchTheirSchemas(t *testing.T) {
	s, err := New(testOptions(t, newWard()))
	require.NoError(t, err)
	registry := s.api.OpenAPI().Components.Schemas
	for _, example := range []any{
		exampleDevice, exampleEvent, exampleAlarmDetail, exampleAcknowledged, examplePage, exampleGateway, exampleHistory, exampleStretches,
		list[medfleet.Device]{Items: []medfleet.Device{exampleDevice}}, *problem(kindInvalid, "x"),
	} {
		text, err := json.Marshal(example)
		require.NoError(t, err)
		var v any
		require.NoError(t, json.Unmarshal(text, &v))
		typ := reflect.TypeOf(example)
		var result huma.ValidateResult
		huma.Validate(registry, registry.Schema(typ, true, typ.Name()), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, &result)
		require.Empty(t, result.Errors, "%s: %s", typ, text)
	}
}

func TestEveryProblemIsExplained(t *testing.T) {
	s := serve(t, testOptions(t, newWard()))
	slugs := map[string]bool{}
	for _, k := range kinds() {
		require.False(t, slugs[k.slug], k.slug)
		slugs[k.slug] = true
		r := s.get(k.uri(), "Host", "medfleet.hospital")
		require.Equal(t, http.StatusOK, r.status)
		require.Contains(t, string(r.body), k.meaning)
	}
}

func TestProbes(t *testing.T) {
	o := testOptions(t, newWard())
	checks := []Check{{Name: "journal", OK: true, Detail: "3 records behind"}, {Name: "state", OK: true}}
	o.Ready = func() []Check { return checks }
	s := serve(t, o)
	require.Equal(t, "ok\n", string(s.get("/livez", "Host", "x").body))
	require.JSONEq(t, `{"ready":true}`, string(s.get("/readyz").body))
	require.JSONEq(t, `{"ready":true}`, string(s.get("/readyz?verbose", "Host", "x").body), "details are for who may look")
	require.JSONEq(t, `{"ready":true,"items":[{"id":"journal","ok":true,"detail":"3 records behind"},{"id":"state","ok":true}]}`,
		string(s.get("/readyz?verbose").body))

	checks = []Check{{Name: "journal", OK: true}, {Name: "state", Detail: "cannot write /data/state.db"}}
	p := problemOf(t, s.get("/readyz", "Host", "x"), kindNotReady)
	require.Equal(t, []Fault{{"state", "fails"}}, p.Errors)
	require.NotContains(t, p.Detail, "/data")
	p = problemOf(t, s.get("/readyz?verbose"), kindNotReady)
	require.Equal(t, []Fault{{"state", "cannot write /data/state.db"}}, p.Errors)
}

func TestOwnMetrics(t *testing.T) {
	s := serve(t, testOptions(t, fleet(1)))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Collectors()...)
	s.get("/api/v1/devices/pump-000")
	s.get("/api/v1/devices/pump-404")
	faults, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, faults)
	for code, want := range map[string]float64{"200": 1, "404": 1} {
		got := testutil.ToFloat64(s.traffic.requests.WithLabelValues("GET /api/v1/devices/{id}", code))
		require.Equal(t, want, got, code)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.String(), "pump-", "no device is a label")
	}
}
