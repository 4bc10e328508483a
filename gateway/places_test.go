package gateway

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestWhatAMessageLeavesOutIsWhatItsDeviceSaidLast(t *testing.T) {
	p := newPlaces()
	for _, c := range []struct{ model, unit, wantModel, wantUnit string }{
		{"", "", "", ""},
		{"HP-3", "ICU", "HP-3", "ICU"},
		{"", "", "HP-3", "ICU"},
		{"", "4W", "HP-3", "4W"},
		{"HP-4", "", "HP-4", "4W"},
	} {
		q := medfleet.Equipment{Device: "PUMP-7", Model: c.model, Unit: medfleet.CareUnit(c.unit)}
		p.complete(&q)
		require.Equal(t, c.wantModel, q.Model)
		require.Equal(t, medfleet.CareUnit(c.wantUnit), q.Unit)
	}
	other := medfleet.Equipment{Device: "PUMP-8"}
	p.complete(&other)
	require.Empty(t, other.Model, "nothing of one device is said of another")
}

func TestTheMemoryOfPlacesIsBounded(t *testing.T) {
	p := newPlaces()
	for i := range maxPlaces + 10 {
		p.complete(&medfleet.Equipment{Device: medfleet.DeviceID(fmt.Sprint(i)), Model: "M"})
	}
	require.LessOrEqual(t, len(p.devices), maxPlaces)
}
