package board

import (
	"context"
	"fmt"
	"html/template"
	"time"

	"medfleet"
	"medfleet/dashboards/board/chart"
	"medfleet/profiles"
)

// chartView is one metric over time as the page shows it.
type chartView struct {
	Name   string
	Title  string
	Newest string
	SVG    template.HTML
}

// plotting is what all charts of a page share.
type plotting struct {
	win      chart.Window
	marks    []chart.Mark
	from, to medfleet.Millis
}

// pointsPerChart is about how many samples a chart asks for: more than it has
// room to tell apart would only be thrown away.
const pointsPerChart = 240

// charts draws each metric of the profile that the device has ever told. When
// the history does not answer, the page says so once and goes on without.
func (b *board) charts(ctx context.Context, d medfleet.Device, p *profiles.Profile, on plotting) ([]chartView, string) {
	if b.History == nil {
		return nil, "No history is kept here."
	}
	step := chart.Every(on.to.Sub(on.from), pointsPerChart)
	var out []chartView
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Kind == profiles.Enum {
			continue // the state has its own picture
		}
		samples, err := b.History.History(ctx, d.ID, m.Name, on.from, on.to, step)
		if err != nil {
			b.Log.Error("read history", "device", d.ID, "metric", m.Name, "error", err)
			return out, "The history does not answer at the moment; states, alarms and events do not depend on it."
		}
		newest, known := d.Readings[m.Name]
		if !known && len(samples) == 0 {
			continue
		}
		if !known {
			newest = samples[len(samples)-1].Value
		}
		out = append(out, chartView{
			Name: m.Name, Title: upper(m.Title), Newest: value(m, newest),
			SVG: metricLine(m, samples, on, silenceGap(p, step)).SVG(),
		})
	}
	return out, ""
}

// silenceGap is how far apart two samples must be for the line to break: longer
// than the class may be silent, and than the step asked for.
func silenceGap(p *profiles.Profile, step time.Duration) time.Duration {
	return max(p.Silence, 3*step)
}

func metricLine(m *profiles.Metric, samples []Sample, on plotting, gap time.Duration) chart.Line {
	line := chart.Line{
		ID: "m-" + m.Name, Title: upper(m.Title), Window: on.win, Marks: on.marks,
		Gap: gap, Steps: m.Kind == profiles.Flag,
		Points: make([]chart.Point, len(samples)),
		Format: func(v float64) string { return tickWords(m, v) },
	}
	for i, s := range samples {
		line.Points[i] = chart.Point{At: s.Time.Time(), Value: s.Value}
	}
	if m.Unit == "%" {
		line.Low, line.High = 0, 100 // a share is read against its whole
	}
	line.Desc = lineWords(m, samples)
	return line
}

// tickWords is what stands at the value axis: the unit is in the title.
func tickWords(m *profiles.Metric, v float64) string {
	if m.Kind == profiles.Flag {
		return value(m, v)
	}
	return figure(v)
}

// lineWords tells the picture to whoever does not see it.
func lineWords(m *profiles.Metric, samples []Sample) string {
	if len(samples) == 0 {
		return "No value in this time."
	}
	lo, hi := samples[0].Value, samples[0].Value
	for _, s := range samples {
		lo, hi = min(lo, s.Value), max(hi, s.Value)
	}
	first, last := samples[0].Value, samples[len(samples)-1].Value
	return fmt.Sprintf("From %s to %s; lowest %s, highest %s.", value(m, first), value(m, last), value(m, lo), value(m, hi))
}
