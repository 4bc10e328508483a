package simulators

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"medfleet"
	"medfleet/simulators/physics"
)

// Truth is one line of the ground truth: what really was wrong with a device,
// from when to when. Phase is "begin" or "end". Expect is what should be noticed: a
// condition or a metric of the profiles, or the state "unheard".
//
// Fault is one of physics.Faults, or "wear" for what came by itself with time.
type Truth struct {
	At     medfleet.Millis   `json:"at"`
	Device medfleet.DeviceID `json:"device"`
	Class  medfleet.Class    `json:"class"`
	Fault  string            `json:"fault"`
	Phase  string            `json:"phase"`
	Expect string            `json:"expect"`
}

// The phases of a fault and the cause that is no fault.
const (
	Begin = "begin"
	End   = "end"
	Wear  = "wear"
)

// truthFile writes lines as they happen.
type truthFile struct {
	mu  sync.Mutex
	w   io.Writer
	err error // the first failure; afterwards nothing more is written
}

// flusher is what buffered writers have.
type flusher interface{ Flush() error }

func (f *truthFile) write(t Truth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w == nil || f.err != nil {
		return
	}
	line, err := json.Marshal(t)
	if err == nil {
		_, err = f.w.Write(append(line, '\n'))
	}
	if b, ok := f.w.(flusher); ok && err == nil {
		err = b.Flush()
	}
	f.err = err
}

func (f *truthFile) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("write ground truth, what follows in it is missing: %w", f.err)
}

// ReadTruth reads a ground truth, at most MaxTruth lines.
func ReadTruth(r io.Reader) ([]Truth, error) {
	var list []Truth
	for dec := json.NewDecoder(r); ; {
		var t Truth
		switch err := dec.Decode(&t); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return list, fmt.Errorf("read ground truth: line %d: %w", len(list)+1, err)
		case len(list) == MaxTruth:
			return list, fmt.Errorf("read ground truth: more than %d lines: cut it by time first", MaxTruth)
		}
		list = append(list, t)
	}
}

// MaxTruth is how many lines ReadTruth reads.
const MaxTruth = 1_000_000

// tell writes that a fault began or ended.
func (d *device) tell(f *truthFile, fault physics.Fault, phase string, at time.Time) {
	f.write(Truth{medfleet.AsMillis(at), d.ID, d.Class, string(fault), phase, fault.Expect()})
}

// tellBattery writes what the battery's state brought with it.
func (d *device) tellBattery(f *truthFile, e physics.Event) {
	if e.Condition != "battery_low" && e.Condition != "battery_empty" {
		return
	}
	cause, phase := string(physics.BatteryFade), Begin
	if !d.machine.Has(physics.BatteryFade) && e.Phase == medfleet.Start {
		cause = Wear
	}
	if e.Phase == medfleet.End {
		phase = End
	}
	f.write(Truth{medfleet.AsMillis(e.At), d.ID, d.Class, cause, phase, e.Condition})
}
