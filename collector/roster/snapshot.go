package roster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"medfleet"
)

// The snapshot is JSON, one value per line: a head with the gateways, then devices,
// then the stays of parts, then the models with their codes. A version reads what one before it wrote: what is not
// there is empty.

type head struct {
	Version  int             `json:"version"`
	Clock    medfleet.Millis `json:"clock"`
	Started  medfleet.Millis `json:"started"`
	Gateways []heardGateway  `json:"gateways"`
	Devices  int             `json:"devices"`
	Stays    int             `json:"stays,omitempty"`
	Models   int             `json:"models,omitempty"`
}

type heardGateway struct {
	medfleet.Gateway                 // without its feeds
	Since            medfleet.Millis `json:"since"`
	Horizon          medfleet.Millis `json:"horizon"`
	Ways             []savedWay      `json:"ways"`
	Fresh            bool            `json:"fresh"`
	Written          medfleet.Millis `json:"written"`
}

type savedWay struct {
	Name     string          `json:"name"`
	Told     bool            `json:"told"`
	ToldAt   medfleet.Millis `json:"told_at"`
	Up       bool            `json:"up"`
	Caller   bool            `json:"caller"`
	Since    medfleet.Millis `json:"since"`
	LastUp   medfleet.Millis `json:"last_up"`
	Heard    medfleet.Millis `json:"heard"`
	MuteFrom medfleet.Millis `json:"mute_from"`
	MuteTo   medfleet.Millis `json:"mute_to"`
	Quiet    bool            `json:"quiet"`
	Messages uint64          `json:"messages"`
	Fresh    bool            `json:"fresh"`
}

type savedDevice struct {
	Device   medfleet.Device   `json:"device"`
	Heard    medfleet.Millis   `json:"heard"`
	Observed medfleet.Millis   `json:"observed"`
	Back     savedBack         `json:"back"`
	State    medfleet.State    `json:"known_state"`
	Native   string            `json:"known_native"`
	Occupied bool              `json:"known_occupied"`
	Active   []savedCondition  `json:"active"`
	Recent   []string          `json:"recent"`
	Made     []medfleet.Millis `json:"made,omitempty"`
	Claim    *claim            `json:"claim,omitempty"`
}

type savedBack struct {
	At       medfleet.Millis `json:"at"`
	Received medfleet.Millis `json:"received"`
	Steps    int             `json:"steps"`
}

type savedCondition struct {
	Name string          `json:"name"`
	Code string          `json:"code,omitempty"`
	At   medfleet.Millis `json:"at"`
	On   bool            `json:"on"`
}

const snapshotVersion = 1

// Snapshot writes the roster as it stands.
func (r *Roster) Snapshot(w io.Writer) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b := bufio.NewWriter(w)
	encoder := json.NewEncoder(b)
	stays, models := r.parts.saved(), savedModels(r.models)
	h := head{
		Version: snapshotVersion, Clock: r.clock, Started: r.started,
		Devices: len(r.devices), Stays: len(stays), Models: len(models),
	}
	for _, g := range r.gateways {
		h.Gateways = append(h.Gateways, g.saved())
	}
	if err := encoder.Encode(h); err != nil {
		return fmt.Errorf("write roster: %w", err)
	}
	for _, en := range r.devices {
		if err := encoder.Encode(en.saved()); err != nil {
			return fmt.Errorf("write roster: %w", err)
		}
	}
	for i := range stays {
		if err := encoder.Encode(&stays[i]); err != nil {
			return fmt.Errorf("write roster: %w", err)
		}
	}
	for i := range models {
		if err := encoder.Encode(&models[i]); err != nil {
			return fmt.Errorf("write roster: %w", err)
		}
	}
	return b.Flush()
}

func (g *gateway) saved() heardGateway {
	s := heardGateway{Gateway: g.Gateway, Since: g.since, Horizon: g.horizon, Fresh: g.fresh, Written: g.written}
	for _, w := range g.sorted() {
		s.Ways = append(s.Ways, savedWay{w.name, w.told, w.toldAt, w.up, w.caller, w.since, w.lastUp, w.heard, w.mute.from, w.mute.to, w.quiet, w.messages, w.fresh})
	}
	return s
}

func (s *heardGateway) restored() *gateway {
	g := &gateway{Gateway: s.Gateway, since: s.Since, horizon: s.Horizon, fresh: s.Fresh, written: s.Written, ways: map[string]*way{}}
	g.Feeds = nil
	for _, w := range s.Ways {
		g.ways[w.Name] = &way{
			gateway: g, name: w.Name, told: w.Told, toldAt: w.ToldAt, up: w.Up, caller: w.Caller, since: w.Since, lastUp: w.LastUp, heard: w.Heard,
			mute: muted{w.MuteFrom, w.MuteTo}, quiet: w.Quiet, messages: w.Messages, fresh: w.Fresh,
		}
	}
	return g
}

func (en *entry) saved() savedDevice {
	s := savedDevice{
		Device: en.device, Heard: en.heard, Observed: en.observed, Back: savedBack{en.back.at, en.back.received, en.back.steps},
		State: en.known.state, Native: en.known.native, Occupied: en.known.occupied, Claim: en.claim,
	}
	for i := range en.recent {
		if id := en.recent[(en.next+i)%len(en.recent)]; id != "" {
			s.Recent = append(s.Recent, id)
		}
	}
	if en.made != [makingKinds]medfleet.Millis{} {
		s.Made = en.made[:]
	}
	for _, c := range en.active {
		s.Active = append(s.Active, savedCondition{c.name, c.code, c.at, c.on})
	}
	return s
}

// Restore reads what Snapshot wrote, in place of what the roster holds. When it
// fails the roster is as it was.
func (r *Roster) Restore(from io.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	decoder := json.NewDecoder(bufio.NewReader(from))
	var h head
	if err := decoder.Decode(&h); err != nil {
		return fmt.Errorf("read roster: %w", err)
	}
	if h.Version != snapshotVersion {
		return fmt.Errorf("read roster: snapshot version %d, want %d", h.Version, snapshotVersion)
	}
	devices := map[medfleet.DeviceID]*entry{}
	for range h.Devices {
		var s savedDevice
		if err := decoder.Decode(&s); err != nil {
			return fmt.Errorf("read roster: the snapshot is cut off or damaged: %w", err)
		}
		if en := r.restored(&s); en != nil {
			devices[en.device.ID] = en
		}
	}
	known := newParts()
	for range h.Stays {
		var s savedStay
		if err := decoder.Decode(&s); err != nil {
			return fmt.Errorf("read roster: the snapshot is cut off or damaged: %w", err)
		}
		known.restore(&s)
	}
	models := map[modelName]*model{}
	for range h.Models {
		var s savedModel
		if err := decoder.Decode(&s); err != nil {
			return fmt.Errorf("read roster: the snapshot is cut off or damaged: %w", err)
		}
		name, m := s.restored()
		models[name] = m
	}
	r.parts, r.models = known, models
	r.clock, r.started, r.devices = h.Clock, h.Started, devices
	r.gateways, r.direct = map[string]*gateway{}, way{}
	for i := range h.Gateways {
		g := h.Gateways[i].restored()
		r.gateways[g.Name] = g
	}
	for _, en := range r.devices {
		r.join(en)
	}
	r.Forget()
	return nil
}

// join gives a device that is restored the way that it names. The snapshot of an
// earlier version does not say when it was heard by our clock.
func (r *Roster) join(en *entry) {
	if en.heard == 0 {
		en.heard = min(en.device.LastSeen, r.clock)
	}
	w := r.wayOf(en.device.Gateway, en.device.Feed)
	en.way = w
	w.devices++
	w.expected += expects(en.device.State)
}

func (r *Roster) restored(s *savedDevice) *entry {
	profile, ok := r.o.Profiles.Class(s.Device.Class)
	if !ok {
		return nil // its class is declared no more
	}
	en := &entry{
		device: s.Device, profile: profile, heard: s.Heard, observed: s.Observed, back: setBack{s.Back.At, s.Back.Received, s.Back.Steps},
		known: known{s.State, s.Native, s.Occupied}, claim: s.Claim,
	}
	if en.device.Readings == nil {
		en.device.Readings = map[string]float64{}
	}
	for _, c := range s.Active {
		en.active = append(en.active, condition{c.Name, c.Code, c.At, c.On})
	}
	for i, id := range s.Recent {
		if i < len(en.recent) {
			en.recent[i] = id
		}
	}
	en.next = len(s.Recent) % len(en.recent)
	copy(en.made[:], s.Made)
	en.list()
	return en
}
