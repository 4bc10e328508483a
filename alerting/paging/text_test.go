package paging

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet"
)

func at(text string) medfleet.Millis {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return medfleet.AsMillis(t)
}

func TestText(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	a := medfleet.Alarm{
		Device: "PUMP-1042", Model: "Flow 3", Unit: "4W", Priority: medfleet.Today, Summary: "PUMP-1042 battery holds less than 80 % of its rated charge",
		Since: at("2026-11-02T01:14:00Z"), ClearedAt: at("2026-11-02T04:00:00Z"), Action: "Replace the battery pack",
	}
	now := at("2026-11-02T05:00:00Z")
	for name, c := range map[string]struct {
		change      func(*medfleet.Alarm)
		about       string
		occurrences int
		want        string
	}{
		"raised":             {nil, AboutRaised, 1, "TODAY 4W Flow 3: PUMP-1042 battery holds less than 80 % of its rated charge. Since 02:14. Replace the battery pack"},
		"the third time":     {nil, AboutRaised, 3, "TODAY 4W Flow 3: PUMP-1042 battery holds less than 80 % of its rated charge. Since 02:14 (3rd/30d). Replace the battery pack"},
		"now, nothing known": {func(a *medfleet.Alarm) { a.Priority, a.Unit, a.Model, a.Action = medfleet.Now, "", "", "" }, AboutRaised, 1, "GO NOW: PUMP-1042 battery holds less than 80 % of its rated charge. Since 02:14"},
		"since yesterday":    {func(a *medfleet.Alarm) { a.Since = at("2026-11-01T20:00:00Z"); a.Priority = medfleet.Round }, AboutRaised, 1, "NEXT ROUND 4W Flow 3: PUMP-1042 battery holds less than 80 % of its rated charge. Since 2026-11-01 21:00. Replace the battery pack"},
		"cleared":            {nil, AboutCleared, 1, "CLEARED 4W Flow 3: PUMP-1042 battery holds less than 80 % of its rated charge. Over since 05:00, lasted 2 h"},
		"no room for action": {func(a *medfleet.Alarm) { a.Action = strings.Repeat("turn it off and on ", 4) }, AboutRaised, 1, "TODAY 4W Flow 3: PUMP-1042 battery holds less than 80 % of its rated charge. Since 02:14"},
		"line breaks":        {func(a *medfleet.Alarm) { a.Model, a.Summary, a.Action = "x\r\ny", "a\x00b", "" }, AboutRaised, 1, "TODAY 4W x y: a b. Since 02:14"},
	} {
		t.Run(name, func(t *testing.T) {
			a := a
			if c.change != nil {
				c.change(&a)
			}
			require.Equal(t, c.want, Text(&a, Telling{c.about, c.occurrences, now, berlin}))
		})
	}
}

func TestTextIsShortAndPlainWhateverIsInIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		any := rapid.String()
		a := medfleet.Alarm{
			Summary: any.Draw(t, "summary"), Model: any.Draw(t, "model"), Unit: medfleet.CareUnit(any.Draw(t, "unit")), Action: any.Draw(t, "action"),
			Since: medfleet.Millis(rapid.Int64Range(0, 1<<41).Draw(t, "since")), ClearedAt: medfleet.Millis(rapid.Int64Range(0, 1<<41).Draw(t, "cleared")),
		}
		text := Text(&a, Telling{rapid.SampledFrom([]string{AboutRaised, AboutCleared}).Draw(t, "about"), rapid.IntRange(0, 1000).Draw(t, "n"), 1 << 40, time.UTC})
		require.LessOrEqual(t, utf8.RuneCountInString(text), MaxText)
		require.True(t, utf8.ValidString(text))
		for _, r := range text {
			require.True(t, unicode.IsPrint(r), "%q", r)
		}
	})
}

func TestOrdinals(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 112: "112th", 102: "102nd"} {
		require.Equal(t, want, ordinal(n))
	}
}
