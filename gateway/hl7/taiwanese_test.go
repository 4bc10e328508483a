package hl7

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A message says CNS 11643-1992 and is ASCII: nothing is copied.
func TestTaiwaneseThatIsASCIIIsReadInPlace(t *testing.T) {
	input := []byte("MSH|^~\\&|A|||||||||||||||CNS 11643-1992\rOBX|1|ST|x^y||pump 7\r")
	m, err := Parse(input)
	require.NoError(t, err)
	requireWithin(t, input, m.Raw())
	require.Equal(t, "pump 7", m.First("OBX").Field(5).String())
}

// Designations hold on: a sender may make them once, in the header.
func TestTaiwaneseDesignatedInTheHeader(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&|\x1b$)G\x1b$*HA|||||||||||||||~CNS 11643-1992\rZZZ|\x0esY\x1bN!!V>\x0f.")
	require.Equal(t, "A", m.Header().Field(3).String())
	require.Equal(t, "幫乂浦.", m.First("ZZZ").Field(1).String())
}

func TestTaiwaneseThatIsNone(t *testing.T) {
	for name, tt := range map[string]struct{ raw, want string }{
		"half a character":                 {"a\xf3", "a�"},
		"half a character, then ASCII":     {"\xf3|b", "�|b"},
		"half, then a whole one":           {"\xf3 \xd6\xbe", "� 浦"},
		"no place in the plane":            {"\xc3\xa1\xd6\xbe", "�浦"},
		"behind the last of plane 1":       {"\xfd\xcb\xfd\xcc", "籲�"},
		"behind the last of plane 2":       {"\x8e\xa2\xf2\xc4\x8e\xa2\xf2\xc5", "龘�"},
		"a radical that Big5 has not":      {"\xa7\xa1", "�"},
		"plane 3":                          {"\x8e\xa3\xa1\xa1.", "�."},
		"no plane":                         {"\x8e\xb1\xa1", "��"},
		"no plane at all":                  {"\x8e", "�"},
		"a plane and no more":              {"\x8e\xa2", "�"},
		"a plane and half a character":     {"\x8e\xa2\xa1", "��"},
		"a plane, half, then ASCII":        {"\x8e\xa2\xa1|", "��|"},
		"a byte of neither shape":          {"\x80\xa0\xff!", "���!"},
		"a pair of both halves":            {"\xf3Y", "�Y"},
		"half a character in G0":           {"\x1b$(Gs\rA", "�\rA"},
		"half a character behind SO":       {"\x1b$)G\x0es\x0fA", "�A"},
		"a blank among characters":         {"\x1b$(GsY V>\x1b(B.", "幫 浦."},
		"SO with nothing to call":          {"\x0eA\x0f", "\x0eA\x0f"},
		"SS2 with nothing to call":         {"\x1bN!!", "�N!!"},
		"SS2 and no more":                  {"\x1b$*H\x1bN", "�"},
		"SS2 before a blank":               {"\x1b$*H\x1bN !!", "� !!"},
		"SS3, of another plane":            {"\x1b$+I\x1bO!!.", "�."},
		"an escape sequence of others":     {"\x1b$)AA", "�$)AA"},
		"an escape sequence, cut short":    {"\x1b$)", "�$)"},
		"an escape character, and no more": {"\x1b", "�"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, string(appendTaiwanese(nil, []byte(tt.raw))))
		})
	}
}

// The first and the last character of each run that the two sets have in common.
func TestTheEndsOfTheTaiwaneseStretches(t *testing.T) {
	for plane, ends := range []string{
		"2121\u3000 2256↓ 2257→ 2258← 2259↖ 234e╳ 2421０ 2570ˋ 2621① 263eⅹ 2728亠 272f冫 2734勹 4221␀ 4241␡ " +
			"4421一 5322羿 5323耐 5752耆 5753耄 5754耘 6b4f鉸 6b50銬 6b51銀 6f5b鋪 6f5c鋤 7534薊 7535薦 7536虧 7640嬸 7641彞 7642懣 7736薹 " +
			"7737蟯 782c嚥 782d嚨 782e壞 7863繪 7864繳 7865羅 7866羶 7961勸 7962嚷 7d4b籲",
		"2121乂 212a囗 212b屮 214b刌 214c刉 214d匜 217c刓 217d刐 224c扥 224d攷 224e旯 2438扴 2439旰 376e笵 376f笻 3770笴 387d荶 " +
			"387e虙 3e62筊 3e63筇 3e64筄 3f69萓 3f6a莚 3f6b菃 4423殛 4424毻 554a鋡 554b錥 554c鋆 5721徼 5722徻 5723憝 5a27虤 5a28螤 " +
			"5a29螛 5b3e鋺 5b3f錓 5c69徾 5c6a懃 5d73磼 5d74磿 5d75磲 6038鍧 6039鍎 6242瞺 6243礌 6336蟣 6337蟗 642e鎟 642f鎀 6430鎍 " +
			"6437鎣 6438闒 6572瀜 6573爌 664c臕 664d舋 664e艤 6760鏒 6761鎥 6762鏧 6933瀹 6934瀪 6935灀 6961臙 6962艨 6a4a鏸 6a4b鐼 " +
			"6a4c鐊 6c51鐽 6c52鐰 7165驠 7166鬮 7167鱴 7233驨 7234鸙 7235虋 723f灪 7240爩 7241麤 7244龘",
	} {
		for end := range strings.SplitSeq(ends, " ") {
			code, err := hex.DecodeString(end[:4])
			require.NoError(t, err)
			require.Equal(t, end[4:], string(cnsRune(byte(plane+1), code[0], code[1])), end)
		}
	}
}

// A run that begins one place off would have a hanzi twice, and lack another.
func TestNoTaiwaneseHanziStandsTwice(t *testing.T) {
	seen, count := map[rune]bool{}, [2]int{}
	for plane := range count {
		for _, r := range cnsTables()[plane][cnsIndex(0x4421)*(1-plane):] {
			if r == 0 {
				continue
			}
			require.NotEqual(t, utf8.RuneError, r)
			require.False(t, seen[r], "%c", r)
			seen[r] = true
			count[plane]++
		}
	}
	require.Equal(t, [2]int{5401, 7650}, count, "of the standard")
}

// named are the signs to which glibc gives other code points than Big5 has for them:
// dashes, primes and bars of another breadth or height.
const named = "2126 2136 2137 2138 2139 213a 213b 213c 213d 216a 216b 2223 2224 2226 2242 2243 2244 2253 2254 225d 225e 243e 2440"

func TestTaiwaneseIsWhatTheCLibraryTakesItFor(t *testing.T) {
	codes, want := taiwaneseCodes(), glibc(t)
	require.Len(t, want, len(codes))
	for i, code := range codes {
		got, where := string(appendTaiwanese(nil, code)), hex.EncodeToString(code)
		switch {
		case len(code) == 2 && strings.Contains(named, hex.EncodeToString([]byte{code[0] & 0x7f, code[1] & 0x7f})):
			require.NotEqual(t, want[i], got, "%s is listed for nothing", where)
		case want[i] == "":
			require.Equal(t, "\uFFFD", got, where)
		default:
			require.Equal(t, want[i], got, where)
		}
	}
}

// taiwaneseCodes are all of plane 1, and those of plane 2 up to its last character,
// as they stand in EUC-TW.
func taiwaneseCodes() (list [][]byte) {
	for row := byte(0xa1); row < 0xff; row++ {
		for column := byte(0xa1); column < 0xff; column++ {
			list = append(list, []byte{row, column})
			if row < 0xf2 || row == 0xf2 && column <= 0xc4 {
				list = append(list, []byte{0x8e, 0xa2, row, column})
			}
		}
	}
	return list
}

// glibc has iconv decode them, one in a line; what it cannot, it leaves out.
func glibc(t *testing.T) []string {
	t.Helper()
	version, _ := exec.Command("iconv", "--version").Output()
	if !bytes.Contains(version, []byte("GLIBC")) && !bytes.Contains(version, []byte("GNU libc")) {
		t.Skip("the iconv of glibc is not installed")
	}
	command := exec.Command("iconv", "-c", "-f", "EUC-TW", "-t", "UTF-8")
	command.Stdin = bytes.NewReader(bytes.Join(taiwaneseCodes(), []byte{'\n'}))
	out, _ := command.Output() // it fails where it left something out
	if len(out) == 0 {
		t.Skip("this iconv does not read EUC-TW")
	}
	return strings.Split(string(out), "\n")
}

// Where there is no such library, this is what was compared with one.
func TestTaiwaneseIsAsItWasCompared(t *testing.T) {
	sum := sha256.New()
	for _, code := range taiwaneseCodes() {
		sum.Write(append(appendTaiwanese(nil, code), '\n'))
	}
	require.Equal(t, "76297a9d59e7a933", hex.EncodeToString(sum.Sum(nil)[:8]))
}
