package roster_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/collector/state/statetest"
	"medfleet/record"
)

func TestAModuleMovedBetweenFramesIsInOneAtATime(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		w.hear(begin(after(time.Hour*9)), attached("NIBP-7", "MON-4", "2", noon), attached("IBP-1", "MON-4", "10", noon))
		w.hear(attached("NIBP-7", "MON-4", "2", after(60*min1)), attached("NIBP-7", "MON-5", "1", after(90*min1)))
		require.Equal(t, "NIBP-7 in MON-4/2 0-90, NIBP-7 in MON-5/1 90-", w.stays("NIBP-7"))
		require.Equal(t, "IBP-1 in MON-4/10 0-", w.stays("IBP-1"))
		w.hear(attached("NIBP-7", "MON-5", "3", after(100*min1)))
		require.Equal(t, "NIBP-7 in MON-4/2 0-90, NIBP-7 in MON-5/1 90-100, NIBP-7 in MON-5/3 100-", w.stays("NIBP-7"), "another slot is another place")
	})
}

func TestASlotHasOnePart(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), attached("A", "MON-4", "2", noon), attached("B", "MON-4", "2", after(5*min1)))
	require.Equal(t, "A in MON-4/2 0-5, B in MON-4/2 5-", w.stays("MON-4"))
	w.hear(attached("A", "MON-4", "2", after(3*min1)))
	require.Equal(t, "A in MON-4/2 0-5, B in MON-4/2 5-", w.stays("MON-4"), "that is from before")
	w.hear(attached("A", "MON-4", "2", after(6*min1)))
	require.Equal(t, "A in MON-4/2 0-5, B in MON-4/2 5-6, A in MON-4/2 6-", w.stays("MON-4"))
	w.hear(attached("C", "MON-4", "", after(7*min1)), attached("D", "MON-4", "", after(7*min1)))
	require.Contains(t, w.stays("MON-4"), "C in MON-4/ 7-, ", "where no slot is told there is room for all")
}

func TestALateSightingMovesNothingBack(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), attached("A", "MON-4", "2", after(10*min1)), attached("A", "MON-5", "2", after(20*min1)), attached("A", "MON-5", "2", after(80*min1)))
	for _, late := range []time.Duration{0, 10, 15, 20, 79, 80} {
		w.hear(attached("A", "MON-4", "2", after(late*min1)))
	}
	require.Equal(t, "A in MON-4/2 10-20, A in MON-5/2 20-", w.stays("A"), "it was in MON-5 at 80")
	w.hear(attached("B", "MON-4", "2", after(15*min1)))
	require.Empty(t, w.stays("B"), "the slot was A's then")
	w.hear(attached("B", "MON-4", "2", after(20*min1)))
	require.Equal(t, "B in MON-4/2 20-", w.stays("B"))
}

func TestWhatIsNotAboutNowAttachesNothing(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), attached("A", "MON-4", "2", noon))
	for _, f := range []record.Flags{record.Retained, record.Historical, record.NotInService, record.DuplicateSuspect} {
		w.hear(attached("A", "MON-9", "1", after(min1), f))
	}
	require.Equal(t, "A in MON-4/2 0-", w.stays("A"))
}

func TestAPumpInARackIsADeviceOfItsOwn(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), observed("p1", noon, "infusing"), observed("p2", noon, "standby"), observed("rack", noon, "standby"))
	w.hear(attached("p2", "rack", "10", noon), attached("p1", "rack", "2", after(min1)), attached("relay", "rack", "1", after(min1)))
	d := w.device("p1")
	require.Equal(t, medfleet.InUse, d.State)
	require.Equal(t, []string{"rack", "2", after(min1).String()}, []string{string(d.Parent), d.Slot, d.Attached.String()})
	require.Empty(t, d.Parts)
	var slots []string
	for _, s := range w.device("rack").Parts {
		slots = append(slots, s.Slot+" "+string(s.Part))
	}
	require.Equal(t, []string{"1 relay", "2 p1", "10 p2"}, slots)
	_, known := w.r.Device("relay")
	require.False(t, known, "a module that says nothing of itself is no device")
	s, ok := w.r.Part("relay")
	require.True(t, ok)
	require.Equal(t, medfleet.DeviceID("rack"), s.Parent)

	w.hear(attached("p1", "other", "2", after(5*min1)))
	require.Equal(t, medfleet.DeviceID("other"), w.device("p1").Parent)
	require.Len(t, w.device("rack").Parts, 2)
}

func TestAPartIsToldAgainAndStays(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), observed("rack", noon, "standby"), attached("A", "rack", "2", noon))
	for h := time.Duration(1); h < 5; h++ {
		w.hear(attached("A", "rack", "", after(h*time.Hour)))
	}
	require.Equal(t, "A in rack/2 0-", w.stays("A"), "a slot that is left out is the same slot")
	require.Equal(t, after(4*time.Hour), w.device("rack").Parts[0].Seen)
	require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM attachments WHERE seen_ms = `+fmt.Sprint(int64(after(4*time.Hour)))))
}

// A module that was pulled out is named by nobody any more.
func TestAPartThatItsParentNamesNoMoreIsOut(t *testing.T) {
	w := newWard(t)
	w.hear(begin(noon), observed("rack", noon, "standby"), attached("A", "rack", "1", noon), attached("B", "rack", "2", noon))
	for h := time.Duration(1); h <= 27; h++ {
		w.hear(clock(after(h*time.Hour)), observed("rack", after(h*time.Hour), "standby"), attached("B", "rack", "2", after(h*time.Hour)))
	}
	require.Equal(t, "A in rack/1 0-0", w.stays("A"), "nobody knows when it was taken out, only when it was last seen")
	require.Equal(t, "B in rack/2 0-", w.stays("B"))
	w.hear(clock(after(28*time.Hour)), attached("A", "rack", "1", after(28*time.Hour)))
	require.Equal(t, "A in rack/1 0-0, A in rack/1 1680-", w.stays("A"))

	silent := newWard(t)
	silent.hear(begin(noon), observed("rack", noon, "standby"), attached("A", "rack", "1", noon))
	for h := time.Duration(1); h <= 30*24; h += 12 {
		silent.hear(clock(after(h * time.Hour)))
	}
	require.Equal(t, "A in rack/1 0-", silent.stays("A"), "who is silent does not say that it is gone")
}

func TestAParentsPartsAreBounded(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), observed("rack", noon, "standby"))
	for i := range 200 {
		w.hear(attached(fmt.Sprint("m", i), "rack", "", after(time.Duration(i)*sec)))
	}
	parts := w.device("rack").Parts
	require.Len(t, parts, 64)
	require.True(t, slices.ContainsFunc(parts, func(s medfleet.Stay) bool { return s.Part == "m199" }))
	require.Equal(t, 64, w.count(`SELECT COUNT(*) FROM attachments WHERE to_ms IS NULL`))
}

func TestALostSnapshotForgetsNoPart(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		w.hear(begin(after(time.Hour*9)), observed("rack", noon, "standby"), attached("A", "rack", "1", noon), attached("A", "rack", "2", after(min1)), attached("B", "rack", "1", after(2*min1)))
		before := w.device("rack").Parts
		w.r = newRoster()
		require.NoError(t, w.r.Recall(ctx(), db))
		require.Equal(t, before, w.device("rack").Parts)
		require.False(t, w.r.Waits(), "the database has it")
		require.NoError(t, w.r.Recall(ctx(), db), "and once more changes nothing")
		require.Equal(t, before, w.device("rack").Parts)
	})
}

// The database can be restored from a backup while roster and journal go on.
func TestADatabaseFromABackupLearnsWhereThePartsAre(t *testing.T) {
	w := newWard(t)
	w.hear(begin(after(time.Hour*9)), attached("A", "r", "1", noon), attached("B", "r", "2", noon))
	backup := w.stays("r")
	w.hear(attached("A", "r", "2", after(5*min1)), attached("B", "r", "3", after(6*min1)), attached("A", "q", "1", after(7*min1)))
	now := w.r
	other := newWard(t)
	other.hear(begin(after(time.Hour*9)), attached("A", "r", "1", noon), attached("B", "r", "2", noon))
	require.Equal(t, backup, other.stays("r"))
	other.r = copied(t, now)
	other.r.Rewrite()
	require.NoError(t, other.r.Recall(ctx(), other.db))
	other.flush()
	require.Equal(t, 2, other.count(`SELECT COUNT(*) FROM attachments WHERE to_ms IS NULL`), other.stays("r"))
	require.Contains(t, other.stays("A"), "A in q/1 7-")
	require.Contains(t, other.stays("B"), "B in r/3 6-")
}

// plainStay and plainParts are what parts must be, without any index: a list of
// stays that is searched from end to end.
type plainStay struct {
	part, parent, slot string
	from, to, known    medfleet.Millis
	lasts              bool
}

type plainParts struct{ all []*plainStay }

func (p *plainParts) newest(is func(*plainStay) bool) *plainStay {
	for _, s := range slices.Backward(p.all) {
		if is(s) {
			return s
		}
	}
	return nil
}

func (p *plainParts) see(part, parent, slot string, at medfleet.Millis) {
	own := p.newest(func(s *plainStay) bool { return s.part == part })
	taken := p.newest(func(s *plainStay) bool { return slot != "" && s.parent == parent && s.slot == slot })
	if own != nil && own.lasts && own.parent == parent && (slot == own.slot || slot == "") {
		own.known = max(own.known, at)
		return
	}
	for _, s := range []*plainStay{own, taken} {
		if s != nil && (at < s.known || s.lasts && at == s.known) {
			return
		}
	}
	for _, s := range []*plainStay{own, taken} {
		if s != nil && s.lasts {
			s.lasts, s.to, s.known = false, at, at
		}
	}
	p.all = append(p.all, &plainStay{part, parent, slot, at, 0, at, true})
}

func (p *plainParts) of(part string) string {
	var out []string
	for _, s := range p.all {
		if s.part == part {
			to := ""
			if !s.lasts {
				to = minutes(s.to)
			}
			out = append(out, fmt.Sprintf("%s in %s/%s %s-%s", part, s.parent, s.slot, minutes(s.from), to))
		}
	}
	return strings.Join(out, ", ")
}

// TestEachPartIsInOnePlaceAndEachSlotHasOnePart holds the roster against the plain
// list, and the database against what must be true of it whatever is seen when.
func TestEachPartIsInOnePlaceAndEachSlotHasOnePart(t *testing.T) {
	w := newWard(t)
	moves := 0
	rapid.Check(t, func(rt *rapid.T) {
		w.clean(rt)
		w.apply(begin(noon))
		plain := &plainParts{}
		for range rapid.IntRange(1, 80).Draw(rt, "sightings") {
			part := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "part")
			parent := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "parent")
			slot := rapid.SampledFrom([]string{"1", "2", "3", ""}).Draw(rt, "slot")
			at := after(time.Duration(rapid.IntRange(0, 60).Draw(rt, "minute")) * min1)
			w.apply(clock(after(time.Hour)))
			w.apply(attached(part, parent, slot, at))
			plain.see(part, parent, slot, at)
			switch rapid.IntRange(0, 9).Draw(rt, "then") {
			case 0:
				w.flush()
			case 1:
				w.flush()
				w.r = copied(rt, w.r) // a restart
				require.NoError(rt, w.r.Recall(ctx(), w.db))
				require.False(rt, w.r.Waits())
			}
		}
		w.flush()
		for _, part := range []string{"a", "b", "c", "d"} {
			require.Equal(rt, plain.of(part), w.stays(part))
		}
		moves += len(plain.all)
		for _, by := range []string{"device", "parent || '/' || slot"} {
			bad := w.count(`SELECT COUNT(*) FROM attachments a JOIN attachments b ON a.id <> b.id AND a.` + strings.ReplaceAll(by, "slot", "a.slot") + ` = b.` + strings.ReplaceAll(by, "slot", "b.slot") + `
				WHERE (a.slot <> '' OR '` + by + `' = 'device') AND a.from_ms < COALESCE(b.to_ms, 9e18) AND b.from_ms < COALESCE(a.to_ms, 9e18) AND COALESCE(a.to_ms, 9e18) > a.from_ms AND COALESCE(b.to_ms, 9e18) > b.from_ms`)
			require.Zero(rt, bad, "two at one time by %s", by)
		}
	})
	require.Greater(t, moves, 300, "void: hardly anything moved")
}

func TestPagesOfAttachmentsAreWhole(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		w.hear(begin(after(time.Hour)))
		for i := range 7 {
			w.hear(attached("A", fmt.Sprint("r", i%2), fmt.Sprint(i), after(time.Duration(i/2)*min1+time.Duration(i)*time.Millisecond)))
		}
		for limit := 1; limit <= 8; limit++ {
			var met []string
			for cursor, more := "", true; more; more = cursor != "" {
				list, next, err := roster.Records{DB: db}.Attachments(ctx(), "A", limit, cursor)
				require.NoError(t, err)
				require.LessOrEqual(t, len(list), limit)
				for _, s := range list {
					met = append(met, s.Slot)
				}
				cursor = next
			}
			require.Equal(t, []string{"6", "5", "4", "3", "2", "1", "0"}, met, "%d at a time", limit)
		}
	})
}
