package board

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/processtest"
)

// browser starts one Debian chromium for a test and hands out tabs. It skips by
// name where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := processtest.Program(t, "chromium", "apt-get install chromium")
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1920, 1080),
		chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, quit := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		quit()
		stop()
	})
	require.NoError(t, chromedp.Do(ctx), "start chromium")
	return ctx
}

// tab is an address open in a browser. The page's own complaints (errors,
// refusals of the content policy) go to a list that calm looks at.
type tab struct {
	t    *testing.T
	ctx  context.Context
	mu   sync.Mutex
	sins []string
}

func open(t *testing.T, from context.Context, address string, width, height int64) *tab {
	t.Helper()
	ctx, done := chromedp.NewContext(from)
	require.NoError(t, chromedp.Do(ctx))
	b := &tab{t: t, ctx: ctx}
	var listening sync.WaitGroup
	console := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range console {
			if err == nil && (m.IsException() || m.Type == "error" && m.Source != "network") {
				b.mu.Lock()
				b.sins = append(b.sins, m.String())
				b.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		done()
		listening.Wait()
	})
	b.run(chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
	return b
}

// run does steps in the tab.
func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, soon)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// do evaluates a script for its effect.
func (b *tab) do(script string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](script))
}

// soon is how long what must come is waited for: long, since a machine may be slow.
const soon = time.Minute

// until waits for a condition in the page's own language.
func (b *tab) until(condition string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(soon)))
	require.NoError(b.t, err, "waited %s for %s", soon, condition)
}

// ask evaluates an expression that gives a text.
func (b *tab) ask(expression string) string {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	require.NoError(b.t, err, expression)
	return got
}

func (b *tab) count(selector string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll('`+selector+`').length`))
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
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644))
}

// calm fails if the page complained of anything.
func (b *tab) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.sins, "the page complained")
}

func (s *site) addr(path string) string { return s.http.URL + path }

func TestBoardInBrowser(t *testing.T) {
	chromium := browser(t)

	t.Run("tiles, counts and needs appear", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('a[data-device]').length === 50`)
		require.Equal(t, 5, b.count(".unit"))
		require.Equal(t, 5, b.count("#needs [data-alarm]"), "the cleared alarm needs nobody")
		require.Equal(t, "VENT-1004", b.ask(`document.querySelector('#needs [data-alarm] .device').textContent`), "the most urgent is first")
		require.Equal(t, "now today today round", b.ask(`[...document.querySelectorAll('#needs [data-state=active]')].map(r => r.dataset.priority).join(' ')`))
		require.Equal(t, "50", b.ask(`String([...document.querySelectorAll('.count strong')].reduce((n, e) => n + Number(e.textContent), 0))`), "the counts sum to the fleet")
		require.Equal(t, "1", b.ask(`document.querySelector('[data-count=now] strong').textContent`))
		require.Equal(t, "2", b.ask(`document.querySelector('[data-count=silent] strong').textContent`))
		require.Equal(t, "true", b.ask(`String(document.querySelector('#not-live').hidden)`))
		b.until(`/live \d\.\d s/.test(document.querySelector('#live').textContent)`)
		require.Contains(t, b.ask(`document.body.innerText`), "not a clinical alarm system")
		require.Contains(t, b.ask(`document.querySelector('#feeds').innerText`), "43 waiting")
		require.Contains(t, b.ask(`document.querySelector('#feeds').innerText`), "clock 1 min behind")
		require.Equal(t, "true part false", b.ask(`[...document.querySelectorAll('#feeds > li')].map(l => l.dataset.up).join(' ')`))
		require.Equal(t, "quiet down up", b.ask(`[...document.querySelectorAll('[data-gateway=gw-theatre] [data-feed]')].map(l => l.dataset.is).join(' ')`), "those not heard come first")
		require.Regexp(t, `hl7 ward-rack\s+SILENT\s+4 min ago`, b.ask(`document.querySelector('[data-feed="hl7 ward-rack"]').innerText`))
		require.Regexp(t, `broker.example\s+DOWN\s+7 min ago`, b.ask(`document.querySelector('[data-feed="mqtt broker.example"]').innerText`))
		require.Equal(t, "unknown", b.ask(`document.querySelector('[data-gateway=gw-west] [data-feed]').dataset.is`), "a gateway that is not heard says nothing of its feeds")
		require.Contains(t, b.ask(`document.querySelector('#changes').innerText`), "paged on-call BMET")
		require.Equal(t, "true", b.ask(`String(document.querySelector('#units').scrollHeight <= document.querySelector('#units').clientHeight + 1)`), "a wall does not scroll")
		b.shoot("board-1920")
		b.calm()
	})

	t.Run("a delta changes one tile and no other", func(t *testing.T) {
		s := newSite(t, newWorld(50))
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelector('a[data-device="PUMP-1001"]')?.dataset.state === 'in_use'`)
		b.do(`window.touched = new Set(); new MutationObserver(list => { for (const m of list) { const tile = (m.target.nodeType === 1 ? m.target : m.target.parentElement)?.closest('a.tile'); if (tile) window.touched.add(tile.dataset.device); } }).observe(document.querySelector('#units'), {subtree: true, childList: true, attributes: true, characterData: true})`)
		s.change(t, 0, func(d *medfleet.Device) { d.State, d.Native = medfleet.Idle, "standby" })
		b.until(`document.querySelector('a[data-device="PUMP-1001"]').dataset.state === 'idle'`)
		require.Equal(t, "PUMP-1001", b.ask(`[...window.touched].join()`))
		require.Contains(t, b.ask(`document.querySelector('a[data-device="PUMP-1001"]').textContent`), "idle")
		s.change(t, 0, func(d *medfleet.Device) { d.Unit = "OR" })
		b.until(`document.querySelector('a[data-device="PUMP-1001"]').closest('.unit').getAttribute('aria-label') === 'OR'`)
		require.Equal(t, 1, b.count(`a[data-device="PUMP-1001"]`), "a device that moved is in one place")
		b.calm()
	})

	t.Run("acknowledging names who", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		id := s.world.alarms[0].ID
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.run(chromedp.Click(`button[data-ack="` + id + `"]`))
		b.until(`document.querySelector('[data-alarm="` + id + `"]')?.dataset.state === 'acknowledged'`)
		require.Contains(t, b.ask(`document.querySelector('[data-alarm="`+id+`"]').innerText`), "demo")
		require.Zero(t, b.count(`button[data-ack="`+id+`"]`))
		require.Equal(t, []string{id}, s.notes)

		s.mu.Lock()
		s.refuse = 409
		s.mu.Unlock()
		other := s.world.alarms[1].ID
		b.run(chromedp.Click(`button[data-ack="` + other + `"]`))
		b.until(`document.querySelector('[data-alarm="` + other + `"]').innerText.includes('the alarm has ended')`)
		require.Equal(t, 1, b.count(`button[data-ack="`+other+`"]:not(:disabled)`), "what was refused can be tried again")
		b.calm()
	})

	t.Run("the keyboard is enough", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('#needs [data-alarm]').length === 5`)
		b.run(chromedp.KeyEvent("a"))
		require.Empty(t, s.notes, "a with nothing selected takes nothing")
		b.run(chromedp.KeyEvent("j"), chromedp.KeyEvent("k"), chromedp.KeyEvent("j"))
		second := b.ask(`document.querySelectorAll('#needs [data-alarm]')[1].dataset.alarm`)
		require.Equal(t, second, b.ask(`document.querySelector('#needs [aria-current]').dataset.alarm`))
		b.run(chromedp.KeyEvent("a"))
		b.until(`document.querySelector('[data-alarm="` + second + `"]').dataset.state === 'acknowledged'`)
		require.Equal(t, second, b.ask(`document.activeElement.closest('[data-alarm]')?.dataset.alarm ?? 'nothing'`), "the focus stays with the row, wherever it went")
		b.run(chromedp.KeyEvent("?"))
		b.until(`document.querySelector('#help').open`)
		b.shoot("help")
		b.run(chromedp.KeyEvent("\x1b"))
		b.until(`!document.querySelector('#help').open`)
		b.run(chromedp.KeyEvent("/"), chromedp.KeyEvent("vent"))
		b.until(`location.search === '?q=vent'`)
		require.Zero(t, b.count(`li:not([hidden]) > a[data-device^="PUMP"]`))
		require.Contains(t, b.ask(`document.querySelector('#filtered').innerText`), "of 50 devices")
		b.calm()
	})

	t.Run("a lost server shows, and is found again", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('a[data-device]').length === 50`)
		s.disconnect()
		b.until(`document.querySelector('#live').dataset.live === 'live' && document.querySelector('#not-live').hidden`)
		s.change(t, 0, func(d *medfleet.Device) { d.State = medfleet.Off })
		b.until(`document.querySelector('a[data-device="PUMP-1001"]').dataset.state === 'off'`)
		s.mu.Lock()
		require.Equal(t, "snapshot resume", s.asked[0]+" "+s.asked[len(s.asked)-1], "what is known is not asked for again")
		s.epoch = "two"
		s.mu.Unlock()
		s.disconnect()
		b.until(`document.querySelector('#live').dataset.live === 'live' && document.querySelector('#not-live').hidden`)
		s.kill()
		b.until(`!document.querySelector('#not-live').hidden && /NOT LIVE since \d\d:\d\d:\d\d/.test(document.querySelector('#not-live').innerText)`)
		require.Contains(t, b.ask(`getComputedStyle(document.querySelector('a[data-device]')).backgroundImage`), "repeating-linear-gradient")
		b.shoot("not-live")
	})

	t.Run("silence on an open socket shows by the page's own clock", func(t *testing.T) {
		s := newSite(t, newWorld(50))
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('a[data-device]').length === 50`)
		s.mu.Lock()
		s.muted = true
		s.mu.Unlock()
		b.until(`document.querySelector('#live').dataset.live === 'late'`) // no frame is under way any more
		b.do(`const real = performance.now.bind(performance); window.later = 5000; performance.now = () => real() + window.later`)
		require.Equal(t, "true", b.ask(`String(document.querySelector('#not-live').hidden)`), "not yet")
		b.do(`window.later = 15500`)
		b.until(`!document.querySelector('#not-live').hidden`)
		s.mu.Lock()
		s.muted = false
		s.mu.Unlock()
		b.until(`document.querySelector('#not-live').hidden`)
		b.calm()
	})

	t.Run("a phone gets a list", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/"), 390, 844)
		b.until(`document.querySelectorAll('a[data-device]').length === 50`)
		require.Equal(t, "true", b.ask(`String(document.documentElement.scrollWidth <= 390)`), "nothing runs off the side")
		require.Equal(t, "true", b.ask(`String(new Set([...document.querySelectorAll('.unit li')].map(l => Math.round(l.getBoundingClientRect().left))).size === 1)`), "one column")
		b.shoot("phone")
		b.do(`scrollTo(0, 1150)`)
		b.shoot("phone-tiles")
		b.run(chromedp.Navigate(s.addr("/devices/PUMP-1013")))
		require.Equal(t, "true", b.ask(`String(document.documentElement.scrollWidth <= 390)`), "nor on the page of a device")
		b.shoot("phone-device")
		b.calm()
	})

	t.Run("names cannot become part of the page", func(t *testing.T) {
		w := newWorld(4)
		hostile := `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`
		w.devices[0].Model, w.devices[0].Unit, w.devices[0].Native = hostile, medfleet.CareUnit(hostile), hostile
		w.alarm(0, medfleet.Now, "R", hostile, time.Minute).Action = hostile
		w.gateways[0].Name = hostile
		s := newSite(t, w)
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('a[data-device]').length === 4`)
		b.run(chromedp.KeyEvent("v"))
		b.until(`document.querySelectorAll('#list tbody tr').length === 4`)
		require.Zero(t, b.count("img"))
		require.NotContains(t, b.ask(`document.title`), "taken")
		require.Contains(t, b.ask(`document.querySelector('#needs').innerText`), "onerror", "it is shown as the text that it is")
		b.calm()
	})

	t.Run("a part leads to its frame and back", func(t *testing.T) {
		s := newSite(t, newWorld(4).modular())
		b := open(t, chromium, s.addr("/devices/PUMP-1001"), 1920, 1080)
		b.shoot("part")
		b.run(chromedp.Navigate(b.ask(`document.querySelector('[data-parent] a').href`)))
		require.Equal(t, "MON-1002", b.ask(`document.querySelector('h1').textContent`))
		require.Equal(t, 2, b.count(`[data-part]`))
		b.shoot("parts")
		b.run(chromedp.Navigate(b.ask(`document.querySelector('[data-part="PUMP-1001"] a').href`)))
		require.Equal(t, "PUMP-1001", b.ask(`document.querySelector('h1').textContent`))
		b.calm()
	})

	t.Run("a device's page acknowledges too", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/devices/PUMP-1013"), 1920, 1080)
		b.shoot("device")
		b.run(chromedp.Click(`button[data-ack]`))
		b.until(`document.querySelector('[data-alarm]').innerText.includes('Acknowledged by demo')`)
		b.do(`scrollTo(0, 700)`)
		b.shoot("device-charts")
		b.run(chromedp.Navigate(s.addr("/alarms?show=all")))
		b.shoot("alarms")
		b.run(chromedp.Navigate(s.addr("/pages")))
		b.shoot("pages")
		b.calm()
	})

	t.Run("the list is a table and the filters are in the address", func(t *testing.T) {
		s := newSite(t, newWorld(50).busy())
		b := open(t, chromium, s.addr("/?view=list&unit=ICU&state=silent"), 1366, 768)
		b.until(`document.querySelectorAll('#list tbody tr').length === 1`)
		require.Equal(t, "MON-1018", b.ask(`document.querySelector('#list tbody th').innerText`))
		require.Equal(t, "ICU", b.ask(`document.querySelector('select[name=unit]').value`))
		require.Equal(t, "1", b.ask(`document.querySelector('[data-count=silent] strong').textContent`), "the counts show all states of what is looked at")
		require.Equal(t, "10", b.ask(`String([...document.querySelectorAll('.count strong')].reduce((n, e) => n + Number(e.textContent), 0))`))
		b.shoot("list-filtered")
		b.run(chromedp.Click(`#filtered button`))
		b.until(`document.querySelectorAll('#list tbody tr').length === 50 && location.search === '?view=list'`)
		require.Equal(t, "VENT-1004", b.ask(`document.querySelector('#list tbody th').innerText`), "the most urgent first")
		b.shoot("list")
		b.calm()
	})

	t.Run("more alarms than rows are counted", func(t *testing.T) {
		w := newWorld(200)
		for i := range 20 {
			w.alarm(i*3, []medfleet.Priority{medfleet.Round, medfleet.Today, medfleet.Now}[i%3], "R", string(w.devices[i*3].ID)+" charges to 100 % and falls by 15 % within ten minutes", time.Duration(i)*time.Hour)
		}
		s := newSite(t, w)
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('#needs [data-alarm]').length === 12`)
		require.Equal(t, "and 8 more", b.ask(`document.querySelector('#needs-more').innerText.trim()`))
		require.Equal(t, "true", b.ask(`String(document.querySelector('#feeds').getBoundingClientRect().bottom < innerHeight)`), "nothing is pushed off a wall")
		b.shoot("board-200")
		b.calm()
	})

	t.Run("two thousand tiles stay quick", func(t *testing.T) {
		s := newSite(t, newWorld(2000).busy())
		b := open(t, chromium, s.addr("/"), 1920, 1080)
		b.until(`document.querySelectorAll('a[data-device]').length === 2000`)
		require.Equal(t, "dense", b.ask(`document.querySelector('#units').dataset.density`))
		s.change(t, 1999, func(d *medfleet.Device) { d.State = medfleet.OutOfService })
		b.until(`document.querySelector('a[data-device="VENT-3000"]').dataset.state === 'out_of_service'`)
		b.shoot("board-2000")
		b.calm()
	})
}
