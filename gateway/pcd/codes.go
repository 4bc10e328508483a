package pcd

import (
	"strconv"
	"strings"

	"medfleet/profiles"
)

// noNumber is a number that no profile can declare: it makes a lookup go by
// the name alone.
const noNumber = ^uint32(0)

// subjectOf says what a code stands for. A known name decides; else a known
// number does (0 is "no code yet"); else the form of the name and the
// partition of the number say at least what it is about.
func (m *Mapper) subjectOf(number uint32, refid string) subject {
	if refid != "" {
		if s, ok := m.known(noNumber, refid); ok {
			s.number, s.refid = number, refid
			return s
		}
	}
	if number != 0 {
		if s, ok := m.known(number, ""); ok {
			s.number, s.refid = number, refid
			return s
		}
	}
	return subject{kind: guessedKind(number, refid), number: number, refid: refid, unknown: aboutEquipment(number, refid)}
}

func (m *Mapper) known(number uint32, refid string) (subject, bool) {
	if t, ok := m.terms.find(number, refid); ok {
		return subject{kind: t.kind, rank: t.rank}, true
	}
	if metric, ok := m.profiles.MetricOf(number, refid); ok {
		return subject{kind: rowMetric, metric: metric}, true
	}
	if p, ok := m.profiles.ClassOf(number, refid); ok {
		return subject{kind: rowStructure, profile: p}, true
	}
	return subject{}, false
}

func guessedKind(number uint32, refid string) rowKind {
	switch {
	case level(refid) > 0:
		return rowStructure
	case strings.HasPrefix(refid, eventPrefix), partition(number) == partitionEvents:
		return rowEvent
	case partition(number) == partitionMeasurements && !private(number):
		return rowMeasurement
	}
	return rowOther
}

// aboutEquipment says that an unknown code is worth counting by name: it is an
// object or an attribute, or has a private name, and so is no measurement.
func aboutEquipment(number uint32, refid string) bool {
	return partition(number) == partitionObjects ||
		number == 0 && (strings.HasPrefix(refid, "MDC_ATTR_") || strings.HasPrefix(refid, "MDC_DEV_") || strings.HasPrefix(refid, "MDCX_"))
}

// Levels of containment: device, module, channel.
const (
	levelDevice = iota + 1
	levelModule
	levelChannel
)

// level reads the level of an object from its name, 0 if it is none.
func level(refid string) int {
	switch {
	case strings.HasSuffix(refid, "_MDS"):
		return levelDevice
	case strings.HasSuffix(refid, "_VMD"), strings.HasPrefix(refid, objectPrefix):
		return levelModule
	case strings.HasSuffix(refid, "_CHAN"):
		return levelChannel
	}
	return 0
}

const (
	eventPrefix  = "MDC_EVT_"
	objectPrefix = "MDC_MOC_"
)

// codeTable gives an event's code in our own writing: number^REFID.
type codeTable struct {
	byRefID  map[string]string
	byNumber map[uint32]string
}

func newCodeTable(set *profiles.Set) codeTable {
	t := codeTable{map[string]string{}, map[uint32]string{}}
	for _, c := range set.Conditions() {
		for _, code := range c.Codes {
			if code.RefID == "" {
				t.byNumber[code.Number] = codeText(code.Number, "")
				continue
			}
			text := codeText(code.Number, eventPrefix+code.RefID)
			t.byRefID[code.RefID] = text
			if _, ok := t.byNumber[code.Number]; !ok {
				t.byNumber[code.Number] = text
			}
		}
	}
	return t
}

// condition finds the condition an event stands for, and its code. The odd twin
// of an event's number is never known, whatever name stands beside it: both of a
// pair have the same. A number that is simply another than its name's is not
// looked at.
func (m *Mapper) condition(number uint32, refid string) (*profiles.Condition, string, bool) {
	if number == 0 {
		number = noNumber
	}
	c, ok := m.profiles.ConditionOf(number, refid)
	if !ok || oddEvent(number) && !m.misnumbered(number, refid) {
		return nil, "", false
	}
	if text, ok := m.codes.byRefID[strings.TrimPrefix(refid, eventPrefix)]; ok {
		return c, text, true
	}
	return c, m.codes.byNumber[number], true
}

// misnumbered says that a name is known and the number is no twin of its own.
func (m *Mapper) misnumbered(number uint32, refid string) bool {
	if _, ok := m.codes.byRefID[strings.TrimPrefix(refid, eventPrefix)]; !ok {
		return false
	}
	_, twin := m.codes.byNumber[number-1]
	return !twin
}

// codeText writes a code: number^REFID, or what there is of it.
func codeText(number uint32, refid string) string {
	switch {
	case number == 0 || number == noNumber:
		return refid
	case refid == "":
		return strconv.FormatUint(uint64(number), 10)
	}
	return strconv.FormatUint(uint64(number), 10) + "^" + refid
}
