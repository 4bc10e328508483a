package board

import (
	"encoding/xml"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text gives what a reader of a page reads.
func text(page string) string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(page, " ")), " ")
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "profiles, devices, records, alarms and pages")
}

func TestEveryPageIsCleanUnderThePolicy(t *testing.T) {
	w := newWorld(50).busy()
	for _, address := range []string{"/", "/devices/PUMP-1013", "/alarms", "/alarms?show=all", "/pages", "/devices/NOBODY", "/nowhere"} {
		t.Run(address, func(t *testing.T) {
			r := w.get(t, address)
			require.Contains(t, r.Header().Get("Content-Security-Policy"), "default-src 'self'")
			require.NotContains(t, r.Header().Get("Content-Security-Policy"), "unsafe")
			require.Equal(t, "nosniff", r.Header().Get("X-Content-Type-Options"))
			page := r.Body.String()
			require.NotRegexp(t, `(?i)<[^>]*\sstyle\s*=`, page)
			require.NotRegexp(t, `(?i)<[^>]*\son[a-z]+\s*=`, page)
			require.NotRegexp(t, `(?i)<style`, page)
			require.NotRegexp(t, `(?i)(src|href)\s*=\s*"?(https?:)?//`, page, "everything comes from here")
			for _, script := range regexp.MustCompile(`(?s)<script[^>]*>.*?</script>`).FindAllString(page, -1) {
				require.Regexp(t, `^<script type="module" src="/static/[a-z]+\.js"></script>$`, script)
			}
			require.Contains(t, text(page), "Maintenance notifications about equipment; not a clinical alarm system.")
			require.NotContains(t, page, "ZgotmplZ")
		})
	}
}

func TestStaticFiles(t *testing.T) {
	w := newWorld(0)
	page := w.get(t, "/").Body.String() + w.get(t, "/alarms").Body.String()
	seen := map[string]bool{}
	ask := []string{}
	for _, m := range regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		ask = append(ask, m[1])
	}
	for len(ask) > 0 {
		address := ask[0]
		ask = ask[1:]
		if seen[address] {
			continue
		}
		seen[address] = true
		r := w.get(t, address)
		require.Equal(t, http.StatusOK, r.Code, address)
		if strings.HasSuffix(address, ".js") {
			require.Equal(t, "text/javascript; charset=utf-8", r.Header().Get("Content-Type"))
			for _, m := range regexp.MustCompile(`from '\./([a-z]+\.js)'`).FindAllStringSubmatch(r.Body.String(), -1) {
				ask = append(ask, "/static/"+m[1])
			}
			require.NotRegexp(t, `innerHTML|insertAdjacentHTML|document\.write|\beval\(`, r.Body.String(), "text stays text")
		}
		again := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, address, nil)
		request.Header.Set("If-None-Match", r.Header().Get("ETag"))
		w.handler(t).ServeHTTP(again, request)
		require.Equal(t, http.StatusNotModified, again.Code)
	}
	names, err := files.ReadDir("static")
	require.NoError(t, err)
	require.Len(t, seen, len(names), "a file that no page uses should go")
	require.Equal(t, http.StatusNotFound, w.get(t, "/static/nothing.js").Code)
	require.Equal(t, http.StatusNotFound, w.get(t, "/static/..%2fboard.go").Code)
}

func TestDevicePage(t *testing.T) {
	w := newWorld(50).busy()
	now := w.start
	w.devices[12].Active = []string{"battery_low"}
	w.events = []medfleet.Event{
		{Equipment: medfleet.Equipment{Device: "PUMP-1013"}, ID: "e2", Time: now.Add(-time.Hour), Condition: "battery_low", Phase: medfleet.Start, Kind: medfleet.Technical, Code: "196802", Text: "LOW BATT"},
		{Equipment: medfleet.Equipment{Device: "PUMP-1013"}, ID: "e1", Time: now.Add(-48 * time.Hour), Condition: "occlusion", Phase: medfleet.Start, Text: "LONG AGO"},
	}
	r := w.get(t, "/devices/PUMP-1013")
	require.Equal(t, http.StatusOK, r.Code)
	page := r.Body.String()
	read := text(page)
	for _, want := range []string{
		"PUMP-1013", "Infusion pump · Volumat 8", "ICU · North", "gw-floor-2", "last 24 hours", "telemetry coverage 80.0 %", "1\u2009440.0",
		"PUMP-1013 battery holds 71 % of its rated charge", "Battery charge 82 %", "Operating hours 12\u2009345 h", "Mains power yes", "Battery temperature", "°C",
		"LOW BATT", "Reports now battery low", "TODAY",
	} {
		require.Contains(t, read, want)
	}
	require.NotContains(t, read, "LONG AGO", "events from before the window are left out")
	require.NotContains(t, page, `data-metric="state"`)
	require.NotContains(t, page, `data-metric="door_openings"`, "what it never told has no chart")
	require.Regexp(t, `<button type="button" data-ack="01JZ`, page)
	require.Contains(t, page, `class="mark p-today"`, "alarms are marked in the pictures")

	t.Run("minutes sum to the window", func(t *testing.T) {
		var tenths int
		for _, m := range regexp.MustCompile(`data-minutes="[a-z_]+">.*?<td>([\d.\x{2009}]+)</td>`).FindAllStringSubmatch(page, -1) {
			n, err := strconv.Atoi(strings.NewReplacer(".", "", "\u2009", "").Replace(m[1]))
			require.NoError(t, err)
			tenths += n
		}
		require.Equal(t, 14400, tenths)
	})
	t.Run("its pictures are XML", func(t *testing.T) {
		pictures := regexp.MustCompile(`(?s)<svg class="(?:line|timeline)".*?</svg>(?:</figure>|\s*<p)`).FindAllString(page, -1)
		require.GreaterOrEqual(t, len(pictures), 7)
		for _, p := range pictures {
			p = p[:strings.LastIndex(p, "</svg>")+len("</svg>")]
			d := xml.NewDecoder(strings.NewReader(p))
			for {
				_, err := d.Token()
				if err != nil {
					require.ErrorContains(t, err, "EOF", p)
					require.NotContains(t, err.Error(), "unexpected")
					break
				}
			}
		}
		ids := regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(page, -1)
		seen := map[string]bool{}
		for _, m := range ids {
			require.False(t, seen[m[1]], "id %s is there twice", m[1])
			seen[m[1]] = true
		}
	})
	t.Run("the choice of time", func(t *testing.T) {
		page := w.get(t, "/devices/PUMP-1013?range=1h").Body.String()
		require.Contains(t, page, `<a href="?range=1h" aria-current="true">1 hour</a>`)
		require.Contains(t, text(page), "all 60.0")
	})
}

func TestDevicePageShowsPartsAndPlace(t *testing.T) {
	w := newWorld(4).modular()
	rack := w.get(t, "/devices/MON-1002").Body.String()
	require.Contains(t, text(rack), "Parts in it now")
	require.Regexp(t, `1 NIBP-7 MPM-12 MDC_DEV_METER_PRESS_BLD_NONINV_VMD .*2 h 0 min ago.*10 PUMP-1001`, text(rack))
	require.Contains(t, rack, `<a href="/devices/PUMP-1001">PUMP-1001</a>`)
	require.NotContains(t, rack, `href="/devices/NIBP-7"`, "a module is no device: there is no page of it")
	pump := w.get(t, "/devices/PUMP-1001").Body.String()
	require.Regexp(t, `In MON-1002 , slot 10 since `, text(pump))
	require.Contains(t, pump, `<a href="/devices/MON-1002">MON-1002</a>`)
	require.NotContains(t, text(pump), "Parts")
	alone := w.get(t, "/devices/VENT-1004").Body.String()
	require.NotContains(t, text(alone), "Parts")
	require.NotContains(t, alone, "data-parent")
}

func TestDevicePageShowsItsMaking(t *testing.T) {
	w := newWorld(2)
	w.devices[0].Serial, w.devices[0].Firmware = "SN-5521", "Pump 1.1.13 / Wifi 1.4.59"
	require.Contains(t, text(w.get(t, "/devices/PUMP-1001").Body.String()), "Made as serial SN-5521 firmware Pump 1.1.13 / Wifi 1.4.59 First heard")
	require.NotContains(t, w.get(t, "/devices/MON-1002").Body.String(), "data-making")
}

func TestDevicePageExplainsAMakersCode(t *testing.T) {
	w := newWorld(4).modular()
	page := text(w.get(t, "/devices/PUMP-1001").Body.String())
	require.Contains(t, page, "device failure 22 unexpected reset Check first: battery and power supply, then the main board")
	require.NotContains(t, page, "E-NEW unexpected")
}

func TestDeviceJustHeard(t *testing.T) {
	w := newWorld(1)
	w.devices[0].FirstSeen = w.start.Add(-3 * time.Minute)
	read := text(w.get(t, "/devices/PUMP-1001").Body.String())
	require.Contains(t, read, "since first heard, 3 min ago")
	require.Contains(t, read, "No alarm on record.")
	require.Contains(t, read, "No event in this time.")
}

func TestDevicePageWithoutHistory(t *testing.T) {
	w := newWorld(1)
	w.noHistory = errors.New("store is down at 10.0.0.9")
	r := w.get(t, "/devices/PUMP-1001")
	require.Equal(t, http.StatusOK, r.Code)
	require.Contains(t, text(r.Body.String()), "The history does not answer at the moment")
	require.Contains(t, text(r.Body.String()), "Minutes in each state")
	require.NotContains(t, r.Body.String(), "10.0.0.9", "what an error quotes stays in the log")
}

func TestTrouble(t *testing.T) {
	w := newWorld(1)
	for _, c := range []struct {
		address string
		broken  error
		status  int
		want    string
	}{
		{"/devices/NOBODY", nil, 404, `No device "NOBODY" has been heard yet`},
		{"/devices/%3Cscript%3E", nil, 404, "Unknown device"},
		{"/nowhere", nil, 404, "No such page"},
		{"/alarms?device=%3Cscript%3E", nil, 400, "Not a device id"},
		{"/devices/PUMP-1001", errors.New("secret detail"), 503, "could not read the records of PUMP-1001"},
		{"/alarms", errors.New("secret detail"), 503, "could not list alarms"},
		{"/pages", errors.New("secret detail"), 503, "could not list pages"},
	} {
		t.Run(c.address, func(t *testing.T) {
			w.broken = c.broken
			r := w.get(t, c.address)
			require.Equal(t, c.status, r.Code)
			require.Contains(t, text(r.Body.String()), c.want)
			require.NotContains(t, r.Body.String(), "secret detail")
			require.NotContains(t, r.Body.String(), "<script>")
		})
	}
	r := httptest.NewRecorder()
	w.handler(t).ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/nowhere", nil))
	require.Equal(t, http.StatusMethodNotAllowed, r.Code)
}

func TestHostileNames(t *testing.T) {
	const hostile = `<script>alert("1")</script>` + "\x00'\"><img onerror=x>"
	w := newWorld(1)
	d := &w.devices[0]
	d.Model, d.Unit, d.Native, d.Site, d.Gateway, d.Active = hostile, hostile, hostile, hostile, hostile, []string{hostile}
	w.alarm(0, medfleet.Now, hostile, hostile, time.Minute).Action = hostile
	w.alarms[0].State, w.alarms[0].AcknowledgedBy, w.alarms[0].Note = medfleet.Acknowledged, hostile, hostile
	w.stretches = []medfleet.Stretch{{State: medfleet.InUse, Native: hostile, From: 1}}
	w.events = []medfleet.Event{{Equipment: medfleet.Equipment{Device: d.ID}, Time: w.start, Condition: hostile, Text: hostile, Code: hostile, Gateway: hostile}}
	w.pages = []medfleet.Page{{ID: "p", Device: d.ID, Priority: medfleet.Now, Channel: hostile, To: hostile, Text: hostile, Error: hostile, QueuedAt: w.start}}
	for _, address := range []string{"/devices/PUMP-1001", "/alarms", "/pages"} {
		page := w.get(t, address).Body.String()
		require.Contains(t, page, "&lt;script&gt;alert", address)
		require.NotContains(t, page, "<script>alert", address)
		require.NotContains(t, page, "<img", address)
	}
}

func TestAlarmList(t *testing.T) {
	w := newWorld(50).busy()
	page := w.get(t, "/alarms").Body.String()
	require.Equal(t, []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged}, w.asked.States)
	require.Equal(t, 5, strings.Count(page, "<tr data-alarm="))
	require.Equal(t, 4, strings.Count(page, "<button type=\"button\" data-ack="), "one has been taken")
	require.Contains(t, text(page), "Acknowledged by j.ortiz")
	require.Contains(t, page, `href="/alarms?show=open&amp;cursor=after-these"`)

	require.Contains(t, text(w.get(t, "/alarms?show=ended").Body.String()), "MON-1006 was not heard for 6 min")
	require.NotContains(t, w.asked.States, medfleet.Active)
	w.get(t, "/alarms?show=all&device=PUMP-1009&cursor=x%22%3E")
	require.Equal(t, AlarmQuery{Device: "PUMP-1009", Limit: pageSize, Cursor: `x">`}, w.asked)

	require.Contains(t, text(newWorld(1).get(t, "/alarms").Body.String()), "No alarm is open.")
}

func TestPageList(t *testing.T) {
	read := text(newWorld(50).busy().get(t, "/pages").Body.String())
	require.Contains(t, read, "P1 ICU VENT-1004 Aerion 500 self-test failed")
	require.Contains(t, read, "on-call BMET")
	require.Contains(t, text(newWorld(1).get(t, "/pages").Body.String()), "No pages yet.")
}

func TestWords(t *testing.T) {
	for in, want := range map[float64]string{0: "0", 12345: "12\u2009345", 71.0906: "71.1", 0.1234: "0.123", 3.14159: "3.14", -1234567.8: "-1\u2009234\u2009568", 100: "100", 999.95: "1000"} {
		require.Equal(t, strings.Replace(want, "1000", "1\u2009000", 1), figure(in), "%v", in)
	}
	for in, want := range map[time.Duration]string{-time.Second: "0 s", 59 * time.Second: "59 s", time.Hour: "1 h 0 min", 26 * time.Hour: "1 d 2 h"} {
		require.Equal(t, want, age(in))
	}
	for in, want := range map[string]string{"Cel": "°C", "1": "", "mA.h": "mAh", "%": "%"} {
		require.Equal(t, want, unitWords(in))
	}
	for in, want := range map[medfleet.Priority]string{medfleet.Now: "GO NOW", medfleet.Today: "TODAY", medfleet.Round: "NEXT ROUND"} {
		require.Equal(t, want, priorityWords(in))
	}
}

func BenchmarkDevicePage(b *testing.B) {
	w := newWorld(50).busy()
	h := w.handler(b)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/devices/PUMP-1013", nil))
	}
}
