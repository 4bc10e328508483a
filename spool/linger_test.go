package spool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/spool"
	"medfleet/spool/memfile"
)

// lingering is a log in a bubble of time, with one record in it since long ago.
func lingering(t *testing.T, o spool.Options, story func(t *testing.T, l *spool.Log)) {
	synctest.Test(t, func(t *testing.T) {
		o.Files = memfile.New()
		l, err := spool.Open(folder, o)
		require.NoError(t, err)
		defer l.Close()
		write(t, l, 0, 1)
		time.Sleep(time.Minute)
		require.Equal(t, uint64(1), l.Stats().Fsyncs)
		story(t, l)
	})
}

// patiently enqueues records that may wait.
func patiently(t *testing.T, l *spool.Log, from, to int) (last uint64) {
	t.Helper()
	for id := from; id < to; id++ {
		var err error
		last, err = l.EnqueuePatient(payload(id))
		require.NoError(t, err)
	}
	return last
}

func TestAPatientRecordOfAnIdleLogIsSyncedAtOnce(t *testing.T) {
	lingering(t, spool.Options{}, func(t *testing.T, l *spool.Log) {
		began := time.Now()
		require.NoError(t, l.WaitDurable(t.Context(), patiently(t, l, 1, 2)))
		require.Zero(t, time.Since(began))
	})
}

func TestPatientRecordsThatComeInATrickleShareASync(t *testing.T) {
	lingering(t, spool.Options{}, func(t *testing.T, l *spool.Log) {
		require.NoError(t, l.WaitDurable(t.Context(), patiently(t, l, 1, 2)))
		before, began := l.Stats().Fsyncs, time.Now()
		var last uint64
		for id := 2; id < 6; id++ {
			time.Sleep(time.Millisecond)
			last = patiently(t, l, id, id+1)
		}
		synctest.Wait()
		require.Equal(t, before, l.Stats().Fsyncs, "it waits for more of them")
		require.NoError(t, l.WaitDurable(t.Context(), last))
		require.Equal(t, 5*time.Millisecond, time.Since(began), "since the last sync began")
		require.Equal(t, before+1, l.Stats().Fsyncs)
		time.Sleep(time.Minute)
		require.Equal(t, before+1, l.Stats().Fsyncs)
	})
}

func TestAPatientRecordThatNobodyWaitsForIsSynced(t *testing.T) {
	lingering(t, spool.Options{}, func(t *testing.T, l *spool.Log) {
		patiently(t, l, 1, 2)
		synctest.Wait()
		last := patiently(t, l, 2, 3)
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, last, l.Stats().Newest)
	})
}

func TestARecordThatDoesNotWaitTakesThePatientOnesAlong(t *testing.T) {
	lingering(t, spool.Options{}, func(t *testing.T, l *spool.Log) {
		patiently(t, l, 1, 2)
		synctest.Wait()
		before, began := l.Stats().Fsyncs, time.Now()
		last := patiently(t, l, 2, 5)
		synctest.Wait()
		require.Less(t, l.Stats().Newest, last)
		write(t, l, 5, 6)
		require.Equal(t, last+1, l.Stats().Newest)
		require.Zero(t, time.Since(began))
		require.Equal(t, before+1, l.Stats().Fsyncs)
	})
}

func TestACrowdOfPatientRecordsWaitsForNoMore(t *testing.T) {
	lingering(t, spool.Options{QueueBytes: 4000, MaxRecord: 200}, func(t *testing.T, l *spool.Log) {
		patiently(t, l, 1, 2)
		synctest.Wait()
		var crowd [][]byte
		for id := 2; id < 42; id++ {
			crowd = append(crowd, payload(id))
		}
		began := time.Now()
		last, err := l.EnqueuePatient(crowd...)
		require.NoError(t, err)
		require.NoError(t, l.WaitDurable(t.Context(), last))
		require.Zero(t, time.Since(began))
	})
}

func TestCloseWritesWhatIsPatient(t *testing.T) {
	disk := memfile.New()
	synctest.Test(t, func(t *testing.T) {
		l, err := spool.Open(folder, spool.Options{Files: disk})
		require.NoError(t, err)
		patiently(t, l, 1, 2)
		synctest.Wait()
		last := patiently(t, l, 2, 4)
		began := time.Now()
		require.NoError(t, l.Close())
		require.Zero(t, time.Since(began))
		require.NoError(t, l.WaitDurable(t.Context(), last))
	})
	k, err := readAll(disk, spool.Options{})
	require.NoError(t, err)
	require.Equal(t, span(1, 4), k.ids)
}
