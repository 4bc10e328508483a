package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/state"
	"medfleet/simulators"
	"medfleet/simulators/physics"
)

// What somebody sees who starts the demonstration and does nothing else: devices
// report, some go wrong, alarms are raised, somebody is paged, alarms clear. Then
// the same folder again, after a clean end and after kill -9: nothing is told a
// second time.
func TestTheDemonstration(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "d")
	w := startWard(t, folder, "--for", "75s")
	requireWholeWard(t, w)
	requireWriteDoor(t, w)
	eventually(t, "no alarm on a device that something is wrong with", func() bool {
		wrong := begun(readTruth(t, folder))
		return slices.ContainsFunc(w.alarms("state=active"), func(a medfleet.Alarm) bool { return wrong[a.Device] != nil })
	})
	eventually(t, "nobody was told of what is wrong with the device that writes lines", func() bool { return len(openOnOwn(w, true)) == 2 })
	w.wait(t, 2*time.Minute)

	first := readBook(t, folder)
	requireToldWhole(t, w.console(t), first)
	requireFound(t, readTruth(t, folder), first)
	requireToldOnce(t, first)

	killed := startWard(t, folder, "--scenario", "calm")
	requireStillOpen(t, killed)
	killed.kill(t)
	requireNothingAgain(t, killed.console(t), first, readBook(t, folder))

	again := startWard(t, folder, "--scenario", "calm")
	requireStillOpen(t, again)
	again.stop(t)
	requireNothingAgain(t, again.console(t), first, readBook(t, folder))
}

// requireStillOpen waits until the ward reports, and wants the alarms that nobody
// has dealt with. The device then says again what is wrong with it, as devices do;
// a collector that had forgotten its alarms would raise them anew.
func requireStillOpen(t *testing.T, w *ward) {
	t.Helper()
	requireWholeWard(t, w)
	require.ElementsMatch(t, []string{"BatteryWearsOut", "DeviceFailure"}, openOnOwn(w, true))
	status, body := w.write(t, report(own, worn), failure("continue"))
	require.Equal(t, 204, status, "%s", body)
	said := time.Now()
	eventually(t, "the ward does not go on", func() bool {
		return slices.ContainsFunc(w.devices(), func(d medfleet.Device) bool { return d.ID != own && d.LastSeen.Time().Sub(said) > 3*time.Second })
	})
	require.ElementsMatch(t, []string{"BatteryWearsOut", "DeviceFailure"}, openOnOwn(w, true))
}

// openOnOwn gives the rules whose alarms are open on the device of our own, but
// for its silence.
func openOnOwn(w *ward, paged bool) (rules []string) {
	for _, a := range w.alarms("state=active&device=" + own) {
		if a.Paged == paged && a.Rule != "DeviceSilent" {
			rules = append(rules, a.Rule)
		}
	}
	return rules
}

// worn is what a pump reports whose battery is at its end.
const worn = "battery_charge=70,battery_health=50,on_mains=1"

func failure(phase string) string {
	return fmt.Sprintf("event,device=%s,class=infusion_pump,condition=device_failure,phase=%s id=\"%s\" %d", own, phase, phase, time.Now().UnixMilli())
}

// own is a device that is none of the simulators'.
const own = "OWN-1"

// requireWholeWard waits until every device of the ward reports.
func requireWholeWard(t *testing.T, w *ward) {
	t.Helper()
	var reporting []medfleet.Device
	eventually(t, "not every device reports", func() bool {
		reporting = slices.DeleteFunc(w.devices(), func(d medfleet.Device) bool {
			return d.ID == own || time.Since(d.LastSeen.Time()) > 10*time.Second
		})
		return len(reporting) == 50
	})
	classes := map[medfleet.Class]int{}
	for _, d := range reporting {
		classes[d.Class]++
		require.NotEmpty(t, d.State, d.ID)
		require.NotEqual(t, medfleet.Unheard, d.State, d.ID)
		require.NotEmpty(t, d.Readings, d.ID)
	}
	require.Len(t, classes, 4)
	require.ElementsMatch(t, []medfleet.Class{"infusion_pump", "syringe_pump", "ventilator", "patient_monitor"}, slices.Collect(maps.Keys(classes)))
}

// requireWriteDoor puts a device on the roster by plain line protocol. What is
// outside the schema is refused by name, and only that.
func requireWriteDoor(t *testing.T, w *ward) {
	t.Helper()
	status, body := w.write(t,
		report(own, "battery_charge=71,on_mains=1"),
		report("OWN-2", `battery_charge=70,patient="Marrow"`),
		"vital_signs,device=OWN-3 pulse=70",
		"event,device="+own+",class=infusion_pump,condition=device_failure,phase=start code=\"\"",
		report("OWN-4", "battery_charge=69"),
	)
	require.Equal(t, 422, status, "%s", body)
	var refusal struct{ Code, Message string }
	require.NoError(t, json.Unmarshal(body, &refusal), "%s", body)
	require.Equal(t, "unprocessable entity", refusal.Code)
	require.Contains(t, refusal.Message, "partial write")
	require.Contains(t, refusal.Message, "patient")
	require.Contains(t, refusal.Message, "vital_signs")
	require.Contains(t, refusal.Message, "dropped=3")
	require.NotContains(t, refusal.Message, "Marrow", "a refusal quotes what it refuses")

	status, body = w.write(t, report(own, worn), failure("start"))
	require.Equal(t, 204, status, "%s", body)
	eventually(t, "what was accepted is not on the roster", func() bool {
		var d medfleet.Device
		return w.get("/api/v1/devices/"+own, &d) && d.Readings["battery_charge"] == 70 && d.Unit == "LAB" && w.get("/api/v1/devices/OWN-4", &d)
	})
	var d medfleet.Device
	require.False(t, w.get("/api/v1/devices/OWN-2", &d), "a refused line put its device on the roster")
	require.False(t, w.get("/api/v1/devices/OWN-3", &d), "a refused line put its device on the roster")
}

// book is what the state database has of alarms and pages.
type book struct {
	alarms map[string]medfleet.Alarm
	pages  map[string]medfleet.Page
}

func readBook(t *testing.T, folder string) book {
	t.Helper()
	db, err := state.Open(t.Context(), filepath.Join(folder, "collector"), "")
	require.NoError(t, err)
	defer db.Close()
	b := book{map[string]medfleet.Alarm{}, map[string]medfleet.Page{}}
	rows, err := db.QueryContext(t.Context(), `SELECT id, rule, device, priority, state, since, raised_at, cleared_at, wants_page FROM alarms`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var a medfleet.Alarm
		require.NoError(t, rows.Scan(&a.ID, &a.Rule, &a.Device, &a.Priority, &a.State, &a.Since, &a.RaisedAt, &a.ClearedAt, &a.Paged))
		b.alarms[a.ID] = a
	}
	require.NoError(t, rows.Err())
	pages, err := db.QueryContext(t.Context(), `SELECT id, alarm, device, rule, about, state FROM pages`)
	require.NoError(t, err)
	defer pages.Close()
	for pages.Next() {
		var p medfleet.Page
		require.NoError(t, pages.Scan(&p.ID, &p.Alarm, &p.Device, &p.Rule, &p.About, &p.State))
		b.pages[p.ID] = p
	}
	require.NoError(t, pages.Err())
	return b
}

// requireToldWhole finds one device whose whole story is on the console.
func requireToldWhole(t *testing.T, console string, b book) {
	t.Helper()
	whole := 0
	for _, a := range b.alarms {
		id := string(a.Device)
		if lineWith(console, "RAISED", id, a.ID) != "" && lineWith(console, "PAGE", "raised", id) != "" && lineWith(console, "CLEARED", id, a.ID) != "" {
			whole++
		}
	}
	require.NotZero(t, whole, "no device was raised, paged and cleared on the console")
	require.Regexp(t, `END .* \d+ messages acknowledged, \d+ alarms raised, \d+ cleared`, console)
}

// caught is the rule that must notice a fault.
var caught = map[physics.Fault]string{
	physics.BatteryFade:    "BatteryWearsOut",
	physics.OcclusionBurst: "OcclusionBurst",
	physics.SelfTestFailed: "SelfTestFailed",
	physics.Silence:        "DeviceSilent",
}

// requireFound compares the alarms with what was really wrong: nothing is missed,
// and nothing is made up.
func requireFound(t *testing.T, truth []simulators.Truth, b book) {
	t.Helper()
	faults := 0
	for _, one := range truth {
		rule, injected := caught[physics.Fault(one.Fault)]
		if one.Phase != simulators.Begin || !injected {
			continue
		}
		faults++
		found := false
		for _, a := range b.alarms {
			found = found || a.Device == one.Device && a.Rule == rule && a.RaisedAt >= one.At-1000
		}
		require.True(t, found, "%s on %s at %s led to no alarm", one.Fault, one.Device, one.At)
	}
	require.GreaterOrEqual(t, faults, 4, "too little went wrong to mean anything")
	wrong := begun(truth)
	for _, a := range b.alarms {
		if !strings.HasPrefix(string(a.Device), "OWN-") {
			require.NotNil(t, wrong[a.Device], "alarm %s on %s, which nothing is wrong with", a.Rule, a.Device)
		}
	}
}

func begun(truth []simulators.Truth) map[medfleet.DeviceID][]string {
	wrong := map[medfleet.DeviceID][]string{}
	for _, one := range truth {
		if one.Phase == simulators.Begin {
			wrong[one.Device] = append(wrong[one.Device], one.Expect)
		}
	}
	return wrong
}

// requireToldOnce wants one page for each alarm that wants one, delivered.
func requireToldOnce(t *testing.T, b book) {
	t.Helper()
	told := map[string]int{}
	for _, p := range b.pages {
		require.Equal(t, medfleet.Sent, p.State, "%s of %s", p.About, p.Device)
		told[p.Alarm+" "+p.About]++
		require.Contains(t, b.alarms, p.Alarm, "a page about no alarm")
	}
	for _, a := range b.alarms {
		want := 0
		if a.Paged {
			want = 1
		}
		require.Equal(t, want, told[a.ID+" raised"], "pages for %s on %s", a.Rule, a.Device)
	}
}

// requireNothingAgain compares before and after a restart: what was told before is
// not told again.
func requireNothingAgain(t *testing.T, console string, before, after book) {
	t.Helper()
	for id, a := range before.alarms {
		require.Contains(t, after.alarms, id)
		require.Equal(t, a.RaisedAt, after.alarms[id].RaisedAt, "%s on %s was raised again", a.Rule, a.Device)
		require.Empty(t, lineWith(console, "RAISED", id), "told again")
	}
	for id, p := range before.pages {
		require.Contains(t, after.pages, id)
		require.Empty(t, lineWith(console, "PAGE", id), "%s of %s was sent again", p.About, p.Device)
	}
	for id, a := range after.alarms {
		if _, known := before.alarms[id]; !known {
			require.True(t, strings.HasPrefix(string(a.Device), "OWN-") && a.Rule == "DeviceSilent", "%s was raised on %s in a calm ward", a.Rule, a.Device)
		}
	}
	for id, p := range after.pages {
		if _, known := before.pages[id]; !known {
			require.Equal(t, "cleared", p.About, "%s on %s was paged again", p.Rule, p.Device)
		}
	}
	require.Empty(t, lineWith(console, "PAGE", " raised "), "paged again")
}

func readTruth(t *testing.T, folder string) []simulators.Truth {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, truthFile))
	require.NoError(t, err)
	defer f.Close()
	truth, err := simulators.ReadTruth(f)
	require.NoError(t, err)
	return truth
}

func TestADemonstrationEndsWhenToldAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := startWard(t, "", "--devices", "12")
	eventually(t, "the ward does not report", func() bool { return len(w.devices()) == 12 })
	require.Len(t, inside(t, w.temp), 1, "where does it keep its data?")
	requireWellExposed(t, w.web)
	for _, hop := range []string{"medfleet_gateway_kept_messages_total", `medfleet_uplink_records_total{stream="telemetry"}`, "medfleet_ingest_records_total"} {
		require.NotContains(t, []string{"", "0"}, metric(w.web, hop), hop)
	}
	require.NoError(t, w.exec.Process.Signal(os.Interrupt))
	w.wait(t, 10*time.Second)
	require.Empty(t, inside(t, w.temp), "the temporary folder is left")
	require.Contains(t, w.console(t), "END ")
}

func inside(t *testing.T, folder string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(folder)
	require.NoError(t, err)
	return list
}
