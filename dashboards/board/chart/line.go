package chart

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// Point is one value at one time.
type Point struct {
	At    time.Time
	Value float64
}

// Line is one metric over a window. Low and High, when High is above Low, are
// what the axis shows at least. Steps draws values that hold until the next one,
// such as yes and no. A line is broken where no value came for longer than Gap:
// what was not heard is not drawn.
type Line struct {
	ID     string
	Title  string
	Desc   string
	Window Window
	Points []Point
	Low    float64
	High   float64
	Steps  bool
	Gap    time.Duration
	Format func(float64) string
	Marks  []Mark
}

// The line's picture is drawn in this frame and scaled as a whole.
const (
	width, height = 440.0, 168.0
	left, right   = 50.0, 8.0
	top, bottom   = 14.0, 24.0
	maxPoints     = 600
)

// SVG draws the line. Values that are no numbers, or beyond all measure, are
// left out.
func (l Line) SVG() template.HTML {
	points := thin(finite(l.Points))
	s := l.scale(points)
	var p picture
	p.open("svg", "class", "line", "role", "img", "viewBox", fmt.Sprintf("0 0 %g %g", width, height),
		"aria-labelledby", l.ID+"-title "+l.ID+"-desc")
	p.leaf("title", l.Title, "id", l.ID+"-title")
	p.leaf("desc", l.Desc, "id", l.ID+"-desc")
	l.grid(&p, s)
	for _, m := range l.Marks {
		l.mark(&p, m)
	}
	if len(points) == 0 {
		p.leaf("text", "nothing in this time", "class", "label", "x", number(width/2), "y", number(height/2), "text-anchor", "middle")
	} else {
		l.trace(&p, s, points)
	}
	p.close("svg")
	return p.html()
}

func (l Line) scale(points []Point) scale {
	if l.Steps {
		return scale{0, 1, 1}
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		lo, hi = min(lo, p.Value), max(hi, p.Value)
	}
	if l.High > l.Low {
		lo, hi = min(lo, l.Low), max(hi, l.High)
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	return valueScale(lo, hi, 4)
}

func (l Line) x(t time.Time) float64 { return left + l.Window.share(t)*(width-left-right) }

func (l Line) y(s scale, v float64) float64 { return height - bottom - s.share(v)*(height-top-bottom) }

func (l Line) grid(p *picture, s scale) {
	for _, v := range s.lines() {
		y := l.y(s, v)
		p.empty("line", "class", "grid", "x1", number(left), "x2", number(width-right), "y1", tenth(y), "y2", tenth(y))
		p.leaf("text", l.format(v), "class", "label", "x", number(left-6), "y", tenth(y+4), "text-anchor", "end")
	}
	for _, k := range l.Window.ticks(timeTicks - 1) {
		x := l.x(k.at)
		p.empty("line", "class", "tick", "x1", tenth(x), "x2", tenth(x), "y1", number(height-bottom), "y2", number(height-bottom+4))
		p.leaf("text", k.label, "class", "label", "x", tenth(x), "y", number(height-6), "text-anchor", anchor(l.Window.share(k.at)))
	}
}

func (l Line) format(v float64) string {
	if l.Format != nil {
		return l.Format(v)
	}
	return number(v)
}

func (l Line) mark(p *picture, m Mark) {
	from := l.x(m.From)
	p.open("g", "class", "mark "+m.Class)
	p.leaf("title", m.Label)
	if m.To.After(m.From) {
		p.empty("rect", "class", "shade", "x", tenth(from), "y", number(top), "width", tenth(l.x(m.To)-from), "height", number(height-top-bottom))
	}
	p.empty("line", "x1", tenth(from), "x2", tenth(from), "y1", number(top-4), "y2", number(height-bottom))
	p.empty("path", "d", fmt.Sprintf("M%s 1h10l-5 9z", tenth(from-5)))
	p.close("g")
}

func (l Line) trace(p *picture, s scale, points []Point) {
	var d strings.Builder
	for i, q := range points {
		x, y := tenth(l.x(q.At)), tenth(l.y(s, q.Value))
		switch {
		case i == 0 || l.Gap > 0 && q.At.Sub(points[i-1].At) > l.Gap:
			// A point alone between two silences would be a line of no length;
			// round caps make it a dot.
			fmt.Fprintf(&d, "M%s %sh0", x, y)
		case l.Steps:
			fmt.Fprintf(&d, "H%sV%s", x, y)
		default:
			fmt.Fprintf(&d, "L%s %s", x, y)
		}
	}
	p.empty("path", "class", "trace", "d", d.String())
	end := points[len(points)-1]
	p.empty("circle", "class", "newest", "cx", tenth(l.x(end.At)), "cy", tenth(l.y(s, end.Value)), "r", "3.5")
}

// drawable is the largest value that is drawn: beyond it the axis could not tell
// its own steps apart.
const drawable = 1e15

func finite(points []Point) []Point {
	out := make([]Point, 0, len(points))
	for _, p := range points {
		if math.Abs(p.Value) <= drawable { // false for NaN too
			out = append(out, p)
		}
	}
	return out
}

// thin bounds what is drawn: of each run of points it keeps the lowest and the
// highest, in their order, so that no peak is lost.
func thin(points []Point) []Point {
	if len(points) <= maxPoints {
		return points
	}
	run := (len(points)*2 + maxPoints - 1) / maxPoints
	out := make([]Point, 0, maxPoints+2)
	for i := 0; i < len(points); i += run {
		part := points[i:min(i+run, len(points))]
		lo, hi := 0, 0
		for j := range part {
			if part[j].Value < part[lo].Value {
				lo = j
			}
			if part[j].Value > part[hi].Value {
				hi = j
			}
		}
		out = append(out, part[min(lo, hi)])
		if lo != hi {
			out = append(out, part[max(lo, hi)])
		}
	}
	if last := points[len(points)-1]; out[len(out)-1] != last {
		out = append(out, last)
	}
	return out
}
