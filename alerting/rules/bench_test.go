package rules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting/rules"
)

// BenchmarkSee runs the built-in pack over 10 000 pumps. In "quiet" nothing has
// changed since the last report, in "charge" one reading has, in "all" every
// condition is evaluated anew.
func BenchmarkSee(b *testing.B) {
	set, err := rules.Load(nil, loadProfiles(b))
	require.NoError(b, err)
	for _, c := range []struct {
		name   string
		change func(d *medfleet.Device, round int)
	}{
		{"quiet", func(*medfleet.Device, int) {}},
		{"charge", func(d *medfleet.Device, round int) { d.Readings["battery_charge"] = 50 + float64(round%40) }},
		{"all", func(d *medfleet.Device, round int) {
			d.Readings["battery_charge"], d.Readings["battery_health"] = 50+float64(round%40), 90+float64(round%9)
			d.Active = d.Active[:0]
			if round%2 == 0 {
				d.Active = append(d.Active, "on_battery")
			}
			d.State = []medfleet.State{medfleet.InUse, medfleet.Idle}[round%2]
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := rules.NewEvaluator(set, 1)
			devices := make([]medfleet.Device, 10_000)
			for i := range devices {
				devices[i] = medfleet.Device{
					ID: medfleet.DeviceID(fmt.Sprint("PUMP-", i)), Class: "infusion_pump", Site: "main", Unit: "ICU", State: medfleet.InUse, Native: "infusing", InService: true,
					Readings: map[string]float64{"battery_charge": 90, "battery_health": 95, "on_mains": 1, "battery_capacity": 4000, "battery_capacity_rated": 4200,
						"operating_hours": 1200, "motor_current": 90, "wifi_signal": 70},
				}
				v.See(&medfleet.Sighting{At: 1_800_000_000_000, Device: &devices[i], Live: true})
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				d := &devices[n%len(devices)]
				c.change(d, n/len(devices)+1)
				v.See(&medfleet.Sighting{Sequence: uint64(n), At: 1_800_000_000_000 + medfleet.Millis(n), Device: d, Live: true})
				n++
			}
			evaluations, _ := v.Counters()
			b.ReportMetric(float64(evaluations)/float64(n), "evaluations/op")
		})
	}
}
