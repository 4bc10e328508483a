package board

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"medfleet"
)

// frame is what every page's layout needs. The page's own part is in a struct
// around it.
type frame struct {
	Title   string
	Page    string // which of the pages this is, for the navigation
	Site    string
	Version string
	At      medfleet.Millis
	Zone    string
}

func (b *board) frame(page, title string) frame {
	now := time.Now()
	zone, _ := now.In(b.Zone).Zone()
	return frame{Title: title, Page: page, Site: b.Site, Version: b.Version, At: medfleet.AsMillis(now), Zone: zone}
}

// render writes a page whole or not at all: a template that fails half way
// must not leave half a page that looks calm.
func (b *board) render(w http.ResponseWriter, name string, status int, data any) {
	var buf bytes.Buffer
	if err := b.templates[name].ExecuteTemplate(&buf, "layout", data); err != nil {
		b.Log.Error("render page", "page", name, "error", err)
		http.Error(w, "This page could not be drawn; the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		b.Log.Debug("write page", "page", name, "error", err)
	}
}

type problemPage struct {
	frame
	Text string
}

func (b *board) problem(w http.ResponseWriter, status int, title, text string) {
	b.render(w, "problem", status, problemPage{b.frame("", title), text})
}

func (b *board) notFound(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "These pages are read with GET; changes go through /api/v1.", http.StatusMethodNotAllowed)
		return
	}
	b.problem(w, http.StatusNotFound, "No such page", "There is nothing at this address. The board, the alarms and the pages are linked above.")
}

// failed tells the reader that something behind the board did not answer, and
// the log what.
func (b *board) failed(w http.ResponseWriter, doing string, err error) {
	b.Log.Error(doing, "error", err)
	b.problem(w, http.StatusServiceUnavailable, "Not available now", fmt.Sprintf("The board could not %s. The server's log says why. Reload to try again.", doing))
}

// className is what the browser needs to know of a class.
type className struct {
	Title  string `json:"title"`
	Plural string `json:"plural"`
}

type livePage struct {
	frame
	Classes string // JSON by class
}

func (b *board) live(w http.ResponseWriter, _ *http.Request) {
	classes := map[medfleet.Class]className{}
	for _, p := range b.Profiles.Classes() {
		classes[p.Class] = className{p.Title, p.Plural}
	}
	text, err := json.Marshal(classes)
	if err != nil {
		b.failed(w, "name the classes", err)
		return
	}
	b.render(w, "live", http.StatusOK, livePage{b.frame("board", "Board"), string(text)})
}

// pageSize is how many rows a list shows at once.
const pageSize = 100

type alarmsPage struct {
	frame
	Show   string
	Device string
	Rows   []medfleet.Alarm
	Next   string
	More   bool // this is not the first part of the list
}

// alarms lists alarms: open ones unless asked for others.
func (b *board) alarms(w http.ResponseWriter, r *http.Request) {
	ask := r.URL.Query()
	page := alarmsPage{frame: b.frame("alarms", "Alarms"), Show: "open", Device: ask.Get("device"), More: ask.Get("cursor") != ""}
	q := AlarmQuery{Device: medfleet.DeviceID(page.Device), Limit: pageSize, Cursor: ask.Get("cursor")}
	if page.Device != "" && !q.Device.Valid() {
		b.problem(w, http.StatusBadRequest, "Not a device id", "A device id has up to 64 letters, digits, dots, underscores, colons and hyphens.")
		return
	}
	switch ask.Get("show") {
	case "ended":
		page.Show = "ended"
		q.States = []medfleet.AlarmState{medfleet.Cleared, medfleet.Closed, medfleet.Withdrawn}
	case "all":
		page.Show = "all"
	default:
		q.States = []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged}
	}
	var err error
	if page.Rows, page.Next, err = b.Alarms.Alarms(r.Context(), q); err != nil {
		b.failed(w, "list alarms", err)
		return
	}
	b.render(w, "alarms", http.StatusOK, page)
}

type pagesPage struct {
	frame
	Rows []medfleet.Page
	Next string
	More bool
}

func (b *board) pages(w http.ResponseWriter, r *http.Request) {
	page := pagesPage{frame: b.frame("pages", "Pages"), More: r.URL.Query().Get("cursor") != ""}
	var err error
	if page.Rows, page.Next, err = b.Pages.Pages(r.Context(), pageSize, r.URL.Query().Get("cursor")); err != nil {
		b.failed(w, "list pages", err)
		return
	}
	b.render(w, "pages", http.StatusOK, page)
}
