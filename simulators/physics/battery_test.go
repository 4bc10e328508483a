package physics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet/simulators/physics"
)

func pack() physics.Battery {
	return physics.Battery{Rated: 2200, Nominal: 11.1, Health: 1, Stored: 2200, Warmth: 24, Loss: 1}
}

// until steps minute by minute until the condition holds.
func until(t *testing.T, b *physics.Battery, load float64, mains bool, holds func() bool) time.Duration {
	t.Helper()
	for d := time.Duration(0); d < 100*time.Hour; d += time.Minute {
		if holds() {
			return d
		}
		b.Step(time.Minute, load, mains)
	}
	t.Fatal("it never came to that")
	return 0
}

func TestBatteryEmptiesAsLoadAndCapacitySay(t *testing.T) {
	b := pack()
	told := b.Runtime(260)
	took := until(t, &b, 260, false, func() bool { return b.Charge() == 0 })
	require.InDelta(t, 2200.0/260, took.Hours(), 0.05)
	require.InDelta(t, told, took.Minutes(), 2)
	require.Negative(t, b.Current)

	old := pack()
	old.Health, old.Stored = 0.5, 1100
	require.InDelta(t, took.Hours()/2, until(t, &old, 260, false, func() bool { return old.Charge() == 0 }).Hours(), 0.05)
	require.Less(t, old.Voltage(), 11.1)
}

func TestBatteryChargesFastThenSlowly(t *testing.T) {
	b := pack()
	b.Stored = 0
	most := until(t, &b, 0, true, func() bool { return b.Charge() >= 80 })
	all := most + until(t, &b, 0, true, func() bool { return b.Charge() >= 99.9 })
	require.InDelta(t, 2, most.Hours(), 0.1, "80 %% at 0.4 of the capacity an hour")
	require.Greater(t, all, 3*time.Hour)
	require.Less(t, all, 8*time.Hour)
	require.Greater(t, b.Warmth, 24.0)
}

func TestBatteryWearsWithCycles(t *testing.T) {
	b := pack()
	for range 500 {
		until(t, &b, 1000, false, func() bool { return b.Charge() < 1 })
		b.Stored = b.Full()
	}
	require.InDelta(t, 500, b.Cycles, 10)
	require.InDelta(t, 0.82, b.Health, 0.02, "some 80 %% after 500 to 600 cycles")
}

func TestBatteryStaysABattery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := pack()
		b.Loss = rapid.Float64Range(1, 20).Draw(t, "loss")
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			health := b.Health
			b.Step(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "d")), rapid.Float64Range(0, 5000).Draw(t, "load"), rapid.Bool().Draw(t, "mains"))
			require.GreaterOrEqual(t, b.Stored, 0.0)
			require.LessOrEqual(t, b.Stored, b.Full()+1e-9)
			require.LessOrEqual(t, b.Health, health)
			require.Positive(t, b.Voltage())
		}
	})
}
