package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/processtest"
)

// The whole way in a real browser: a device speaks, the board shows it; a person
// takes an alarm, the API knows who; the server dies, the board says so.
func TestTheBoardInABrowser(t *testing.T) {
	t.Parallel()
	chromium := browser(t)
	w := startWard(t, "")
	eventually(t, "the ward does not report", func() bool { return len(w.devices()) == 50 })
	b := open(t, chromium, "http://"+w.web+"/")
	b.until(`document.querySelectorAll('a[data-device]').length === 50`)
	b.until(`document.querySelector('#live').dataset.live === 'live'`)
	require.Equal(t, "true", b.ask(`String(document.querySelector('#not-live').hidden)`))

	b.requireStateShows(w)
	b.requireTaken(w)
	requireDevicePage(t, chromium, w)

	w.kill(t)
	b.until(`!document.querySelector('#not-live').hidden && document.querySelector('#not-live').innerText.includes('NOT LIVE since')`)
	require.Equal(t, 51, b.count("a[data-device]"), "what was known stays in sight, marked as old")
	b.shoot("command-not-live")
}

// requireStateShows writes lines for a device of our own and waits until its tile
// shows each state. How long that took is told, not judged: machines are shared.
func (b *tab) requireStateShows(w *ward) {
	b.t.Helper()
	const tile = `document.querySelector('a[data-device="` + own + `"]')`
	for i, state := range []struct{ native, shown string }{{"0", "off"}, {"2", "in_use"}, {"1", "idle"}, {"2", "in_use"}} {
		status, body := w.write(b.t, report(own, "state="+state.native+",battery_charge=64"))
		took := time.Now()
		require.Equal(b.t, 204, status, "%s", body)
		b.until(tile + `?.dataset.state === '` + state.shown + `'`)
		b.t.Logf("state %d on the board %s after the line was acknowledged", i+1, time.Since(took).Round(time.Millisecond))
	}
	require.Contains(b.t, b.ask(tile+`.innerText`), own)
}

// requireTaken acknowledges an alarm by its button.
func (b *tab) requireTaken(w *ward) {
	b.t.Helper()
	b.until(`document.querySelector('#needs button[data-ack]')`)
	id := b.ask(`document.querySelector('#needs button[data-ack]').dataset.ack`)
	var a medfleet.Alarm
	require.True(b.t, w.get("/api/v1/alarms/"+id, &a))
	require.Equal(b.t, medfleet.Active, a.State)
	b.shoot("command-board")
	b.run(chromedp.Click(`button[data-ack="` + id + `"]`))
	b.until(`document.querySelector('[data-alarm="` + id + `"]')?.dataset.state === 'acknowledged'`)
	require.Contains(b.t, b.ask(`document.querySelector('[data-alarm="`+id+`"]').innerText`), "demo")
	require.True(b.t, w.get("/api/v1/alarms/"+id, &a))
	require.Equal(b.t, medfleet.Acknowledged, a.State, "the page says what the API does not")
	require.Equal(b.t, "demo", a.AcknowledgedBy)
	require.WithinDuration(b.t, time.Now(), a.AcknowledgedAt.Time(), time.Minute)
}

// requireDevicePage looks at the page of a pump: its minutes and its charts.
func requireDevicePage(t *testing.T, chromium context.Context, w *ward) {
	t.Helper()
	var pump medfleet.DeviceID
	for _, d := range w.devices() {
		if d.Class == "infusion_pump" && d.ID != own {
			pump = d.ID
		}
	}
	var charge struct {
		Samples []struct{ Value float64 }
	}
	eventually(t, "no history", func() bool {
		return w.get(fmt.Sprintf("/api/v1/devices/%s/history?metric=battery_charge&step=0s", pump), &charge) && len(charge.Samples) > 2
	})
	b := open(t, chromium, "http://"+w.web+"/devices/"+string(pump))
	require.Equal(t, string(pump), b.ask(`document.querySelector('h1').innerText`))
	require.GreaterOrEqual(t, b.count(`figure[data-metric] svg[role=img]`), 3, "charts")
	require.Equal(t, "true", b.ask(`String([...document.querySelectorAll('figure[data-metric="battery_charge"] svg path')].some(p => p.getTotalLength() > 0))`), "the chart is empty")
	require.NotZero(t, b.count(`table.minutes tbody tr[data-minutes]`))
	const minutes = `[...document.querySelectorAll('table.minutes tbody td:nth-of-type(1)')].reduce((sum, cell) => sum + Number(cell.textContent), 0).toFixed(1)`
	require.Equal(t, b.ask(`document.querySelector('table.minutes tfoot td').textContent`), b.ask(minutes), "the minutes do not sum to the time")
	b.shoot("command-device")
}

// browser starts Debian's chromium and hands out tabs. It skips by name where
// there is none, unless nothing may be skipped.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := processtest.Program(t, "chromium", "apt-get install chromium")
	alloc, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1920, 1080),
		chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
	)
	ctx, quit := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		quit()
		stop()
	})
	require.NoError(t, chromedp.Do(ctx), "start chromium")
	return ctx
}

// tab is an address open in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T, from context.Context, address string) *tab {
	t.Helper()
	ctx, done := chromedp.NewContext(from)
	t.Cleanup(func() { done() })
	require.NoError(t, chromedp.Do(ctx), "open a tab") // the first call binds the tab to its context
	b := &tab{t, ctx}
	b.run(chromedp.EmulateViewport(1920, 1080), chromedp.Navigate(address))
	return b
}

// patient bounds a step by what a slow machine should never need.
func (b *tab) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, time.Minute)
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.patient()
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// until waits for a condition in the page's own language.
func (b *tab) until(condition string) {
	b.t.Helper()
	ctx, cancel := b.patient()
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](`Boolean(`+condition+`)`, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(30*time.Second)))
	require.NoError(b.t, err, "waited for %s", condition)
}

// ask evaluates an expression that gives a text.
func (b *tab) ask(expression string) string {
	b.t.Helper()
	ctx, cancel := b.patient()
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	require.NoError(b.t, err, expression)
	return got
}

func (b *tab) count(selector string) int {
	b.t.Helper()
	ctx, cancel := b.patient()
	defer cancel()
	n, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll('`+selector+`').length`))
	require.NoError(b.t, err)
	return n
}

// shoot keeps a picture for a person to judge when MEDFLEET_SHOTS names a folder.
func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("MEDFLEET_SHOTS")
	if folder == "" {
		return
	}
	ctx, cancel := b.patient()
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644))
}
