package board

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"medfleet"
	"medfleet/dashboards/board/chart"
)

// Bounds of a device page: how much it lists and how long it waits for what is
// behind it.
const (
	maxEvents = 200
	maxAlarms = 50
	patience  = 10 * time.Second
)

type devicePage struct {
	frame
	Device medfleet.Device
	Life   bool // life support
	In     *inside
	Parts  []partRow
	Spans  []spanLink
	Window string
	From   medfleet.Millis
	Time   timeInStates
	Charts []chartView
	Unkept string // why there are no charts
	Alarms []medfleet.Alarm
	Events []medfleet.Event
	Cut    bool // more events than are shown
}

// named is a device that is linked when there is a page of it: a module or a rack
// need not be a device of its own.
type named struct {
	ID    medfleet.DeviceID
	Known bool
}

// inside is where a part is.
type inside struct {
	Device named
	Slot   string
	Since  medfleet.Millis
}

type partRow struct {
	medfleet.Stay
	Device named
}

// parts fills in where a device is and what is in it.
func (b *board) parts(page *devicePage) {
	d := &page.Device
	if d.Parent != "" {
		page.In = &inside{b.named(d.Parent), d.Slot, d.Attached}
	}
	for _, s := range d.Parts {
		page.Parts = append(page.Parts, partRow{s, b.named(s.Part)})
	}
}

func (b *board) named(id medfleet.DeviceID) named {
	_, ok := b.Devices.Device(id)
	return named{id, ok}
}

type spanLink struct {
	span
	Current bool
}

// timeInStates is the timeline and the table of minutes beside it.
type timeInStates struct {
	SVG      template.HTML
	Rows     []minuteRow
	Total    string
	Coverage string
	Low      bool // coverage is too low to trust the other figures
}

type minuteRow struct {
	State   medfleet.State
	Minutes string
	Share   string
}

// lowCoverage is where figures are greyed: below it too little was heard.
const lowCoverage = 0.8

// device draws everything known of one device.
func (b *board) device(w http.ResponseWriter, r *http.Request) {
	id := medfleet.DeviceID(r.PathValue("id"))
	d, ok := b.Devices.Device(id)
	if !id.Valid() || !ok {
		b.problem(w, http.StatusNotFound, "Unknown device",
			fmt.Sprintf("No device %q has been heard yet. Check the id against the asset tag, or look for it on the board.", r.PathValue("id")))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	page, err := b.devicePage(ctx, d, spanOf(r.URL.Query().Get("range")))
	if err != nil {
		b.failed(w, "read the records of "+string(id), err)
		return
	}
	b.render(w, "device", http.StatusOK, page)
}

func (b *board) devicePage(ctx context.Context, d medfleet.Device, s span) (devicePage, error) {
	page := devicePage{frame: b.frame("device", string(d.ID)), Device: d}
	b.parts(&page)
	from, to := s.window(page.At, d.FirstSeen)
	page.From, page.Window = from, "last "+s.Title
	if page.At.Sub(from) < s.Length {
		page.Window = "since first heard, " + age(page.At.Sub(from)) + " ago"
	}
	for _, choice := range spans() {
		page.Spans = append(page.Spans, spanLink{choice, choice == s})
	}
	stretches, err := b.Records.Stretches(ctx, d.ID, from, to)
	if err != nil {
		return page, fmt.Errorf("read stretches: %w", err)
	}
	if page.Alarms, _, err = b.Alarms.Alarms(ctx, AlarmQuery{Device: d.ID, Limit: maxAlarms}); err != nil {
		return page, fmt.Errorf("read alarms: %w", err)
	}
	events, more, err := b.Records.Events(ctx, d.ID, maxEvents, "")
	if err != nil {
		return page, fmt.Errorf("read events: %w", err)
	}
	page.Events = slices.DeleteFunc(events, func(e medfleet.Event) bool { return e.Time < from })
	page.Cut = more != "" && len(page.Events) == maxEvents
	win := chart.Window{From: from.Time(), To: to.Time(), Zone: b.Zone}
	marks := marksOf(page.Alarms, win)
	page.Time = b.timeInStates(split(stretches, from, to), win, marks)
	if p, ok := b.Profiles.Class(d.Class); ok {
		page.Life = p.LifeSupport
		page.Charts, page.Unkept = b.charts(ctx, d, p, plotting{win, marks, from, to})
	}
	return page, nil
}

// marksOf gives the alarms that touch the window as marks.
func marksOf(alarms []medfleet.Alarm, win chart.Window) []chart.Mark {
	var out []chart.Mark
	for _, a := range alarms {
		end := win.To
		if !a.State.Open() {
			end = max(a.ClearedAt, a.ChangedAt).Time()
		}
		since := a.Since.Time()
		if end.Before(win.From) || !since.Before(win.To) {
			continue
		}
		label := priorityWords(a.Priority) + ": " + a.Summary + ", since " + since.In(win.Zone).Format("2 Jan 15:04:05")
		out = append(out, chart.Mark{From: since, To: end, Class: "p-" + string(a.Priority), Label: label})
	}
	return out
}

func (b *board) timeInStates(parts []medfleet.Stretch, win chart.Window, marks []chart.Mark) timeInStates {
	line := chart.Timeline{ID: "states", Title: "States over time", Window: win, Marks: marks}
	for _, p := range parts {
		label := stateWords(p.State)
		if p.Native != "" {
			label += " (" + p.Native + ")"
		}
		label += fmt.Sprintf(", %s to %s, %s", p.From.Time().In(b.Zone).Format("2 Jan 15:04:05"), p.To.Time().In(b.Zone).Format("15:04:05"), age(p.To.Sub(p.From)))
		line.Spans = append(line.Spans, chart.Span{From: p.From.Time(), To: p.To.Time(), Class: "s-" + string(p.State), Label: label})
	}
	total := sum(parts, medfleet.AsMillis(win.From), medfleet.AsMillis(win.To))
	each, whole := total.tenths()
	t := timeInStates{
		Total:    minutes(whole),
		Coverage: fmt.Sprintf("%.1f %%", 100*total.Coverage()),
		Low:      total.Coverage() < lowCoverage,
	}
	line.Desc = "The minutes in each state are in the table beside this picture."
	for _, st := range medfleet.States() {
		share := 100 * float64(total.In[st]) / float64(total.Window)
		t.Rows = append(t.Rows, minuteRow{st, minutes(each[st]), fmt.Sprintf("%.1f %%", share)})
	}
	t.SVG = line.SVG()
	return t
}

// minutes writes tenths of a minute.
func minutes(tenths int64) string {
	return groupThousands(fmt.Sprintf("%d.%d", tenths/10, tenths%10))
}
