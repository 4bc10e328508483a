package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var day = time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)

// wellFormed reads a picture as XML and gives its elements and texts.
func wellFormed(t require.TestingT, picture template.HTML) (elements []string, texts []string) {
	d := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, texts
		}
		require.NoError(t, err, "%s", picture)
		switch e := token.(type) {
		case xml.StartElement:
			elements = append(elements, e.Name.Local)
			for _, a := range e.Attr {
				require.NotEqual(t, "style", a.Name.Local)
				require.NotContains(t, a.Value, "NaN")
				require.NotContains(t, a.Value, "Inf")
			}
		case xml.CharData:
			texts = append(texts, string(e))
		}
	}
}

func sampleLine() Line {
	l := Line{ID: "m", Title: "battery charge", Desc: "falls", Window: Window{day, day.Add(24 * time.Hour), time.UTC}, Gap: time.Hour}
	for i := range 48 {
		l.Points = append(l.Points, Point{day.Add(time.Duration(i) * 30 * time.Minute), float64(100 - i)})
	}
	return l
}

func TestLineDrawsWhatItIsGiven(t *testing.T) {
	l := sampleLine()
	l.Marks = []Mark{{From: day.Add(6 * time.Hour), To: day.Add(8 * time.Hour), Class: "p-now", Label: "GO NOW: fails"}}
	elements, texts := wellFormed(t, l.SVG())
	require.Contains(t, texts, "battery charge")
	require.Contains(t, texts, "falls")
	require.Contains(t, texts, "GO NOW: fails")
	require.Contains(t, texts, "06:00")
	require.Contains(t, elements, "circle", "the newest value is marked")
	require.Equal(t, 1, strings.Count(string(l.SVG()), "h0"), "one unbroken line")

	t.Run("a silence breaks the line", func(t *testing.T) {
		broken := l
		broken.Points = append(append([]Point{}, l.Points[:10]...), l.Points[20:]...)
		require.Equal(t, 2, strings.Count(string(broken.SVG()), "h0"))
	})
	t.Run("what is not a number is left out", func(t *testing.T) {
		odd := l
		odd.Points = append([]Point{{day, math.NaN()}, {day, math.Inf(1)}}, l.Points...)
		require.Equal(t, l.SVG(), odd.SVG())
	})
	t.Run("nothing says so", func(t *testing.T) {
		empty := l
		empty.Points = nil
		_, texts := wellFormed(t, empty.SVG())
		require.Contains(t, texts, "nothing in this time")
	})
	t.Run("steps are level", func(t *testing.T) {
		flag := l
		flag.Steps, flag.Points = true, []Point{{day, 0}, {day.Add(time.Minute), 1}}
		require.Regexp(t, `d="M[^"]*H[\d.]+V[\d.]+"`, string(flag.SVG()))
	})
}

func TestTimeline(t *testing.T) {
	line := Timeline{ID: "s", Title: "States", Desc: "d", Window: Window{day, day.Add(10 * time.Hour), time.UTC}, Spans: []Span{
		{day.Add(-time.Hour), day.Add(5 * time.Hour), "s-in_use", "in use"},
		{day.Add(5 * time.Hour), day.Add(20 * time.Hour), "s-idle", "idle"},
		{day.Add(20 * time.Hour), day.Add(21 * time.Hour), "s-off", "outside"},
	}, Marks: []Mark{{From: day.Add(time.Hour), Class: "p-now", Label: `<script>&"`}}}
	picture := string(line.SVG())
	_, texts := wellFormed(t, line.SVG())
	require.Contains(t, texts, `<script>&"`)
	require.NotContains(t, picture, "<script")
	require.Contains(t, picture, `class="s-in_use" x="0.000%" y="12" width="50.000%"`, "cut to the window")
	require.Contains(t, picture, `class="s-idle" x="50.000%" y="12" width="50.000%"`)
	require.NotContains(t, texts, "outside")
}

func TestTicks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		from time.Time
		long time.Duration
		want string
	}{
		{"an hour", day.Add(7 * time.Minute), time.Hour, "00:10 00:20 00:30 00:40 00:50 01:00"},
		{"a day", day.Add(3 * time.Hour), 24 * time.Hour, "04:00 08:00 12:00 16:00 20:00 Wed 11"},
		{"three minutes", day, 3 * time.Minute, "00:00:00 00:00:30 00:01:00 00:01:30 00:02:00 00:02:30"},
		{"the clocks go forward", time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), 23 * time.Hour, "Sun 29 04:00 08:00 12:00 16:00 20:00"},
		{"the clocks go back", time.Date(2026, 10, 25, 0, 0, 0, 0, berlin), 24 * time.Hour, "Sun 25 04:00 08:00 12:00 16:00 20:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Window{c.from, c.from.Add(c.long), c.from.Location()}
			var got []string
			for _, k := range w.ticks(6) {
				got = append(got, k.label)
			}
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

func TestTicksStayInside(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		from := time.Unix(rapid.Int64Range(1_600_000_000, 2_000_000_000).Draw(t, "from"), 0)
		w := Window{from, from.Add(time.Duration(rapid.Int64Range(60, 8*24*3600).Draw(t, "seconds")) * time.Second), zone}
		got := w.ticks(6)
		require.LessOrEqual(t, len(got), 8)
		for i, k := range got {
			require.False(t, k.at.Before(w.From) || !k.at.Before(w.To))
			require.True(t, i == 0 || k.at.After(got[i-1].at))
		}
	})
}

func TestValueScaleHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-1e9, 1e9).Draw(t, "lo")
		hi := lo + rapid.Float64Range(0, 1e9).Draw(t, "more")
		s := valueScale(lo, hi, 4)
		require.LessOrEqual(t, s.low, lo)
		require.GreaterOrEqual(t, s.high, hi)
		require.GreaterOrEqual(t, len(s.lines()), 2)
		require.LessOrEqual(t, len(s.lines()), 8)
	})
	require.Equal(t, []float64{0, 25, 50, 75, 100}, valueScale(0, 100, 4).lines())
}

func TestThinKeepsPeaks(t *testing.T) {
	points := make([]Point, 50_000)
	for i := range points {
		points[i] = Point{day.Add(time.Duration(i) * time.Second), math.Sin(float64(i) / 500)}
	}
	points[33_333].Value, points[44_444].Value = 99, -99
	got := thin(points)
	require.LessOrEqual(t, len(got), maxPoints+2)
	require.Contains(t, got, points[33_333])
	require.Contains(t, got, points[44_444])
	require.Equal(t, points[len(points)-1], got[len(got)-1])
	for i := range got[1:] {
		require.True(t, got[i+1].At.After(got[i].At))
	}
}

func TestEvery(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Minute: 5 * time.Second, time.Hour: 15 * time.Second, 24 * time.Hour: 10 * time.Minute, 7 * 24 * time.Hour: time.Hour,
	} {
		require.Equal(t, want, Every(window, 240), "%s", window)
	}
}

// Whatever the labels and values are, the picture stays XML and no label becomes
// an element.
func FuzzLine(f *testing.F) {
	f.Add("battery", "</svg><script>alert(1)</script>", 1.5, -3.0)
	f.Add("\x00\xff", `"'&<>`, math.MaxFloat64, -math.MaxFloat64)
	f.Add("", "", math.NaN(), 0.0)
	f.Fuzz(func(t *testing.T, title, label string, a, b float64) {
		l := Line{ID: "m", Title: title, Desc: label, Window: Window{day, day.Add(time.Hour), nil},
			Points: []Point{{day, a}, {day.Add(time.Minute), b}, {day.Add(2 * time.Minute), a}},
			Format: func(v float64) string { return label + fmt.Sprint(v) },
			Marks:  []Mark{{From: day, To: day.Add(time.Minute), Class: "p-now", Label: label}}}
		elements, _ := wellFormed(t, l.SVG())
		for _, e := range elements {
			require.Contains(t, []string{"svg", "title", "desc", "line", "text", "g", "rect", "path", "circle"}, e)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	l := sampleLine()
	b.ReportAllocs()
	for b.Loop() {
		l.SVG()
	}
}
