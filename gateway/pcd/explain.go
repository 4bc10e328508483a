package pcd

import (
	"fmt"
	"strconv"

	"medfleet"
)

// Explanation says of one message how it was read and what was left behind, for
// people who look into a message. It holds what the allow-list lets through,
// names and counts, never the content of what was left.
type Explanation struct {
	Type        string // MSH-9: ORU^R01
	ControlID   string // MSH-10
	Application string // MSH-3.1
	Transaction string // IHE transaction such as PCD-04; empty without one
	// Segments are all of them in their order, neighbours of one name counted.
	Segments []Count
	// Named says which field named a device.
	Named map[medfleet.DeviceID]string
	// Whole segments, rows by what they are about, and fields of the segments that
	// were read, in the order in which they came.
	LeftSegments, LeftRows, LeftFields []Count
}

// Count is a name and how often it is there.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Explain says how res came from msg. Call it before either is used again.
func (m *Mapper) Explain(res *Result, msg *Message) Explanation {
	var s sieve
	s.begin(m, msg)
	e := Explanation{
		Type: s.text(0, mshType), ControlID: s.text(0, mshControlID), Application: s.text(0, mshApplication),
		Transaction: res.reading.transaction.name(), Named: map[medfleet.DeviceID]string{},
	}
	if event := s.text(0, mshEvent); event != "" {
		e.Type += "^" + event
	}
	for i := range s.count() {
		e.Segments = run(e.Segments, s.title(i))
		e.left(&s, i)
	}
	for d := range res.reading.devices {
		v := &res.reading.devices[d]
		if by := v.namedBy(res.Sender); by != "" && v.id != "" && e.Named[v.id] == "" {
			e.Named[v.id] = by
		}
	}
	return e
}

// left counts what of a segment is left behind.
func (e *Explanation) left(s *sieve, i int) {
	kind := s.kind(i)
	if kind == segmentOther || kind == segmentPatient {
		e.LeftSegments = add(e.LeftSegments, s.title(i))
		return
	}
	if kind == segmentOBX {
		switch about := s.subject(i).kind; about {
		case rowOther:
			e.LeftRows = add(e.LeftRows, "other")
			return
		case rowMeasurement:
			e.LeftRows = add(e.LeftRows, "measurement")
			return
		}
	}
	last := ""
	s.filled(i, func(field, component int) {
		name := fieldName(kind, field, component)
		if name != last && !listed(kind, field, component) {
			e.LeftFields = add(e.LeftFields, name)
		}
		last = name
	})
}

// listed says that the allow-list names a place. Below the field only the location
// is told apart: what else stands beside a code that is read is its coding system.
// A bed and the ids of alerts are only compared, and left behind all the same.
func listed(kind segmentKind, field, component int) bool {
	for p := range allowed {
		switch place(p) {
		case pv1Bed, obrAlertID, obrAlertSpace, obrParentID, obrParent:
			continue
		}
		r := &allowed[p]
		if r.segment == kind && r.field == field && (kind != segmentPV1 || r.component == 0 || r.component == component) {
			return true
		}
	}
	return kind == segmentMSH && (field <= 2 || field == 18) // how the message is written
}

func fieldName(kind segmentKind, field, component int) string {
	name := segmentNames[kind] + "-" + strconv.Itoa(field)
	if kind == segmentPV1 && field == 3 {
		name += "." + strconv.Itoa(component)
	}
	return name
}

// run counts a name that follows itself.
func run(list []Count, name string) []Count {
	if n := len(list); n > 0 && list[n-1].Name == name {
		list[n-1].Count++
		return list
	}
	return append(list, Count{name, 1})
}

// add counts a name wherever it is.
func add(list []Count, name string) []Count {
	for i := range list {
		if list[i].Name == name {
			list[i].Count++
			return list
		}
	}
	return append(list, Count{name, 1})
}

// name is the transaction as IHE counts it.
func (t transaction) name() string {
	if t == unprofiled {
		return ""
	}
	return fmt.Sprintf("PCD-%02d", uint8(t))
}

// namedBy says which fields named a device, in the words of the configuration.
func (v *device) namedBy(sender *Sender) string {
	if sender != nil && sender.Identity != "" {
		return sender.Identity
	}
	for _, from := range trust {
		if v.names[from] == "" {
			continue
		}
		for _, n := range sourceNames {
			if n.from == from {
				return n.name
			}
		}
		return "obx18.1 of another row"
	}
	return ""
}
