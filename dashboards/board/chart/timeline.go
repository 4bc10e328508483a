package chart

import (
	"html/template"
	"time"
)

// Span is a time in one state. Class names its dress in the style sheet, Label
// says in words what it was.
type Span struct {
	From, To time.Time
	Class    string
	Label    string
}

// Timeline is one bar of spans over a window, with marks above it.
type Timeline struct {
	ID     string // unique in the page: the title and description are found by it
	Title  string
	Desc   string
	Window Window
	Spans  []Span
	Marks  []Mark
}

// Heights of the timeline's parts in pixels. Across, it is drawn in shares of
// the width that the page gives, so that its text keeps its size on a phone.
const (
	markHeight = 12
	barHeight  = 44
	axisHeight = 20
	timeTicks  = 6
)

// SVG draws the timeline.
func (t Timeline) SVG() template.HTML {
	var p picture
	p.open("svg", "class", "timeline", "role", "img", "width", "100%", "height", number(markHeight+barHeight+axisHeight),
		"aria-labelledby", t.ID+"-title "+t.ID+"-desc")
	p.leaf("title", t.Title, "id", t.ID+"-title")
	p.leaf("desc", t.Desc, "id", t.ID+"-desc")
	p.empty("rect", "class", "ground", "x", "0", "y", number(markHeight), "width", "100%", "height", number(barHeight))
	for _, s := range t.Spans {
		t.span(&p, s)
	}
	for _, m := range t.Marks {
		t.mark(&p, m)
	}
	t.axis(&p)
	p.close("svg")
	return p.html()
}

func (t Timeline) span(p *picture, s Span) {
	from, to := t.Window.share(s.From), t.Window.share(s.To)
	if to <= from {
		return
	}
	p.open("rect", "class", s.Class, "x", percent(from), "y", number(markHeight), "width", percent(to-from), "height", number(barHeight))
	p.leaf("title", s.Label)
	p.close("rect")
}

func (t Timeline) mark(p *picture, m Mark) {
	x := percent(t.Window.share(m.From))
	p.open("g", "class", "mark "+m.Class)
	p.leaf("title", m.Label)
	p.empty("line", "x1", x, "x2", x, "y1", "2", "y2", number(markHeight+barHeight))
	p.open("svg", "x", x, "y", "0", "width", "1", "height", "1", "overflow", "visible")
	p.empty("path", "d", "M-6 0H6L0 10Z")
	p.close("svg")
	p.close("g")
}

func (t Timeline) axis(p *picture) {
	for _, k := range t.Window.ticks(timeTicks) {
		share := t.Window.share(k.at)
		x := percent(share)
		p.empty("line", "class", "tick", "x1", x, "x2", x, "y1", number(markHeight+barHeight), "y2", number(markHeight+barHeight+4))
		p.leaf("text", k.label, "class", "label", "x", x, "y", number(markHeight+barHeight+16), "text-anchor", anchor(share))
	}
}

// anchor keeps a label at either end inside the picture.
func anchor(share float64) string {
	switch {
	case share < 0.05:
		return "start"
	case share > 0.95:
		return "end"
	}
	return "middle"
}

// Every gives the step in which to ask for history so that a window holds about
// n points: a round number of seconds, at least one.
func Every(window time.Duration, n int) time.Duration {
	raw := window / time.Duration(n)
	for _, s := range timeSteps {
		if raw <= s {
			return s
		}
	}
	return raw.Round(time.Hour)
}
