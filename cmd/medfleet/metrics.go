package main

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"medfleet/gateway"
	"medfleet/spool"
)

// figure is one metric: its name, what it says, and where it is read. The table
// of figures is the one place where a metric of the program is declared.
type figure struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string // of constant values, name and value in turn
	read       func() float64
}

// figures is a prometheus.Collector of a table.
type figures struct {
	list  []figure
	descs []*prometheus.Desc
}

func newFigures(list []figure) *figures {
	f := &figures{list: list}
	for _, one := range list {
		constant := prometheus.Labels{}
		for i := 0; i+1 < len(one.labels); i += 2 {
			constant[one.labels[i]] = one.labels[i+1]
		}
		f.descs = append(f.descs, prometheus.NewDesc(one.name, one.help, nil, constant))
	}
	return f
}

// Describe lists the metrics.
func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range f.descs {
		out <- d
	}
}

// Collect reads the metrics.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	for i, one := range f.list {
		out <- prometheus.MustNewConstMetric(f.descs[i], one.kind, one.read())
	}
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// newRegistry has what every process tells of itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newFigures([]figure{{
			"medfleet_build_info", "The version that runs; always 1.", gauge,
			[]string{"version", versionString()}, func() float64 { return 1 },
		}}),
	)
	return r
}

func exposed(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// logFigures are the figures of a log on disk, named by what it is for.
func logFigures(name string, stats func() spool.Stats) []figure {
	labels := []string{"log", name}
	of := func(read func(spool.Stats) float64) func() float64 { return func() float64 { return read(stats()) } }
	return []figure{
		{"medfleet_log_records_total", "Records made durable.", counter, labels, of(func(s spool.Stats) float64 { return float64(s.Appended) })},
		{"medfleet_log_refused_records_total", "Records that the disk did not take.", counter, labels, of(func(s spool.Stats) float64 { return float64(s.Failed) })},
		{"medfleet_log_syncs_total", "Syncs to disk.", counter, labels, of(func(s spool.Stats) float64 { return float64(s.Fsyncs) })},
		{"medfleet_log_sync_seconds_total", "Time spent in syncs to disk.", counter, labels, of(func(s spool.Stats) float64 { return s.FsyncTotal.Seconds() })},
		{"medfleet_log_sync_last_seconds", "Duration of the newest sync to disk.", gauge, labels, of(func(s spool.Stats) float64 { return s.FsyncLast.Seconds() })},
		{"medfleet_log_bytes", "Size on disk.", gauge, labels, of(func(s spool.Stats) float64 { return float64(s.Bytes) })},
		{"medfleet_log_limit_bytes", "Size on disk at which the log is full.", gauge, labels, of(func(s spool.Stats) float64 { return float64(s.MaxBytes) })},
		{"medfleet_log_corrupt_records_total", "Records found damaged and stepped over.", counter, labels, of(func(s spool.Stats) float64 { return float64(s.Corrupt) })},
		{"medfleet_log_dropped_records_total", "Records removed at the limit before every reader had them; each is declared.", counter, labels, of(func(s spool.Stats) float64 { return float64(s.Dropped) })},
	}
}

// readerFigures are the figures of one reader of a log.
func readerFigures(log, reader string, stats func() spool.Stats) []figure {
	labels := []string{"log", log, "reader", reader}
	of := func(read func(spool.ReaderStats) float64) func() float64 {
		return func() float64 {
			for _, r := range stats().Readers {
				if r.Name == reader {
					return read(r)
				}
			}
			return 0
		}
	}
	return []figure{
		{"medfleet_log_pending_records", "Records that the reader has still to be done with.", gauge, labels, of(func(r spool.ReaderStats) float64 { return float64(r.Pending) })},
		{"medfleet_log_pending_bytes", "Bytes that the reader has still to be done with, about.", gauge, labels, of(func(r spool.ReaderStats) float64 { return float64(r.Bytes) })},
		{"medfleet_log_lag_seconds", "Age of the oldest record that the reader has still to be done with, about.", gauge, labels, of(func(r spool.ReaderStats) float64 { return r.Age.Seconds() })},
	}
}

// metrics are the collector's figures, hop by hop.
func (c *center) metrics() *figures {
	door, points := c.collector.Door().Counts(), c.collector.StoreCounts()
	journal := c.collector.Journal
	list := []figure{
		{"medfleet_ingest_records_total", "Records taken at the write door and made durable.", counter, nil, func() float64 { return float64(door.Records.Load()) }},
		{"medfleet_ingest_bytes_total", "Bytes of request bodies at the write door.", counter, nil, func() float64 { return float64(door.Bytes.Load()) }},
		{"medfleet_ingest_duplicate_records_total", "Records that came again and were acknowledged again.", counter, nil, func() float64 { return float64(door.Duplicates.Load()) }},
		{"medfleet_ingest_suspect_records_total", "Records whose key was seen before with other content.", counter, nil, func() float64 { return float64(door.Suspects.Load()) }},
		{"medfleet_ingest_refused_records_total", "Records outside the schema or unreadable.", counter, nil, func() float64 { return float64(door.Refused.Load()) }},
		{"medfleet_ingest_unkept_requests_total", "Requests not acknowledged because the journal did not take them.", counter, nil, func() float64 { return float64(door.Unkept.Load()) }},
		{"medfleet_watch_lag_seconds", "How far the watch is behind the journal's clock.", gauge, nil, func() float64 { return c.collector.Lag().Seconds() }},
		{"medfleet_roster_devices", "Devices known.", gauge, nil, func() float64 { return float64(c.collector.Roster().Size()) }},
		{"medfleet_roster_late_records_total", "Records older than what was known of their device.", counter, nil, func() float64 { return float64(c.collector.Roster().Counts().Late) }},
		{"medfleet_roster_repeated_events_total", "Events that came again and changed nothing.", counter, nil, func() float64 { return float64(c.collector.Roster().Counts().Repeated) }},
		{"medfleet_roster_gaps_total", "Losses that gateways declared.", counter, nil, func() float64 { return float64(c.collector.Roster().Counts().Gaps) }},
		{"medfleet_store_points_total", "Points written to the time-series store.", counter, nil, func() float64 { return float64(points.Points.Load()) }},
		{"medfleet_store_refused_points_total", "Points that the time-series store refuses for good.", counter, nil, func() float64 { return float64(points.Refused.Load()) }},
		{"medfleet_store_errors_total", "Attempts to write to the time-series store that failed.", counter, nil, func() float64 { return float64(points.Errors.Load()) }},
		{"medfleet_store_lost_records_total", "Records that went at the journal's limit before the store had them.", counter, nil, func() float64 { return float64(points.Lost.Load()) }},
	}
	list = append(list, logFigures("journal", journal)...)
	list = append(list, readerFigures("journal", "watch", journal)...)
	list = append(list, readerFigures("journal", "store", journal)...)
	return newFigures(list)
}

// gatewayMetrics are a gateway's figures, hop by hop.
func gatewayMetrics(g *gateway.Gateway) *figures {
	c := g.Counts()
	list := []figure{
		{"medfleet_gateway_kept_messages_total", "Messages made durable and acknowledged.", counter, nil, func() float64 { return float64(c.Kept.Load()) }},
		{"medfleet_gateway_nothing_messages_total", "Messages understood that say nothing to us but that the device lives.", counter, nil, func() float64 { return float64(c.Nothing.Load()) }},
		{"medfleet_gateway_dead_letters_total", "Messages not understood: acknowledged and kept as dead letters.", counter, nil, func() float64 { return float64(c.NotUnderstood.Load()) }},
		{"medfleet_gateway_queries_total", "Questions put to us and refused.", counter, nil, func() float64 { return float64(c.Asked.Load()) }},
		{"medfleet_gateway_refused_messages_total", "Input that is no HL7, over a limit, or from a sender not on the list.", counter, nil, func() float64 { return float64(c.Refused.Load()) }},
		{"medfleet_gateway_unkept_messages_total", "Messages not acknowledged because the disk did not take them.", counter, nil, func() float64 { return float64(c.NotKept.Load()) }},
		{"medfleet_gateway_dropped_parts_total", "Segments, rows and keys dropped since they are not about equipment.", counter, nil, func() float64 { return float64(c.Dropped.Load()) }},
		{"medfleet_gateway_unknown_codes_total", "Error codes dropped since no table has them.", counter, nil, func() float64 { return float64(c.UnknownCodes.Load()) }},
		{"medfleet_gateway_echoes_total", "Signs of life of monitors that are asked.", counter, nil, func() float64 { return float64(c.Echoes.Load()) }},
		{"medfleet_gateway_implausible_values_total", "Values dropped since they cannot be right.", counter, nil, func() float64 { return float64(c.Implausible.Load()) }},
	}
	for _, name := range []string{gateway.Events, gateway.Telemetry} {
		stats := func() spool.Stats { return g.Spool(name) }
		list = append(list, logFigures(name, stats)...)
		list = append(list, readerFigures(name, "uplink", stats)...)
	}
	for _, s := range g.Streams() {
		labels, sent := []string{"stream", s.Name()}, s.Counts()
		list = append(list,
			figure{"medfleet_uplink_records_total", "Records that the collector has made durable.", counter, labels, func() float64 { return float64(sent.Records.Load()) }},
			figure{"medfleet_uplink_bytes_total", "Bytes of request bodies sent to the collector.", counter, labels, func() float64 { return float64(sent.Bytes.Load()) }},
			figure{"medfleet_uplink_failures_total", "Attempts that the collector did not answer with success.", counter, labels, func() float64 { return float64(sent.Failures.Load()) }},
			figure{"medfleet_uplink_rejected_records_total", "Records that the collector refuses for good, kept as dead letters.", counter, labels, func() float64 { return float64(sent.Rejected.Load()) }},
		)
	}
	for _, f := range g.Feeds() {
		list = append(list, feedFigures(f)...)
	}
	for _, f := range g.SparkplugFeeds() {
		list = append(list, sparkplugFigures(f)...)
	}
	return newFigures(list)
}

// sparkplugFigures are those of one feed of Sparkplug B.
func sparkplugFigures(f gateway.SparkplugFeed) []figure {
	labels := []string{"feed", f.Name}
	of := func(n *atomic.Uint64) func() float64 { return func() float64 { return float64(n.Load()) } }
	return []figure{
		{"medfleet_sparkplug_births_total", "Births of edge nodes and devices.", counter, labels, of(&f.Nodes.Births)},
		{"medfleet_sparkplug_deaths_total", "Deaths of edge nodes and devices.", counter, labels, of(&f.Nodes.Deaths)},
		{"medfleet_sparkplug_gaps_total", "Times that messages of an edge node were missing for good.", counter, labels, of(&f.Nodes.Gaps)},
		{"medfleet_sparkplug_lost_messages_total", "Messages behind a gap, which could not be trusted.", counter, labels, of(&f.Nodes.Lost)},
		{"medfleet_sparkplug_unborn_messages_total", "Messages of edge nodes and devices of which no birth was known.", counter, labels, of(&f.Nodes.Unborn)},
		{"medfleet_sparkplug_rebirths_total", "Rebirths that edge nodes were asked for.", counter, labels, of(&f.Nodes.Rebirths)},
		{"medfleet_sparkplug_strange_messages_total", "Messages of edge nodes that no mapping is for.", counter, labels, of(&f.Nodes.Strangers)},
		{"medfleet_sparkplug_unlettered_messages_total", "Messages not understood that came too fast to be kept as dead letters.", counter, labels, of(&f.Client.Unlettered)},
		{"medfleet_sparkplug_unkept_records_total", "Records dropped since the disk did not take them; their edge nodes are asked for a rebirth.", counter, labels, of(&f.Client.NotKept)},
	}
}
