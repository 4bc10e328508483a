package spool_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// TestPowerCut cuts the power at random calls, over and over, with and without
// failing calls before, and asks afterwards for every record that was
// acknowledged or given to a reader.
func TestPowerCut(t *testing.T) {
	same := func(f spool.Files) spool.Files { return f }
	total := outcome{}
	for seed := range uint64(400) {
		got := powerCuts(t, seed, same)
		require.Zero(t, got.lost, "seed %d", seed)
		require.Zero(t, got.wrong, "seed %d", seed)
		total.acknowledged += got.acknowledged
		total.cuts += got.cuts
	}
	t.Logf("%d acknowledged, %d cuts", total.acknowledged, total.cuts)
	require.Greater(t, total.cuts, 1000, "too few cuts to mean anything")
	require.Greater(t, total.acknowledged, 10000, "too few records to mean anything")
}

// TestPowerCutNoticesEarlyAcknowledgement shows that the test above would see
// a log that acknowledges before the disk has the record or its file's name.
func TestPowerCutNoticesEarlyAcknowledgement(t *testing.T) {
	for name, lie := range map[string]func(spool.Files) spool.Files{
		"no fsync of files":   func(f spool.Files) spool.Files { return noFileSync{f} },
		"no fsync of folders": func(f spool.Files) spool.Files { return noDirSync{f} },
		"fsync tried again":   func(f spool.Files) spool.Files { return retriedSync{f} },
	} {
		t.Run(name, func(t *testing.T) {
			lost := 0
			for seed := range uint64(100) {
				lost += powerCuts(t, seed, lie).lost
			}
			require.Positive(t, lost)
		})
	}
}

type noDirSync struct{ spool.Files }

func (noDirSync) SyncDir(string) error { return nil }

type noFileSync struct{ spool.Files }

func (n noFileSync) Create(name string) (spool.File, error) {
	f, err := n.Files.Create(name)
	return noSync{f}, err
}

type noSync struct{ spool.File }

func (noSync) Sync() error { return nil }

type retriedSync struct{ spool.Files }

func (n retriedSync) Create(name string) (spool.File, error) {
	f, err := n.Files.Create(name)
	return twice{f}, err
}

// twice believes the second fsync, which knows nothing of the bytes the first gave up.
type twice struct{ spool.File }

func (f twice) Sync() error {
	if f.File.Sync() != nil {
		return f.File.Sync()
	}
	return nil
}

type outcome struct{ acknowledged, lost, wrong, cuts int }

// lives is one log through several power cuts.
type lives struct {
	rng  *rand.Rand
	o    spool.Options
	mu   sync.Mutex
	ids  int
	owed map[int]bool // acknowledged, or given to a reader
	seen map[int]bool // given to the consumer
	out  outcome
}

func powerCuts(t *testing.T, seed uint64, lie func(spool.Files) spool.Files) outcome {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := &lives{rng: rng, o: spool.Options{SegmentBytes: 400 + rng.Int64N(1200)}, owed: map[int]bool{}, seen: map[int]bool{}}
	disk := memfile.New()
	for range 5 {
		var luck *rand.Rand
		if rng.IntN(2) == 0 {
			luck = rng
		}
		p.live(t, disk, lie, seed%2 == 0)
		disk = disk.PowerCut(luck)
		p.out.cuts++
	}
	p.audit(t, disk, seed%2 == 0)
	return p.out
}

// live runs writers and a consumer until the power goes.
func (p *lives) live(t *testing.T, disk *memfile.Disk, lie func(spool.Files) spool.Files, archive bool) {
	disk.SetFault(p.faults(disk.Calls() + 20 + p.rng.IntN(250)))
	o := p.o
	o.Files = lie(disk)
	l, err := spool.Open(folder, o)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	if archive { // keeps the log from removing anything
		r, err := l.Reader("archive")
		if err != nil {
			cancel()
			_ = l.Close() // the power is off
			return
		}
		defer r.Close()
	}
	readers.Go(func() { p.consume(ctx, l) })
	for range 3 {
		writers.Go(func() { p.produce(ctx, l) })
	}
	writers.Wait()
	cancel()
	readers.Wait()
	_ = l.Close() // the power is off
}

// faults fails single calls now and then, and all of them from call last on.
func (p *lives) faults(last int) func(memfile.Call) error {
	rng := rand.New(rand.NewPCG(p.rng.Uint64(), 2))
	shaky := rng.IntN(2) == 0
	return func(c memfile.Call) error {
		if c.N >= last {
			return memfile.ErrPower
		}
		if shaky && rng.IntN(15) == 0 && c.N > last-200 {
			return syscall.EIO
		}
		return nil
	}
}

func (p *lives) produce(ctx context.Context, l *spool.Log) {
	for failed := 0; failed < 20; {
		p.mu.Lock()
		p.ids++
		id := p.ids
		p.mu.Unlock()
		if _, err := l.Append(ctx, payload(id)); err != nil {
			failed++
			continue
		}
		p.mu.Lock()
		p.owed[id] = true
		p.out.acknowledged++
		p.mu.Unlock()
	}
}

func (p *lives) consume(ctx context.Context, l *spool.Log) {
	r, err := l.Reader("consumer")
	if err != nil {
		return
	}
	defer r.Close()
	for failed := 0; failed < 20; {
		records, gap, err := r.Read(ctx, 5, 0)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed++
			continue
		}
		var k taken
		last := k.add(records, gap)
		p.mu.Lock()
		p.out.wrong += len(k.wrong)
		for _, id := range k.ids {
			p.owed[id], p.seen[id] = true, true
		}
		p.mu.Unlock()
		_ = r.Commit(last) // it may fail; then the records come again
	}
}

// audit looks for all that is owed: in the archive everything, else what the
// consumer has not had.
func (p *lives) audit(t *testing.T, disk *memfile.Disk, archive bool) {
	name := "consumer"
	if archive {
		name, p.seen = "archive", map[int]bool{}
	}
	o := p.o
	o.Files = disk
	l, err := spool.Open(folder, o)
	require.NoError(t, err)
	defer l.Close()
	r, err := l.Reader(name)
	require.NoError(t, err)
	defer r.Close()
	k, err := drain(t.Context(), l, r, committed(l, name))
	require.NoError(t, err)
	p.out.wrong += len(k.wrong)
	for _, id := range k.ids {
		p.seen[id] = true
	}
	for id := range p.owed {
		if !p.seen[id] {
			p.out.lost++
		}
	}
}
