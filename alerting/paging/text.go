package paging

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"medfleet"
)

// MaxText is the longest text of a page, in characters.
const MaxText = 160

// Telling is what a page's text needs besides the alarm.
type Telling struct {
	About       string          // raised or cleared
	Occurrences int             // which alarm of this rule and device it is in 30 days
	Now         medfleet.Millis // the date is left out of today's times
	Zone        *time.Location  // the hospital's
}

// Text writes what a person reads of an alarm, at most 160 characters: priority,
// care unit, model, what is wrong, since when, how often lately, what to do.
func Text(a *medfleet.Alarm, t Telling) string {
	head := join(priorityWord(a.Priority), string(a.Unit), a.Model) + ": " + a.Summary
	var tail string
	if t.About == AboutCleared {
		head = join("CLEARED", string(a.Unit), a.Model) + ": " + a.Summary
		tail = fmt.Sprintf(". Over since %s, lasted %s", t.clock(a.ClearedAt), span(a.ClearedAt.Sub(a.Since)))
		return fit(line(head), line(tail), "")
	}
	tail = ". Since " + t.clock(a.Since)
	if t.Occurrences > 1 {
		tail += fmt.Sprintf(" (%s/30d)", ordinal(t.Occurrences))
	}
	action := ""
	if a.Action != "" {
		action = ". " + a.Action
	}
	return fit(line(head), line(tail), line(action))
}

// fit keeps the tail whole, cuts the head if it must, and takes the end only if
// all of it has room.
func fit(head, tail, end string) string {
	room := MaxText - utf8.RuneCountInString(tail)
	if n := utf8.RuneCountInString(head); n > room {
		return string([]rune(head)[:room-3]) + "..." + tail
	} else if n+utf8.RuneCountInString(end) <= room {
		return head + tail + end
	}
	return head + tail
}

func priorityWord(p medfleet.Priority) string {
	switch p {
	case medfleet.Now:
		return "GO NOW"
	case medfleet.Today:
		return "TODAY"
	}
	return "NEXT ROUND"
}

func join(words ...string) string {
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// line keeps a text to one line: no control character reaches a header, a log or
// a terminal.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// clock gives 02:14, with the date when it is not today's.
func (t Telling) clock(at medfleet.Millis) string {
	then, now := at.Time().In(t.Zone), t.Now.Time().In(t.Zone)
	if then.Year() == now.Year() && then.YearDay() == now.YearDay() {
		return then.Format("15:04")
	}
	return then.Format("2006-01-02 15:04")
}

func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprint(n, suffix)
}
