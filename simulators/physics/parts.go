package physics

import (
	"math"
	"math/rand/v2"
	"time"

	"medfleet"
)

// parts is what ages in a machine beside its battery. Hours follow the clock,
// wear follows speed.
type parts struct {
	hours    float64 // operating hours
	blower   float64 // blower hours
	heat     float64 // blower temperature, °C
	friction float64 // of motor or blower, 1 = as new
	cell     float64 // oxygen cell, mV
	openings float64 // of the door
	retries  float64 // to seat a syringe
	reboots  float64
	signal   float64 // wireless, %
	rate     float64 // delivery, mL/h
	cuff     float64 // inflation time, s
}

func newParts(rng *rand.Rand) parts {
	hours := 400 + 24000*rng.Float64()
	return parts{
		hours: hours, blower: hours * (0.35 + 0.4*rng.Float64()), heat: room,
		friction: 1 + 0.15*rng.Float64(), cell: 9 + 4*rng.Float64(),
		openings: math.Floor(hours * 0.3), retries: math.Floor(hours * 0.02), reboots: math.Floor(hours / 700),
		signal: 45 + 45*rng.Float64(), rate: deliveryRate(rng), cuff: 4 + 2*rng.Float64(),
	}
}

// deliveryRate is between some 1 and 100 mL/h, low ones more often.
func deliveryRate(rng *rand.Rand) float64 { return math.Round(10*math.Exp(4.6*rng.Float64())) / 10 }

// The tenth of a part's life that passes per year, and the oxygen cell's, which
// is used up in some 15 months.
const (
	frictionPerYear = 0.12
	cellPerYear     = 4.5
	heatLag         = 8 * time.Minute
)

func (p *parts) age(state string, real, aged time.Duration, rng *rand.Rand) {
	years := aged.Hours() / yearHours
	running := state != off && state != standby
	target := room
	if state == ventilated {
		p.blower += real.Hours()
		target = 46 + 8*(p.friction-1)
	}
	if state != off {
		p.hours += real.Hours()
	}
	if running {
		p.friction += frictionPerYear * years
	}
	p.cell = math.Max(2, p.cell-cellPerYear*years)
	p.heat += (target - p.heat) * (1 - math.Exp(-float64(real)/float64(heatLag)))
	p.signal = math.Min(98, math.Max(25, p.signal+rng.NormFloat64()*math.Sqrt(real.Minutes())))
}

// handled counts what a change of state costs.
func (p *parts) handled(class medfleet.Class, now string, rng *rand.Rand) {
	switch {
	case class == InfusionPump && (now == infusing || now == alarmed):
		p.openings++
	case class == SyringePump && now == infusing && rng.Float64() < 0.15:
		p.retries++
	}
	if now == infusing && rng.Float64() < 0.3 {
		p.rate = deliveryRate(rng)
	}
}
