package record_test

import (
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

// FuzzALineIsThatOfTheLibrary holds what an Encoder writes against what the library
// of line protocol makes of the same cleaned values.
func FuzzALineIsThatOfTheLibrary(f *testing.F) {
	f.Add("pump-17", "Alpha 3", `n,o=r t\h`, "ICU 2", 87.5, "edge-1", int64(1_790_000_000_000))
	f.Add("", `a\`, "ü=ä, ö", "\x00", -1e-300, `say "no" \ yes`, int64(-1))
	f.Fuzz(func(t *testing.T, device, model, site, unit string, value float64, gateway string, at int64) {
		at %= 1e12
		o := medfleet.Observation{
			Equipment: medfleet.Equipment{Device: medfleet.DeviceID(device), Class: "infusion_pump", Model: model, Site: site, Unit: medfleet.CareUnit(unit)},
			Time:      medfleet.Millis(at), Gateway: gateway, Readings: []medfleet.Reading{{Metric: "battery_charge", Value: value}, {Metric: "self=test, ok", Value: 1}}, DeviceTime: 77,
		}
		var e record.Encoder
		line := e.Observation(nil, &o)
		l := decode(t, line)
		var lib lineprotocol.Encoder
		lib.SetPrecision(lineprotocol.Millisecond)
		lib.StartLine(l.Measurement)
		for _, tag := range l.Tags {
			lib.AddTag(tag.Key, tag.Value)
		}
		for _, field := range l.Fields {
			v, ok := lineprotocol.FloatValue(field.Number)
			switch {
			case field.IsText:
				v, ok = lineprotocol.StringValue(field.Text)
			case field.Key == record.DeviceTimeField:
				v = lineprotocol.IntValue(int64(field.Number))
			}
			require.True(t, ok)
			lib.AddField(field.Key, v)
		}
		lib.EndLine(time.UnixMilli(at))
		require.NoError(t, lib.Err())
		require.Equal(t, string(lib.Bytes()), string(line)+"\n")
	})
}
