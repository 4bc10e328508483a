package board

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var tokenForm = regexp.MustCompile(`--([a-z_-]+): #([0-9a-f]{6});`)

// tokens reads the colours of the light and of the dark dress.
func tokens(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	css, err := files.ReadFile("static/base.css")
	require.NoError(t, err)
	before, after, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	require.True(t, ok)
	read := func(text string) map[string]string {
		out := map[string]string{}
		for _, m := range tokenForm.FindAllStringSubmatch(text, -1) {
			out[m[1]] = m[2]
		}
		return out
	}
	return read(before), read(after)
}

// contrast is the ratio of WCAG 2.2, "contrast ratio".
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	part := func(i int) float64 {
		n, _ := strconv.ParseUint(hex[i:i+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(0) + 0.7152*part(2) + 0.0722*part(4)
}

// hue gives a colour's angle on the wheel and how saturated it is.
func hue(hex string) (angle, saturation float64) {
	part := func(i int) float64 {
		n, _ := strconv.ParseUint(hex[i:i+2], 16, 8)
		return float64(n) / 255
	}
	r, g, b := part(0), part(2), part(4)
	hi, lo := max(r, g, b), min(r, g, b)
	if hi == lo {
		return 0, 0
	}
	switch hi {
	case r:
		angle = math.Mod((g-b)/(hi-lo)+6, 6)
	case g:
		angle = (b-r)/(hi-lo) + 2
	default:
		angle = (r-g)/(hi-lo) + 4
	}
	return angle * 60, (hi - lo) / hi
}

// Text keeps 4.5 to 1 (WCAG 2.2, 1.4.3) and what marks a control 3 to 1 (1.4.11).
func TestContrast(t *testing.T) {
	light, dark := tokens(t)
	text := [][2]string{
		{"ink", "ground"}, {"ink", "panel"}, {"ink", "tile"}, {"quiet", "ground"}, {"quiet", "panel"}, {"quiet", "tile"},
		{"link", "panel"}, {"link", "tile"}, {"now-ink", "now"}, {"today-ink", "today"}, {"round-ink", "round"}, {"band-ink", "band"}, {"ink", "field"},
	}
	marks := [][2]string{
		{"now", "tile"}, {"now", "panel"}, {"today-rule", "tile"}, {"today-rule", "panel"}, {"round-rule", "panel"}, {"round-rule", "tile"},
		{"focus", "panel"}, {"focus", "tile"}, {"band", "ground"}, {"s-in_use", "tile"}, {"trace", "panel"},
	}
	for name, dress := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, pair := range text {
			require.GreaterOrEqual(t, contrast(dress[pair[0]], dress[pair[1]]), 4.5, "%s: %v", name, pair)
		}
		for _, pair := range marks {
			require.GreaterOrEqual(t, contrast(dress[pair[0]], dress[pair[1]]), 3.0, "%s: %v", name, pair)
		}
	}
}

// No colour that could be taken for a clinical alarm's: IEC 60601-1-8 gives red
// to high, yellow to medium and cyan to low priority.
func TestNoClinicalColour(t *testing.T) {
	light, dark := tokens(t)
	for name, dress := range map[string]map[string]string{"light": light, "dark": dark} {
		require.NotEmpty(t, dress)
		for token, hex := range dress {
			angle, saturation := hue(hex)
			if saturation < 0.25 {
				continue // grey
			}
			require.True(t, angle > 200 && angle < 320, "%s --%s #%s has hue %.0f", name, token, hex, angle)
		}
	}
	for _, file := range []string{"base.css", "live.css", "sheet.css"} {
		css, err := files.ReadFile("static/" + file)
		require.NoError(t, err)
		require.NotContains(t, string(css), "@keyframes", "nothing moves or flashes by itself")
		require.NotContains(t, string(css), "animation", file)
		if file != "base.css" {
			require.NotRegexp(t, `#[0-9a-f]{3,8}[;\s)]`, string(css), "%s takes its colours from base.css", file)
		}
	}
}

// The three urgencies differ without hue: by lightness of what fills them.
func TestUrgenciesDifferWithoutHue(t *testing.T) {
	light, dark := tokens(t)
	for _, dress := range []map[string]string{light, dark} {
		require.Greater(t, contrast(dress["now"], dress["today"]), 3.0)
		require.Greater(t, contrast(dress["now"], dress["tile"]), 3.0)
		require.Greater(t, contrast(dress["now"], dress["round"]), 3.0)
	}
}
