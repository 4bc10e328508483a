package hl7

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesOfABatch(t *testing.T) {
	const a, b = "MSH|^~\\&|A||||||ORU^R01|1\rOBX|1\r", "MSH$%~!@$B$$$$$$ORU%R01$2\rOBX$2\r"
	tests := map[string]struct {
		input string
		ids   []string
		bad   int
	}{
		"one":                     {a, []string{"1"}, 0},
		"bare, one after another": {a + b + a, []string{"1", "2", "1"}, 0},
		"file and batch":          {"FHS|^~\\&|F\rBHS|^~\\&|B\r" + a + b + "BTS|7\rBHS|^~\\&\r" + a + "BTS\rFTS|9\r", []string{"1", "2", "1"}, 0},
		"no trailers":             {"BHS|^~\\&\n" + a + "BHS|^~\\&\n" + b, []string{"1", "2"}, 0},
		"trailers without field":  {"BHS|^~\\&\r" + a + "BTS\rFTS", []string{"1"}, 0},
		"framed in a file":        {"\x0b" + a + "\x1c\r\x0b" + b + "\x1c\r", []string{"1", "2"}, 0},
		"byte order mark":         {"\xef\xbb\xbf" + a + "\n\xef\xbb\xbf" + b, []string{"1", "2"}, 0},
		"lower case":              {"fhs|^~\\&\rmsh|^~\\&|A||||||ORU|1\robx|1\rfts|1", []string{"1"}, 0},
		"one is broken":           {a + "MSH|secret|\rOBX|1\r" + b, []string{"1", "2"}, 1},
		"text before":             {"Date: today\nFrom: x\n" + a, []string{"1"}, 1},
		"text between batches":    {"BHS|^~\\&\r" + a + "BTS|1\rOBX|1|lost\r" + "BHS|^~\\&\r" + b, []string{"1", "2"}, 1},
		"nothing":                 {"\r\n \r", nil, 0},
		"only wrapping":           {"FHS|^~\\&|F\rBHS|^~\\&|B\rBTS|0\rFTS|1\r", nil, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var ids []string
			bad := 0
			for m, err := range Messages([]byte(tt.input)) {
				if err != nil {
					bad++
					require.NotContains(t, err.Error(), "secret")
					continue
				}
				ids = append(ids, m.Header().Field(10).String())
				require.Equal(t, "OBX", m.Segments()[1].Name())
				require.Len(t, m.Segments(), 2)
			}
			require.Equal(t, tt.ids, ids)
			require.Equal(t, tt.bad, bad)
		})
	}
}

func TestMessagesStopsWhenAsked(t *testing.T) {
	n := 0
	for range Messages([]byte("MSH|^~\\&|A\rMSH|^~\\&|B\rFTS|1\rMSH|^~\\&|C\r")) {
		if n++; n == 2 {
			break
		}
	}
	require.Equal(t, 2, n)
}

func TestWhatBeginsABatch(t *testing.T) {
	for input, want := range map[string]bool{
		"FHS|^~\\&|F\rBHS|^~\\&\r":  true,
		"\r\n\xef\xbb\xbfbhs|^~\\&": true,
		"MSH|^~\\&|A\rFHS|^~\\&\r":  false,
		"FHS":                       true,
		"BTS|1\r":                   true,
		"FTS":                       true,
		"PID|1\rFTS|1\r":            false,
		"":                          false,
	} {
		require.Equal(t, want, IsBatch([]byte(input)), "%q", input)
	}
}

func TestMessagesAsTheyStand(t *testing.T) {
	const a, b = "MSH|^~\\&|A||||||ORU^R01|1\nOBX|1\n", "MSH$%~!@$B$$$$$$ORU%R01$2\r\nOBX$2"
	for name, input := range map[string]string{
		"bare":            a + b,
		"a batch":         "FHS|^~\\&|F\rBHS|^~\\&\r" + a + "\n" + b + "\rBTS|7\rFTS|9\r",
		"framed":          "\x0b" + a + "\x1c\r\x0b" + b + "\x1c\r",
		"framed, no CR":   "\x0b" + a + "\x1c\n\x0b" + b + "\r\x1c",
		"rubbish between": "\xef\xbb\xbf" + a + "\x1csecret\r\n" + b + "\r\n\r\n",
		"text before":     "Dear all,\r\n\r\n" + a + b,
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for m := range Split([]byte(input)) {
				got = append(got, string(m))
			}
			require.Equal(t, []string{a[:len(a)-1], b}, got)
		})
	}
	for range Split([]byte(a + b)) {
		break
	}
}
