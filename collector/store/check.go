package store

import (
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"

	"medfleet"
	"medfleet/record"
)

// maxName is the longest name of a measurement or a metric in bytes.
const maxName = 64

// Check says why a point can never be stored; ok is true when it can be. Every
// store refuses what Check refuses, so that a point which one store has taken
// never stops another. now is the store's own clock.
func (p *Point) Check(now medfleet.Millis) (refused RefusedPoint, ok bool) {
	if refused, ok = p.CheckSamples(now); !ok {
		return refused, false
	}
	if refused, ok = p.CheckTags(); !ok {
		return refused, false
	}
	for i := range p.Fields {
		if !Name(p.Fields[i].Metric) {
			return RefuseName("metric")
		}
	}
	return RefusedPoint{}, true
}

// CheckSamples is the part of Check that differs from point to point: the time
// and the values. The rest is the same as long as the series are, and a store
// that remembers its series need not look at it again.
func (p *Point) CheckSamples(now medfleet.Millis) (RefusedPoint, bool) {
	switch { // compared as times: the distance of absurd times is none
	case p.Time < now.Add(-medfleet.MaxPast):
		return refuse(TooOld, "it is more than %d days late: nothing so old is taken", int(medfleet.MaxPast.Hours()/24))
	case p.Time > now.Add(medfleet.MaxFuture):
		return refuse(InFuture, "its time is more than %v ahead of this clock: set the clock that stamped it", medfleet.MaxFuture)
	case len(p.Fields) == 0:
		return refuse(NoFields, "it measures nothing: send at least one field")
	case len(p.Fields) > record.MaxFields:
		return refuse(TooManyFields, "it has %d fields: at most %d are taken", len(p.Fields), record.MaxFields)
	}
	for i := range p.Fields {
		if v := p.Fields[i].Value; math.IsNaN(v) || math.IsInf(v, 0) {
			return refuse(NotFinite, "field %d is no finite number: leave it out", i+1)
		}
	}
	return RefusedPoint{}, true
}

// CheckTags is the part of Check that is about the measurement, the Equipment
// the Gateway and the Feed.
func (p *Point) CheckTags() (RefusedPoint, bool) {
	if !Name(p.Measurement) {
		return RefuseName("measurement")
	}
	if p.Device != "" && !p.Device.Valid() {
		return refuse(BadTag, "device: want 1 to %d letters, digits, dots, underscores, colons and hyphens", medfleet.MaxDeviceID)
	}
	if p.Equipment == (medfleet.Equipment{}) && p.Gateway == "" {
		return refuse(BadTag, "it names neither device nor gateway, class, site or unit: send at least one")
	}
	for _, tag := range [...]struct{ key, value string }{
		{"class", string(p.Class)}, {"model", p.Model}, {"site", p.Site}, {"unit", string(p.Unit)}, {"gateway", p.Gateway}, {"feed", p.Feed},
	} {
		if !tagValue(tag.value) {
			return refuse(BadTag, "%s: want at most %d bytes of printable UTF-8 without blanks at its ends and without a backslash at its end", tag.key, record.MaxTag)
		}
	}
	return RefusedPoint{}, true
}

// RefuseName refuses a point for the name of its measurement or of a metric.
func RefuseName(what string) (RefusedPoint, bool) {
	return refuse(BadName, "%s: want a lower-case letter, then lower-case letters, digits and _, at most %d", what, maxName)
}

func refuse(why Reason, format string, args ...any) (RefusedPoint, bool) {
	return RefusedPoint{Reason: why, Detail: fmt.Sprintf(format, args...)}, false
}

// Name reports whether s can name a measurement or a metric. The form is that of
// the profiles: [a-z][a-z0-9_]{0,63}.
func Name(s string) bool {
	if s == "" || len(s) > maxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// tagValue reports whether every engine gives the value of a tag back as it is.
// Empty is fine: the tag is left out then.
func tagValue(s string) bool {
	if len(s) > record.MaxTag || !utf8.ValidString(s) {
		return false
	}
	for i, r := range s {
		end := i == 0 || i+utf8.RuneLen(r) == len(s)
		if !unicode.IsPrint(r) || end && r == ' ' {
			return false
		}
	}
	return s == "" || s[len(s)-1] != '\\'
}
