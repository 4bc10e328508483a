package hl7

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// pumpReport is a report of an infusion pump with n observations, made up.
func pumpReport(n int) []byte {
	b := NewBuilder(nil, Standard())
	b.Segment("MSH").Field("INFUGATE", "00A1B2FFFE000007", "EUI-64").Field("NORDMED")
	b.Field("medfleet").Field("").Field("20260124124738+0100").To(9).Field("ORU", "R01", "ORU_R01")
	b.Field("IG-00042").Field("P").Field("2.6").To(15).Field("AL").Field("NE")
	b.To(18).Field("UNICODE UTF-8").To(21).Field("IHE_PCD_ORU_R01", "IHE PCD", "1.3.6.1.4.1.19376.1.6.1.1.1", "ISO")
	b.Segment("PV1").Field("").Field("I").Field("ICU2", "7", "B")
	b.Segment("OBR").Field("1").To(4).Field("69135", "MDC_OBS_MEM", "MDC").To(7).Field("20260124124730+0100")
	for i := range n {
		b.Segment("OBX").Int(i+1).Field("NM").Field("67996", "MDC_ATTR_VAL_BATT_CHARGE", "MDC")
		b.Field(fmt.Sprintf("1.2.0.%d", i+1)).Field("87.5").Field("262688", "MDC_DIM_PERCENT", "MDC")
		b.To(11).Field("R")
	}
	return b.Bytes()
}

// BenchmarkParseORU reads three fields of each observation, as a receiver does that
// goes through a segment once.
func BenchmarkParseORU(b *testing.B) {
	var fields Fields
	benchmarkParseORU(b, func(s Segment) int {
		fields.Of(s)
		return len(fields.Field(3).Bytes()) + len(fields.Field(5).Bytes()) + len(fields.Field(6).Bytes())
	})
}

// BenchmarkParseORUOneByOne looks for each of the fields from the segment's start.
func BenchmarkParseORUOneByOne(b *testing.B) {
	benchmarkParseORU(b, func(s Segment) int {
		return len(s.Field(3).Bytes()) + len(s.Field(5).Bytes()) + len(s.Field(6).Bytes())
	})
}

func benchmarkParseORU(b *testing.B, read func(Segment) int) {
	input := pumpReport(24)
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	var m Message
	sum := 0
	for b.Loop() {
		if err := m.Parse(input); err != nil {
			b.Fatal(err)
		}
		for _, s := range m.Segments() {
			if s.Name() == "OBX" {
				sum += read(s)
			}
		}
	}
	if sum == 0 {
		b.Fatal("nothing read")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkParseOnly(b *testing.B) {
	input := pumpReport(24)
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(input); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkText(b *testing.B) {
	m, err := Parse([]byte("MSH|^~\\&|A\rOBX|1|ST|1||Pump \\T\\ rack S\xe3o Jos\xe9||"))
	if err != nil {
		b.Fatal(err)
	}
	v, dst := m.First("OBX").Field(5), make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		dst = v.AppendText(dst[:0])
	}
}

func BenchmarkAck(b *testing.B) {
	m, err := Parse(pumpReport(24))
	if err != nil {
		b.Fatal(err)
	}
	dst, now := make([]byte, 0, 512), time.Date(2026, 1, 24, 12, 47, 40, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = Ack(dst[:0], &m, Accepted, AckOptions{Now: now, ID: "42"})
	}
}

// BenchmarkIndexByte finds every separator and terminator of the same message one
// by one, and reads nothing: what ParseORU is to be held against on another machine.
func BenchmarkIndexByte(b *testing.B) {
	input := pumpReport(24)
	b.SetBytes(int64(len(input)))
	n := 0
	for b.Loop() {
		for rest, at := input, 0; at >= 0; rest = rest[at+1:] {
			if at = bytes.IndexByte(rest, '|'); at >= 0 {
				n++
			} else {
				break
			}
		}
		for rest, at := input, 0; at >= 0; rest = rest[at+1:] {
			if at = bytes.IndexByte(rest, '\r'); at >= 0 {
				n++
			} else {
				break
			}
		}
	}
	if n == 0 {
		b.Fatal("nothing found")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
