// Package chart draws two small pictures as SVG: what state a device was in over
// time, and one metric over time. They are meant to stand inline in a page with a
// strict content security policy: no style attribute, no script, every colour
// and font by class from the page's own style sheet, so that they follow its dark
// and its high-contrast dress. Each has a title and a description in words for
// whoever does not see it.
//
// It knows numbers and times only, nothing of devices.
package chart

import (
	"encoding/xml"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// Window is the time that a picture shows, [From, To), and the zone in which
// its axis speaks.
type Window struct {
	From, To time.Time
	Zone     *time.Location
}

// share tells where in the window a time lies, 0 at From and 1 at To, cut to it.
func (w Window) share(t time.Time) float64 {
	whole := w.To.Sub(w.From)
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, float64(t.Sub(w.From))/float64(whole)))
}

// Mark is a time to point at, such as an alarm: a line at From, and a shade up to
// To if that is set. Class names its dress in the style sheet.
type Mark struct {
	From, To time.Time
	Class    string
	Label    string
}

// picture collects SVG. Every text that goes in is escaped here and nowhere else.
type picture struct{ b strings.Builder }

// open writes an element's start tag from pairs of attribute name and value.
func (p *picture) open(name string, attributes ...string) {
	p.tag(name, attributes)
	p.b.WriteByte('>')
}

func (p *picture) empty(name string, attributes ...string) {
	p.tag(name, attributes)
	p.b.WriteString("/>")
}

func (p *picture) close(name string) { p.b.WriteString("</" + name + ">") }

// leaf writes an element that holds text only.
func (p *picture) leaf(name, text string, attributes ...string) {
	p.open(name, attributes...)
	p.text(text)
	p.close(name)
}

func (p *picture) tag(name string, attributes []string) {
	p.b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		p.b.WriteString(" " + attributes[i] + `="`)
		p.text(attributes[i+1])
		p.b.WriteByte('"')
	}
}

// text cannot fail: EscapeText fails only when its writer does, and replaces
// what XML cannot hold.
func (p *picture) text(s string) { _ = xml.EscapeText(&p.b, []byte(s)) }

// html gives what was drawn. It is safe in a page since text is the only way in.
func (p *picture) html() template.HTML { return template.HTML(p.b.String()) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// tenth cuts a coordinate to a tenth, which no eye can tell from the whole.
func tenth(v float64) string { return number(math.Round(v*10) / 10) }

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'f', 3, 64) + "%"
}
