package board

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// stateWords says each state as people say it.
func stateWords(s medfleet.State) string {
	switch s {
	case medfleet.InUse:
		return "in use"
	case medfleet.OutOfService:
		return "out of service"
	case medfleet.Blind:
		return "blind"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}

// stateMeaning says what a state stands for where its name alone may mislead.
func stateMeaning(s medfleet.State) string {
	switch s {
	case medfleet.Unheard:
		return "device silent, its gateway heard"
	case medfleet.Blind:
		return "our path down, or no record"
	case medfleet.OutOfService:
		return "service, repair, cleaning"
	}
	return ""
}

// priorityWords are the words of maintenance urgency.
func priorityWords(p medfleet.Priority) string {
	switch p {
	case medfleet.Now:
		return "GO NOW"
	case medfleet.Today:
		return "TODAY"
	case medfleet.Round:
		return "NEXT ROUND"
	}
	return strings.ToUpper(string(p))
}

// glyph refers to a shape in the page's own set; what it says is always beside
// it in words.
func glyph(name string) template.HTML {
	return template.HTML(`<svg class="glyph" aria-hidden="true" focusable="false"><use href="#g-` + template.HTMLEscapeString(name) + `"></use></svg>`)
}

// unitWords turns a UCUM unit into what is printed behind a number.
func unitWords(ucum string) string {
	switch ucum {
	case "1", "":
		return ""
	case "Cel":
		return "°C"
	}
	return strings.ReplaceAll(ucum, ".", "")
}

// figure writes a number with the digits that matter and a thin space between
// thousands.
func figure(v float64) string {
	digits := 0
	switch a := math.Abs(v); {
	case a == math.Trunc(a), a >= 1000:
	case a >= 10:
		digits = 1
	case a >= 1:
		digits = 2
	default:
		digits = 3
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return groupThousands(s)
}

func groupThousands(s string) string {
	whole, rest, broken := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString("\u2009")
		}
		b.WriteByte(whole[i])
	}
	if broken {
		b.WriteString("." + rest)
	}
	return b.String()
}

// value writes a metric's value: yes or no for a flag, else number and unit.
func value(m *profiles.Metric, v float64) string {
	if m.Kind == profiles.Flag {
		if v != 0 {
			return "yes"
		}
		return "no"
	}
	return strings.TrimSpace(figure(v) + " " + unitWords(m.Unit))
}

// age says how long ago in the coarsest two units.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// upper puts a capital at the front of a title.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// classTitle says what a class is called.
func (b *board) classTitle(c medfleet.Class) string {
	if p, ok := b.Profiles.Class(c); ok {
		return p.Title
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

func (b *board) conditionTitle(name string) string {
	if c, ok := b.Profiles.Condition(name); ok {
		return c.Title
	}
	return strings.ReplaceAll(name, "_", " ")
}

// fault finds what a maker says of an event's code, nil if it is not known.
func (b *board) fault(e medfleet.Event) *profiles.Fault {
	if f, ok := b.Profiles.Fault(e.Model, e.Code); ok {
		return f
	}
	return nil
}

// clock writes a time in the board's zone: the time of day, with the day before
// it when that is not today.
func (b *board) clock(m medfleet.Millis) template.HTML {
	if m == 0 {
		return "–"
	}
	t, now := m.Time().In(b.Zone), time.Now().In(b.Zone)
	form := "15:04:05"
	switch {
	case t.Year() != now.Year():
		form = "2 Jan 2006 15:04:05"
	case t.YearDay() != now.YearDay():
		form = "2 Jan 15:04:05"
	}
	return template.HTML(`<time datetime="` + m.String() + `">` + t.Format(form) + `</time>`)
}

// where gives the address that tells more of what an alarm is about: a device's page,
// or the bottom of the board for a gateway or a feed.
func where(id any) string {
	name := fmt.Sprint(id)
	if strings.HasPrefix(name, "gateway:") || strings.HasPrefix(name, "feed:") {
		return "/#feeds"
	}
	return "/devices/" + url.PathEscape(name)
}

// words are the functions that the pages' templates speak with.
func (b *board) words() template.FuncMap {
	return template.FuncMap{
		"glyph":     glyph,
		"state":     stateWords,
		"meaning":   stateMeaning,
		"priority":  priorityWords,
		"class":     b.classTitle,
		"where":     where,
		"condition": b.conditionTitle,
		"clock":     b.clock,
		"fault":     b.fault,
		"age":       func(m medfleet.Millis) string { return age(time.Since(m.Time())) },
		"open":      func(s medfleet.AlarmState) bool { return s.Open() },
	}
}
