package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/spool"
	"medfleet/spool/memfile"
)

// A full queue in memory is no trouble of the storage: the disk is behind. Custody
// stays where it is. A message that waits for room is not in the spool, so it has no
// sequence and no answer; it gets both in the ways of every other:
//
//	queue full ─► its sender is not read from ─► round of the disk ends ─► Enqueue ─► durable ─► answer
//	                       └─ patience ends, gateway stops ─► no answer (or CE where configured), connection ends

// narrow is a disk with a queue that takes only few records.
func narrow(d *memfile.Disk) spool.Options {
	return spool.Options{Files: d, MaxRecord: 1024, QueueBytes: 1024}
}

// ward is an HL7 listener whose telemetry goes to a disk of the test's.
type ward struct {
	*hl7Keeper
	letters  *spool.Log
	listener *mllp.Listener
	address  string
	stop     func()
}

func startWard(t *testing.T, telemetry *spool.Log) *ward {
	t.Helper()
	return startWardWith(t, telemetry, openLog(t, spool.Options{Files: memfile.New()}), mllp.Config{})
}

func startWardWith(t *testing.T, telemetry, letters *spool.Log, c mllp.Config) *ward {
	t.Helper()
	k := newKeeper("edge-1", openLog(t, spool.Options{Files: memfile.New()}), telemetry)
	k.patience = time.Hour // what comes of it is another's story
	h, err := newHL7Keeper(k, &deadLetters{log: letters}, new(Counts), HL7Config{}, set(), "north", "edge-1")
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w := &ward{hl7Keeper: h, letters: letters, listener: mllp.NewListener(c, newHL7Feed(h, "ward")), address: ln.Addr().String()}
	go func() { ended <- w.listener.Run(ctx, ln) }()
	w.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
	t.Cleanup(w.stop)
	return w
}

// took waits until the listener has taken messages.
func (w *ward) took(t *testing.T, messages uint64) {
	t.Helper()
	require.Eventually(t, func() bool { return w.listener.Counters().Messages() >= messages }, soon, time.Millisecond)
}

// sendAhead sends messages without waiting for answers and gives the codes of those
// that come.
func (w *ward) sendAhead(t *testing.T, sender, messages int) (codes []string) {
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	var all []byte
	for i := range messages {
		all = mllp.AppendFrame(all, []byte(battery(fmt.Sprintf("%d-%d", sender, i))))
	}
	_ = conn.SetDeadline(time.Now().Add(soon))
	if _, err := conn.Write(all); err != nil {
		t.Error(err)
	}
	r := mllp.NewReader(conn, mllp.ReaderConfig{})
	for range messages {
		answer, err := r.Next()
		if err != nil {
			return codes
		}
		codes = append(codes, code(answer))
	}
	return codes
}

func TestManySendersWaitForADiskThatIsBehind(t *testing.T) {
	const senders, each = 16, 40
	disk, g := gated(nil)
	log := openLog(t, narrow(disk))
	w := startWard(t, log)
	g.hold(disk)
	release := sync.OnceFunc(func() { close(g.open) })
	defer release()
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			codes := w.sendAhead(t, s, each)
			if len(codes) != each {
				t.Errorf("sender %d: %d of %d answers", s, len(codes), each)
			}
			for i, c := range codes {
				if want := fmt.Sprintf("AA %d-%d", s, i); c != want {
					t.Errorf("%s, want %s", c, want)
				}
			}
		})
	}
	w.took(t, senders) // more than the queue takes
	release()
	all.Wait()
	require.Zero(t, w.counts.NotKept.Load())
	require.Equal(t, uint64(senders*each), w.counts.Kept.Load())
	require.Equal(t, uint64(senders*each), log.Stats().Appended)
}

func TestADiskThatFailsIsToldAtOnceHoweverManyWait(t *testing.T) {
	const senders = 16
	disk, g := gated(errors.New("EIO"))
	w := startWard(t, openLog(t, narrow(disk)))
	g.hold(disk)
	release := sync.OnceFunc(func() { close(g.open) })
	defer release()
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			if codes := w.sendAhead(t, s, 1); len(codes) > 0 {
				t.Errorf("answered: %v", codes)
			}
		})
	}
	w.took(t, senders)
	release()
	all.Wait()
	require.Equal(t, uint64(senders), w.counts.NotKept.Load())
	require.Zero(t, w.counts.Kept.Load())
}

// What is not understood is answered when its letter is on the disk, and those that
// come together share a sync.
func TestDeadLettersShareASync(t *testing.T) {
	for name, trouble := range map[string]error{"a slow disk": nil, "one that fails": errors.New("EIO")} {
		t.Run(name, func(t *testing.T) {
			disk, g := gated(trouble)
			w := startWardWith(t, openLog(t, spool.Options{Files: memfile.New()}), openLog(t, spool.Options{Files: disk}), mllp.Config{})
			g.hold(disk)
			release := sync.OnceFunc(func() { close(g.open) })
			defer release()
			conn, err := net.Dial("tcp", w.address)
			require.NoError(t, err)
			s := talk(t, conn)
			defer s.Close()
			said := []string{header("", "1") + "\r", header("", "2") + "\r", header("", "3") + "\r", header("", "4") + "\r"}
			s.says(said...)
			w.took(t, uint64(len(said)))
			require.Eventually(t, func() bool { return w.counts.NotUnderstood.Load() == uint64(len(said)) }, soon, time.Millisecond)
			require.Zero(t, w.letters.Stats().Newest, "none is durable yet")
			release()
			for i := range said {
				answer, err := s.r.Next()
				if trouble != nil {
					require.Error(t, err, "%q", answer)
					require.Equal(t, uint64(1), w.counts.NotKept.Load())
					return
				}
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("AA %d", i+1), code(answer))
			}
			require.LessOrEqual(t, w.letters.Stats().Fsyncs, uint64(2), "the first, and one for all that came meanwhile")
		})
	}
}

// The door does not wait for the disk: who is one too many goes at once, and whoever
// finds a place is served.
func TestACrowdAtTheDoorHoldsUpNobody(t *testing.T) {
	const crowd = 50
	disk, g := gated(nil)
	w := startWardWith(t, openLog(t, spool.Options{Files: memfile.New()}), openLog(t, spool.Options{Files: disk}), mllp.Config{MaxConnections: 1})
	g.hold(disk)
	release := sync.OnceFunc(func() { close(g.open) })
	defer release()
	first, err := net.Dial("tcp", w.address)
	require.NoError(t, err)
	talk(t, first).says(battery("1"))
	w.took(t, 1)
	for range crowd {
		conn, err := net.Dial("tcp", w.address)
		require.NoError(t, err)
		_, err = talk(t, conn).r.Next()
		require.Error(t, err)
		conn.Close()
	}
	require.Equal(t, uint64(crowd), w.counts.Refused.Load())
	first.Close()
	require.Eventually(t, func() bool { return w.listener.Counters().Open.Load() == 0 }, soon, time.Millisecond)
	require.Equal(t, []string{"AA 0-0"}, w.sendAhead(t, 0, 1))
	release()
	require.Eventually(t, func() bool { return w.letters.Stats().Appended == 1 }, soon, time.Millisecond, "one letter tells of the crowd")
}

// busy counts how many hand over records at the same time, and holds them up until
// it is opened.
type busy struct {
	Custody
	open     <-chan struct{}
	now, top atomic.Int64
}

func (b *busy) Enqueue(payloads ...[]byte) (uint64, error) {
	b.top.Store(max(b.top.Load(), b.now.Add(1))) // short of the truth at worst
	defer b.now.Add(-1)
	<-b.open
	return b.Custody.Enqueue(payloads...)
}

// What reading a message needs is for a few at a time, however many speak at once.
func TestAThousandThatSpeakAtOnceAreReadAFewAtATime(t *testing.T) {
	const senders = 200
	w := startWard(t, openLog(t, spool.Options{Files: memfile.New()}))
	open := make(chan struct{})
	b := &busy{Custody: w.keeper.telemetry, open: open}
	w.keeper.telemetry = b
	codes := make(chan []string, senders)
	for i := range senders {
		go func() { codes <- w.sendAhead(t, i, 1) }()
	}
	w.took(t, senders)
	require.Eventually(t, func() bool { return b.now.Load() == maxReading }, soon, time.Millisecond)
	close(open)
	for range senders {
		require.Len(t, <-codes, 1, "each has its answer all the same")
	}
	require.LessOrEqual(t, b.top.Load(), int64(maxReading))
}

func TestAGatewayThatStopsWaitsForNoQueue(t *testing.T) {
	disk, g := gated(nil)
	w := startWard(t, openLog(t, narrow(disk)))
	g.hold(disk)
	defer close(g.open)
	const senders = 16 // more than the queue takes
	answers := make(chan []string, senders)
	for i := range senders {
		go func() { answers <- w.sendAhead(t, i, 1) }()
	}
	w.took(t, senders)
	w.stop()
	for range senders {
		require.Empty(t, <-answers)
	}
}

func TestPatienceWithADiskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, g := gated(nil)
		events, err := spool.Open("events", spool.Options{Files: memfile.New()})
		require.NoError(t, err)
		telemetry, err := spool.Open("telemetry", narrow(disk))
		require.NoError(t, err)
		k := newKeeper("edge-1", events, telemetry)
		g.hold(disk)
		report := func(i int) *batch { b := bothKinds(i); b.events = nil; return b }
		var full error
		for i := 0; full == nil; i++ {
			synctest.Wait() // the committer has what it takes
			full = k.keep(report(i)).err
		}
		require.True(t, spool.QueueFull(full), "void: %v", full)

		began := time.Now()
		r := k.keepWithin(t.Context(), report(100), diskPatience)
		require.ErrorIs(t, r.Wait(t.Context()), spool.ErrFull)
		require.Equal(t, diskPatience, time.Since(began))

		waited := make(chan error, 1)
		go func() { waited <- k.keepWithin(t.Context(), report(101), diskPatience).Wait(t.Context()) }()
		time.Sleep(diskPatience / 2)
		synctest.Wait()
		require.Empty(t, waited, "no receipt before there is room")
		close(g.open)
		require.NoError(t, <-waited)
		require.NoError(t, events.Close())
		require.NoError(t, telemetry.Close())
	})
}
