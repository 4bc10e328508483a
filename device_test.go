package medfleet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestWhatADeviceCallsItselfBecomesAnID(t *testing.T) {
	for natural, want := range map[string]string{
		"PUMP-104482":                  "PUMP-104482",
		" Pump 12 / bay 3 ":            "Pump-12-bay-3",
		"0012210000000000^P2449":       "0012210000000000-P2449",
		"Ångström":                     "ngstr-m",
		strings.Repeat("x", 100):       strings.Repeat("x", 64),
		strings.Repeat("x", 63) + " y": strings.Repeat("x", 63),
		"a:b.c_d-e":                    "a:b.c_d-e",
	} {
		id, err := medfleet.CleanDeviceID(natural)
		require.NoError(t, err, natural)
		require.Equal(t, medfleet.DeviceID(want), id)
		require.True(t, id.Valid())
	}
	for _, natural := range []string{"", "  ", "---", "^^^", "\x00"} {
		_, err := medfleet.CleanDeviceID(natural)
		require.ErrorIs(t, err, medfleet.ErrNoIdentity, natural)
	}
	require.False(t, medfleet.DeviceID("a b").Valid())
}
