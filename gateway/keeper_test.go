package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
	"medfleet/record"
	"medfleet/spool"
	"medfleet/spool/memfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long what must come is waited for: long, since a machine may be slow, and
// it costs nothing where it comes.
const soon = time.Minute

func openLog(t *testing.T, o spool.Options) *spool.Log {
	t.Helper()
	log, err := spool.Open("spool", o)
	require.NoError(t, err)
	t.Cleanup(func() { log.Close() })
	return log
}

func keepers(t *testing.T, events, telemetry spool.Options) (k *keeper, eventLog, telemetryLog *spool.Log) {
	t.Helper()
	eventLog, telemetryLog = openLog(t, events), openLog(t, telemetry)
	return newKeeper("edge-1", eventLog, telemetryLog), eventLog, telemetryLog
}

func bothKinds(n int) *batch {
	q := medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Site: "north", Unit: "ICU"}
	at := medfleet.Millis(1_790_000_000_000 + n*1000)
	return &batch{
		received: at, key: uint64(n),
		observations: []flagged[medfleet.Observation]{{&medfleet.Observation{
			Equipment: q, Time: at, Gateway: "edge-1", Readings: []medfleet.Reading{{Metric: "battery_charge", Value: float64(n)}},
		}, record.Clamped}},
		events: []flagged[medfleet.Event]{{&medfleet.Event{
			Equipment: q, ID: "id", Time: at, Condition: "battery_low", Phase: medfleet.Start, Text: strings.Repeat("x", 400),
		}, record.NotInService}},
	}
}

// gate holds up a disk's fsyncs until it is opened, then fails them if told so.
type gate struct {
	open chan struct{}
	err  error
}

func gated(err error) (*memfile.Disk, *gate) {
	g := &gate{open: make(chan struct{}), err: err}
	d := memfile.New()
	return d, g
}

func (g *gate) hold(d *memfile.Disk) {
	d.SetFault(func(c memfile.Call) error {
		if c.Op != memfile.OpSync {
			return nil
		}
		<-g.open
		return g.err
	})
}

func TestAReceiptWaitsForBothSpools(t *testing.T) {
	for _, slow := range []string{Events, Telemetry} {
		t.Run(slow, func(t *testing.T) {
			disks := map[string]*memfile.Disk{Events: memfile.New(), Telemetry: memfile.New()}
			k, _, _ := keepers(t, spool.Options{Files: disks[Events]}, spool.Options{Files: disks[Telemetry]})
			_, g := gated(nil)
			g.hold(disks[slow])
			r := k.keep(bothKinds(1))
			require.NoError(t, r.err)
			done := make(chan error, 1)
			go func() { done <- r.Wait(context.Background()) }()
			select {
			case err := <-done:
				t.Fatalf("the receipt came before %s were durable: %v", slow, err)
			case <-time.After(50 * time.Millisecond):
			}
			close(g.open)
			select {
			case err := <-done:
				require.NoError(t, err)
			case <-time.After(soon):
				t.Fatal("no receipt though both are durable")
			}
		})
	}
}

func TestThereIsNoReceiptWhenADiskFails(t *testing.T) {
	for _, broken := range []string{Events, Telemetry} {
		t.Run(broken, func(t *testing.T) {
			disks := map[string]*memfile.Disk{Events: memfile.New(), Telemetry: memfile.New()}
			k, _, _ := keepers(t, spool.Options{Files: disks[Events]}, spool.Options{Files: disks[Telemetry]})
			_, g := gated(errors.New("EIO"))
			g.hold(disks[broken])
			close(g.open)
			require.ErrorContains(t, k.keep(bothKinds(1)).Wait(t.Context()), "EIO")
			disks[broken].SetFault(nil)
			require.NoError(t, k.keep(bothKinds(1)).Wait(t.Context()), "the disk is well again")
		})
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	d, g := gated(nil)
	k, _, _ := keepers(t, spool.Options{Files: d}, spool.Options{Files: memfile.New()})
	g.hold(d)
	defer close(g.open)
	ctx, cancel := context.WithCancel(t.Context())
	r := k.keep(bothKinds(1))
	cancel()
	require.ErrorIs(t, r.Wait(ctx), context.Canceled)
}

func TestAFullEventsSpoolGivesNoReceiptAndLosesNothing(t *testing.T) {
	k, events, _ := keepers(t, spool.Options{Files: memfile.New(), MaxBytes: 64 << 10, Full: spool.Block, MaxAge: -1}, spool.Options{Files: memfile.New()})
	reader, err := events.Reader("uplink")
	require.NoError(t, err)
	kept := 0
	for {
		if err = k.keep(bothKinds(kept)).Wait(t.Context()); err != nil {
			break
		}
		kept++
		require.Less(t, kept, 10_000, "it is never full")
	}
	require.ErrorIs(t, err, spool.ErrFull)
	require.Greater(t, kept, 20)
	require.ErrorIs(t, k.keep(bothKinds(kept)).Wait(t.Context()), spool.ErrFull, "and it stays so")
	read := 0
	for read < kept {
		records, gap, err := reader.Read(t.Context(), 0, 0)
		require.NoError(t, err)
		require.Nil(t, gap)
		read += len(records)
	}
	require.Equal(t, kept, read, "what was receipted is there, and no more")
}

func TestWhatIsKeptSaysWhatItWas(t *testing.T) {
	k, events, telemetry := keepers(t, spool.Options{Files: memfile.New()}, spool.Options{Files: memfile.New()})
	require.NoError(t, k.keep(bothKinds(7)).Wait(t.Context()))
	for log, want := range map[*spool.Log]struct {
		kind   record.Kind
		stream string
		flags  record.Flags
	}{
		events:    {record.Event, Events, record.NotInService},
		telemetry: {record.Observation, Telemetry, record.Clamped},
	} {
		reader, err := log.Reader("test")
		require.NoError(t, err)
		records, _, err := reader.Read(t.Context(), 0, 0)
		require.NoError(t, err)
		require.Len(t, records, 1)
		e, err := record.Parse(records[0].Payload)
		require.NoError(t, err)
		require.Equal(t, want.kind, e.Kind)
		require.Equal(t, want.stream, string(e.Stream))
		require.Equal(t, want.flags, e.Flags)
		require.Equal(t, "edge-1", string(e.Gateway))
		require.Equal(t, medfleet.Millis(1_790_000_007_000), e.Received)
		var l record.Line
		require.NoError(t, record.NewDecoder().Decode(e.Line, &l))
		require.Equal(t, "pump-17", l.Tag("device"))
	}
}

func TestTwoObservationsInOneMessageStayTwo(t *testing.T) {
	k, _, _ := keepers(t, spool.Options{Files: memfile.New()}, spool.Options{Files: memfile.New()})
	twice := func() *batch {
		b := bothKinds(1)
		second := *b.observations[0].value
		b.observations = append(b.observations, flagged[medfleet.Observation]{&second, 0})
		return b
	}
	for range 2 { // and the message sent again has the times it had
		b := twice()
		require.NoError(t, k.keep(b).Wait(t.Context()))
		require.Equal(t, medfleet.Millis(1_790_000_001_000), b.observations[0].value.Time)
		require.Equal(t, medfleet.Millis(1_790_000_001_001), b.observations[1].value.Time)
	}
}

func TestLostTelemetryIsDeclaredInItsPlace(t *testing.T) {
	log := openLog(t, spool.Options{Files: memfile.New(), MaxBytes: 64 << 10, Full: spool.DropOldest})
	reader, err := log.Reader(uplinkReader)
	require.NoError(t, err)
	k := newKeeper("edge-1", openLog(t, spool.Options{Files: memfile.New()}), log)
	const n = 1000
	for i := range n {
		b := bothKinds(i)
		b.events = nil
		b.observations[0].value.Model = strings.Repeat("m", 100)
		require.NoError(t, k.keep(b).Wait(t.Context()), "telemetry never blocks")
	}
	s := &stream{name: Telemetry, gateway: "edge-1", site: "north", log: log, reader: reader}
	var lost, delivered uint64
	for lost+delivered < n {
		batch, err := s.Next(t.Context())
		require.NoError(t, err)
		for i, framed := range batch.Records {
			envelope, rest, err := record.NextFrame(framed)
			require.NoError(t, err)
			require.Empty(t, rest)
			e, err := record.Parse(envelope)
			require.NoError(t, err)
			require.Equal(t, batch.First+uint64(i), e.Sequence)
			require.Equal(t, batch.Epoch, e.Epoch)
			if e.Kind != record.Gap {
				delivered++
				continue
			}
			var l record.Line
			require.NoError(t, record.NewDecoder().Decode(e.Line, &l))
			g := l.Gap()
			require.Equal(t, delivered+lost+1, g.First, "it stands where the lost ones would")
			require.Equal(t, e.Sequence, g.Last)
			require.Equal(t, g.Last-g.First+1, g.Count)
			require.Equal(t, []string{"edge-1", "north", Telemetry, spool.ReasonDroppedOldest}, []string{g.Gateway, g.Site, g.Stream, g.Reason})
			require.NotZero(t, g.To)
			require.GreaterOrEqual(t, g.To, g.From)
			lost += g.Count
		}
		require.NoError(t, s.Delivered(batch.First+uint64(len(batch.Records))-1))
	}
	require.Equal(t, uint64(n), lost+delivered)
	require.NotZero(t, lost, "void: nothing was lost")
	require.NotZero(t, delivered)
}

func BenchmarkKeep(b *testing.B) {
	events, err := spool.Open(b.TempDir(), spool.Options{})
	require.NoError(b, err)
	defer events.Close()
	telemetry, err := spool.Open(b.TempDir(), spool.Options{})
	require.NoError(b, err)
	defer telemetry.Close()
	k := newKeeper("edge-1", events, telemetry)
	one := bothKinds(1)
	one.events = nil
	b.ReportAllocs()
	var r receipt
	for i := 0; b.Loop(); i++ {
		one.key++
		one.observations[0].value.Time += 1000
		for r = k.keep(one); r.err != nil; r = k.keep(one) {
			require.NoError(b, telemetry.WaitDurable(b.Context(), telemetry.Stats().Newest+1))
		}
	}
}
