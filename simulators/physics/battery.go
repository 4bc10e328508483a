package physics

import (
	"math"
	"time"
)

// Battery is a rechargeable pack. Charge is in mA.h, current in mA, health the
// full charge as a share of the rated one.
type Battery struct {
	Rated   float64 // full charge when new, mA.h
	Nominal float64 // voltage of the half-full pack, V
	Health  float64 // full charge of rated, 1 = as new
	Stored  float64 // present charge, mA.h
	Cycles  float64 // full discharges so far
	Current float64 // mA; negative while it carries the load
	Warmth  float64 // temperature, °C
	Loss    float64 // how much faster it empties than the load explains; 1 when sound
}

const (
	room         = 24.0    // °C
	fastCharge   = 0.4     // charging current, of the full charge per hour
	taperFrom    = 0.8     // above this share of full the charging current falls
	trickle      = 0.02    // and ends at this, of the full charge per hour
	wearPerCycle = 0.00035 // a fifth of the capacity in some 570 cycles
	wearPerYear  = 0.03    // and a little with age alone
	yearHours    = 8766.0
	warmthLag    = 20 * time.Minute
)

// Full is the charge that the pack can hold now, in mA.h.
func (b *Battery) Full() float64 { return b.Rated * b.Health }

// Charge is the present charge in percent of what the pack can hold.
func (b *Battery) Charge() float64 {
	return math.Min(100, math.Max(0, 100*b.Stored/b.Full()))
}

// Runtime is how many minutes the pack would carry a load in mA.
func (b *Battery) Runtime(load float64) float64 {
	return 60 * b.Stored / (math.Max(load, 1) * b.Loss)
}

// Voltage is the pack's voltage: higher when full, lower under load, the more so
// the older it is.
func (b *Battery) Voltage() float64 {
	open := b.Nominal * (0.9 + 0.17*b.Charge()/100)
	return open + b.Nominal*0.015*b.Current/b.Rated/b.Health
}

// Step lets time pass with a load in mA, on mains or off it.
func (b *Battery) Step(d time.Duration, load float64, mains bool) {
	hours := d.Hours()
	b.Health = math.Max(0.05, b.Health-wearPerYear*hours/yearHours)
	if mains {
		b.charge(hours)
	} else {
		b.drain(hours, load)
	}
	target := room + 14*math.Abs(b.Current)/b.Rated
	b.Warmth += (target - b.Warmth) * (1 - math.Exp(-float64(d)/float64(warmthLag)))
}

func (b *Battery) charge(hours float64) {
	full := b.Full()
	share := b.Stored / full
	rate := fastCharge
	if share > taperFrom {
		rate = math.Max(trickle, fastCharge*(1-share)/(1-taperFrom))
	}
	b.Current = rate * full
	b.Stored += b.Current * hours
	if b.Stored >= full {
		b.Stored, b.Current = full, 0
	}
}

func (b *Battery) drain(hours, load float64) {
	used := math.Min(b.Stored, load*b.Loss*hours)
	b.Stored -= used
	b.Current = -load
	b.Cycles += used / b.Full()
	b.Health = math.Max(0.05, b.Health-wearPerCycle*used/b.Full())
	b.Stored = math.Min(b.Stored, b.Full())
}
