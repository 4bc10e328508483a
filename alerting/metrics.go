package alerting

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"medfleet"
	"medfleet/alerting/rules"
)

// metrics are the engine's own. No label names a device.
type metrics struct {
	transitions *prometheus.CounterVec
	attempts    *prometheus.CounterVec
	delay       *prometheus.HistogramVec
	evaluations prometheus.Collector
	failures    prometheus.Collector
}

func newMetrics() *metrics {
	return &metrics{
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "medfleet_alarms_transitions_total", Help: "Transitions of alarms, by the state they lead to.",
		}, []string{"state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "medfleet_alarms_page_attempts_total", Help: "Attempts to deliver a page, by channel and outcome; queued is one that will be repeated.",
		}, []string{"channel", "outcome"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "medfleet_alarms_page_delay_seconds", Help: "Time from the queueing of a page to its delivery.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}, []string{"channel"}),
	}
}

// watch takes the evaluator's counts when they are asked for.
func (m *metrics) watch(v *rules.Evaluator) {
	m.evaluations = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "medfleet_alarms_evaluations_total", Help: "Conditions of rules evaluated.",
	}, func() float64 { n, _ := v.Counters(); return float64(n) })
	m.failures = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "medfleet_alarms_evaluation_failures_total", Help: "Conditions of rules that failed, such as by a division by zero, and were taken as unknown.",
	}, func() float64 { _, n := v.Counters(); return float64(n) })
}

func (m *metrics) attempt(channel string, outcome medfleet.PageState, waited time.Duration) {
	m.attempts.WithLabelValues(channel, string(outcome)).Inc()
	if outcome == medfleet.Sent {
		m.delay.WithLabelValues(channel).Observe(waited.Seconds())
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.transitions, m.attempts, m.delay, m.evaluations, m.failures}
}
