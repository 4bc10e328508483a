package ingest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"medfleet"
	"medfleet/profiles"
	"medfleet/record"
)

// checker holds lines against the schema. Its errors name what is refused, never
// a value.
type checker struct{ profiles *profiles.Set }

var (
	deviceTags  = []string{"class", "device", "model", "site", "unit"}
	eventTags   = []string{"class", "code", "condition", "device", "model", "phase", "site", "unit"}
	eventTexts  = []string{"id", "text", "priority", "kind", "gateway", "feed"}
	eventTimes  = []string{record.DeviceTimeField}
	gatewayTags = []string{"gateway", "site"}
	feedTags    = []string{"feed", "gateway", "site"}
	gapTexts    = []string{"stream", "reason", "epoch"}
	gapNumbers  = []string{"first", "last", "count", "from"}
	partTags    = []string{"device", "parent", "site", "slot"}
	partTexts   = []string{"type", "model", "gateway"}
	priorities  = []string{"", "high", "medium", "low", "none"}
	kinds       = []medfleet.Kind{"", medfleet.Technical, medfleet.Clinical, medfleet.Advisory}
	phases      = []medfleet.Phase{medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant}
)

// kind says what kind of record a line is and whether the schema allows all of
// it. Gateways may tell of themselves and of gaps; nobody else.
func (c checker) kind(l *record.Line, gateway bool) (record.Kind, error) {
	switch {
	case l.Measurement == record.EventMeasurement:
		return record.Event, c.event(l, gateway)
	case gateway && l.Measurement == record.HeartbeatMeasurement:
		return record.Heartbeat, c.own(l, gatewayTags)
	case gateway && l.Measurement == record.FeedMeasurement:
		return record.Heartbeat, errors.Join(c.own(l, feedTags), nameless(l))
	case gateway && l.Measurement == record.GapMeasurement:
		return record.Gap, gap(l)
	case gateway && l.Measurement == record.AttachmentMeasurement:
		return record.Attachment, attachment(l)
	}
	p, ok := c.profiles.Class(medfleet.Class(l.Measurement))
	if !ok {
		return 0, fmt.Errorf("measurement %s is not in the schema, which has event and %s", quoted(l.Measurement), c.classes())
	}
	return record.Observation, c.observation(p, l)
}

// own checks a line in which a gateway tells of itself or of a feed, by what is
// declared of it.
func (c checker) own(l *record.Line, allowed []string) error {
	p, ok := c.profiles.Own(medfleet.Class(l.Measurement))
	if !ok {
		return fmt.Errorf("measurement %s is not in the schema", quoted(l.Measurement))
	}
	if err := errors.Join(tags(l, allowed), once(l), place(l)); err != nil {
		return err
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		m, ok := p.Metric(f.Key)
		switch {
		case !ok || m.Derived || f.IsText:
			return fmt.Errorf("field %s is not in the schema of %s", quoted(f.Key), p.Class)
		case !m.Plausible(f.Number):
			return fmt.Errorf("field %s of %s is outside %g…%g %s", f.Key, p.Class, m.Min, m.Max, m.Unit)
		}
	}
	return nil
}

// gap checks a line in which a gateway declares a loss.
func gap(l *record.Line) error {
	if err := errors.Join(tags(l, gatewayTags), fields(l, gapTexts, gapNumbers), place(l)); err != nil {
		return err
	}
	for i := range l.Fields {
		if f := &l.Fields[i]; f.Number < 0 {
			return fmt.Errorf("field %s of %s is negative", f.Key, l.Measurement)
		}
	}
	return nil
}

func nameless(l *record.Line) error {
	if l.Tag("feed") == "" {
		return errors.New("tag feed is missing: which one is it about?")
	}
	return nil
}

func (c checker) classes() string {
	var names []string
	for _, p := range c.profiles.Classes() {
		names = append(names, string(p.Class))
	}
	return strings.Join(names, ", ")
}

func (c checker) observation(p *profiles.Profile, l *record.Line) error {
	if err := errors.Join(tags(l, deviceTags), once(l), equipment(l)); err != nil {
		return err
	}
	if class := l.Tag("class"); class != "" && class != l.Measurement {
		return fmt.Errorf("tag class says otherwise than measurement %s", quoted(l.Measurement))
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		if (f.Key == "gateway" || f.Key == "feed") && f.IsText && named(f.Text) || f.Key == record.DeviceTimeField && !f.IsText {
			continue
		}
		m, ok := p.Metric(f.Key)
		switch {
		case !ok:
			return fmt.Errorf("field %s is not in the schema of %s", quoted(f.Key), p.Class)
		case f.IsText:
			return fmt.Errorf("field %s of %s is a number; it came as text", f.Key, p.Class)
		case !m.Plausible(f.Number):
			return fmt.Errorf("field %s of %s is outside %g…%g %s", f.Key, p.Class, m.Min, m.Max, m.Unit)
		case (m.Kind == profiles.Flag || m.Kind == profiles.Enum) && f.Number != math.Trunc(f.Number):
			return fmt.Errorf("field %s of %s is a whole number", f.Key, p.Class)
		}
	}
	return nil
}

func (c checker) event(l *record.Line, gateway bool) error {
	if err := errors.Join(tags(l, eventTags), fields(l, eventTexts, eventTimes), equipment(l)); err != nil {
		return err
	}
	if _, ok := c.profiles.Class(medfleet.Class(l.Tag("class"))); !ok {
		return errors.New("tag class is missing or none that the profiles declare")
	}
	if _, ok := c.profiles.Condition(l.Tag("condition")); !ok {
		return errors.New("tag condition is missing or none that the profiles declare")
	}
	if !slices.Contains(phases, medfleet.Phase(l.Tag("phase"))) {
		return fmt.Errorf("tag phase is missing or none of %v", phases)
	}
	if !slices.Contains(priorities, l.Text("priority")) {
		return fmt.Errorf("field priority is none of %v", priorities[1:])
	}
	switch {
	case !gateway && l.Text("text") != "":
		return errors.New("field text of an event is medfleet's own words: leave it out")
	case gateway && l.Text("id") == "":
		return errors.New("field id is missing: without it an event that comes again cannot be told")
	case gateway && !slices.Contains(kinds, medfleet.Kind(l.Text("kind"))):
		return fmt.Errorf("field kind is none of %v", kinds[1:])
	}
	return nil
}

// attachment checks a line in which a gateway tells where it saw a part.
func attachment(l *record.Line) error {
	if err := errors.Join(tags(l, partTags), fields(l, partTexts, nil), equipment(l)); err != nil {
		return err
	}
	parent := medfleet.DeviceID(l.Tag("parent"))
	switch {
	case !parent.Valid():
		return errors.New("tag parent is missing or not 1 to 64 of letters, digits, dot, underscore, colon, hyphen")
	case parent == medfleet.DeviceID(l.Tag("device")):
		return errors.New("tag parent is the device itself: a part is in another device")
	}
	for _, key := range partTexts {
		if !named(l.Text(key)) {
			return fmt.Errorf("field %s of %s is not at most 64 of letters, digits, blank and . _ - : / + ^ # ( )", key, l.Measurement)
		}
	}
	return nil
}

// equipment checks the shape of the tags that name a device and its place: what
// has another shape could be anything.
func equipment(l *record.Line) error {
	if !medfleet.DeviceID(l.Tag("device")).Valid() {
		return errors.New("tag device is missing or not 1 to 64 of letters, digits, dot, underscore, colon, hyphen")
	}
	return place(l)
}

func place(l *record.Line) error {
	for _, key := range []string{"model", "site", "unit", "code", "feed", "slot"} {
		if !named(l.Tag(key)) {
			return fmt.Errorf("tag %s is not at most 64 of letters, digits, blank and . _ - : / + ^ # ( )", key)
		}
	}
	return nil
}

// once refuses a line that says one thing twice: which of the two was checked
// need not be the one that is read later.
func once(l *record.Line) error {
	for i := range l.Tags {
		for j := range i {
			if l.Tags[i].Key == l.Tags[j].Key {
				return fmt.Errorf("tag %s is there twice", quoted(l.Tags[i].Key))
			}
		}
	}
	for i := range l.Fields {
		for j := range i {
			if l.Fields[i].Key == l.Fields[j].Key {
				return fmt.Errorf("field %s is there twice", quoted(l.Fields[i].Key))
			}
		}
	}
	return nil
}

// named is the widest of the shapes that the gateways' own sieves let through:
// wards are named in the local language.
func named(s string) bool {
	n := 0
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsLetter(c) && !(c >= '0' && c <= '9') && !strings.ContainsRune(" ._-:/+^#()", c) {
			return false
		}
		n++
	}
	return n <= 64
}

func tags(l *record.Line, allowed []string) error {
	for i := range l.Tags {
		if !slices.Contains(allowed, l.Tags[i].Key) {
			return fmt.Errorf("tag %s is not in the schema of %s", quoted(l.Tags[i].Key), l.Measurement)
		}
	}
	return nil
}

func fields(l *record.Line, texts, numbers []string) error {
	for i := range l.Fields {
		f := &l.Fields[i]
		allowed := numbers
		if f.IsText {
			allowed = texts
		}
		if !slices.Contains(allowed, f.Key) {
			return fmt.Errorf("field %s is not in the schema of %s", quoted(f.Key), l.Measurement)
		}
		if f.IsText && !record.Clean(f.Text) {
			return fmt.Errorf("field %s of %s is over %d bytes or has control characters or blanks around it", f.Key, l.Measurement, record.MaxText)
		}
	}
	return once(l)
}

// quoted gives a name of the sender's for an answer to the sender.
func quoted(name string) string { return fmt.Sprintf("%.64q", name) }
