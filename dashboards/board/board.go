// Package board is what people look at: the live board, a page for each device,
// and plain lists of alarms and of pages.
//
// The live board draws itself in the browser from the websocket at
// /api/v1/stream (a snapshot, then what changed) and never looks calm because it
// is stale: it says NOT LIVE by its own clock when nothing comes. The other pages
// are drawn here. Everything is served from the program itself, with no script,
// style, font or picture from anywhere else, so that it works on an isolated
// network and under the strictest content security policy.
//
// It must not be taken for a clinical alarm system: its words tell the urgency of
// maintenance, its colours are none of those that alarm standards reserve, and
// nothing flashes.
package board

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"medfleet/profiles"
)

// Options is what the board needs. History may be nil where no time series are
// kept; everything else but Site, Zone, Version and Log must be given.
type Options struct {
	Site     string         // shown in the header; empty: whatever sites the devices name
	Zone     *time.Location // for the times that the server writes; nil: the machine's
	Version  string
	Profiles *profiles.Set
	Devices  Devices
	Records  Records
	History  History
	Alarms   Alarms
	Pages    Pages
	Log      *slog.Logger
}

// New gives the handler of all pages: /, /devices/{id}, /alarms, /pages and
// /static/. It fails when something it needs is missing. It starts nothing.
func New(o Options) (http.Handler, error) {
	if o.Profiles == nil || o.Devices == nil || o.Records == nil || o.Alarms == nil || o.Pages == nil {
		return nil, errors.New("make board: profiles, devices, records, alarms and pages are all needed")
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	assets, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("make board: %w", err)
	}
	b := &board{Options: o}
	if b.templates, err = parseTemplates(b.words()); err != nil {
		return nil, fmt.Errorf("make board: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.live)
	mux.HandleFunc("GET /devices/{id}", b.device)
	mux.HandleFunc("GET /alarms", b.alarms)
	mux.HandleFunc("GET /pages", b.pages)
	mux.Handle("GET /static/{file}", assets)
	mux.HandleFunc("/", b.notFound)
	return guard(mux), nil
}

type board struct {
	Options
	templates templates
}

// policy lets a page load from its own server only; no style attribute, no
// inline script, no frame around it.
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

// guard sets the headers that every answer carries.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
