package api

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"medfleet"
)

type devicesInput struct {
	Class string   `query:"class" doc:"only this class" example:"infusion_pump"`
	Unit  string   `query:"unit" doc:"only devices last reported from this care unit"`
	Site  string   `query:"site" doc:"only this site"`
	State []string `query:"state,explode" doc:"only devices in one of these states: in_use, idle, off, out_of_service, unheard, blind; repeated or with commas"`
	Query string   `query:"q" maxLength:"100" doc:"only devices whose id, class, model, serial number, revisions, site, unit or own word for their state contains this text, in any case"`
	Paging
}

func (s *Server) mountDevices() {
	register(s, operation{
		id: "list-devices", pattern: "GET /api/v1/devices", tag: "devices", summary: "List devices, by id",
		about:   "Every device that was ever heard, as the roster knows it now.",
		example: list[medfleet.Device]{Items: []medfleet.Device{exampleDevice}},
	}, s.listDevices)
	register(s, operation{
		id: "get-device", pattern: "GET /api/v1/devices/{id}", tag: "devices", summary: "Get a device",
		about: "The device as the roster knows it now.", example: exampleDevice, errors: []int{404},
	}, s.getDevice)
}

func (s *Server) listDevices(_ context.Context, in *devicesInput) (*answer[list[medfleet.Device]], error) {
	states, err := choices("query.state", in.State, medfleet.States())
	if err != nil {
		return nil, err
	}
	after, err := openCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	all := s.o.Devices.Devices()
	start, found := slices.BinarySearchFunc(all, medfleet.DeviceID(after), func(d medfleet.Device, id medfleet.DeviceID) int {
		return strings.Compare(string(d.ID), string(id))
	})
	if found {
		start++
	}
	wanted := in.filter(states)
	var items []medfleet.Device
	for i := range all[start:] {
		d := &all[start+i]
		if !wanted(d) {
			continue
		}
		if len(items) == in.Limit {
			return listOf(items, closeCursor(string(items[len(items)-1].ID))), nil
		}
		items = append(items, *d)
	}
	return listOf(items, ""), nil
}

func (in *devicesInput) filter(states []medfleet.State) func(*medfleet.Device) bool {
	query := strings.ToLower(strings.TrimSpace(in.Query))
	return func(d *medfleet.Device) bool {
		return (in.Class == "" || string(d.Class) == in.Class) &&
			(in.Unit == "" || string(d.Unit) == in.Unit) &&
			(in.Site == "" || d.Site == in.Site) &&
			(len(states) == 0 || slices.Contains(states, d.State)) &&
			(query == "" || mentions(d, query))
	}
}

func mentions(d *medfleet.Device, query string) bool {
	for _, text := range []string{string(d.ID), string(d.Class), d.Model, d.Serial, d.Firmware, d.Software, d.Hardware, d.Site, string(d.Unit), d.Native} {
		if strings.Contains(strings.ToLower(text), query) {
			return true
		}
	}
	return false
}

func (s *Server) getDevice(_ context.Context, in *Named) (*answer[medfleet.Device], error) {
	d, err := s.device(in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[medfleet.Device]{d}, nil
}

// device finds a device or tells how to find one.
func (s *Server) device(id string) (medfleet.Device, error) {
	d, ok := s.o.Devices.Device(medfleet.DeviceID(id))
	if !ok {
		return medfleet.Device{}, problem(kindUnknownDevice, "no device %q was ever heard: list those that were with GET /api/v1/devices, or search with its parameter q", id)
	}
	return d, nil
}

// choices reads a parameter that takes several of a few words, repeated or with
// commas between them.
func choices[T ~string](location string, given []string, known []T) ([]T, error) {
	var all []T
	for _, part := range given {
		for word := range strings.SplitSeq(part, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			if !slices.Contains(known, T(word)) {
				return nil, invalid(location, "%q is not one of %s", word, words(known))
			}
			if !slices.Contains(all, T(word)) {
				all = append(all, T(word))
			}
		}
	}
	return all, nil
}

func words[T ~string](known []T) string {
	text := make([]string, len(known))
	for i, k := range known {
		text[i] = string(k)
	}
	return strings.Join(text, ", ")
}

// A cursor is opaque to the outside, so that what is in it may change.

func closeCursor(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

func openCursor(cursor string) (string, error) {
	last, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", wrongCursor()
	}
	return string(last), nil
}

func wrongCursor() *Problem {
	return invalid("query.cursor", "the cursor is not one that a list gave: hand back the member next of the list before as it is, or leave it out to begin anew")
}
