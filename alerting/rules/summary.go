package rules

import (
	"cmp"
	"slices"
	"strings"

	"medfleet"
)

// part is a piece of a summary: fixed text, a word about the device, or an input.
type part struct {
	text  string
	word  string
	input int
}

// summary is a rule's sentence with its places to fill in.
type summary []part

// about is what a summary may say of a device besides its metrics.
func words() []string { return []string{"class", "device", "model", "site", "unit"} }

// parseSummary reads a sentence with {{device}}, {{unit}} and {{metric}}.
func (k *compiler) parseSummary(f *field) summary {
	var s summary
	rest, offset := f.text, 0
	for {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			s = append(s, part{text: before})
		}
		if !found {
			return s
		}
		offset += len(before)
		name, tail, closed := strings.Cut(after, "}}")
		at := f.within(1, offset)
		if !closed {
			f.src.wrong(at, "{{ without }}")
			return s
		}
		s = append(s, k.placeholder(f, at, strings.TrimSpace(name)))
		offset += len("{{") + len(name) + len("}}")
		rest = tail
	}
}

func (k *compiler) placeholder(f *field, at place, name string) part {
	if slices.Contains(words(), name) {
		return part{word: name}
	}
	if _, ok := k.class.profile.Metric(name); ok {
		return part{input: k.input(name)}
	}
	known := words()
	for _, m := range k.class.profile.Metrics {
		known = append(known, m.Name)
	}
	f.src.wrong(at, "class %s has nothing called %q to fill in%s", k.class.name, name, didYouMean(name, known))
	return part{}
}

// fill writes the sentence for a device, cut at 200 bytes.
func (s summary) fill(c *class, e *medfleet.Equipment, inputs []float64) string {
	var b strings.Builder
	for i := range s {
		switch p := &s[i]; {
		case p.text != "":
			b.WriteString(p.text)
		case p.word != "":
			b.WriteString(cmp.Or(word(p.word, e), "an unknown "+p.word))
		default:
			b.WriteString(c.write(p.input, inputs[p.input]))
		}
	}
	text := b.String()
	if len(text) > maxSummary {
		text = strings.ToValidUTF8(text[:maxSummary], "")
	}
	return text
}

func word(name string, e *medfleet.Equipment) string {
	switch name {
	case "class":
		return string(e.Class)
	case "device":
		return string(e.Device)
	case "model":
		return e.Model
	case "site":
		return e.Site
	}
	return string(e.Unit)
}
