package hl7

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEscapes(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"none":                   {`plain`, `plain`},
		"separators":             {`a\F\b\S\c\T\d\R\e\E\f`, `a|b^c&d~e\f`},
		"truncation":             {`a\P\b`, `a#b`},
		"side by side":           {`\T\\T\`, `&&`},
		"hex":                    {`\X41\\X4243\`, `ABC`},
		"hex of a character":     {`caf\XC3A9\`, `café`},
		"hex in lower case":      {`\X0d0a\`, "\r\n"},
		"odd hex":                {`\X414\`, `\X414\`},
		"no hex":                 {`\XZZ\`, `\XZZ\`},
		"highlight":              {`a \H\loud\N\ b`, `a loud b`},
		"line breaks":            {`a\.br\b\.sp2\c\.sp 1\d\.ce\e`, "a\nb\n\nc\nd\ne"},
		"a bounded line break":   {`\.sp60000\`, strings.Repeat("\n", 16)},
		"spaces":                 {`a\.sk3\b`, "a   b"},
		"indents":                {`\.in+4\a\.ti-2\b\.fi\\.nf\`, "ab"},
		"unknown command":        {`a\.xx\b`, `a\.xx\b`},
		"local":                  {`a\Zab12\b`, `a\Zab12\b`},
		"local, then known":      {`\Zab\\T\`, `\Zab\&`},
		"charset shift":          {`\C2842\x\M244220\`, `\C2842\x\M244220\`},
		"unknown":                {`a\Q\b`, `a\Q\b`},
		"a lone one":             {`C:\alarm`, `C:\alarm`},
		"a path":                 {`C:\pump\log\today`, `C:\pump\log\today`},
		"a path, then an escape": {`C:\pump\T\log`, `C:\pump&log`},
		"at the end":             {`ends with \`, `ends with \`},
		"two":                    {`\\`, `\\`},
		"unfinished":             {`a\X41`, `a\X41`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, "MSH|^~\\&#|A\rZZZ|"+tt.raw)
			require.Equal(t, tt.want, m.First("ZZZ").Field(1).String())
			require.Equal(t, "> "+tt.want, string(m.First("ZZZ").Field(1).AppendText([]byte("> "))))
		})
	}
}

func TestEscapesAreResolvedAfterSplitting(t *testing.T) {
	v := mustParse(t, `MSH|^~\&|A`+"\r"+`ZZZ|a\S\b^c\F\d~e\R\f`).First("ZZZ").Field(1)
	require.Equal(t, "a^b", v.Component(1).String())
	require.Equal(t, "c|d", v.Component(2).String())
	require.Equal(t, "e~f", v.Repetition(2).String())
}

func TestCharacterSets(t *testing.T) {
	tests := map[string]struct{ msh18, raw, want string }{
		"empty, UTF-8":              {"", "Größe", "Größe"},
		"empty, Windows-1252":       {"", "Gr\xf6\xdfe \x80", "Größe €"},
		"ASCII, yet UTF-8":          {"ASCII", "Größe", "Größe"},
		"UTF-8":                     {"UNICODE UTF-8", "日本", "日本"},
		"UTF-8, yet not":            {"UNICODE UTF-8", "Gr\xf6\xdfe", "Größe"},
		"UNICODE":                   {"UNICODE", "Größe", "Größe"},
		"UTF-16, yet UTF-8":         {"UNICODE UTF-16", "Größe", "Größe"},
		"unknown":                   {"EBCDIC", "Gr\xf6\xdfe", "Größe"},
		"8859/1":                    {"8859/1", "S\xe3o", "São"},
		"8859/1 in hex":             {"8859/1", `S\XE3\o`, "São"},
		"empty, 1252 in hex":        {"", `S\XE3\o`, "São"},
		"8859/2":                    {"8859/2", "\xa3\xf3d\xbc", "Łódź"},
		"8859/3":                    {"8859/3", "\xa1", "Ħ"},
		"8859/4":                    {"8859/4", "\xbd", "Ŋ"},
		"8859/5":                    {"8859/5", "\xbd\xd0\xe1\xde\xe1", "Насос"},
		"8859/6":                    {"8859/6", "\xe5", "م"},
		"8859/7":                    {"8859/7", "\xc1\xe8\xde\xed\xe1", "Αθήνα"},
		"8859/8":                    {"8859/8", "\xe9\xf8", "יר"},
		"8859/9":                    {"8859/9", "\xddstanbul", "İstanbul"},
		"8859/15":                   {"8859/15", "\xa4", "€"},
		"Korean":                    {"KS X 1001", "\xc6\xdf\xc7\xc1", "펌프"},
		"GB 18030":                  {"GB 18030-2000", "\xb1\xc3", "泵"},
		"GB 18030, a bar within":    {"GB 18030-2000", "\x81|x\x81^", "亅x乛"},
		"GB 18030 in hex":           {"GB 18030-2000", `\XB1C3\`, "泵"},
		"Big5":                      {"BIG-5", "\xc0\xb0\xae\xfa", "幫浦"},
		"Big5, a backslash within":  {"BIG-5", "\xb3\x5c", "許"},
		"Japanese":                  {"ISO IR87", "\x1b$B%]%s%W\x1b(B!", "ポンプ!"},
		"Japanese as a second":      {"~ISO IR87", "\x1b$B%]%s%W\x1b(B!", "ポンプ!"},
		"the first counts":          {"8859/5~8859/1", "\xbd", "Н"},
		"blanks around":             {" 8859/5 ", "\xbd", "Н"},
		"Japanese, the supplement":  {"ISO IR159", "\x1b$(D0l\x1b(B!", "佒!"},
		"Japanese, half-width":      {"ISO IR14", "\xce\xdf\xdd\xcc\xdf", "ﾎﾟﾝﾌﾟ"},
		"half-width, escaped in":    {"ISO IR14", "\x1b(IN_\x1b(B.", "ﾎﾟ."},
		"half-width among others":   {"~ISO IR87", "\xce\xdf\x1b$B%]\x1b(B!\xa1\x80", "ﾎﾟポ!｡\uFFFD"},
		"Japanese, yet UTF-8":       {"~ISO IR87", "ポンプ", "ポンプ"},
		"8859/1, written ISO":       {"ISO-8859-1", "S\xe3o", "São"},
		"8859/2, by its number":     {"ISO_IR 101", "\xa3", "Ł"},
		"GB 18030, in short":        {"GB18030", "\xb1\xc3", "泵"},
		"Korean, as Unix has it":    {"EUC-KR", "\xc6\xdf", "펌"},
		"UTF-8 in lower case":       {"utf-8", "é", "é"},
		"Japanese, as 2.9 has it":   {"JIS X 0202", "\x1b$B%]%s%W\x1b(B!", "ポンプ!"},
		"CNS 11643":                 {"CNS 11643-1992", "\xf3\xd9\xd6\xbe!", "幫浦!"},
		"CNS 11643, plane 2":        {"CNS 11643-1992", "\x8e\xa2\xa1\xa1\x8e\xa1\xd6\xbe", "乂浦"},
		"CNS 11643, as Unix has it": {"EUC-TW", "\xf3\xd9", "幫"},
		"CNS 11643 in hex":          {"CNS 11643-1992", `\XF3D9\`, "幫"},
		"CNS 11643 behind ASCII":    {"ASCII~CNS 11643-1992", "\xf3\xd9", "幫"},
		"CNS 11643, switched":       {"~CNS 11643-1992", "\x1b$(GsYV>\x1b(B!", "幫浦!"},
		"CNS 11643, shifted":        {"~CNS 11643-1992", "\x1b$)G\x0esYV>\x0f!\x0esY\x0f", "幫浦!幫"},
		"CNS 11643, eight bits":     {"~CNS 11643-1992", "\x1b$)H\xa1\xa1", "乂"},
		"CNS 11643, plane 2 alone":  {"~CNS 11643-1992", "\x1b$*H\x1bN!!.", "乂."},
		"CNS 11643, a bar within":   {"~CNS 11643-1992", "\x1b$(G|!^\\\x1b(B!", "霾堤!"},
		"CNS 11643 behind UTF-8":    {"UNICODE UTF-8~CNS 11643-1992", "日本", "日本"},
		"CNS 11643, ASCII":          {"CNS 11643-1992", "pump", "pump"},
		"a name that goes on":       {"8859/5 and so on for ever", "Gr\xf6\xdfe", "Größe"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, `MSH|^~\&|A|||||||||||||||`+tt.msh18+"\rZZZ|1|"+tt.raw+"|3^4\rOBX|9")
			require.Equal(t, tt.want, m.First("ZZZ").Field(2).String())
			require.Equal(t, "4", m.First("ZZZ").Field(3).Component(2).String())
			require.Equal(t, "9", m.First("OBX").Field(1).String())
		})
	}
}

// A character of these sets may hold the byte of a separator, also in the fields
// before the one that names the set.
func TestACharacterSetThatItsHeaderConceals(t *testing.T) {
	for name, tt := range map[string]struct{ msh18, raw, want string }{
		"GB 18030":  {"GB 18030-2000", "\x81|\x81|", "亅亅"},
		"Big5":      {"BIG-5", "\xb3|\xa7^", "逖吾"},
		"Japanese":  {"~ISO IR87", "\x1b$B1|\x1b(B", "奥"},
		"Taiwanese": {"~CNS 11643-1992", "\x1b$(G||\x1b(B", "鹽"},
	} {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, `MSH|^~\&|`+tt.raw+`|HOSP|||||ORU^R01|`+tt.raw+`7|P|2.6||||||`+tt.msh18+"\rZZZ|1|"+tt.raw+"|x")
			require.Equal(t, tt.want, m.Header().Field(3).String())
			require.Equal(t, "ORU", m.Header().Field(9).Component(1).String())
			require.Equal(t, tt.want+"7", m.Header().Field(10).String())
			require.Equal(t, tt.want, m.First("ZZZ").Field(2).String())
			require.Equal(t, "x", m.First("ZZZ").Field(3).String())
		})
	}
	m := mustParse(t, "MSH|^~\\&|Gr\xf6\xdfe|HOSP|||||ORU^R01|7|P|2.6\rZZZ|\xe9")
	require.Equal(t, "Größe", m.Header().Field(3).String(), "one that names none")
	require.Equal(t, "é", m.First("ZZZ").Field(1).String())
}

// A sender does not go back to ASCII, or cuts a text short: the segments behind are
// whole.
func TestACharacterSetThatIsLeftOpenEndsWithItsSegment(t *testing.T) {
	for name, tt := range map[string]struct{ msh18, raw, want string }{
		"Japanese":                     {"~ISO IR87", "\x1b$B%]%s", "ポン"},
		"Japanese, half a character":   {"~ISO IR87", "\x1b$B%]%", "ポ\uFFFD"},
		"Japanese, half an escape":     {"~ISO IR87", "\x1b$B%]\x1b(", "ポ\uFFFD\uFFFD"},
		"Japanese, the supplement":     {"ISO IR159", "\x1b$(D0l", "佒"},
		"Taiwanese":                    {"~CNS 11643-1992", "\x1b$(GsYV>", "幫浦"},
		"Taiwanese, shifted":           {"~CNS 11643-1992", "\x1b$)G\x0esYV>", "幫浦"},
		"Taiwanese, half a character":  {"CNS 11643-1992", "\xf3\xd9\xd6", "幫\uFFFD"},
		"Big5, half a character":       {"BIG-5", "\xc0\xb0\xae", "幫\uFFFD"},
		"GB 18030, half a character":   {"GB 18030-2000", "\xb1\xc3\x81", "泵\uFFFD"},
		"GB 18030, half of four bytes": {"GB 18030-2000", "\xb1\xc3\x810", "泵\uFFFD0"},
		"Korean, half a character":     {"KS X 1001", "\xc6\xdf\xc7", "펌\uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, `MSH|^~\&|A|||||||||||||||`+tt.msh18+"\rPID|1|"+tt.raw+"\rOBX|9|x^y\r\nOBX|10|z")
			require.Len(t, m.Segments(), 4)
			require.Equal(t, tt.want, m.First("PID").Field(2).String())
			require.Equal(t, "y", m.Segments()[2].Field(2).Component(2).String())
			require.Equal(t, "z", m.Segments()[3].Field(2).String())
		})
	}
}

func TestNullAndEmptyDiffer(t *testing.T) {
	z := mustParse(t, "MSH|^~\\&|A\rZZZ|\"\"||\"x\"").First("ZZZ")
	require.True(t, z.Field(1).IsNull())
	require.False(t, z.Field(1).IsEmpty())
	require.True(t, z.Field(2).IsEmpty())
	require.False(t, z.Field(2).IsNull())
	require.False(t, z.Field(3).IsNull())
}

func TestNumbers(t *testing.T) {
	good := map[string]float64{
		"0": 0, "12": 12, "-0.5": -0.5, "+7": 7, ".5": .5, "5.": 5, " 87.5 ": 87.5, "32767": 32767, "00012": 12,
	}
	for in, want := range good {
		got, err := ParseNumber([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		"", " ", "----", ">100", "<5", "-?-", `""`, "NaN", "Inf", "-inf", "1e400", "1e5", "0x10", "1_000", "87,5", "1.2.3", "1-2", "12 mmHg", ".", "-",
		strings.Repeat("9", 400),
	} {
		_, err := ParseNumber([]byte(in))
		require.ErrorIs(t, err, ErrNumber, in)
		if len(in) > 3 {
			require.NotContains(t, err.Error(), in)
		}
	}
}
