// Package stream tells browsers what changes, as it changes, over a websocket.
//
// A client first gets {"type":"hello"} with the hub's epoch and asks for a
// snapshot, or to resume after the sequence number it knows. From then on it
// gets a delta whenever something changed (four times a second at most) and a
// beat each second:
//
//	{"type":"hello","epoch":"…","beat_ms":1000}
//	{"type":"snapshot","seq":7,"time":"…","devices":[…],"alarms":[…],"pages":[…],"gateways":[…]}
//	{"type":"delta","seq":8,"time":"…","devices":[…],"alarms":[…],"pages":[…],"gateways":[…]}
//	{"type":"beat","seq":8,"time":"…"}
//
// and says {"type":"snapshot"} or {"type":"resume","epoch":"…","seq":7}. Objects
// are always whole and always the newest: a client that was slow gets one delta
// with everything that changed meanwhile, never a queue of what it missed; one
// that was away too long, or knows another epoch, gets a snapshot.
//
// Whoever changes something only names it (Hub.Changed). The hub reads how it
// stands now when it writes, once for all clients that are in step. While it
// cannot be read the hub is silent, beats included, so that a board goes grey
// rather than looks calm.
package stream

import (
	"context"
	"net/http"
	"time"

	"medfleet"
)

// Devices reads the roster. What it returns is the caller's to keep.
type Devices interface {
	Devices() []medfleet.Device
	Device(id medfleet.DeviceID) (medfleet.Device, bool)
}

// Alarms reads the alarm book. Recent gives every open alarm and those that
// ended at since or later; Alarm's second result is false for an unknown id.
type Alarms interface {
	Recent(ctx context.Context, since medfleet.Millis) ([]medfleet.Alarm, error)
	Alarm(ctx context.Context, id string) (medfleet.Alarm, bool, error)
}

// Pages reads the newest n pages, newest first.
type Pages interface {
	Latest(ctx context.Context, n int) ([]medfleet.Page, error)
}

// Gateways reads every gateway.
type Gateways interface {
	Gateways() []medfleet.Gateway
}

// Source is where the hub reads how things stand now.
type Source struct {
	Devices  Devices
	Alarms   Alarms
	Pages    Pages
	Gateways Gateways
}

// Options sets a hub up. Only Source must be given; a zero takes the default.
type Options struct {
	Source Source

	Interval   time.Duration // between deltas; 250 ms
	Beat       time.Duration // between beats; 1 s
	PongWait   time.Duration // silence after which a client is dropped; 30 s
	WriteWait  time.Duration // how long a client may block a frame, plus 1 s for each 64 KiB of it; 10 s
	AskWait    time.Duration // how long a client may take to ask for its first frame; 10 s
	Recheck    time.Duration // how often Allowed is asked again; 30 s
	MaxClients int           // 1024
	MaxChanges int           // remembered for clients that are behind; 65 536

	// Live says why what can be read is not the present, if so: then nothing is
	// published, and boards go grey. Nil takes it for the present always.
	Live func() error
	// Allowed is asked again while a client stays, so that who lost the right to
	// look is cut off. Nil allows everybody.
	Allowed func(*http.Request) bool
	// Refuse answers a request that does not become a stream. Nil answers in
	// plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, why string)
	// Troubled hears of each failed read, and nil when reading works again.
	Troubled func(error)
}

// What a snapshot holds beside everything that is open.
const (
	endedFor    = 15 * time.Minute
	latestPages = 20
)

func (o *Options) defaults() {
	or(&o.Interval, 250*time.Millisecond)
	or(&o.Beat, time.Second)
	or(&o.PongWait, 30*time.Second)
	or(&o.WriteWait, 10*time.Second)
	or(&o.AskWait, 10*time.Second)
	or(&o.Recheck, 30*time.Second)
	or(&o.MaxClients, 1024)
	or(&o.MaxChanges, 1<<16)
	if o.Live == nil {
		o.Live = func() error { return nil }
	}
	if o.Allowed == nil {
		o.Allowed = func(*http.Request) bool { return true }
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, why string) { http.Error(w, why, status) }
	}
	if o.Troubled == nil {
		o.Troubled = func(error) {}
	}
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
