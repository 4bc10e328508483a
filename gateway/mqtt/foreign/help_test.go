package foreign_test

import (
	"strings"

	"medfleet"
	"medfleet/gateway/mqtt/foreign"
)

func replace(text, with string) string { return strings.Replace(text, "%s", with, 1) }

// nonEmpty makes no readings nil.
func nonEmpty(list []medfleet.Reading) []medfleet.Reading {
	if len(list) == 0 {
		return nil
	}
	return list
}

// told gives the events in few words.
func told(got *foreign.Result) (list []string) {
	for _, e := range got.Events {
		said := string(e.Device) + " " + e.Condition + " " + string(e.Phase)
		if e.Code != "" {
			said += " " + e.Code
		}
		list = append(list, said)
	}
	return list
}

// concrete is a text that a pattern fits.
func concrete(pattern string) string { return strings.NewReplacer("*", "", "?", "7").Replace(pattern) }
