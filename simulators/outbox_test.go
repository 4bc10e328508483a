package simulators

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOutboxAgainstSlices compares the outbox with two plain slices.
func TestOutboxAgainstSlices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		box := newOutbox(limit)
		var flight, waiting []uint64
		keys := map[uint16]uint64{}
		var next uint64
		var key uint16
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				next++
				full := len(flight)+len(waiting) >= limit && len(waiting) > 0
				require.Equal(t, full, box.push(parcel{Message: Message{Seq: next}}))
				if full {
					waiting = waiting[1:]
				}
				waiting = append(waiting, next)
				require.Len(t, box.ready, 1)
			},
			"take": func(t *rapid.T) {
				window := rapid.IntRange(1, 4).Draw(t, "window")
				key++
				p, ok := box.take(window, key)
				require.Equal(t, len(flight) < window && len(waiting) > 0, ok)
				if ok {
					require.Equal(t, waiting[0], p.Seq)
					flight, waiting = append(flight, p.Seq), waiting[1:]
					keys[key] = p.Seq
				}
			},
			"settle": func(t *rapid.T) {
				k := uint16(rapid.IntRange(0, int(key)+1).Draw(t, "key"))
				i := slices.Index(flight, keys[k])
				m, ok := box.settle(k)
				require.Equal(t, i >= 0, ok)
				if ok {
					require.Equal(t, keys[k], m.Seq)
					flight = slices.Delete(flight, i, i+1)
				}
			},
			"rewind": func(t *rapid.T) {
				box.rewind()
				waiting, flight = append(slices.Clone(flight), waiting...), nil
				clear(keys)
			},
			"": func(t *rapid.T) { require.Equal(t, len(flight)+len(waiting), box.pending()) },
		})
	})
}

func TestOutboxMarksWhatIsSentAgain(t *testing.T) {
	box := newOutbox(10)
	box.push(parcel{Message: Message{Seq: 1}, payload: []byte("one")})
	p, _ := box.take(1, 5)
	require.False(t, p.sent)
	box.rewind()
	again, ok := box.take(1, 6)
	require.True(t, ok)
	require.True(t, again.sent)
	require.Equal(t, p.payload, again.payload)
	_, ok = box.settle(5)
	require.False(t, ok, "a late acknowledgement of the first attempt settles nothing")
}

func TestMutedOutboxGivesNothing(t *testing.T) {
	box := newOutbox(10)
	box.push(parcel{})
	box.mute(true)
	_, ok := box.take(1, 1)
	require.False(t, ok)
	box.mute(false)
	_, ok = box.take(1, 1)
	require.True(t, ok)
}
