package rules_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
	"medfleet/alerting/rules"
)

// model is the meaning of for, hold and clear, told second by second and without
// any cleverness. Charge -1 is unknown; below 20 is true; above 30 clears.
type model struct {
	charge             int
	forTime, hold      int
	open, held, before bool // before: an episode may still be continued
	trueFor, goneFor   int
	said               []string
}

func (m *model) isTrue() bool  { return m.charge >= 0 && m.charge < 20 }
func (m *model) isFalse() bool { return m.charge >= 20 }
func (m *model) clears() bool  { return m.charge > 30 }
func (m *model) say(s string)  { m.said = append(m.said, s) }
func (m *model) heard(c int)   { m.charge = c; m.settle() }
func (m *model) ticked()       { m.settle() }
func (m *model) waiting() bool { return !m.open && m.held }
func (m *model) second() {
	if m.isTrue() && !m.open && m.waiting() {
		m.trueFor++
	}
	if m.isFalse() && m.before && !m.waiting() {
		m.goneFor++
	}
}

// settle draws the consequences of what is so now.
func (m *model) settle() {
	if m.isFalse() && m.held && !m.open {
		m.held, m.trueFor = false, 0
	}
	if m.isTrue() && !m.open && !m.held {
		m.held, m.trueFor = true, 0
	}
	if m.isTrue() && m.waiting() && m.trueFor >= m.forTime {
		m.open, m.held = true, false
		if m.before {
			m.say("reopened")
		} else {
			m.say("raised")
		}
		m.before = false
		return
	}
	if m.open && m.clears() {
		m.open, m.before, m.goneFor = false, true, 0
		m.say("cleared")
	}
	if m.before && !m.waiting() && m.isFalse() && m.goneFor >= m.hold {
		m.before = false
		m.say("settled")
	}
}

func TestForAndHoldAreWhatTheModelSays(t *testing.T) {
	p := loadProfiles(t)
	rapid.Check(t, func(t *rapid.T) {
		m := &model{charge: -1, forTime: rapid.IntRange(0, 20).Draw(t, "for"), hold: rapid.IntRange(0, 20).Draw(t, "hold")}
		set, err := rules.Parse("own.yaml", []byte(one("ventilator", map[string]string{
			"clear": "battery_charge > 30", "for": fmt.Sprintf("%ds", m.forTime), "hold": fmt.Sprintf("%ds", m.hold)})), p)
		require.NoError(t, err)
		v := rules.NewEvaluator(set, 1)
		d := medfleet.Device{ID: "VENT-1", Class: "ventilator", Site: "main", InService: true, Readings: map[string]float64{}}
		now := medfleet.AsMillis(time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC))
		v.Tick(now, 0)
		var said []string
		for i := range rapid.IntRange(1, 200).Draw(t, "seconds") {
			m.second()
			now = now.Add(time.Second)
			if i%5 == 4 {
				v.Tick(now, uint64(i))
				m.ticked()
			}
			if rapid.IntRange(0, 3).Draw(t, "heard") == 0 {
				c := rapid.SampledFrom([]int{-1, 10, 15, 25, 25, 40, 50}).Draw(t, "charge")
				d.Readings["battery_charge"] = float64(c)
				if c < 0 {
					delete(d.Readings, "battery_charge")
				}
				v.See(&medfleet.Sighting{Sequence: uint64(i), At: now, Device: &d, Live: true})
				m.heard(c)
			}
			for _, c := range v.Changes() {
				said = append(said, []string{"", "raised", "cleared", "reopened", "settled"}[c.What])
			}
			v.Drop()
			require.Equal(t, m.said, said)
		}
	})
}

// step is one record of a journal: a clock record or what a device says.
type record struct {
	tick  bool
	at    medfleet.Millis
	seen  medfleet.Device
	event *medfleet.Event
	live  bool
}

func (r *record) play(v *rules.Evaluator, sequence int) {
	if r.tick {
		v.Tick(r.at, uint64(sequence))
		return
	}
	v.See(&medfleet.Sighting{Sequence: uint64(sequence), At: r.at, Device: &r.seen, Event: r.event, Live: r.live})
}

// journal draws records of a few devices that fail, recover, fall silent, have
// wrong clocks and are taken out of service.
func journal(t *rapid.T) []record {
	conditions := []string{"self_test_failed", "battery_fault", "device_failure"}
	now := medfleet.AsMillis(time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC))
	var list []record
	for range rapid.IntRange(1, 120).Draw(t, "records") {
		now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
		if rapid.IntRange(0, 2).Draw(t, "tick") == 0 {
			list = append(list, record{tick: true, at: now})
			continue
		}
		n := rapid.IntRange(0, 2).Draw(t, "device")
		d := medfleet.Device{
			ID: medfleet.DeviceID(fmt.Sprint("PUMP-", n)), Class: "infusion_pump", Site: "main", InService: rapid.IntRange(0, 9).Draw(t, "service") > 0,
			State: rapid.SampledFrom([]medfleet.State{medfleet.InUse, medfleet.InUse, medfleet.Idle, medfleet.Unheard, medfleet.Blind}).Draw(t, "state"),
			Readings: map[string]float64{
				"battery_health": rapid.SampledFrom([]float64{70, 82, 90}).Draw(t, "health"),
				"battery_charge": rapid.SampledFrom([]float64{10, 25, 50}).Draw(t, "charge"),
				"on_mains":       rapid.SampledFrom([]float64{0, 1}).Draw(t, "mains"),
			},
			Active: rapid.SliceOfNDistinct(rapid.SampledFrom(conditions), 0, 2, rapid.ID).Draw(t, "conditions"),
		}
		r := record{at: now.Add(time.Duration(n*40-40) * time.Second), seen: d, live: d.InService && rapid.IntRange(0, 9).Draw(t, "live") > 0}
		if rapid.Bool().Draw(t, "event") {
			r.event = &medfleet.Event{Condition: "occlusion", Phase: medfleet.Start, Time: r.at}
		}
		list = append(list, r)
	}
	return list
}

func state(t require.TestingT, v *rules.Evaluator) string {
	var b bytes.Buffer
	require.NoError(t, v.Snapshot(&b))
	lines := strings.Split(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestAReplayMakesTheSameAlarmsFromAnySnapshot(t *testing.T) {
	set, err := rules.Load(nil, loadProfiles(t))
	require.NoError(t, err)
	episodes := 0
	rapid.Check(t, func(t *rapid.T) {
		records := journal(t)
		cut := rapid.IntRange(0, len(records)).Draw(t, "snapshot")
		whole, first := rules.NewEvaluator(set, 60), rules.NewEvaluator(set, 60)
		var want []rules.Change
		for i := range records {
			records[i].play(whole, i)
			if i >= cut {
				want = append(want, whole.Changes()...)
			}
			whole.Drop()
		}
		for i := range records[:cut] {
			records[i].play(first, i)
			first.Drop()
		}
		var saved bytes.Buffer
		require.NoError(t, first.Snapshot(&saved))
		second := rules.NewEvaluator(set, 60)
		require.NoError(t, second.Restore(&saved))
		var got []rules.Change
		for i := cut; i < len(records); i++ {
			records[i].play(second, i)
			got = append(got, second.Changes()...)
			second.Drop()
		}
		require.Equal(t, want, got)
		require.Equal(t, state(t, whole), state(t, second))
		episodes += len(want)
	})
	require.Greater(t, episodes, 100, "too little has happened to prove anything")
}

func TestACountIsExactToABucket(t *testing.T) {
	set, err := rules.Parse("own.yaml", []byte(one("ventilator", map[string]string{
		"expr": `count("occlusion", "1h") >= 3`, "clear": `count("occlusion", "1h") < 3`})), loadProfiles(t))
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		v := rules.NewEvaluator(set, 1)
		d := medfleet.Device{ID: "VENT-1", Class: "ventilator", InService: true}
		newest, open := int64(480_000), false
		var minutes []int64
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			at := newest + rapid.Int64Range(-90, 40).Draw(t, "minute")
			newest = max(newest, at)
			minutes = append(minutes, at)
			s := medfleet.Sighting{Sequence: uint64(i), At: medfleet.Millis(newest * 60_000), Device: &d, Live: true}
			s.Event = &medfleet.Event{Condition: "occlusion", Phase: medfleet.Start, Time: medfleet.Millis(at * 60_000)}
			v.See(&s)
			n := 0
			for _, m := range minutes {
				if m > newest-60 {
					n++
				}
			}
			if changes := v.Changes(); len(changes) > 0 {
				open = changes[0].What == rules.Raised
			}
			v.Drop()
			require.Equal(t, n >= 3, open, "%d in the hour", n)
		}
	})
}
