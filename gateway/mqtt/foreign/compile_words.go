package foreign

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/spelling"
)

func (c *compiler) identity() {
	names := c.topic.names()
	w := &c.words
	w.device = c.from("device_from", c.DeviceFrom, names, "device", "")
	c.translated("device_from", c.DeviceFrom, func(s string) bool { return medfleet.DeviceID(s).Valid() }, "up to 64 letters, digits and . _ - :")
	c.translated("model_from", c.ModelFrom, mapping.Model, modelWords)
	c.translated("unit_from", c.UnitFrom, mapping.Place, placeWords)
	c.translated("site_from", c.SiteFrom, mapping.Place, placeWords)
	w.class = c.from("class_from", c.ClassFrom, names, "class", c.Class)
	w.model = c.from("model_from", c.ModelFrom, names, "model", c.Model)
	w.unit = c.from("unit_from", c.UnitFrom, names, "unit", c.Unit)
	w.site = c.from("site_from", c.SiteFrom, names, "site", c.Site)
	if c.Device != "" {
		var used []string
		var err error
		c.compose, used, err = parseComposed(c.Device, names)
		c.wrong("device", err)
		for _, name := range used {
			c.used[name] = true
		}
	}
	if c.Device == "" && c.DeviceFrom == nil && w.device.level < 0 {
		c.wrong("device_from", errors.New("missing: nothing says which device a message is about: name a level of the topic {device}, or the path of its serial number"))
	}
	if c.DevicePattern != "" {
		var err error
		if c.pattern, err = regexp.Compile("^(?:" + c.DevicePattern + ")$"); err != nil {
			c.wrong("device_pattern", fmt.Errorf("%q is no regular expression: %w", c.DevicePattern, err))
		}
	}
	if c.Model != "" && !mapping.Model(c.Model) {
		c.wrong("model", fmt.Errorf("%q: want %s", c.Model, modelWords))
	}
	for key, place := range map[string]string{"unit": c.Unit, "site": c.Site} {
		if place != "" && !mapping.Place(place) {
			c.wrong(key, fmt.Errorf("%q: want %s", place, placeWords))
		}
	}
	if c.Time != nil {
		var err error
		c.clock, err = c.Time.compile(c.path)
		c.wrong("time", err)
	}
}

const (
	modelWords = "up to 40 letters, digits, blanks and . _ - + / ( )"
	placeWords = "up to 32 letters, digits, blanks and . _ - / #"
)

// translated checks the right side of a table of words.
func (c *compiler) translated(key string, f *From, shaped func(string) bool, want string) {
	if f == nil {
		return
	}
	for _, sent := range slices.Sorted(maps.Keys(f.Words)) {
		if !shaped(f.Words[sent]) {
			c.wrong(key, fmt.Errorf("words: %q: want %s", f.Words[sent], want))
		}
	}
}

// from finds where a word stands. A level of the topic with the word's own name is
// taken when nothing else is said.
func (c *compiler) from(key string, f *From, names map[string]int, own, fixed string) wordUse {
	u := wordUse{level: -1, fixed: fixed}
	if level, ok := names[own]; ok {
		u.level, c.used[own] = level, true
	}
	if f == nil {
		return u
	}
	u.words = f.Words
	var err error
	switch {
	case f.Path != "":
		u.at, err = c.path(f.Path)
	case f.Topic != "":
		u.level = c.level(key, f.Topic)
	case u.level < 0 || len(f.Words) == 0:
		err = errors.New("want path, or topic with the name of a level")
	}
	c.wrong(key, err)
	return u
}

// level finds a level of the topic by its name.
func (c *compiler) level(key, name string) int {
	names := c.topic.names()
	level, ok := names[name]
	if !ok {
		c.wrong(key, fmt.Errorf("topic: %q is no named level of it%s", name, spelling.Hint(name, slices.Collect(maps.Keys(names)))))
	}
	c.used[name] = true
	return level
}

// listed is a word of an entry that has to be one of ours, by a table or as it is.
func (c *compiler) listed(key string, s *scope, f *From, ours []string) wordUse {
	u := wordUse{level: -1, words: f.Words}
	if f.Path == "" {
		c.wrong(key, errors.New("path: missing"))
		return u
	}
	u.at = c.part(key, s.add, f.Path)
	for _, sent := range slices.Sorted(maps.Keys(f.Words)) {
		if !slices.Contains(ours, f.Words[sent]) {
			c.wrong(key, fmt.Errorf("words: %q%s", f.Words[sent], spelling.Hint(f.Words[sent], ours)))
		}
	}
	if u.words == nil {
		u.words = map[string]string{}
		for _, word := range ours {
			u.words[word] = word
		}
	}
	return u
}

// unused tells of levels that are named for nothing: a mistake in a name would else
// go unseen.
func (c *compiler) unused() {
	names := c.topic.names()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !c.used[name] {
			c.wrong("topic", fmt.Errorf("{%s} is used for nothing: name it {device}, {class}, {model}, {unit} or {site}, use it in device, or write + for a level that does not matter%s",
				name, meant(name)))
		}
	}
	if len(c.Metrics)+len(c.Conditions)+len(c.Codes)+len(c.Readings)+len(c.Events) == 0 {
		c.wrong("metrics", errors.New("missing: the mapping takes nothing of its messages: name metrics, conditions, codes, readings or events"))
	}
}

func meant(name string) string {
	if near := spelling.Nearest(name, []string{"device", "class", "model", "unit", "site"}); near != "" {
		return fmt.Sprintf("; did you mean {%s}?", near)
	}
	return ""
}
