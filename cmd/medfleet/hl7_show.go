package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"medfleet/gateway/pcd"
)

// showJSON writes the messages as the API writes lists.
func showJSON(out io.Writer, list []examined) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Items []examined `json:"items"`
	}{slices.Concat([]examined{}, list)})
}

// showText writes the messages for a person: what is kept first, what is left
// behind after it, quietly.
func showText(out io.Writer, list []examined) {
	s := sheet{out: out, paint: paintFor(out)}
	for i := range list {
		if i > 0 {
			fmt.Fprintln(out)
		}
		s.message(&list[i])
	}
}

// sheet writes lines of a label and a text.
type sheet struct {
	out   io.Writer
	paint paint
}

const labelWidth = 14

// line writes one line; a label that is empty continues the one before.
func (s *sheet) line(label, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == "" {
		return
	}
	fmt.Fprintf(s.out, "  %s%s\n", s.paint.dim(fmt.Sprintf("%-*s", labelWidth, label)), text)
}

// wrapped writes a list of words in as many lines as it needs.
func (s *sheet) wrapped(label string, words []string) {
	const width = 78 - labelWidth
	text := ""
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if len(text)+1+len(w) > width && text != "" {
			s.line(label, "%s", text)
			label, text = "", ""
		}
		text = strings.TrimPrefix(text+" "+w, " ")
	}
	s.line(label, "%s", text)
}

func (s *sheet) message(e *examined) {
	fmt.Fprintf(s.out, "%s %s\n", s.paint.bold(fmt.Sprintf("message %d:", e.Number)), s.verdict(e.Verdict))
	if e.Reason != "" {
		s.line("why", "%s", e.Reason)
	}
	if e.Verdict != unread {
		s.line("what", "%s", what(e))
		s.line("segments", "%s", segments(e.Segments))
		s.line("sender", "%s", e.senderWords)
	}
	for i := range e.Devices {
		s.device(&e.Devices[i])
	}
	s.left(e)
	for _, n := range e.Notes {
		s.line("note", "%s", s.paint.yellow(n))
	}
	if e.Answer == "" {
		s.line("answer", "none: %s", e.AnswerReason)
	} else {
		s.line("answer", "%s, %s", e.Answer, e.AnswerReason)
	}
}

func (s *sheet) verdict(v string) string {
	switch v {
	case verdictWords(pcd.Understood):
		return s.paint.green(v)
	case verdictWords(pcd.NothingForUs):
		return s.paint.dim(v)
	case unread:
		return s.paint.red(v)
	}
	return s.paint.yellow(v)
}

// transactions are the names that IHE gives them.
var transactions = map[string]string{
	"PCD-01": "device data", "PCD-04": "alert", "PCD-10": "infusion pump event", "PCD-15": "device management", "PCD-16": "location",
}

// what says in one line what kind of message it is.
func what(e *examined) string {
	words := []string{}
	for _, w := range []string{e.Type, strings.TrimSpace(e.Transaction + " " + transactions[e.Transaction])} {
		if w != "" {
			words = append(words, w)
		}
	}
	if e.Application != "" {
		words = append(words, "from "+e.Application)
	}
	if e.ControlID != "" {
		words = append(words, "control id "+e.ControlID)
	}
	if e.Sent != "" {
		words = append(words, "sent "+e.Sent)
	}
	return strings.Join(words, " · ")
}

// segments gives the names in their order, runs as a count.
func segments(list []pcd.Count) string {
	if len(list) == 0 {
		return "none"
	}
	const most = 24
	var words []string
	for _, c := range list[:min(len(list), most)] {
		words = append(words, counted(c))
	}
	if n := len(list) - most; n > 0 {
		words = append(words, fmt.Sprintf("… and %d more", n))
	}
	return strings.Join(words, " ")
}

func counted(c pcd.Count) string {
	if c.Count == 1 {
		return c.Name
	}
	return fmt.Sprintf("%s×%d", c.Name, c.Count)
}

func (s *sheet) device(u *examinedUnit) {
	about := []string{s.paint.bold(string(u.Device))}
	if u.Class != "" {
		about = append(about, string(u.Class))
	}
	if u.Model != "" {
		about = append(about, u.Model)
	}
	if u.Unit != "" {
		about = append(about, "unit "+string(u.Unit))
	}
	if u.NamedBy != "" {
		about = append(about, "named by "+u.NamedBy)
	}
	s.line("device", "%s", strings.Join(about, " · "))
	for _, m := range u.Making {
		s.line("", "%s %s", m.Name, m.Value)
	}
	for _, p := range u.Parts {
		s.line("  part", "slot %s: %s", p.Name, p.Value)
	}
	for i := range u.Observations {
		s.observation(&u.Observations[i])
	}
	for i := range u.Events {
		s.event(&u.Events[i])
	}
}

func (s *sheet) observation(o *seenAt) {
	sign := ""
	if len(o.Readings) == 0 {
		sign = "  a sign of life"
	}
	s.line("  observation", "%s%s", o.Time, sign)
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range o.Readings {
		beside := r.Unit + r.State
		if beside != "" {
			beside = " " + beside
		}
		// A table of its own width: names to the left, numbers to the right.
		fmt.Fprintf(table, "%s%-24s\t%g\t%s\n", strings.Repeat(" ", labelWidth+2), r.Metric, r.Value, beside)
	}
	table.Flush()
	s.marks(o.Marks)
}

func (s *sheet) event(e *happened) {
	s.line("  event", "%s", e.Time)
	words := []string{s.paint.bold(e.Condition), e.Phase, e.Kind}
	if e.Priority != "" {
		words = append(words, "priority "+e.Priority)
	}
	s.line("", "%s", strings.Join(words, " · "))
	s.line("", "%s", strings.TrimSpace(e.Text+"  "+s.paint.dim(e.Code)))
	if e.Check != "" {
		s.line("", "first: %s", e.Check)
	}
	s.marks(e.Marks)
}

func (s *sheet) marks(list []string) {
	for _, m := range list {
		s.line("", "%s", s.paint.yellow(m))
	}
}

// left says what stays behind, by names and counts.
func (s *sheet) left(e *examined) {
	l := &e.Left
	if e.Verdict == verdictWords(pcd.NotUnderstood) {
		s.line("kept", "a dead letter: names and lengths of its segments, and why; nothing that can be replayed")
	}
	segments := names(l.Segments)
	if len(segments) == 0 && len(l.Rows)+len(l.Fields) > 0 {
		segments = []string{"no segment as a whole"}
	}
	s.wrapped("left behind", segments)
	s.wrapped("  rows", names(l.Rows))
	s.wrapped("  fields", names(l.Fields))
	for _, c := range []struct {
		count     int
		one, many string
	}{
		{l.Alerts, "alert that is not about equipment", "alerts that are not about equipment"},
		{l.Devices, "device without a name or profile", "devices without a name or profile"},
		{l.OddCodes, "odd event code, whose meaning no source tells", "odd event codes, whose meaning no source tells"},
	} {
		switch {
		case c.count == 1:
			s.line("", "1 %s", c.one)
		case c.count > 1:
			s.line("", "%d %s", c.count, c.many)
		}
	}
	for i, refused := range e.Refused {
		s.line([...]string{"refused", ""}[min(i, 1)], "%s: %s", refused.Code, refused.Why)
	}
	s.wrapped("not known", e.Unknown)
}

func names(list []pcd.Count) (words []string) {
	for _, c := range list {
		words = append(words, counted(c))
	}
	return words
}
