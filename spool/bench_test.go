package spool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
)

const benchRecord = 300

// BenchmarkRawFsync is what the disk can do: 300 bytes and one fsync each.
func BenchmarkRawFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	require.NoError(b, err)
	defer f.Close()
	record := make([]byte, benchRecord)
	for b.Loop() {
		if _, err := f.Write(record); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32, 128} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchAppend(b, writers, spool.Options{}) })
	}
}

// BenchmarkAppendSlowDisk has a disk of at most 1 400 fsyncs a second, whatever
// the real one does; the metric says how many it came to.
func BenchmarkAppendSlowDisk(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			benchAppend(b, writers, spool.Options{Files: slow{discard{}}})
		})
	}
}

type slow struct{ discard }

func (slow) Create(string) (spool.File, error) { return slowFile{}, nil }

type slowFile struct{ discardFile }

func (slowFile) Sync() error {
	time.Sleep(time.Second / 1400)
	return nil
}

func benchAppend(b *testing.B, writers int, o spool.Options) {
	l, err := spool.Open(b.TempDir(), o)
	require.NoError(b, err)
	defer func() { require.NoError(b, l.Close()) }()
	record := make([]byte, benchRecord)
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, writers)
	for range writers {
		go func() {
			for left.Add(-1) >= 0 {
				if _, err := l.Append(b.Context(), record); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range writers {
		require.NoError(b, <-done)
	}
	b.StopTimer()
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(b.N)/seconds, "records/s")
	b.ReportMetric(float64(l.Stats().Fsyncs)/seconds, "fsyncs/s")
}

func BenchmarkRead(b *testing.B) {
	l := filled(b, b.TempDir(), 256<<20)
	defer func() { require.NoError(b, l.Close()) }()
	r, err := l.Reader("bench")
	require.NoError(b, err)
	defer func() { require.NoError(b, r.Close()) }()
	newest := l.Stats().Newest
	b.SetBytes(benchRecord)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		records, gap, err := r.Read(b.Context(), 1000, 1<<20)
		if err != nil || gap != nil {
			b.Fatal(gap, err)
		}
		n += len(records)
		if records[len(records)-1].Sequence == newest {
			require.NoError(b, r.Seek(0))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkOpen1GiB opens a log of 1 GiB, sixty-odd segments, with its files in
// the page cache. The newest segment is read whole, the others by their headers.
func BenchmarkOpen1GiB(b *testing.B) {
	dir := b.TempDir()
	require.NoError(b, filled(b, dir, 1<<30).Close())
	var slowest time.Duration
	for b.Loop() {
		begin := time.Now()
		l, err := spool.Open(dir, spool.Options{})
		slowest = max(slowest, time.Since(begin))
		require.NoError(b, err)
		require.NoError(b, l.Close())
	}
	b.ReportMetric(slowest.Seconds(), "s/slowest")
}

// filled is a log of that many bytes in records of benchRecord.
func filled(tb testing.TB, dir string, bytes int) *spool.Log {
	l, err := spool.Open(dir, spool.Options{})
	require.NoError(tb, err)
	record := make([]byte, benchRecord)
	batch := make([][]byte, 10000)
	for i := range batch {
		batch[i] = record
	}
	for l.Stats().Bytes < int64(bytes) {
		_, err := l.Append(tb.Context(), batch...)
		require.NoError(tb, err)
	}
	return l
}
