package spelling_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spelling"
)

func TestTheNearestWordIsTheOneThatWasMeant(t *testing.T) {
	known := []string{"battery_charge", "battery_health", "on_mains", "state"}
	for word, want := range map[string]string{
		"battery_chrge": "battery_charge", "batery_health": "battery_health", "mains": "on_mains", "State": "state", "colour": "", "": "",
	} {
		require.Equal(t, want, spelling.Nearest(word, known), word)
	}
	require.Equal(t, `; did you mean "state"?`, spelling.Hint("sttate", known))
	require.Equal(t, "; there are a, b", spelling.Hint("xyz", []string{"b", "a"}))
}
