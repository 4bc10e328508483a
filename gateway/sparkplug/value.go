package sparkplug

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"medfleet/gateway/mapping"
	"medfleet/gateway/sparkplug/payload"
)

// Bounds of one message. A birth lists everything a node has.
const (
	maxPayload = 1 << 20
	maxMetrics = 10_000
	maxName    = 512
)

var (
	errPayload = errors.New("payload is not Sparkplug B: it is no protobuf message of that form (compressed payloads are not read)")
	errLarge   = fmt.Errorf("payload is larger than %d bytes: let the edge node split its metrics over several devices", maxPayload)
	errMetrics = fmt.Errorf("payload has more than %d metrics: let the edge node split them over several devices", maxMetrics)
)

// decode reads a payload. It counts the metrics before it makes room for any.
func decode(b []byte) (*payload.Payload, error) {
	if len(b) > maxPayload {
		return nil, errLarge
	}
	n := 0
	for rest := b; len(rest) > 0; {
		number, kind, size := protowire.ConsumeTag(rest)
		if size < 0 {
			return nil, errPayload
		}
		rest = rest[size:]
		if size = protowire.ConsumeFieldValue(number, kind, rest); size < 0 {
			return nil, errPayload
		}
		rest = rest[size:]
		if number == metricsField {
			n++
		}
	}
	if n > maxMetrics {
		return nil, errMetrics
	}
	p := &payload.Payload{Metrics: make([]*payload.Metric, 0, n)}
	if (proto.UnmarshalOptions{DiscardUnknown: true, Merge: true}).Unmarshal(b, p) != nil {
		return nil, errPayload
	}
	return p, nil
}

const metricsField protowire.Number = 2

// value reads a metric's value as its datatype says (Sparkplug 3.0, 6.4.16). It is
// false for a value that is none, that has a form other than its type, and for
// types that cannot be a metric of ours: times, bytes, arrays, DataSets, Templates.
func value(m *payload.Metric, datatype uint32) (mapping.Value, bool) {
	switch t := payload.DataType(datatype); t {
	case payload.DataType_Int8, payload.DataType_Int16, payload.DataType_Int32, payload.DataType_Int64,
		payload.DataType_UInt8, payload.DataType_UInt16, payload.DataType_UInt32, payload.DataType_UInt64:
		raw, ok := whole(m)
		return mapping.Value{Kind: mapping.Number, Number: integer(t, raw)}, ok
	case payload.DataType_Float:
		v, ok := m.GetValue().(*payload.Metric_FloatValue)
		return mapping.Value{Kind: mapping.Number, Number: float64(m.GetFloatValue())}, ok && v != nil
	case payload.DataType_Double:
		v, ok := m.GetValue().(*payload.Metric_DoubleValue)
		return mapping.Value{Kind: mapping.Number, Number: m.GetDoubleValue()}, ok && v != nil
	case payload.DataType_Boolean:
		v, ok := m.GetValue().(*payload.Metric_BooleanValue)
		return truth(m.GetBooleanValue()), ok && v != nil
	case payload.DataType_String, payload.DataType_Text, payload.DataType_UUID:
		v, ok := m.GetValue().(*payload.Metric_StringValue)
		return mapping.Value{Kind: mapping.Word, Text: []byte(m.GetStringValue())}, ok && v != nil
	}
	return mapping.Value{}, false
}

// datatype gives a metric's type in a birth. Where it is missing, the field tells it
// but for whole numbers: nobody knows then whether they have a sign.
func datatype(m *payload.Metric) uint32 {
	if m.Datatype != nil {
		return m.GetDatatype()
	}
	switch m.GetValue().(type) {
	case *payload.Metric_FloatValue:
		return uint32(payload.DataType_Float)
	case *payload.Metric_DoubleValue:
		return uint32(payload.DataType_Double)
	case *payload.Metric_BooleanValue:
		return uint32(payload.DataType_Boolean)
	case *payload.Metric_StringValue:
		return uint32(payload.DataType_String)
	}
	return 0
}

func truth(v bool) mapping.Value {
	t := mapping.Value{Kind: mapping.Truth}
	if v {
		t.Number = 1
	}
	return t
}

// whole gives the bits of a whole number. Senders differ in which of the two fields
// they put one of 32 bits into.
func whole(m *payload.Metric) (uint64, bool) {
	switch v := m.GetValue().(type) {
	case *payload.Metric_IntValue:
		return uint64(v.IntValue), true
	case *payload.Metric_LongValue:
		return v.LongValue, true
	}
	return 0, false
}

// integer reads two's complement in the width of the type.
func integer(t payload.DataType, raw uint64) float64 {
	switch t {
	case payload.DataType_Int8:
		return float64(int8(raw))
	case payload.DataType_Int16:
		return float64(int16(raw))
	case payload.DataType_Int32:
		return float64(int32(raw))
	case payload.DataType_Int64:
		return float64(int64(raw))
	}
	return float64(raw)
}

// Quality codes of a value (Sparkplug 3.0, 6.4.9.1): with these two it says nothing
// about now.
const (
	qualityKey   = "Quality"
	qualityBad   = 0
	qualityStale = 500
)

// unknown reports whether a metric says that it has no value that holds now.
func unknown(m *payload.Metric) bool {
	if m.GetIsNull() {
		return true
	}
	values := m.GetProperties().GetValues()
	for i, key := range m.GetProperties().GetKeys() {
		if key != qualityKey || i >= len(values) || values[i] == nil || values[i].IntValue == nil {
			continue
		}
		q := values[i].GetIntValue()
		return q == qualityBad || q == qualityStale
	}
	return false
}

// bdSeq gives the number that ties a death to its birth.
func bdSeq(p *payload.Payload) (uint64, bool) {
	for _, m := range p.GetMetrics() {
		if m.GetName() == "bdSeq" && !m.GetIsNull() {
			return whole(m)
		}
	}
	return 0, false
}
