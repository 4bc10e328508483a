package roster

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"medfleet"
)

// judgeWays tells the rules of every gateway and feed that is other than they
// know it, by name: what the collector has decided of them, and what they say of
// themselves. It comes with the clock records, as silence does.
func (r *Roster) judgeWays(sequence uint64, now medfleet.Millis, see func(*medfleet.Sighting)) {
	for _, name := range slices.Sorted(maps.Keys(r.gateways)) {
		g := r.gateways[name]
		if g.fresh {
			g.fresh = false
			see(&medfleet.Sighting{Sequence: sequence, At: now, Device: g.own(), Live: true})
		}
		for _, w := range g.sorted() {
			if quiet := w.up && r.muteFor(w, r.shortest, now); quiet != w.quiet {
				w.quiet, w.fresh = quiet, true
				r.notable(g)
			}
			if w.fresh {
				w.fresh = false
				see(&medfleet.Sighting{Sequence: sequence, At: now, Device: w.own(), Live: true})
			}
		}
	}
}

// own is a gateway as the rules of class gateway read it. What one says of itself
// that is not heard is not known.
func (g *gateway) own() *medfleet.Device {
	d := own(medfleet.GatewayClass, ownID("gateway", g.Name), g.Site)
	d.Readings["heard"] = truth(g.Up)
	if !g.Up {
		return d
	}
	d.Readings["events_depth"] = float64(g.EventsDepth)
	d.Readings["telemetry_depth"] = float64(g.TelemetryDepth)
	d.Readings["oldest_seconds"] = g.OldestSeconds
	if g.ClockKnown {
		d.Readings["clock_offset_seconds"] = g.ClockOffset
	}
	return d
}

// own is a feed as the rules of class feed read it. While its gateway is not heard,
// or it has never been there, nothing is known of it.
func (w *way) own() *medfleet.Device {
	g := w.gateway
	d := own(medfleet.FeedClass, ownID("feed", g.Name, w.name), g.Site)
	if w.told && g.Up && (w.up || w.missed()) {
		d.Readings["up"] = truth(w.up)
		d.Readings["quiet"] = truth(w.quiet)
	}
	return d
}

func own(class medfleet.Class, id medfleet.DeviceID, site string) *medfleet.Device {
	return &medfleet.Device{ID: id, Class: class, Site: site, State: medfleet.Idle, InService: true, Readings: map[string]float64{}}
}

// ownID names a gateway or a feed among the devices. What is too long for an id is
// cut, with a sum of the whole at its end.
func ownID(parts ...string) medfleet.DeviceID {
	whole := ""
	for i, p := range parts {
		if i > 0 {
			whole += ":"
		}
		whole += p
	}
	id, err := medfleet.CleanDeviceID(whole)
	if err == nil && len(whole) <= medfleet.MaxDeviceID {
		return id
	}
	sum := fnv.New32a()
	sum.Write([]byte(whole))
	return medfleet.DeviceID(fmt.Sprintf("%.55s-%08x", id, sum.Sum32()))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
