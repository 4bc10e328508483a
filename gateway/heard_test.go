package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASourceSaysWhenItWasLastHeard(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	require.Eventually(t, func() bool {
		up, configured := e.feeds()
		return up == 2 && configured == 2
	}, soon, time.Millisecond)
	for _, s := range e.sources {
		require.True(t, s.heard().IsZero(), "%s was never heard", s.name)
	}
	before := time.Now()
	_, err := dial(t, e.hl7).Send(t.Context(), []byte(battery("1")))
	require.NoError(t, err)
	for _, s := range e.sources {
		if s.name == "hl7" {
			require.WithinRange(t, s.heard(), before, time.Now())
		} else {
			require.True(t, s.heard().IsZero(), s.name)
		}
	}
}
