package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/pcd"

	_ "unsafe" // for the control, which reaches past the filter's package
)

// Patient data must not come through, wherever it stands in what devices send: a
// gateway and a collector run as they do in a hospital, messages carry a token of
// its own in every position, and then every byte that the two have written, logged,
// served or said is searched for the tokens.
//
// What may be found is told by the filter's own table, and must have the shape
// that the table asks for.

//go:linkname unfiltered medfleet/gateway/pcd.unfiltered
var unfiltered bool

func TestNoPatientDataIsWrittenAnywhere(t *testing.T) {
	s, g, sent := infest(t, bearers())
	positions := map[string]bool{}
	for i := range g.planted {
		positions[g.planted[i].where+g.planted[i].row] = true
	}
	require.Greater(t, len(positions), 300)
	survivors, unexpected, torn := map[string]bool{}, []string{}, map[string]bool{}
	total := 0
	names := slices.Sorted(maps.Keys(s.sinks.all))
	slices.SortStableFunc(names, func(a, b string) int { // the packed ones last
		return strings.Compare(packed[:len(packed)*strings.Count(a, packed)], packed[:len(packed)*strings.Count(b, packed)])
	})
	for _, name := range names {
		total += s.sinks.all[name].Len()
		for f := range search(s.sinks.all[name].Bytes()) {
			p, why := g.allowed(name, f)
			if (strings.HasSuffix(name, packed) || f.number < 0) && torn[f.mark] {
				continue // what is left of one that may be there: a database overwrites parts of a page
			}
			if why != "" {
				unexpected = append(unexpected, fmt.Sprintf("%s: %s", name, why))
				continue
			}
			survivors[p.where], torn[f.mark] = true, true
		}
	}
	slices.Sort(unexpected)
	require.Empty(t, slices.Compact(unexpected))
	for _, where := range []string{"PV1-3.1", "OBX-18.1", "MSH-10.1", "topic device", "value of unit", "mapped: topic unit",
		"sparkplug: device that names", "sparkplug: group that places", "sparkplug: Model"} {
		require.Contains(t, slices.Collect(maps.Keys(survivors)), where, "what the table allows comes through")
	}
	t.Logf("%d tokens in %d positions, %d messages, %d dead letters; %d bytes in %d sinks searched; %d positions survive, all on the list",
		len(g.planted), len(positions), sent, s.letters(), total, len(s.sinks.all), len(survivors))
}

// TestWithoutTheFilterTheSearchFindsPatientData is the control: the same with the
// filter switched off. Each sink that says something about devices has tokens then.
// Logs and metrics never say what a message says; there the search finds a token
// that is written to them.
func TestWithoutTheFilterTheSearchFindsPatientData(t *testing.T) {
	unfiltered, sparkplugUnfiltered = true, true
	defer func() { unfiltered, sparkplugUnfiltered = false, false }()
	all := bearers()
	s, g, _ := infest(t, map[string][]string{"alert": all["alert"], "monitor": all["monitor"], "unknown": all["unknown"]})
	found, ofNodes := map[string]int{}, map[string]int{}
	for name, b := range s.sinks.all {
		for f := range search(b.Bytes()) {
			p, why := g.allowed(name, f)
			if why == "" {
				continue
			}
			found[name]++
			if strings.HasPrefix(p.where, "sparkplug: ") {
				ofNodes[name]++
			}
		}
	}
	t.Log(found, ofNodes)
	for _, name := range []string{
		"gateway/events", "gateway/telemetry", "gateway/deadletters", "collector/journal", "collector/history", "collector/state.db",
		"API", "board", "pages", "stream", "uplink", "gateway log", "collector log", "metrics",
	} {
		require.Positive(t, found[name], "nothing is found in %s", name)
	}
	for _, name := range []string{
		"gateway/events", "gateway/telemetry", "collector/journal", "collector/history", "collector/state.db", "API", "board", "pages", "stream", "uplink",
	} {
		require.Positive(t, ofNodes[name], "nothing of an edge node's is found in %s", name)
	}
}

// infest runs the system, sends everything, reads everything and stops it.
func infest(t *testing.T, bases map[string][]string) (s *system, g *garden, sent int) {
	t.Helper()
	s, g = startSystem(t), &garden{}
	var messages []string
	for _, name := range slices.Sorted(maps.Keys(bases)) {
		messages = append(messages, g.infested(bases[name])...)
	}
	if unfiltered {
		messages = append(messages, g.inNames()...)
	}
	s.sendFrames(messages)
	broken := g.broken()
	s.sendBytes(broken)
	published := append(g.published(), g.foreign()...)
	s.publish(g, published)
	nodes := g.sparkplug()
	s.sendSparkplug(nodes)
	s.settle()
	s.read()
	if unfiltered {
		s.canaries(g)
	}
	s.stop()
	s.files()
	s.unpackUplink()
	return s, g, len(messages) + len(broken) + len(published) + len(nodes)
}

// echoed is what the sender is told of its own header: its and the receiver's
// names, event, control id, mode, version and character set.
var echoed = regexp.MustCompile(`^MSH-(3|4|5|6|9|10|11|12|18)\.`)

// allowed says why a token may not be where it was found; empty if it may.
func (g *garden) allowed(sink string, f found) (p planting, why string) {
	if f.number < 0 || f.number >= len(g.planted) {
		return p, fmt.Sprintf("a token in disguise (%s of %s)", f.disguise, f.mark)
	}
	p = g.planted[f.number]
	switch {
	case p.way.marks != f.mark:
		return p, fmt.Sprintf("%s %s in disguise (%s of %s)", p.where, p.way.name, f.disguise, f.mark)
	case sink == "answers" && (echoed.MatchString(p.where) || p.segment == ""):
		return p, ""
	case g.onList(p):
		return p, ""
	}
	return p, fmt.Sprintf("%s (%s), %s, %s", p.where, p.row, p.way.name, f.disguise)
}

// onList says that the allow-list lets a token leave where it was planted, and
// that it has the shape that the list asks for.
func (g *garden) onList(p planting) bool {
	if p.segment == "MQTT" {
		shape, ok := contract[p.where]
		if strings.HasPrefix(p.where, "sparkplug: ") {
			shape, ok = sparkplugContract[p.where]
		}
		return ok && shape.MatchString(strings.NewReplacer("/", "_", "+", "_").Replace(p.text))
	}
	return slices.ContainsFunc(pcd.AllowList(), func(a pcd.Allowed) bool {
		leaves := a.Fate == "kept as text" || a.Fate == "kept as a number or a time" || a.Letter
		return leaves && a.Segment == p.segment && a.Field == p.field && a.Component == p.component &&
			(a.Rows == "" || g.rowAllows(a.Rows, p.row)) && shapeOf(a.Shape).MatchString(p.text)
	})
}

// rowAllows says that a row's value may be read: what the list calls the row, and
// what such a row is called on the wire.
func (g *garden) rowAllows(rows, refid string) bool {
	for word := range strings.SplitSeq(rows, ", ") {
		if on := rowsOnWire[word]; on != nil && on.MatchString(refid) {
			return true
		}
	}
	return false
}

var rowsOnWire = map[string]*regexp.Regexp{
	"model":         regexp.MustCompile(`^MDC_ATTR_ID_MODEL$`),
	"serial number": regexp.MustCompile(`^MDC_ID_PROD_SPEC_SERIAL$`),
	"firmware":      regexp.MustCompile(`^MDC_ID_PROD_SPEC_FW$`),
	"metric":        regexp.MustCompile(`^MDC_ATTR_VAL_BATT_CHARGE$`),
}

// shapes are what the words of the allow-list mean, said once more.
var shapes = map[string]string{
	"up to 64 bytes of letters of any script, digits, blanks and . _ - + /":                      `^[\p{L}0-9 ._+/-]{1,64}$`,
	"up to 64 letters, digits, blanks and . _ - + / : # ( ), a digit among them, not only zeros": `^[A-Za-z0-9 ._+/:#()-]{1,64}$`,
	"up to 40 letters, digits, blanks and . _ - + / ( ), beginning with a letter or digit":       `^[A-Za-z0-9][A-Za-z0-9 ._+/()-]{0,39}$`,
	"up to 32 letters, digits, blanks and . _ - / #":                                             `^[\p{L}0-9 ._/#-]{1,32}$`,
	"up to 64 letters, digits and . _ - :":                                                       `^[A-Za-z0-9._:-]{1,64}$`,
	"up to 64 digits and dots":                                                                   `^[0-9.]{1,64}$`,
	"a number":                                                                                   `^[0-9.]+$`,
}

// shapeOf gives the pattern of a shape. A shape without one here lets no token
// through: those of codes, words and times.
func shapeOf(words string) *regexp.Regexp {
	if pattern, ok := shapes[words]; ok {
		return regexp.MustCompile(pattern)
	}
	return regexp.MustCompile(`^\z.`)
}

// contract is what medfleet's own JSON lets through: two levels of the topic, and
// the texts of the schema, by shape; and what the mappings of the reference
// configuration name.
var contract = map[string]*regexp.Regexp{
	"topic site":         regexp.MustCompile(`^[\p{L}0-9 ._/#-]{1,64}$`),
	"topic device":       regexp.MustCompile(`.`), // cleaned to the letters of a device id
	"value of model":     regexp.MustCompile(`^[A-Za-z0-9 ._+/()-]{1,64}$`),
	"value of unit":      regexp.MustCompile(`^[\p{L}0-9 ._/#-]{1,64}$`),
	"mapped: topic site": regexp.MustCompile(`^[\p{L}0-9 ._/#-]{1,64}$`),
	"mapped: topic unit": regexp.MustCompile(`^[\p{L}0-9 ._/#-]{1,64}$`),
	"value of code":      regexp.MustCompile(`^[A-Za-z0-9._:^-]{1,64}$`),
}
