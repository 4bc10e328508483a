package roster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

// fails is a device failure under a code, in a phase.
func fails(code string, phase medfleet.Phase, at time.Duration) say {
	return reported("v1", "Alpha", code, after(at), func(e *medfleet.Event, _ *record.Envelope) {
		e.Phase, e.ID = phase, e.ID+string(phase)
	})
}

func TestAConditionLastsAsLongAsAnyOfItsCodes(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		said  []say
		lasts bool
	}{
		"one of two has ended":   {[]say{fails("FAN", medfleet.Start, 0), fails("SPEAKER", medfleet.Start, second), fails("SPEAKER", medfleet.End, 2*second)}, true},
		"both have":              {[]say{fails("FAN", medfleet.Start, 0), fails("SPEAKER", medfleet.Start, second), fails("SPEAKER", medfleet.End, 2*second), fails("FAN", medfleet.End, 3*second)}, false},
		"an end of all":          {[]say{fails("FAN", medfleet.Start, 0), fails("SPEAKER", medfleet.Start, second), fails("", medfleet.End, 2*second)}, false},
		"an end of another":      {[]say{fails("FAN", medfleet.Start, 0), fails("SPEAKER", medfleet.End, second)}, true},
		"begun without a code":   {[]say{fails("", medfleet.Start, 0), fails("FAN", medfleet.End, second)}, false},
		"a late beginning":       {[]say{fails("FAN", medfleet.End, second), fails("FAN", medfleet.Start, 0)}, false},
		"later than an end":      {[]say{fails("", medfleet.End, second), fails("FAN", medfleet.Start, 0)}, false},
		"a late end":             {[]say{fails("FAN", medfleet.Start, second), fails("FAN", medfleet.End, 0)}, true},
		"goes on, ends and goes": {[]say{fails("FAN", medfleet.Start, 0), fails("FAN", medfleet.End, second), fails("FAN", medfleet.Continue, 2*second)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.hear(append([]say{begin(noon)}, c.said...)...)
			want := []string{}
			if c.lasts {
				want = append(want, "device_failure")
			}
			require.Equal(t, want, w.device("v1").Active)
			require.Equal(t, want, copied(t, w.r).Devices()[0].Active, "after a restart")
			w.hear(fails("FAN", medfleet.End, time.Minute), fails("SPEAKER", medfleet.End, time.Minute))
			require.Empty(t, w.device("v1").Active)
		})
	}
}
