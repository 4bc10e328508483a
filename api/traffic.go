package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// traffic counts requests, by route and never by path, so that no device's name
// becomes a label.
type traffic struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newTraffic() *traffic {
	return &traffic{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "medfleet_http_requests_total", Help: "Requests answered, by route and status. A live stream counts when it ends.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "medfleet_http_request_duration_seconds", Help: "Time to answer a request, by route. Live streams are left out.",
			Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 30},
		}, []string{"route"}),
	}
}

func (t *traffic) begin(pattern string) func(status int) {
	start := time.Now()
	return func(status int) {
		t.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
		if pattern != "GET /api/v1/stream" {
			t.seconds.WithLabelValues(pattern).Observe(time.Since(start).Seconds())
		}
	}
}

// Collectors are the server's own metrics, for whoever keeps the registry.
func (s *Server) Collectors() []prometheus.Collector {
	counter := func(name, help string, read func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(read()) })
	}
	return []prometheus.Collector{
		s.traffic.requests, s.traffic.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "medfleet_stream_clients", Help: "Live boards connected now."},
			func() float64 { return float64(s.hub.Counts().Clients) }),
		counter("medfleet_stream_deltas_total", "Deltas made for all live boards in step.", func() uint64 { return s.hub.Counts().Deltas }),
		counter("medfleet_stream_late_deltas_total", "Deltas made for live boards that were behind.", func() uint64 { return s.hub.Counts().Late }),
		counter("medfleet_stream_snapshots_total", "Snapshots made for live boards.", func() uint64 { return s.hub.Counts().Snapshots }),
		counter("medfleet_stream_slow_clients_total", "Live boards dropped because they did not read.", func() uint64 { return s.hub.Counts().Slow }),
		counter("medfleet_stream_refused_total", "Requests for a live stream that were refused.", func() uint64 { return s.hub.Counts().Refused }),
	}
}
