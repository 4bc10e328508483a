package roster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"medfleet"
)

// The snapshot is JSON, one value per line: a head with the gateways, then devices,
// then the stays of parts. A version reads what one before it wrote: what is not
// there is empty.

type head struct {
	Version  int             `json:"version"`
	Clock    medfleet.Millis `json:"clock"`
	Started  medfleet.Millis `json:"started"`
	Gateways []heardGateway  `json:"gateways"`
	Devices  int             `json:"devices"`
	Stays    int             `json:"stays,omitempty"`
}

type heardGateway struct {
	medfleet.Gateway
	Since   medfleet.Millis `json:"since"`
	Horizon medfleet.Millis `json:"horizon"`
}

type savedDevice struct {
	Device   medfleet.Device  `json:"device"`
	Observed medfleet.Millis  `json:"observed"`
	State    medfleet.State   `json:"known_state"`
	Native   string           `json:"known_native"`
	Occupied bool             `json:"known_occupied"`
	Active   []savedCondition `json:"active"`
	Recent   []string         `json:"recent"`
}

type savedCondition struct {
	Name string          `json:"name"`
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
	stays := r.parts.saved()
	h := head{Version: snapshotVersion, Clock: r.clock, Started: r.started, Devices: len(r.devices), Stays: len(stays)}
	for _, g := range r.gateways {
		h.Gateways = append(h.Gateways, heardGateway{g.Gateway, g.since, g.horizon})
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
	return b.Flush()
}

func (en *entry) saved() savedDevice {
	s := savedDevice{
		Device: en.device, Observed: en.observed,
		State: en.known.state, Native: en.known.native, Occupied: en.known.occupied,
	}
	for i := range en.recent {
		if id := en.recent[(en.next+i)%len(en.recent)]; id != "" {
			s.Recent = append(s.Recent, id)
		}
	}
	for _, c := range en.active {
		s.Active = append(s.Active, savedCondition{c.name, c.at, c.on})
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
	r.parts = known
	r.clock, r.started, r.devices = h.Clock, h.Started, devices
	r.gateways = map[string]*gateway{}
	for _, g := range h.Gateways {
		r.gateways[g.Name] = &gateway{g.Gateway, g.Since, g.Horizon}
	}
	r.Forget()
	return nil
}

func (r *Roster) restored(s *savedDevice) *entry {
	profile, ok := r.o.Profiles.Class(s.Device.Class)
	if !ok {
		return nil // its class is declared no more
	}
	en := &entry{device: s.Device, profile: profile, observed: s.Observed, known: known{s.State, s.Native, s.Occupied}}
	if en.device.Readings == nil {
		en.device.Readings = map[string]float64{}
	}
	for _, c := range s.Active {
		en.active = append(en.active, condition{c.Name, c.At, c.On})
	}
	for i, id := range s.Recent {
		if i < len(en.recent) {
			en.recent[i] = id
		}
	}
	en.next = len(s.Recent) % len(en.recent)
	en.list()
	return en
}
