package hl7

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	tests := map[string]struct {
		want      string
		precision Precision
	}{
		"2026":                     {"2025-12-31T23:00:00Z", Year},
		"202603":                   {"2026-02-28T23:00:00Z", Month},
		"20260124":                 {"2026-01-23T23:00:00Z", Day},
		"2026012412":               {"2026-01-24T11:00:00Z", Hour},
		"202601241247":             {"2026-01-24T11:47:00Z", Minute},
		"20260124124738":           {"2026-01-24T11:47:38Z", Second},
		"20260724124738":           {"2026-07-24T10:47:38Z", Second},
		"20260124124738.5":         {"2026-01-24T11:47:38.5Z", Fraction},
		"20260124124738,25":        {"2026-01-24T11:47:38.25Z", Fraction},
		"20260124124738.1234":      {"2026-01-24T11:47:38.1234Z", Fraction},
		"20260124124738.123456789": {"2026-01-24T11:47:38.123456789Z", Fraction},
		"20260124124738.":          {"2026-01-24T11:47:38Z", Second},
		"20260124124738+0800":      {"2026-01-24T04:47:38Z", Second},
		"20260124124738000+0800":   {"2026-01-24T04:47:38Z", Fraction},
		"20260124124738.25-0330":   {"2026-01-24T16:17:38.25Z", Fraction},
		"20150119221713- 0000":     {"2015-01-19T22:17:13Z", Second},
		" 20150119221713 +0100 ":   {"2015-01-19T21:17:13Z", Second},
		"20150119221713+01:00":     {"2015-01-19T21:17:13Z", Second},
		"20150119221713+01":        {"2015-01-19T21:17:13Z", Second},
		"20150119221713Z":          {"2015-01-19T22:17:13Z", Second},
		"201501192217+0100":        {"2015-01-19T21:17:00Z", Minute},
		"20240229":                 {"2024-02-28T23:00:00Z", Day},
		"20161231235960+0000":      {"2017-01-01T00:00:00Z", Second},
		"19700101000000+0000":      {"1970-01-01T00:00:00Z", Second},
	}
	for in, tt := range tests {
		t.Run(in, func(t *testing.T) {
			got, precision, err := ParseTime([]byte(in), berlin)
			require.NoError(t, err)
			require.Equal(t, tt.want, got.UTC().Format(time.RFC3339Nano))
			require.Equal(t, tt.precision, precision)
		})
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "2", "202", "20260", "2026012", "20261301", "20260230", "20250229", "20260132", "20260100", "2026012424", "202601241260",
		"20260124124761", "20260124124738.1234567890", "20260124124738+2500", "20260124124738+0060", "20260124124738+1", "20260124124738+",
		"20260124124738+0100x", "2026-01-24", "24.01.2026", "00000000", "0000", "Jane Doe", `""`, "20260124\x00", "2026012412.5",
	} {
		_, _, err := ParseTime([]byte(in), nil)
		require.ErrorIs(t, err, ErrTime, in)
		if len(in) > 4 {
			require.NotContains(t, err.Error(), in)
		}
	}
}

func TestTimeWithoutZone(t *testing.T) {
	got, _, err := ParseTime([]byte("20260124124738"), nil)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 24, 12, 47, 38, 0, time.UTC), got)

	beirut, err := time.LoadLocation("Asia/Beirut") // its clocks skip midnight
	require.NoError(t, err)
	got, _, err = ParseTime([]byte("20220327"), beirut)
	require.NoError(t, err)
	require.WithinDuration(t, time.Date(2022, 3, 26, 22, 0, 0, 0, time.UTC), got, time.Hour)
}

func TestAppendTimeIsReadBack(t *testing.T) {
	at := time.Date(2026, 7, 24, 12, 47, 38, 123400000, time.FixedZone("", -9*3600-1800))
	want := map[Precision]string{
		Year: "2026", Month: "202607", Day: "20260724", Hour: "2026072412-0930", Minute: "202607241247-0930",
		Second: "20260724124738-0930", Fraction: "20260724124738.1234-0930", 0: "", 99: "",
	}
	for precision, text := range want {
		require.Equal(t, text, string(AppendTime(nil, at, precision)))
		if text == "" {
			continue
		}
		got, p, err := ParseTime([]byte(text), at.Location())
		require.NoError(t, err)
		require.Equal(t, precision, p)
		require.Equal(t, text, string(AppendTime(nil, got.In(at.Location()), p)))
	}
}

func TestParseTimeDoesNotAllocate(t *testing.T) {
	in := []byte("20260124124738.25+0100")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _, _ = ParseTime(in, nil) }))
}
