package rules_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting/rules"
)

// bench is one ventilator under one rule, told of in words.
type bench struct {
	t      *testing.T
	v      *rules.Evaluator
	set    *rules.Set
	device medfleet.Device
	begin  medfleet.Millis
	number uint64
}

func newBench(t *testing.T, rule map[string]string) *bench {
	t.Helper()
	set, err := rules.Parse("own.yaml", []byte(one("ventilator", rule)), loadProfiles(t))
	require.NoError(t, err)
	return &bench{
		t: t, v: rules.NewEvaluator(set, 1), set: set, begin: medfleet.AsMillis(time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)),
		device: medfleet.Device{
			ID: "VENT-1", Class: "ventilator", Site: "main", Unit: "ICU", State: medfleet.InUse, Native: "ventilating",
			InService: true, Readings: map[string]float64{},
		},
	}
}

// do plays one line: a time and words. "tick" is a clock record; anything else
// is a sighting with what is said: charge=15, charge=? (never heard), mains=0,
// state=..., native=..., start=condition, begin=condition, end=condition,
// service=0, late.
func (b *bench) do(line string) {
	words := strings.Fields(line)
	d, err := time.ParseDuration(words[0])
	require.NoError(b.t, err)
	at := b.begin.Add(d)
	b.number++
	if words[1] == "tick" {
		b.v.Tick(at, b.number)
		return
	}
	s := medfleet.Sighting{Sequence: b.number, At: at, Device: &b.device, Live: true}
	for _, w := range words[1:] {
		b.word(&s, w)
	}
	s.Live = s.Live && b.device.InService
	b.v.See(&s)
}

func (b *bench) word(s *medfleet.Sighting, w string) {
	key, value, _ := strings.Cut(w, "=")
	metric := map[string]string{"charge": "battery_charge", "mains": "on_mains", "health": "battery_health"}[key]
	switch {
	case metric != "" && value == "?":
		delete(b.device.Readings, metric)
	case metric != "":
		x, err := strconv.ParseFloat(value, 64)
		require.NoError(b.t, err)
		b.device.Readings[metric] = x
	case key == "state":
		b.device.State = medfleet.State(value)
	case key == "native":
		b.device.Native = value
	case key == "service":
		b.device.InService = value == "1"
	case key == "late":
		s.Live = false
	case key == "count":
		s.Event = &medfleet.Event{Condition: value, Phase: medfleet.Start, Time: s.At}
	case key == "continue":
		s.Event = &medfleet.Event{Condition: value, Phase: medfleet.Continue, Time: s.At}
	case key == "begin":
		b.device.Active = append(b.device.Active, value)
	case key == "end":
		b.device.Active = slices.DeleteFunc(b.device.Active, func(c string) bool { return c == value })
	case key == "gone":
		s.Gone = true
	case key != "same":
		b.t.Fatalf("unknown word %q", w)
	}
}

// said gives what was collected since it was last asked.
func (b *bench) said() string {
	var words []string
	for _, c := range b.v.Changes() {
		word := map[rules.What]string{
			rules.Raised: "raised", rules.Cleared: "cleared", rules.Reopened: "reopened", rules.Settled: "settled", rules.Withdrawn: "withdrawn",
		}[c.What]
		words = append(words, word)
	}
	b.v.Drop()
	return strings.Join(words, " ")
}

func TestHowARuleLives(t *testing.T) {
	low := func(more ...string) map[string]string {
		m := map[string]string{"expr": "battery_charge < 20"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		rule  map[string]string
		lines []string // "time words" or "time words | what is said"
	}{
		"at once": {low(), []string{"0s charge=50", "10s charge=19 | raised", "20s charge=18", "30s charge=20 | cleared settled"}},
		"for waits in event time": {low("for", "1m"), []string{
			"0s charge=19", "30s charge=18", "59s charge=18", "60s charge=18 | raised"}},
		"for starts anew when it was false between": {low("for", "1m"), []string{
			"0s charge=19", "50s charge=21", "55s charge=19", "70s charge=19", "114s charge=19", "115s charge=19 | raised"}},
		"for runs out on a clock record": {low("for", "1m"), []string{
			"0s tick", "0s charge=19", "30s tick", "59s tick", "60s tick | raised", "61s tick"}},
		"a value never heard neither raises nor clears": {low(), []string{
			"0s same", "10s charge=?", "20s charge=10 | raised", "30s charge=?", "40s charge=? same", "50s charge=30 | cleared settled"}},
		"a value that becomes unknown pauses for": {low("for", "1m"), []string{
			"0s charge=19", "40s charge=19", "40s charge=?", "100s charge=?", "100s charge=19", "119s charge=19", "120s charge=19 | raised"}},
		"a clock record does not end a pause": {low("for", "1m"), []string{
			"0s tick", "0s charge=19", "30s charge=?", "60s tick", "90s tick", "120s tick", "121s charge=19", "130s tick", "151s tick | raised"}},
		"unknown or true is true": {map[string]string{"expr": "battery_charge < 20 || battery_health < 80"}, []string{
			"0s charge=10 | raised", "10s charge=50", "20s health=90 | cleared settled"}},
		"unknown and false is false": {map[string]string{"expr": "battery_charge < 20 && !on_mains"}, []string{
			"0s charge=10", "10s mains=0 | raised", "20s charge=? mains=1 | cleared settled"}},
		"a silent device's readings are unknown": {low(), []string{
			"0s charge=10 | raised", "200s state=unheard", "300s state=in_use charge=30 | cleared settled", "310s charge=10 | raised",
			"400s state=blind charge=50", "500s state=in_use | cleared settled"}},
		"clear counts only while expr is not true": {low("clear", "battery_charge > 10"), []string{
			"0s charge=15 | raised", "10s charge=16", "20s charge=20 | cleared settled"}},
		"clear leaves a gap": {low("clear", "battery_charge > 30"), []string{
			"0s charge=15 | raised", "10s charge=25", "20s charge=?", "30s charge=31 | cleared settled"}},
		"clear counts when expr is unknown": {map[string]string{"expr": "battery_health < 80 || battery_charge < 20", "clear": "battery_charge > 30"}, []string{
			"0s charge=15 | raised", "10s charge=40 | cleared settled"}},
		"what is raised for a device that is no more is withdrawn": {low("hold", "1m"), []string{
			"0s charge=15 | raised", "10s gone | withdrawn", "20s gone", "100s tick", "200s charge=15 | raised"}},
		"manual waits for a person": {low("clear", "manual"), []string{"0s charge=15 | raised", "10s charge=90", "1h tick", "2h charge=100"}},
		"a return within hold continues the episode": {low("hold", "1m"), []string{
			"0s charge=15 | raised", "10s charge=50 | cleared", "60s charge=15 | reopened", "70s charge=50 | cleared", "129s charge=50", "130s charge=50 | settled", "140s charge=15 | raised"}},
		"hold runs out on a clock record": {low("hold", "1m"), []string{
			"0s tick", "0s charge=15 | raised", "10s charge=50 | cleared", "40s tick", "69s tick", "70s tick | settled"}},
		"hold stands still while the value is unknown": {low("hold", "1m"), []string{
			"0s charge=15 | raised", "10s charge=50 | cleared", "30s charge=?", "90s charge=?", "100s charge=50", "139s charge=50", "140s charge=50 | settled"}},
		"a return waits for for, and hold waits meanwhile": {low("for", "30s", "hold", "1m"), []string{
			"0s charge=15", "30s charge=15 | raised", "40s charge=50 | cleared", "80s charge=15", "100s charge=50", "115s charge=50", "120s charge=50 | settled",
			"130s charge=15", "160s charge=15 | raised", "170s charge=50 | cleared", "200s charge=15", "230s charge=15 | reopened"}},
		"late data is not judged": {low(), []string{"0s charge=15 late", "10s charge=50", "20s charge=15 late"}},
		"out of service nothing is judged, and timers stand still": {low("for", "1m"), []string{
			"0s tick", "0s charge=15", "30s tick", "30s service=0", "60s tick", "90s tick", "100s service=1", "100s tick", "129s tick", "130s tick | raised"}},
		"a condition that the device reports": {map[string]string{"expr": `active("self_test_failed")`}, []string{
			"0s same", "10s begin=self_test_failed | raised", "20s state=unheard", "30s state=in_use end=self_test_failed | cleared settled"}},
		"a state": {map[string]string{"expr": `state == "standby" && device_state != "off"`}, []string{
			"0s native=ventilating", "10s native=standby | raised", "20s native=humming", "30s native=off | cleared settled"}},
		"silence": {map[string]string{"expr": `device_state == "unheard"`, "clear": `device_state != "unheard" && device_state != "blind"`, "for": "5m"}, []string{
			"0s tick", "10s same", "130s tick", "130s state=unheard", "190s tick", "250s tick", "310s tick", "370s tick", "429s tick", "430s tick | raised",
			"500s state=blind", "600s state=in_use | cleared settled"}},
		"a count": {map[string]string{"expr": `count("occlusion", "1h") >= 3`, "clear": `count("occlusion", "1h") < 2`}, []string{
			"0m count=occlusion", "5m count=occlusion", "6m continue=occlusion", "7m count=sensor", "10m count=occlusion late", "11m same | raised",
			"60m same", "64m same", "65m same | cleared settled"}},
		"a late event counts where it belongs": {map[string]string{"expr": `count("occlusion", "1h") >= 1`}, []string{
			"2h same", "30m count=occlusion late", "121m same", "90m count=occlusion late", "122m same | raised"}},
		"a division by zero is unknown": {map[string]string{"expr": `1 / int(battery_charge) == 1`}, []string{
			"0s charge=0", "10s charge=1 | raised", "20s charge=0", "30s charge=2 | cleared settled"}},
		"a quiet hour of ours is not waited for": {low("for", "10m"), []string{
			"0s tick", "0s charge=15", "1h tick", "61m tick", "62m tick", "63m tick", "64m tick", "65m tick", "66m tick", "67m tick", "68m tick", "69m tick | raised"}},
		"the collector's clock is set back": {low("for", "2m"), []string{
			"0s tick", "0s charge=15", "60s tick", "-1h tick", "-3540s tick | raised"}},
		"the device's clock is set ahead": {low("for", "3m"), []string{
			"0s charge=15", "1h charge=15", "3630s charge=15", "3659s charge=15", "3660s charge=15 | raised"}},
		"the device's clock is set back": {low("for", "1m"), []string{
			"0s charge=15", "30s charge=15", "-1h charge=15", "-3571s charge=15", "-3570s charge=15 | raised"}},
		"what comes late on its way counts once": {low("for", "1m"), []string{
			"0s tick", "0s charge=15", "50s tick", "10s charge=15", "20s charge=15", "50s charge=15", "59s tick", "60s tick | raised"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.rule)
			for _, l := range c.lines {
				do, want, _ := strings.Cut(l, " | ")
				b.do(do)
				require.Equal(t, want, b.said(), "at %s", l)
			}
		})
	}
}

func TestAnAlarmSaysWhatItIs(t *testing.T) {
	b := newBench(t, map[string]string{
		"for": "1m", "hold": "1h", "page": "true", "priority": "now", "summary": `"{{device}} in {{unit}}: {{battery_charge}} %, mains {{on_mains}}, {{battery_health}}, {{state}}"`,
	})
	b.do("0s charge=15.26 mains=0")
	b.do("60s charge=14")
	require.Len(t, b.v.Changes(), 1)
	c := b.v.Changes()[0]
	require.True(t, c.Page)
	require.Len(t, c.Alarm.ID, 26)
	raised := c.Alarm
	c.Alarm.ID = ""
	require.Equal(t, medfleet.Alarm{
		Rule: "Test", Device: "VENT-1", Class: "ventilator", Site: "main", Unit: "ICU", Priority: medfleet.Now, State: medfleet.Active,
		Since: b.begin, RaisedAt: b.begin.Add(time.Minute), ChangedAt: b.begin.Add(time.Minute),
		Summary: "VENT-1 in ICU: 14 %, mains no, ?, ventilating",
	}, c.Alarm)
	b.v.Drop()
	b.do("70s charge=90.04")
	b.do("80s charge=14")
	b.do("140s charge=14")
	require.Len(t, b.v.Changes(), 2)
	again := b.v.Changes()[1].Alarm
	require.Equal(t, raised.ID, again.ID, "the episode goes on")
	require.Equal(t, raised.Since, again.Since)
	require.Equal(t, 1, again.Reopened)
}

func TestADeviceOfAnotherClassLeavesItsAlarms(t *testing.T) {
	b := newBench(t, nil)
	b.do("0s charge=1")
	require.Equal(t, "raised", b.said())
	b.device.Class = "patient_monitor"
	b.do("10s charge=1")
	require.Empty(t, b.said(), "a class without rules is not looked at")

	text := one("ventilator", nil) + "---\n" + one("patient_monitor", map[string]string{"expr": "battery_charge > 90"})
	set, err := rules.Parse("own.yaml", []byte(text), loadProfiles(t))
	require.NoError(t, err)
	b = newBench(t, nil)
	b.v = rules.NewEvaluator(set, 1)
	b.do("0s charge=1")
	b.device.Class = "patient_monitor"
	b.do("10s charge=99")
	require.Equal(t, "raised withdrawn raised", b.said())
}

func TestNothingIsAllocatedWhenNothingHasChanged(t *testing.T) {
	set, err := rules.Load(nil, loadProfiles(t))
	require.NoError(t, err)
	b := newBench(t, nil)
	b.v = rules.NewEvaluator(set, 1)
	for _, open := range []bool{false, true} {
		b.do("0s charge=50 mains=1 health=100")
		if open {
			b.device.Active = []string{"self_test_failed"}
			b.do("10s same")
			b.do("100s same")
			require.Equal(t, "raised", b.said())
		}
		s := medfleet.Sighting{At: b.begin, Device: &b.device, Live: true}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			s.At += 1000
			b.v.See(&s)
		}))
	}
}

func TestASnapshotIsRefusedWhole(t *testing.T) {
	b := newBench(t, map[string]string{"for": "1m"})
	b.do("0s charge=1")
	var whole bytes.Buffer
	require.NoError(t, b.v.Snapshot(&whole))
	for name, text := range map[string]string{
		"empty":         "",
		"no JSON":       "\x00\x01",
		"newer":         strings.Replace(whole.String(), `"format":1`, `"format":2`, 1),
		"torn":          whole.String()[:whole.Len()-12],
		"a line short":  strings.SplitAfter(whole.String(), "\n")[0] + `{"end":1}`,
		"an empty line": strings.SplitAfter(whole.String(), "\n")[0] + "{}\n",
	} {
		t.Run(name, func(t *testing.T) {
			v := rules.NewEvaluator(b.set, 1)
			require.ErrorContains(t, v.Restore(strings.NewReader(text)), "read from its beginning")
			var empty bytes.Buffer
			require.NoError(t, v.Snapshot(&empty))
			require.Contains(t, empty.String(), `{"end":0}`)
		})
	}
	b.do("60s charge=1")
	require.ErrorContains(t, b.v.Snapshot(&whole), "1 changes are not committed")
}

func TestASnapshotSurvivesOtherRules(t *testing.T) {
	b := newBench(t, map[string]string{"expr": `battery_charge < 20 || count("occlusion", "1h") > 9`})
	b.do("0s charge=1 count=occlusion")
	require.Equal(t, "raised", b.said())
	var saved bytes.Buffer
	require.NoError(t, b.v.Snapshot(&saved))

	other := newBench(t, map[string]string{"alert": "Other", "expr": `state == "standby"`})
	require.NoError(t, other.v.Restore(bytes.NewReader(saved.Bytes())))
	require.Empty(t, other.v.Episodes(), "the rule is gone")
	other.do("10s native=standby")
	require.Equal(t, "raised", other.said())

	changed := newBench(t, map[string]string{"expr": "battery_charge < 0.5"})
	require.NoError(t, changed.v.Restore(bytes.NewReader(saved.Bytes())))
	changed.do("10s charge=1")
	require.Equal(t, "cleared settled", changed.said(), "the rule's new condition counts though no value has changed")
}

func TestEpisodesAreTheBooks(t *testing.T) {
	b := newBench(t, map[string]string{"hold": "1m"})
	alarm := medfleet.Alarm{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Rule: "Test", Device: "VENT-1", Class: "ventilator", Site: "main", Since: b.begin, RaisedAt: b.begin}
	require.True(t, b.v.Adopt(&alarm))
	require.Equal(t, []rules.Episode{{ID: alarm.ID, Open: true}}, b.v.Episodes())
	b.do("10s charge=50")
	require.Equal(t, alarm.ID, b.v.Changes()[0].Alarm.ID)
	require.Equal(t, "cleared", b.said())
	require.Equal(t, []rules.Episode{{ID: alarm.ID}}, b.v.Episodes())

	require.True(t, b.v.Adopt(&alarm), "the book has it open again")
	b.v.Abandon(func(id string) bool { return id == alarm.ID })
	require.Empty(t, b.v.Episodes())
	b.do("20s charge=1")
	require.Equal(t, "raised", b.said())
	for _, a := range []medfleet.Alarm{{Rule: "Gone", Class: "ventilator"}, {Rule: "Test", Class: "toaster"}} {
		require.False(t, b.v.Adopt(&a), fmt.Sprint(a))
	}
}
