package rules

import (
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestASummarySaysSoWhenItDoesNotKnow(t *testing.T) {
	s := summary{{word: "device"}, {text: " was last heard in "}, {word: "unit"}}
	e := medfleet.Equipment{Device: "PUMP-7", Unit: "4W"}
	require.Equal(t, "PUMP-7 was last heard in 4W", s.fill(nil, &e, nil))
	e.Unit = ""
	require.Equal(t, "PUMP-7 was last heard in an unknown unit", s.fill(nil, &e, nil))
}
