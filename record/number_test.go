package record

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func requireShortest(t *testing.T, v float64) {
	t.Helper()
	if want, got := strconv.FormatFloat(v, 'g', -1, 64), string(appendNumber([]byte("0"), v)); "0"+want != got {
		require.Equal(t, "0"+want, got)
	}
}

// TestANumberIsWrittenInTheFewestDigits holds the short way against the library's.
func TestANumberIsWrittenInTheFewestDigits(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.001, -0.001, 0.0001, 0.1, 0.2, 0.1 + 0.2, 0.3, 87.5, 1.005, 12043.5, 100, 1000,
		999999, 999999.999, 999999.9994, 999999.9999, 1e6, -1e6, 1000000.5, 1e21, 1e300, 5e-324, math.MaxFloat64, math.Inf(1), math.NaN()} {
		requireShortest(t, v)
		requireShortest(t, math.Nextafter(v, math.Inf(1)))
		requireShortest(t, math.Nextafter(v, math.Inf(-1)))
	}
	for n := range int64(1_100_000) { // every thousandth up to 1 100
		v := float64(n) / 1000
		requireShortest(t, v)
		requireShortest(t, -v)
	}
	for range 1_000_000 {
		v := float64(rand.Int64N(1_000_000_000)) / 1000
		requireShortest(t, v)
		requireShortest(t, math.Nextafter(v, 0))
		requireShortest(t, math.Float64frombits(rand.Uint64()))
	}
}

func BenchmarkAppendNumber(b *testing.B) {
	var buffer [32]byte
	for i := 0; b.Loop(); i++ {
		appendNumber(buffer[:0], float64(i%100000)/10)
	}
}
