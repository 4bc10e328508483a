package medfleet_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestErrorsSayWhetherTryingAgainCanHelp(t *testing.T) {
	cause := errors.New("cause")
	permanent := fmt.Errorf("send: %w", medfleet.Permanent(cause))
	require.True(t, medfleet.IsPermanent(permanent))
	require.ErrorIs(t, permanent, cause)
	busy := fmt.Errorf("send: %w", medfleet.Retryable(cause, 3*time.Second))
	require.False(t, medfleet.IsPermanent(busy))
	require.Equal(t, 3*time.Second, medfleet.RetryAfter(busy))
	require.ErrorIs(t, busy, cause)
	require.False(t, medfleet.IsPermanent(cause))
	require.Zero(t, medfleet.RetryAfter(cause))
	require.NoError(t, medfleet.Permanent(nil))
	require.NoError(t, medfleet.Retryable(nil, time.Second))
}
