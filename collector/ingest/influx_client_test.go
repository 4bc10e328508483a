package ingest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	influx "github.com/influxdata/influxdb-client-go/v2"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/stretchr/testify/require"

	"medfleet/record"
)

// InfluxDB's own client is the measure of "any InfluxDB client may write".
func TestInfluxDBsOwnClientWritesThroughTheDoor(t *testing.T) {
	j := &journal{}
	door := openDoor(t, j, t.TempDir())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/api/v2/write", r.URL.Path)
		// It says "Token", as InfluxDB has it; who that is, is not the door's to know.
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Token ", "Bearer ", 1))
		door.ServeHTTP(w, r)
	}))
	defer server.Close()
	options := influx.DefaultOptions().SetUseGZip(true).SetPrecision(time.Millisecond)
	client := influx.NewClientWithOptions(server.URL, "bmet", options)
	defer client.Close()
	write := client.WriteAPIBlocking("hospital", "equipment")

	at := time.Now().Truncate(time.Millisecond)
	good := influx.NewPoint("infusion_pump", map[string]string{"device": "P-1", "unit": "4W"},
		map[string]any{"battery_charge": 64, "on_mains": false}, at)
	require.NoError(t, write.WritePoint(t.Context(), good))
	require.Len(t, j.records, 1)
	e, err := record.Parse(j.records[0])
	require.NoError(t, err)
	var line record.Line
	require.NoError(t, record.NewDecoder().Decode(e.Line, &line))
	require.Equal(t, "P-1", line.Tag("device"))
	require.Equal(t, 64.0, line.Number("battery_charge"))
	require.Equal(t, at.UnixMilli(), int64(line.Time))

	bad := influx.NewPoint("vital_signs", map[string]string{"device": "P-1"}, map[string]any{"heart_rate": 88}, at)
	err = write.WritePoint(t.Context(), bad, good)
	var refused *influxhttp.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusUnprocessableEntity, refused.StatusCode)
	require.Equal(t, "unprocessable entity", refused.Code)
	require.Contains(t, refused.Message, `measurement "vital_signs" is not in the schema`)
	require.Len(t, j.records, 2, "the good point beside it is taken")
}
