package medfleet

import "errors"

// DeviceID is a device's natural key cleaned to [A-Za-z0-9._:-]{1,64}.
type DeviceID string

// MaxDeviceID is the longest device id in bytes.
const MaxDeviceID = 64

// ErrNoIdentity is returned where a device cannot be named.
var ErrNoIdentity = errors.New("device has no usable identity: give it an id of letters, digits, dot, underscore, colon or hyphen")

// CleanDeviceID makes an id of what a device calls itself: runs of other
// characters become one hyphen, hyphens at the ends go, what is longer than 64
// bytes is cut. It fails with ErrNoIdentity when nothing is left.
func CleanDeviceID(natural string) (DeviceID, error) {
	b := make([]byte, 0, MaxDeviceID)
	pending := false
	for i := 0; i < len(natural) && len(b) < MaxDeviceID; i++ {
		c := natural[i]
		if !idByte(c) {
			pending = len(b) > 0
			continue
		}
		if pending {
			b = append(b, '-')
			pending = false
			if len(b) == MaxDeviceID {
				break
			}
		}
		b = append(b, c)
	}
	for len(b) > 0 && b[len(b)-1] == '-' {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "", ErrNoIdentity
	}
	return DeviceID(b), nil
}

// Valid reports whether the id has the form that CleanDeviceID gives.
func (id DeviceID) Valid() bool {
	if len(id) == 0 || len(id) > MaxDeviceID {
		return false
	}
	for i := 0; i < len(id); i++ {
		if !idByte(id[i]) {
			return false
		}
	}
	return true
}

func idByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '.' || c == '_' || c == ':' || c == '-'
}

// State is what a device is doing as far as equipment management is concerned.
// For every device the minutes in all states sum to clock time.
type State string

// The states. Unheard means that the device is silent while its gateway and
// its peers are heard; Blind means that our own path to it is down, which is
// never held against the device.
const (
	InUse        State = "in_use"
	Idle         State = "idle"
	Off          State = "off"
	OutOfService State = "out_of_service"
	Unheard      State = "unheard"
	Blind        State = "blind"
)

// States lists all states in the order in which people read them.
func States() []State { return []State{InUse, Idle, Off, OutOfService, Unheard, Blind} }

// Device is one piece of equipment as the roster knows it now.
type Device struct {
	ID        DeviceID           `json:"id" doc:"the natural key, cleaned"`
	Class     Class              `json:"class"`
	Model     string             `json:"model,omitempty"`
	Serial    string             `json:"serial,omitempty" doc:"serial number, as the device last told it"`
	Firmware  string             `json:"firmware,omitempty" doc:"its revision, or of several parts each, as the device last told"`
	Software  string             `json:"software,omitempty" doc:"likewise"`
	Hardware  string             `json:"hardware,omitempty" doc:"likewise"`
	Site      string             `json:"site"`
	Unit      CareUnit           `json:"unit,omitempty" doc:"care unit it was last reported from"`
	State     State              `json:"state" enum:"in_use,idle,off,out_of_service,unheard,blind"`
	Native    string             `json:"native_state,omitempty" doc:"state in the device's own words"`
	Since     Millis             `json:"since" doc:"when it entered the state"`
	Occupied  bool               `json:"occupied" doc:"bound to a patient, though perhaps paused"`
	InService bool               `json:"in_service" doc:"false while it reports demo, service or maintenance mode"`
	FirstSeen Millis             `json:"first_seen"`
	LastSeen  Millis             `json:"last_seen" doc:"when the collector last heard of it; null: only a message of an unknown time told of it"`
	Gateway   string             `json:"gateway,omitempty" doc:"gateway it was last heard through"`
	Feed      string             `json:"feed,omitempty" doc:"the gateway's way in by which it was last heard"`
	Readings  map[string]float64 `json:"readings" doc:"newest value of each metric, in the profile's unit"`
	Active    []string           `json:"conditions" doc:"conditions that have begun and not ended"`
	Parent    DeviceID           `json:"parent,omitempty" doc:"device or rack that it is in now"`
	Slot      string             `json:"slot,omitempty" doc:"its place there"`
	Attached  Millis             `json:"attached,omitempty" doc:"when it was put there"`
	Parts     []Stay             `json:"parts,omitempty" doc:"modules and devices that are in it now, by slot"`
}

// Stretch is a time in one state, [From, To); To is 0 while it lasts.
type Stretch struct {
	State    State  `json:"state"`
	Native   string `json:"native_state,omitempty"`
	Occupied bool   `json:"occupied"`
	From     Millis `json:"from"`
	To       Millis `json:"to,omitempty"`
}
