package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"medfleet"
	"medfleet/gateway/pcd"
)

// The conditions under which a device's making is told: what recall lists are
// made of.
const (
	serialTold   = "serial_number"
	firmwareTold = "firmware"
	softwareTold = "software"
	hardwareTold = "hardware"
)

// makings remembers of each device what it last said of its making. Device
// management says it again with every message; an event is only what is new, and
// the same once a day, so that it is there after old events are gone.
type makings struct {
	mu   sync.Mutex
	told map[medfleet.DeviceID]making
}

// making is a device's serial number and revisions, and when they were told.
type making struct {
	serial, firmware, software, hardware string
	at                                   medfleet.Millis
}

const (
	maxMakings  = 200_000 // bounds the memory; beyond it, it starts anew
	retellDaily = 24 * time.Hour
)

func newMakings() *makings { return &makings{told: map[medfleet.DeviceID]making{}} }

// news appends an event for each thing that is new, like is one that says whose it
// is. What a message leaves out stays as it was.
func (m *makings) news(dst []medfleet.Event, id *pcd.Identity, like medfleet.Event, received medfleet.Millis) []medfleet.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.told[id.Device]
	again := !known || !within(received.Sub(old.at), retellDaily)
	now := old
	if again {
		now.at = received
	}
	for _, part := range [...]struct {
		condition, says string
		kept            *string
	}{
		{serialTold, id.Serial, &now.serial}, {firmwareTold, id.Firmware, &now.firmware},
		{softwareTold, id.Software, &now.software}, {hardwareTold, id.Hardware, &now.hardware},
	} {
		if part.says != "" && (again || part.says != *part.kept) {
			*part.kept = part.says
			dst = append(dst, toldEvent(like, part.condition, part.says))
		}
	}
	if now != old {
		if len(m.told) >= maxMakings {
			clear(m.told)
		}
		m.told[id.Device] = now
	}
	return dst
}

// toldEvent says one thing; it has the same id when the same message comes again.
func toldEvent(like medfleet.Event, condition, says string) medfleet.Event {
	e := like
	e.Condition, e.Phase, e.Kind = condition, medfleet.Instant, medfleet.Advisory
	e.Code = strings.ReplaceAll(says, ", ", " / ")
	sum := sha256.Sum256([]byte("making\x00" + string(e.Device) + "\x00" + condition + "\x00" + says + "\x00" + e.Time.String()))
	e.ID = hex.EncodeToString(sum[:16])
	return e
}

// forget is told that what was told last did not become durable, whatever it was.
func (m *makings) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.told)
}
