package gateway

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/pcd"
	"medfleet/record"
	"medfleet/spool"
	"medfleet/spool/memfile"
)

// seen is a message at a time after the first that names parts as "part=parent/slot".
func seen(after time.Duration, all ...string) *batch {
	const first = medfleet.Millis(1_790_000_000_000)
	b := &batch{received: first.Add(after), key: uint64(after)}
	for _, text := range all {
		part, place, _ := strings.Cut(text, "=")
		parent, slot, _ := strings.Cut(place, "/")
		b.attachments = append(b.attachments, flagged[medfleet.Attachment]{&medfleet.Attachment{
			Part: medfleet.DeviceID(part), Parent: medfleet.DeviceID(parent), Slot: slot, Site: "north", Time: b.received, Gateway: "edge-1",
		}, 0})
	}
	return b
}

// told gives the attachments that an events spool holds, as seen takes them.
func toldIn(t *testing.T, log *spool.Log) []string {
	t.Helper()
	reader, err := log.Reader("test")
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, reader.Seek(0))
	var all []string
	for uint64(len(all)) < log.Stats().Newest {
		records, _, err := reader.Read(t.Context(), 0, 0)
		require.NoError(t, err)
		for _, r := range records {
			e, err := record.Parse(r.Payload)
			require.NoError(t, err)
			require.Equal(t, record.Attachment, e.Kind)
			require.Equal(t, Events, string(e.Stream))
			var l record.Line
			require.NoError(t, record.NewDecoder().Decode(e.Line, &l))
			a := l.Attachment()
			require.Equal(t, "edge-1", a.Gateway)
			all = append(all, fmt.Sprintf("%s=%s/%s", a.Part, a.Parent, a.Slot))
		}
	}
	return all
}

func partsKeeper(t *testing.T, o spool.Options) (*keeper, *spool.Log) {
	k, events, _ := keepers(t, o, spool.Options{Files: memfile.New()})
	return k, events
}

func (k *keeper) takes(t *testing.T, b *batch) {
	t.Helper()
	require.NoError(t, k.keep(b).Wait(t.Context()))
}

func TestAPartIsToldWhenItIsNewOrElsewhereAndOnceAnHour(t *testing.T) {
	k, events := partsKeeper(t, spool.Options{Files: memfile.New()})
	for minute := range 59 {
		k.takes(t, seen(time.Duration(minute)*time.Minute, "NIBP-7=MON-4/2", "IBP-3=MON-4/3"))
	}
	require.Equal(t, []string{"NIBP-7=MON-4/2", "IBP-3=MON-4/3"}, toldIn(t, events), "never a record per message")
	k.takes(t, seen(59*time.Minute, "NIBP-7=MON-5/1", "IBP-3=MON-4/3"))
	k.takes(t, seen(60*time.Minute, "NIBP-7=MON-5/1", "IBP-3=MON-4"))
	require.Equal(t, []string{"NIBP-7=MON-5/1", "IBP-3=MON-4/3"}, toldIn(t, events)[2:], "one moved; the other is where it was an hour ago, though its slot is left out")
}

func TestWhatOneMessageLeavesOutOfAPartIsNoNews(t *testing.T) {
	p := newParts()
	a := flagged[medfleet.Attachment]{&medfleet.Attachment{Part: "p", Parent: "r", Slot: "1", Type: "T", Model: "M"}, 0}
	require.True(t, p.news(a, 1))
	less := flagged[medfleet.Attachment]{&medfleet.Attachment{Part: "p", Parent: "r"}, 0}
	require.False(t, p.news(less, 2))
	less = flagged[medfleet.Attachment]{&medfleet.Attachment{Part: "p", Parent: "r", Slot: "2"}, 0}
	require.True(t, p.news(less, 3))
	require.Equal(t, "M", less.value.Model)
	require.Equal(t, "T", less.value.Type)
	require.True(t, p.news(flagged[medfleet.Attachment]{less.value, record.NotInService}, 4), "a demonstration says nothing of the real one")
	require.True(t, p.news(less, 5))
}

func TestAPartThatTwoClaimIsNotToldWithEachMessage(t *testing.T) {
	k, events := partsKeeper(t, spool.Options{Files: memfile.New()})
	for second := range 600 {
		k.takes(t, seen(time.Duration(second)*time.Second, fmt.Sprintf("NIBP-7=MON-%d/1", second%2)))
	}
	require.InDelta(t, maxMoves+10, len(toldIn(t, events)), 2)
}

func TestAPartWhoseRecordIsNotDurableIsToldAgain(t *testing.T) {
	t.Run("the disk fails", func(t *testing.T) {
		disk := memfile.New()
		k, events := partsKeeper(t, spool.Options{Files: disk})
		disk.SetFault(func(c memfile.Call) error {
			if c.Op == memfile.OpSync {
				return errors.New("EIO")
			}
			return nil
		})
		require.Error(t, k.keep(seen(0, "NIBP-7=MON-4/2")).Wait(t.Context()))
		disk.SetFault(nil)
		before := events.Stats().Newest
		k.takes(t, seen(0, "NIBP-7=MON-4/2"))
		require.Greater(t, events.Stats().Newest, before)
	})
	t.Run("the spool is full", func(t *testing.T) {
		k, events := partsKeeper(t, spool.Options{Files: memfile.New(), MaxBytes: 64 << 10, Full: spool.Block, MaxAge: -1})
		_, err := events.Reader("uplink")
		require.NoError(t, err)
		n := 0
		for err == nil {
			err = k.keep(seen(0, fmt.Sprintf("p-%d=MON-4/%d", n, n))).Wait(t.Context())
			n++
		}
		require.ErrorIs(t, err, spool.ErrFull)
		last := seen(0, fmt.Sprintf("p-%d=MON-4/%d", n-1, n-1))
		require.ErrorIs(t, k.keep(last).Wait(t.Context()), spool.ErrFull, "it is not taken for told")
	})
}

func TestTheMemoryOfPartsIsBounded(t *testing.T) {
	p := newParts()
	for i := range maxParts + 10 {
		p.news(flagged[medfleet.Attachment]{&medfleet.Attachment{Part: medfleet.DeviceID(fmt.Sprint(i)), Parent: "r"}, 0}, 1)
	}
	require.LessOrEqual(t, len(p.told), maxParts)
}

func TestAClockThatIsSetBackDoesNotKeepAPartFromBeingTold(t *testing.T) {
	p := newParts()
	a := flagged[medfleet.Attachment]{&medfleet.Attachment{Part: "p", Parent: "r", Slot: "1"}, 0}
	now := medfleet.Millis(1_790_000_000_000)
	require.True(t, p.news(a, now))
	require.True(t, p.news(a, now.Add(-365*24*time.Hour)))
	require.False(t, p.news(a, now.Add(-365*24*time.Hour+time.Minute)))
}

// What a message says of parts is told through the same door as its readings.
func TestAMessagesPartsAreGathered(t *testing.T) {
	k, events := partsKeeper(t, spool.Options{Files: memfile.New()})
	h := &hl7Keeper{keeper: k, seed: maphash.MakeSeed()}
	w := &worker{feed: &hl7Feed{name: "hl7"}}
	w.result.Attachments = []medfleet.Attachment{{Part: "NIBP-7", Parent: "MON-4", Slot: "2", Time: 1, Gateway: "edge-1"}}
	w.result.AttachmentMarks = []pcd.Mark{{}}
	k.takes(t, h.gather(w, 1_790_000_000_000))
	require.Equal(t, []string{"NIBP-7=MON-4/2"}, toldIn(t, events))
	w.result.Reset()
	require.Empty(t, h.gather(w, 1_790_000_000_000).attachments, "the next message says nothing of them")
}
