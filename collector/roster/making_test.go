package roster_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state/statetest"
	"medfleet/record"
)

// madeOf is what a device tells of its making.
func madeOf(device, condition, says string, at medfleet.Millis, change ...func(*medfleet.Event, *record.Envelope)) say {
	return reported(device, "Alpha", says, at, append([]func(*medfleet.Event, *record.Envelope){func(e *medfleet.Event, _ *record.Envelope) {
		e.Condition, e.Phase, e.Kind = condition, medfleet.Instant, medfleet.Advisory
	}}, change...)...)
}

func (w *ward) making(id string) []string {
	d := w.device(id)
	return []string{d.Serial, d.Firmware, d.Software, d.Hardware}
}

func TestADeviceKeepsWhatItLastToldOfItsMaking(t *testing.T) {
	statetest.Each(t, func(t *testing.T, db *sql.DB) {
		w := wardIn(t, db)
		later := after(time.Hour)
		w.hear(begin(noon), madeOf("p1", "serial_number", "SN-1", noon), madeOf("p1", "firmware", "1.1.13", noon),
			madeOf("p1", "software", "7", noon), madeOf("p1", "hardware", "B2", noon))
		require.Equal(t, []string{"SN-1", "1.1.13", "7", "B2"}, w.making("p1"))
		w.hear(clock(later), madeOf("p1", "firmware", "1.2.0", later), madeOf("p1", "firmware", "1.0.9", noon+1))
		want := []string{"SN-1", "1.2.0", "7", "B2"}
		require.Equal(t, want, w.making("p1"), "what was told before that comes too late")
		require.Equal(t, 1, w.count(`SELECT COUNT(*) FROM devices WHERE serial = 'SN-1' AND firmware = '1.2.0' AND software = '7' AND hardware = 'B2'`))

		w.r = copied(t, w.r)
		w.hear(madeOf("p1", "firmware", "1.0.8", noon+2))
		require.Equal(t, want, w.making("p1"), "after a restart from the snapshot")
		w.r = newRoster()
		require.NoError(t, w.r.Recall(ctx(), db))
		require.Equal(t, want, w.making("p1"), "and from the database alone")
	})
}

func TestWhatIsNotADevicesMakingNow(t *testing.T) {
	for name, change := range map[string]func(*medfleet.Event, *record.Envelope){
		"shown to visitors":  func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.NotInService },
		"from long ago":      func(_ *medfleet.Event, e *record.Envelope) { e.Flags = record.Historical },
		"another condition":  func(e *medfleet.Event, _ *record.Envelope) { e.Condition = "unknown_code" },
		"nothing in so many": func(e *medfleet.Event, _ *record.Envelope) { e.Code = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.hear(begin(noon), madeOf("p1", "firmware", "1.1.13", noon), madeOf("p1", "firmware", "9", noon+5, change))
			require.Equal(t, "1.1.13", w.device("p1").Firmware)
		})
	}
}
