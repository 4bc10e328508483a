package alerting_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/alerting/internal/testdb"
)

// anew empties the story's database and starts it over.
func (s *story) anew(t require.TestingT) {
	s.t = t
	for _, table := range []string{"alarms", "alarm_transitions", "pages", "audit"} {
		_, err := s.db.Exec("DELETE FROM " + table)
		require.NoError(t, err)
	}
	s.journal, s.number, s.saves = nil, 0, 0
	s.saved.Reset()
	s.start()
}

// draw plays one drawn record.
func (s *story) draw(t *rapid.T, at time.Duration) {
	if rapid.IntRange(0, 3).Draw(t, "tick") == 0 {
		s.tick(at)
		return
	}
	device := rapid.SampledFrom([]medfleet.DeviceID{"VENT-1", "VENT-2"}).Draw(t, "device")
	charge := rapid.SampledFrom([]float64{10, 50}).Draw(t, "charge")
	complaints := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"device_failure", "battery_fault"}), 0, 2, rapid.ID).Draw(t, "complaints")
	s.says(at, device, charge, complaints...)
}

// trouble commits, after failures that were drawn, and perhaps starts anew.
func (s *story) trouble(t *rapid.T) {
	for rapid.IntRange(0, 2).Draw(t, "commit fails") == 0 {
		s.flush(rapid.Bool().Draw(t, "behind"), true)
	}
	s.flush(rapid.IntRange(0, 3).Draw(t, "behind") == 0, false)
	if rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
		s.save()
	}
	if rapid.IntRange(0, 2).Draw(t, "restart") == 0 {
		s.restart()
	}
}

func TestTroubleChangesNothing(t *testing.T) {
	folder := t.TempDir()
	calm := newStory(t, testdb.Open(t, filepath.Join(folder, "calm.db"), "OFF"))
	troubled := newStory(t, testdb.Open(t, filepath.Join(folder, "troubled.db"), "OFF"))
	const episodes = `SELECT id, rule, device, state, since, raised_at, changed_at, cleared_at, reopened, summary FROM alarms ORDER BY id`
	const steps = `SELECT id, alarm, number, at, state FROM alarm_transitions ORDER BY alarm, number`
	const audited = `SELECT action, object, detail FROM audit WHERE action LIKE 'alarm.%' ORDER BY number`
	total := 0
	rapid.Check(t, func(t *rapid.T) {
		calm.anew(t)
		troubled.anew(t)
		var at time.Duration
		for range rapid.IntRange(1, 40).Draw(t, "records") {
			at += time.Duration(rapid.IntRange(0, 50).Draw(t, "seconds")) * time.Second
			calm.draw(t, at)
			calm.commit()
			record := calm.journal[len(calm.journal)-1]
			troubled.play(record)
			if rapid.Bool().Draw(t, "commit") {
				troubled.trouble(t)
			}
		}
		troubled.trouble(t)
		troubled.commit()
		require.Equal(t, calm.rows(episodes), troubled.rows(episodes))
		require.Equal(t, calm.rows(steps), troubled.rows(steps))
		require.Equal(t, calm.rows(audited), troubled.rows(audited))

		const paged = `SELECT alarm, about, channel FROM pages ORDER BY alarm, about DESC`
		pages, all := troubled.rows(paged), calm.rows(paged)
		for _, p := range pages {
			require.Contains(t, all, p, "a page that a calm day would not have seen")
		}
		require.Len(t, slices.Compact(pages), len(pages), "somebody was paged twice")
		require.Zero(t, troubled.count(`SELECT COUNT(*) FROM alarms WHERE state = 'active' AND wants_page = 1 AND paged = 0`))
		total += len(pages)
	})
	require.Greater(t, total, 50, "too little has happened to prove anything")
}
