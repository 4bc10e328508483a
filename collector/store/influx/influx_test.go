package influx

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/collector/store"
	"medfleet/collector/store/influx/influxtest"
	"medfleet/collector/store/storetest"
)

func TestStore(t *testing.T) {
	influxd := influxtest.Program(t)
	storetest.Run(t, func(folder string) (store.Store, error) { return serve(influxd, folder) })
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a store whose server ends with it.
type served struct {
	*Store
	server *influxtest.Server
}

func (s served) Close() error {
	err := s.Store.Close()
	s.server.Stop() // what it has answered for must survive that
	return err
}

// serve opens a store of a server of its own.
func serve(program, folder string) (store.Store, error) {
	s, err := influxtest.Start(program, folder)
	if err != nil {
		return nil, err
	}
	opened, err := Open(Config{URL: s.URL, Database: influxtest.Database})
	if err != nil {
		s.Stop()
		return nil, err
	}
	return served{opened, s}, nil
}

// running gives a store and its server, both ending with the test.
func running(t *testing.T) (*Store, *influxtest.Server) {
	t.Helper()
	s, err := serve(influxtest.Program(t), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(served).Store, s.(served).server
}

func now() medfleet.Millis { return medfleet.AsMillis(time.Now()) }

func pump(id string, at medfleet.Millis, fields ...medfleet.Reading) store.Point {
	return store.Point{
		Measurement: "infusion_pump",
		Equipment:   medfleet.Equipment{Device: medfleet.DeviceID(id), Class: "infusion_pump", Site: "north"},
		Time:        at,
		Fields:      fields,
	}
}

func history(t *testing.T, s *Store, metric string, ids ...medfleet.DeviceID) []store.Sample {
	t.Helper()
	samples, err := s.History(t.Context(), store.Query{
		Measurement: "infusion_pump", Metric: metric, Devices: ids, From: now().Add(-medfleet.MaxPast), To: now().Add(time.Hour),
	})
	require.NoError(t, err)
	return samples
}

// TestAFieldOfAnotherTypeCostsOnlyItsPoint meets a database in which somebody
// else has made a field of ours an integer.
func TestAFieldOfAnotherTypeCostsOnlyItsPoint(t *testing.T) {
	s, server := running(t)
	answer, err := http.Post(server.URL+"/write?db="+influxtest.Database, "text/plain", strings.NewReader("infusion_pump,device=other running_hours=5i"))
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusNoContent, answer.StatusCode)

	var points []store.Point
	for i := range 2*batchPoints + 10 {
		metric := "battery_charge"
		if i == 3 || i == batchPoints+700 {
			metric = "running_hours"
		}
		points = append(points, pump(fmt.Sprint("p", i), now(), medfleet.Reading{Metric: metric, Value: float64(i)}))
	}
	var refused *store.Refused
	require.ErrorAs(t, s.Write(t.Context(), points), &refused)
	require.Len(t, refused.Points, 2)
	require.Equal(t, []int{3, batchPoints + 700}, []int{refused.Points[0].Index, refused.Points[1].Index})
	require.Equal(t, store.Unstorable, refused.Points[0].Reason)
	for _, i := range []int{0, 2, 4, batchPoints, batchPoints + 699, batchPoints + 701, 2*batchPoints + 9} {
		require.Len(t, history(t, s, "battery_charge", medfleet.DeviceID(fmt.Sprint("p", i))), 1, i)
	}
}

func TestADatabaseThatIsMissingIsNamed(t *testing.T) {
	_, server := running(t)
	s, err := Open(Config{URL: server.URL, Database: "nowhere"})
	require.NoError(t, err)
	defer s.Close()
	err = s.Write(t.Context(), []store.Point{pump("p1", now(), medfleet.Reading{Metric: "state", Value: 1})})
	require.ErrorContains(t, err, "has no database nowhere: create it")
	_, err = s.History(t.Context(), store.Query{Measurement: "infusion_pump", Metric: "state", Site: "north", From: 1, To: 2})
	require.ErrorContains(t, err, "has no database nowhere: create it")
}

// TestWhatMayPassIsTriedAgain answers in the ways in which a server is in
// trouble for now: no point may be taken for bad because of that.
func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for _, status := range []int{401, 403, 404, 408, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var down atomic.Bool
			down.Store(true)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if down.Load() {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					fmt.Fprint(w, `{"code":"trouble","message":"infusion_pump,device=SECRET-1 state=1"}`)
					return
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			defer server.Close()
			s, err := Open(Config{URL: server.URL, Database: influxtest.Database})
			require.NoError(t, err)
			defer s.Close()
			points := []store.Point{pump("SECRET-1", now(), medfleet.Reading{Metric: "state", Value: 1})}
			err = s.Write(t.Context(), points)
			require.ErrorContains(t, err, fmt.Sprint(server.URL))
			require.NotContains(t, err.Error(), "SECRET")
			var refused *store.Refused
			require.NotErrorAs(t, err, &refused)
			down.Store(false)
			require.NoError(t, s.Write(t.Context(), points))
		})
	}
}

func TestAServerThatIsAwayIsNamed(t *testing.T) {
	s, err := Open(Config{URL: "http://127.0.0.1:1", Database: influxtest.Database})
	require.NoError(t, err)
	defer s.Close()
	require.ErrorContains(t, s.Sync(t.Context()), "http://127.0.0.1:1 does not answer")
	require.ErrorContains(t, s.Write(t.Context(), []store.Point{pump("p", now(), medfleet.Reading{Metric: "state"})}), "http://127.0.0.1:1 does not answer")
	_, err = s.History(t.Context(), store.Query{Measurement: "infusion_pump", Metric: "state", Site: "north", From: 1, To: 2})
	require.ErrorContains(t, err, "http://127.0.0.1:1 does not answer")
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for name, c := range map[string]struct {
		config Config
		says   string
	}{
		"no url":          {Config{Database: "d"}, "url: want http:// or https://"},
		"other scheme":    {Config{URL: "udp://influx:8089", Database: "d"}, "url: want http:// or https://"},
		"no database":     {Config{URL: "http://127.0.0.1:8086"}, "database: missing"},
		"password in url": {Config{URL: "http://ann:secret@127.0.0.1:8086", Database: "d"}, "token_file"},
		"plain text":      {Config{URL: "http://influx.example:8086", Database: "d"}, "insecure: true"},
		"ca missing":      {Config{URL: "https://influx.example:8086", Database: "d", CAFile: "/nowhere/ca.pem"}, "ca_file: open /nowhere/ca.pem"},
		"ca empty":        {Config{URL: "https://influx.example:8086", Database: "d", CAFile: empty}, "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(c.config)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	s, err := Open(Config{URL: "http://influx.example:8086", Database: "d", Insecure: true})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
