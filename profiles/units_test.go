package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/profiles"
)

func TestAValueIsConvertedWithinItsDimensionOnly(t *testing.T) {
	units := profiles.NewUnits()
	for _, c := range []struct {
		v        float64
		from, to string
		want     float64
		ok       bool
	}{
		{90, "min", "h", 1.5, true}, {1500, "ms", "s", 1.5, true}, {2.6, "Ah", "mA.h", 2600, true}, {12000, "MDC_DIM_MILLI_VOLT", "V", 12, true},
		{212, "[degF]", "Cel", 100, true}, {98.6, "°F", "°C", 37, true}, {310.15, "K", "Cel", 37, true}, {37, "Cel", "[degF]", 98.6, true},
		{37, "Cel", "Cel", 37, true}, {1, "V", "A", 0, false}, {1, "%", "1", 0, false},
	} {
		from, ok := units.Named([]byte(c.from))
		require.True(t, ok, c.from)
		to, ok := units.Named([]byte(c.to))
		require.True(t, ok, c.to)
		got, ok := from.Convert(c.v, to)
		require.Equal(t, c.ok, ok)
		require.InDelta(t, c.want, got, 1e-9, "%v %s in %s", c.v, c.from, c.to)
	}
	_, ok := units.Named([]byte("furlong"))
	require.False(t, ok)
	celsius, _ := units.Named([]byte("Cel"))
	kelvin, _ := units.Named([]byte("K"))
	require.False(t, celsius.Same(kelvin))
}
