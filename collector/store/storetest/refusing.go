package storetest

import (
	"math"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/store"
	"medfleet/record"
)

func refusing() []telling {
	return []telling{
		{"a bad point is refused by name and costs no other", refusedByName},
		{"what is 31 days old is refused, also in an empty store", tooOld},
		{"the future is refused and makes nothing else too old", future},
		{"a refusal quotes neither tags nor values", unquoted},
		{"strange but honest words come back", strangeWords},
	}
}

// bad is a way to spoil a good point.
type bad struct {
	name   string
	reason store.Reason
	spoil  func(*store.Point)
}

func badPoints() []bad {
	value := func(v float64) func(*store.Point) {
		return func(p *store.Point) {
			p.Fields = append(p.Fields, medfleet.Reading{Metric: "state", Value: v})
		}
	}
	return []bad{
		{"NaN", store.NotFinite, value(math.NaN())},
		{"staleness marker", store.NotFinite, value(math.Float64frombits(0x7ff0000000000002))},
		{"infinite", store.NotFinite, value(math.Inf(1))},
		{"minus infinite", store.NotFinite, value(math.Inf(-1))},
		{"31 days old", store.TooOld, func(p *store.Point) { p.Time = p.Time.Add(-31 * 24 * time.Hour) }},
		{"no time", store.TooOld, func(p *store.Point) { p.Time = 0 }},
		{"the least time", store.TooOld, func(p *store.Point) { p.Time = math.MinInt64 }},
		{"ten minutes ahead", store.InFuture, func(p *store.Point) { p.Time = p.Time.Add(10 * time.Minute) }},
		{"next year", store.InFuture, func(p *store.Point) { p.Time = p.Time.Add(365 * 24 * time.Hour) }},
		{"the greatest time", store.InFuture, func(p *store.Point) { p.Time = math.MaxInt64 }},
		{"no fields", store.NoFields, func(p *store.Point) { p.Fields = nil }},
		{"many fields", store.TooManyFields, func(p *store.Point) { p.Fields = make([]medfleet.Reading, record.MaxFields+1) }},
		{"no measurement", store.BadName, func(p *store.Point) { p.Measurement = "" }},
		{"measurement with a colon", store.BadName, func(p *store.Point) { p.Measurement = "a:b" }},
		{"metric with a blank", store.BadName, func(p *store.Point) { p.Fields[0].Metric = "battery charge" }},
		{"metric without a name", store.BadName, func(p *store.Point) { p.Fields[0].Metric = "" }},
		{"metric too long", store.BadName, func(p *store.Point) { p.Fields[0].Metric = strings.Repeat("m", 65) }},
		{"metric not UTF-8", store.BadName, func(p *store.Point) { p.Fields[0].Metric = "m\xff" }},
		{"device with a blank", store.BadTag, func(p *store.Point) { p.Device = "p 1" }},
		{"device too long", store.BadTag, func(p *store.Point) { p.Device = medfleet.DeviceID(strings.Repeat("p", 65)) }},
		{"nobody's", store.BadTag, func(p *store.Point) { p.Equipment = medfleet.Equipment{} }},
		{"model not UTF-8", store.BadTag, func(p *store.Point) { p.Model = "Alba\xff" }},
		{"model too long", store.BadTag, func(p *store.Point) { p.Model = strings.Repeat("m", record.MaxTag+1) }},
		{"unit with a newline", store.BadTag, func(p *store.Point) { p.Unit = "ICU\nadmin" }},
		{"unit with NUL", store.BadTag, func(p *store.Point) { p.Unit = "ICU\x00" }},
		{"site ends in a backslash", store.BadTag, func(p *store.Point) { p.Site = `north\` }},
		{"site ends in a blank", store.BadTag, func(p *store.Point) { p.Site = "north " }},
		{"gateway begins with a blank", store.BadTag, func(p *store.Point) { p.Gateway = " gw" }},
		{"feed ends in a blank", store.BadTag, func(p *store.Point) { p.Feed = "hl7 " }},
		{"class not UTF-8", store.BadTag, func(p *store.Point) { p.Class = "\xc0\xaf" }},
	}
}

func refusedByName(s *story) {
	for i, b := range badPoints() {
		id := medfleet.DeviceID("p" + strings.Repeat("x", i))
		p := pump(id, s.now, 99)
		b.spoil(&p)
		refused := s.refused(pump(id, s.ago(time.Minute), 1), p, pump(id, s.ago(time.Second), 2))
		require.Len(s, refused, 1, b.name)
		require.Equal(s, 1, refused[0].Index, b.name)
		require.Equal(s, b.reason, refused[0].Reason, b.name)
		require.NotEmpty(s, refused[0].Detail, b.name)
		require.Equal(s, []store.Sample{{Time: s.ago(time.Minute), Value: 1}, {Time: s.ago(time.Second), Value: 2}}, s.read(s.charge(id)), b.name)
	}
}

func tooOld(s *story) {
	ancient, fine := pump("p1", s.ago(31*24*time.Hour), 1), pump("p1", s.ago(29*24*time.Hour), 2)
	require.Equal(s, store.TooOld, s.refused(ancient)[0].Reason)
	s.write(pump("p1", s.now, 3))
	refused := s.refused(ancient, fine)
	require.Len(s, refused, 1)
	require.Equal(s, store.TooOld, refused[0].Reason)
	q := s.charge("p1")
	q.From = s.ago(40 * 24 * time.Hour)
	require.Equal(s, []store.Sample{{Time: s.ago(29 * 24 * time.Hour), Value: 2}, {Time: s.now, Value: 3}}, s.read(q))
}

func future(s *story) {
	s.refused(pump("clock", s.now.Add(365*24*time.Hour), 1))
	s.refused(pump("clock", s.now.Add(6*time.Minute), 1))
	s.write(pump("clock", s.now.Add(4*time.Minute), 1))
	s.write(pump("p1", s.ago(29*24*time.Hour), 2), pump("p1", s.now, 3))
	require.Len(s, s.read(s.charge("p1")), 2)
	q := s.charge("clock")
	q.To = s.now.Add(400 * 24 * time.Hour)
	require.Equal(s, []store.Sample{{Time: s.now.Add(4 * time.Minute), Value: 1}}, s.read(q))
}

func unquoted(s *story) {
	const secret = "SECRET-4711\n"
	p := pump("p1", s.now, 4711)
	p.Device, p.Model, p.Site, p.Unit, p.Gateway = secret, secret, secret, secret, secret
	named := pump("p1", s.now, 4711)
	named.Measurement, named.Fields[0].Metric = "secret 4711", "secret 4711"
	late := pump("p1", 4711, 4711)
	err := s.store.Write(s.Context(), []store.Point{p, named, late})
	require.Error(s, err)
	require.NotContains(s, strings.ToLower(err.Error()), "secret")
	require.NotContains(s, err.Error(), "4711")
}

func strangeWords(s *story) {
	p := pump("A.b_c:d-1", s.now, 1)
	p.Model, p.Unit, p.Site = `Perfüsor "Ünique", v=2 {a|b}.*\x`, "4. Stock, Süd=1", "聖路加 病院"
	s.write(p)
	q := s.charge("A.b_c:d-1")
	q.Unit, q.Site = p.Unit, p.Site
	require.Equal(s, []store.Sample{{Time: s.now, Value: 1}}, s.read(q))
	require.Empty(s, s.read(s.charge("Axb_c:d-1")), "a dot in an id is a dot")
	bare := pump("p1", s.now, 2)
	bare.Model, bare.Site, bare.Unit = "", "", ""
	s.write(bare)
	require.Len(s, s.read(s.charge("p1")), 1, "an empty tag is left out")
}
