package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"medfleet"
)

// frame is one message ready to be sent to any number of clients. A delta leads
// from one sequence number to another; a snapshot leads to one from anywhere.
type frame struct {
	from, to uint64
	message  *websocket.PreparedMessage
	size     int
}

// body is what a snapshot and a delta are made of.
type body struct {
	devices  []medfleet.Device
	alarms   []medfleet.Alarm
	pages    []medfleet.Page
	gateways []medfleet.Gateway
}

func (s *Source) snapshot(ctx context.Context, now medfleet.Millis) (b body, err error) {
	if b.alarms, err = s.Alarms.Recent(ctx, now.Add(-endedFor)); err != nil {
		return body{}, fmt.Errorf("read alarms: %w", err)
	}
	if b.pages, err = s.Pages.Latest(ctx, latestPages); err != nil {
		return body{}, fmt.Errorf("read pages: %w", err)
	}
	b.devices = s.Devices.Devices()
	b.gateways = s.Gateways.Gateways()
	return b, nil
}

// changed reads the things named as they stand now. What is gone is left out,
// and so are pages too old for anybody to show.
func (s *Source) changed(ctx context.Context, changes []medfleet.Change) (b body, err error) {
	pages, gateways := map[string]bool{}, map[string]bool{}
	for _, c := range changes {
		switch c.Kind {
		case medfleet.DeviceChanged:
			if d, ok := s.Devices.Device(medfleet.DeviceID(c.ID)); ok {
				b.devices = append(b.devices, d)
			}
		case medfleet.AlarmChanged:
			a, ok, err := s.Alarms.Alarm(ctx, c.ID)
			if err != nil {
				return body{}, fmt.Errorf("read alarm %s: %w", c.ID, err)
			}
			if ok {
				b.alarms = append(b.alarms, a)
			}
		case medfleet.PageChanged:
			pages[c.ID] = true
		case medfleet.GatewayChanged:
			gateways[c.ID] = true
		}
	}
	if len(gateways) > 0 {
		b.gateways = keep(s.Gateways.Gateways(), func(g medfleet.Gateway) bool { return gateways[g.Name] })
	}
	if len(pages) > 0 {
		latest, err := s.Pages.Latest(ctx, 5*latestPages)
		if err != nil {
			return body{}, fmt.Errorf("read pages: %w", err)
		}
		b.pages = keep(latest, func(p medfleet.Page) bool { return pages[p.ID] })
	}
	return b, nil
}

func keep[T any](all []T, wanted func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if wanted(one) {
			kept = append(kept, one)
		}
	}
	return kept
}

func (b *body) frame(kind string, from, to uint64, now medfleet.Millis) (*frame, error) {
	text := head(kind, to, now)
	text = list(text, "devices", b.devices)
	text = list(text, "alarms", b.alarms)
	text = list(text, "pages", b.pages)
	text = list(text, "gateways", b.gateways)
	return prepare(append(text, '}'), from, to)
}

func beat(seq uint64, now medfleet.Millis) (*frame, error) {
	return prepare(append(head("beat", seq, now), '}'), seq, seq)
}

func prepare(text []byte, from, to uint64) (*frame, error) {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		return nil, fmt.Errorf("prepare frame: %w", err)
	}
	return &frame{from: from, to: to, message: m, size: len(text)}, nil
}

func head(kind string, seq uint64, now medfleet.Millis) []byte {
	b := append(make([]byte, 0, 256), `{"type":"`...)
	b = append(append(b, kind...), `","seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	stamp, _ := now.MarshalJSON() // cannot fail
	return append(append(b, `,"time":`...), stamp...)
}

// list appends a member of whole objects. One that has no JSON form (a reading
// that is not a number) is left out and costs the others nothing.
func list[T any](b []byte, name string, items []T) []byte {
	b = append(append(append(b, `,"`...), name...), `":[`...)
	first := true
	for i := range items {
		text, err := json.Marshal(&items[i])
		if err != nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, text...)
	}
	return append(b, ']')
}

func now() medfleet.Millis { return medfleet.AsMillis(time.Now()) }
