package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func fleet(n int) *ward {
	w := newWard()
	for i := range n {
		d := medfleet.Device{
			ID: medfleet.DeviceID(fmt.Sprintf("pump-%03d", i)), Class: "infusion_pump", Model: "VP-200", Site: "main", Unit: "4W",
			State: medfleet.Idle, Native: "standby", InService: true, FirstSeen: 1000, LastSeen: 2000, Since: 1500,
		}
		if i%2 == 1 {
			d.State, d.Unit = medfleet.InUse, "ICU"
		}
		w.put(d)
	}
	return w
}

func TestDevicesPageByPageGivesEachOnce(t *testing.T) {
	s := serve(t, testOptions(t, fleet(25)))
	for _, limit := range []int{1, 7, 24, 25, 26} {
		var ids []medfleet.DeviceID
		cursor, pages := "", 0
		for {
			l := read[list[medfleet.Device]](t, s.get(fmt.Sprintf("/api/v1/devices?limit=%d&cursor=%s", limit, url.QueryEscape(cursor))))
			require.LessOrEqual(t, len(l.Items), limit)
			for _, d := range l.Items {
				ids = append(ids, d.ID)
			}
			pages++
			if cursor = l.Next; cursor == "" {
				break
			}
		}
		require.Len(t, ids, 25)
		require.IsIncreasing(t, ids)
		require.Equal(t, (25+limit-1)/limit, pages, "no empty page at the end")
	}
}

func TestDeviceThatWentBetweenPagesCostsNoOther(t *testing.T) {
	w := fleet(6)
	s := serve(t, testOptions(t, w))
	first := read[list[medfleet.Device]](t, s.get("/api/v1/devices?limit=3"))
	w.mu.Lock()
	delete(w.devices, first.Items[2].ID)
	w.mu.Unlock()
	second := read[list[medfleet.Device]](t, s.get("/api/v1/devices?limit=3&cursor="+first.Next))
	require.Equal(t, medfleet.DeviceID("pump-003"), second.Items[0].ID)
}

func TestDevicesFilters(t *testing.T) {
	w := fleet(4) // two idle in 4W, two in use in ICU
	w.put(medfleet.Device{ID: "vent-1", Class: "ventilator", Model: "Breath 9", Serial: "SN-9", Firmware: "Pump 1.1.13", Site: "annex", Unit: "ICU", State: medfleet.Unheard})
	s := serve(t, testOptions(t, w))
	for query, want := range map[string]int{
		"":                               5,
		"class=ventilator":               1,
		"class=nothing":                  0,
		"unit=ICU":                       3,
		"site=annex":                     1,
		"state=idle":                     2,
		"state=idle,in_use":              4,
		"state=idle&state=unheard":       3,
		"state=idle&state=in_use,idle":   4,
		"q=BREATH":                       1,
		"q=pump-00":                      4,
		"q=1.1.13":                       1,
		"q=sn-9":                         1,
		"q=standby&unit=ICU":             2,
		"unit=ICU&state=in_use&q=pump":   2,
		"unit=ICU&class=ventilator&q=zz": 0,
	} {
		l := read[list[medfleet.Device]](t, s.get("/api/v1/devices?"+query))
		require.Len(t, l.Items, want, query)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	s := serve(t, testOptions(t, newWard()))
	for _, path := range []string{"/api/v1/devices", "/api/v1/alarms", "/api/v1/pages", "/api/v1/gateways"} {
		r := s.get(path)
		require.Equal(t, http.StatusOK, r.status)
		require.JSONEq(t, `{"items":[],"next":""}`, string(r.body), path)
	}
}

func TestDeviceAsJSON(t *testing.T) {
	w := newWard()
	w.put(medfleet.Device{
		ID: "pump-1", Class: "infusion_pump", State: medfleet.Idle, FirstSeen: 1772349300000,
		Readings: map[string]float64{"battery_charge": 61, "odd": math.NaN(), "far": math.Inf(1)},
	})
	s := serve(t, testOptions(t, w))
	r := s.get("/api/v1/devices/pump-1")
	var d map[string]any
	require.NoError(t, json.Unmarshal(r.body, &d), "%s", r.body)
	require.Equal(t, map[string]any{"battery_charge": 61.0}, d["readings"], "what is no number is left out")
	require.Equal(t, []any{}, d["conditions"])
	require.Equal(t, "2026-03-01T07:15:00.000Z", d["first_seen"])
	require.Nil(t, d["last_seen"])
	require.Contains(t, w.devices["pump-1"].Readings, "odd", "the roster's own map is not touched")
}

func TestUnknownDeviceIsNamedWithTheRemedy(t *testing.T) {
	s := serve(t, testOptions(t, fleet(1)))
	for _, path := range []string{"", "/history?metric=battery_charge", "/events", "/stretches"} {
		p := problemOf(t, s.get("/api/v1/devices/pump-404"+path), kindUnknownDevice)
		require.Contains(t, p.Detail, `"pump-404"`)
		require.Contains(t, p.Detail, "GET /api/v1/devices")
	}
}

func TestWrongParametersAreNamed(t *testing.T) {
	s := serve(t, testOptions(t, fleet(1)))
	for query, location := range map[string]string{
		"/api/v1/devices?limit=0":                                                              "query.limit",
		"/api/v1/devices?limit=1001":                                                           "query.limit",
		"/api/v1/devices?limit=ten":                                                            "query.limit",
		"/api/v1/devices?state=asleep":                                                         "query.state",
		"/api/v1/devices?cursor=%25%25":                                                        "query.cursor",
		"/api/v1/devices?colour=blue":                                                          "query.colour",
		"/api/v1/alarms?priority=urgent":                                                       "query.priority",
		"/api/v1/alarms?state=opened":                                                          "query.state",
		"/api/v1/alarms?cursor=nowhere":                                                        "query.cursor",
		"/api/v1/pages?cursor=nowhere":                                                         "query.cursor",
		"/api/v1/devices/pump-000/events?cursor=nowhere":                                       "query.cursor",
		"/api/v1/devices/pump-000/history":                                                     "query.metric",
		"/api/v1/devices/pump-000/history?metric=x&from=yesterday":                             "query.from",
		"/api/v1/devices/pump-000/history?metric=x&step=fast":                                  "query.step",
		"/api/v1/devices/pump-000/history?metric=x&step=-5s":                                   "query.step",
		"/api/v1/devices/pump-000/stretches?from=2026-03-01T00:00Z":                            "query.from",
		"/api/v1/devices/pump-000/stretches?from=2026-03-01T00:00:00Z&to=2026-02-01T00:00:00Z": "query.from",
		"/api/v1/devices/pump-000/stretches?from=1999-03-01T00:00:00Z":                         "query.from",
	} {
		p := problemOf(t, s.get(query), kindInvalid)
		require.Len(t, p.Errors, 1, query)
		require.Equal(t, location, p.Errors[0].Location, query)
		require.NotEmpty(t, p.Errors[0].Message, query)
		require.Contains(t, p.Detail, p.Errors[0].Message, query)
	}
}
