package ingest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/record"
)

// saying is a gateway's batch of one record with a content of its own.
func saying(epoch, sequence uint64, charge float64) batch {
	b := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: epoch, first: sequence}
	return b.add(record.Observation, sequence, observation(charge))
}

// A machine is copied while its gateway runs: both go on with the same epoch and the
// same numbers. When they are started again each has an epoch of its own.
func TestAClonedGatewayLosesNothing(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	require.Equal(t, 204, newBatch(1, 1, 5).send(t, d).Status)
	for i := uint64(6); i < 16; i++ {
		require.Equal(t, 204, saying(1, i, 10).send(t, d).Status)
		require.Equal(t, 204, saying(1, i, 20).send(t, d).Status, "its clone")
	}
	require.Len(t, j.records, 5+2*10)
	require.Equal(t, uint64(10), d.Counts().Suspects.Load(), "and it is told")
	suspects := slices.DeleteFunc(j.keys(t), func(k string) bool { return len(k) < 7 || k[len(k)-7:] != "suspect" })
	require.Len(t, suspects, 10, "what came second is marked: it is kept and not judged")

	for i := uint64(16); i < 26; i++ {
		for epoch := uint64(2); epoch < 4; epoch++ {
			require.Equal(t, 204, saying(epoch, i, float64(epoch)).send(t, d).Status)
			require.Equal(t, 204, saying(epoch, i, float64(epoch)).send(t, d).Status, "the answer was lost")
		}
	}
	require.Len(t, j.records, 5+2*10+2*10)
	require.Equal(t, uint64(10), d.Counts().Suspects.Load(), "with epochs of their own they are two senders")
}

// A gateway's disk is brought back from a backup: it sends again what the backup
// holds, and what it takes from then on has numbers that were used before.
func TestARestoredBackupOfAGatewayLosesNothing(t *testing.T) {
	j := &journal{}
	folder := t.TempDir()
	d := openDoor(t, j, folder)
	for i := uint64(1); i <= 20; i++ { // the backup is made at 10
		require.Equal(t, 204, saying(1, i, float64(i)).send(t, d).Status)
	}
	for i := uint64(8); i <= 10; i++ {
		require.Equal(t, 204, saying(1, i, float64(i)).send(t, d).Status)
	}
	require.Len(t, j.records, 20, "what the backup holds was here")
	for i := uint64(11); i <= 30; i++ {
		require.Equal(t, 204, saying(99, i, 50+float64(i)).send(t, d).Status)
	}
	require.Len(t, j.records, 40, "and what is new is new, whatever its number")
	require.Zero(t, d.Counts().Suspects.Load())
	keys := map[string]bool{}
	for _, k := range j.keys(t) {
		keys[k] = true
	}
	for i := 11; i <= 20; i++ {
		require.True(t, keys[fmt.Sprintf("edge-1/telemetry/1/%d", i)] && keys[fmt.Sprintf("edge-1/telemetry/63/%d", i)], "%d", i)
	}
}
